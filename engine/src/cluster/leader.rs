//! The leader's side: gathers the followers, relays orders to them and hears what becomes of them.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, never, select, unbounded};
use timely::communication::allocator::AllocatorBuilder;

use super::door::Arrival;
use super::hello::{Answer, Purpose, Terms};
use super::links::{Links, links};
use super::wire::{Begin, Hands, MOST, Said, Take, Told, receive, send};
use super::{BEAT, Cluster, FAREWELL, REMIND, SILENCE};
use crate::epoch::{Epoch, Launch, Order, Partition};
use crate::gauges::Gauges;
use crate::halt::Halt;
use crate::time::wall_ms;
use crate::worker::{Complete, Outlet};

/// Another process is not there any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Which.
    pub process: usize,
    /// Its address.
    pub address: String,
    /// How that was noticed.
    pub message: String,
    /// Whether it said so before, having been told to stop.
    pub asked: bool,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} at {} is gone: {}", self.process, self.address, self.message)
    }
}

/// Everybody, gathered for a round.
pub(crate) struct Crew {
    cluster: Arc<Cluster>,
    followers: Vec<(usize, TcpStream)>,
    streams: Vec<Option<TcpStream>>,
}

/// Gathers everybody, however long that takes; `None` if told to stop meanwhile. `tell` is told who is waited for.
pub(crate) fn lead(cluster: &Arc<Cluster>, terms: &Terms, stop: &AtomicBool, tell: impl Fn(&[String])) -> Option<Crew> {
    let mut here: BTreeMap<usize, TcpStream> = BTreeMap::new();
    let mut reminded: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        let missing = (1..cluster.processes()).filter(|process| !here.contains_key(process));
        let missing: Vec<String> = missing.map(|process| format!("{process} at {}", cluster.address(process))).collect();
        tell(&missing);
        if missing.is_empty() {
            match begin(cluster, terms, &mut here) {
                Ok(crew) => return Some(crew),
                Err(error) => tracing::warn!(%error, "the processes could not be connected; gathering them anew"),
            }
            here.clear();
            continue;
        }
        if reminded.is_none_or(|at| at.elapsed() > REMIND) {
            tracing::info!("waiting for process {}", missing.join(", "));
            reminded = Some(Instant::now());
        }
        // Who comes twice has begun anew.
        here.extend(admit(cluster, terms));
        here.retain(|_, stream| is_open(stream) && Answer::Wait.say(stream).is_ok());
    }
    None
}

/// Waits a moment for somebody who wants to follow, and may.
fn admit(cluster: &Cluster, terms: &Terms) -> Option<(usize, TcpStream)> {
    let Arrival { hello, mut stream } = cluster.door.wait(BEAT / 2)?;
    if hello.purpose != Purpose::Follow || !(1..cluster.processes()).contains(&hello.process) {
        return None;
    }
    match terms.refuse(&hello.terms) {
        Some(refusal) => {
            tracing::warn!(process = hello.process, "refused: {refusal}");
            let _ = Answer::Refused { message: refusal.message, hint: refusal.hint }.say(&mut stream);
            None
        }
        None => Some((hello.process, stream)),
    }
}

/// Tells those who have not heard it yet that all is done. Who is not there, and does not come for a while, is not waited for:
/// it has most likely heard it from a leader before this one.
pub(crate) fn dismiss(cluster: &Cluster, terms: &Terms, stop: &AtomicBool) {
    let began = Instant::now();
    while began.elapsed() < FAREWELL && !stop.load(Ordering::Relaxed) {
        if (1..cluster.processes()).all(|process| cluster.has_parted(process)) {
            return;
        }
        if let Some((process, mut stream)) = admit(cluster, terms)
            && Answer::Finished.say(&mut stream).is_ok()
        {
            cluster.part(process);
        }
    }
}

/// Whether the other end has not hung up.
fn is_open(stream: &TcpStream) -> bool {
    let looked = stream.set_nonblocking(true).and_then(|()| stream.peek(&mut [0]));
    let open = matches!(looked, Err(ref error) if error.kind() == io::ErrorKind::WouldBlock);
    stream.set_nonblocking(false).is_ok() && open
}

/// Begins a round with everybody who is here.
fn begin(cluster: &Arc<Cluster>, terms: &Terms, here: &mut BTreeMap<usize, TcpStream>) -> io::Result<Crew> {
    let round = wall_ms();
    here.values_mut().try_for_each(|stream| Answer::Begin { round }.say(stream))?;
    let streams = cluster.link(terms, round)?;
    Ok(Crew { cluster: Arc::clone(cluster), followers: std::mem::take(here).into_iter().collect(), streams })
}

/// A round, from the leader's side.
pub(crate) struct Round {
    controls: Vec<TcpStream>,
    ears: Vec<JoinHandle<()>>,
    relays: Vec<JoinHandle<()>>,
    ends: Vec<Sender<bool>>,
    broken: Arc<AtomicBool>,
    asked: Receiver<Loss>,
    links: Arc<Links>,
}

impl Round {
    /// Begins one: where the workers come from, and where orders to the followers go.
    pub(crate) fn begin(
        crew: Crew,
        workers: usize,
        broken: &Arc<AtomicBool>,
        complete: &Sender<Complete>,
        halt: &Halt,
        gauges: Option<&Arc<Gauges>>,
    ) -> io::Result<(Vec<AllocatorBuilder>, Self, Vec<Outlet>)> {
        let Crew { cluster, followers, streams } = crew;
        let (builders, links) = links(streams, 0, workers)?;
        let (asks, asked) = unbounded();
        let links = Arc::new(links);
        let (mut controls, mut ears, mut relays) = (Vec::new(), Vec::new(), Vec::new());
        let (mut ends, mut outlets) = (Vec::new(), Vec::new());
        for (process, stream) in followers {
            stream.set_read_timeout(Some(SILENCE))?;
            let loss = Loss { process, address: cluster.address(process).to_owned(), message: String::new(), asked: false };
            let (hears, complete, halt, asks) = (stream.try_clone()?, Some(complete.clone()), halt.clone(), asks.clone());
            let ear = Ear { stream: hears, complete, halt, asks, loss, cluster: Arc::clone(&cluster), gauges: gauges.cloned() };
            ears.push(thread::Builder::new().name(format!("follower-{process}")).spawn(move || ear.listen())?);
            controls.push(stream.try_clone()?);
            let (order, orders) = unbounded();
            let (end, over) = bounded(1);
            let hands = Hands { process, workers, peers: workers * cluster.processes() };
            let relay = Relay { stream, orders, over, hands, told: Arc::default(), sent: 0, links: Arc::clone(&links) };
            let relay = thread::Builder::new().name(format!("relay-{process}")).spawn(move || relay.run())?;
            outlets.push((order, relay.thread().clone()));
            relays.push(relay);
            ends.push(end);
        }
        Ok((builders, Self { controls, ears, relays, ends, broken: Arc::clone(broken), asked, links }, outlets))
    }

    /// Ends it for everybody as things are.
    pub(crate) fn abort(&self) {
        self.broken.store(true, Ordering::Relaxed);
        self.links.end();
        self.controls.iter().for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    }

    /// Ends it once everybody has left; tells who asked for that.
    pub(crate) fn close(mut self, finished: bool) -> Option<Loss> {
        self.links.end();
        // Who has been hung up on has ended already.
        self.ends.iter().for_each(|end| end.send(finished).unwrap_or_default());
        self.relays.drain(..).chain(self.ears.drain(..)).for_each(|thread| drop(thread.join()));
        tracing::info!(link_bytes = self.links.sent(), "the round is over");
        self.asked.try_recv().ok()
    }
}

/// Hears one follower.
struct Ear {
    stream: TcpStream,
    /// Held as long as its workers are there.
    complete: Option<Sender<Complete>>,
    halt: Halt,
    asks: Sender<Loss>,
    loss: Loss,
    cluster: Arc<Cluster>,
    /// Where what its workers hold is told.
    gauges: Option<Arc<Gauges>>,
}

impl Ear {
    fn listen(mut self) {
        loop {
            match receive::<_, MOST>(&mut self.stream).map(|(said, _)| said) {
                Ok(Said::Beat(mut shares)) => {
                    self.gauges.iter().for_each(|gauges| gauges.change(|figures| figures.shares.append(&mut shares)));
                }
                Ok(Said::Left) => self.complete = None,
                Ok(Said::Parted) => return self.cluster.part(self.loss.process),
                Ok(Said::Failed(failure)) => return self.complete(Complete::Failed(failure)),
                Ok(Said::Leaving) => {
                    let _ = self.asks.send(Loss { message: "it was told to stop".to_owned(), asked: true, ..self.loss.clone() });
                    self.halt.end();
                }
                Err(error) => {
                    let message = match error.kind() {
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("nothing was heard of it for {SILENCE:?}"),
                        io::ErrorKind::UnexpectedEof => "the connection was closed".to_owned(),
                        _ => error.to_string(),
                    };
                    return self.complete(Complete::Lost(Loss { message, ..self.loss.clone() }));
                }
            }
        }
    }

    /// Tells the committer, unless all is over for its workers.
    fn complete(&mut self, complete: Complete) {
        let _ = self.complete.take().map(|to| to.send(complete));
    }
}

/// Tells one follower what its workers are told.
struct Relay {
    stream: TcpStream,
    orders: Receiver<Order>,
    over: Receiver<bool>,
    hands: Hands,
    /// The partitions it knows.
    told: Arc<Vec<Partition>>,
    sent: u64,
    links: Arc<Links>,
}

impl Relay {
    fn run(mut self) {
        if self.tell_all().is_err() {
            // Who is hung up on is lost, and that is heard.
            let _ = self.stream.shutdown(Shutdown::Both);
        }
        tracing::info!(process = self.hands.process, relay_bytes = self.sent, "orders to a follower ended");
    }

    fn tell_all(&mut self) -> io::Result<()> {
        loop {
            let order = select! {
                recv(self.orders) -> order => order.ok(),
                recv(self.over) -> finished => return finished.map_or(Ok(()), |finished| self.tell(&Told::Over { finished }, &[])),
                default(BEAT) => {
                    if self.links.is_broken() {
                        return Err(io::ErrorKind::NotConnected.into());
                    }
                    self.tell(&Told::Beat, &[])?;
                    continue;
                }
            };
            match order {
                // The pump has ended.
                None => self.orders = never(),
                Some(Order::Take(epoch)) => self.take(&epoch)?,
                Some(Order::Begin(launch)) => self.tell(&Told::Begin(begin_of(&launch)), &[])?,
                Some(Order::End(departure)) => self.tell(&Told::End(departure), &[])?,
                Some(Order::Finish) => self.tell(&Told::Finish, &[])?,
                Some(Order::Stop) => self.tell(&Told::Stop, &[])?,
            }
        }
    }

    fn take(&mut self, epoch: &Epoch) -> io::Result<()> {
        let others = !Arc::ptr_eq(&self.told, &epoch.partitions);
        let (take, bytes) = Take::of(epoch, self.hands, others);
        self.told = Arc::clone(&epoch.partitions);
        self.tell(&Told::Take(take), &bytes)
    }

    fn tell(&mut self, told: &Told, bytes: &[u8]) -> io::Result<()> {
        self.sent += send(&mut self.stream, told, bytes)? as u64;
        Ok(())
    }
}

fn begin_of(launch: &Launch) -> Begin {
    let Launch { job, definition, sources, at, born, tell_final, .. } = launch;
    let (file, text, sources) = (definition.file.clone(), definition.text.clone(), sources.to_vec());
    Begin { job: job.clone(), file, text, sources, at: *at, born: *born, tell_final: *tell_final }
}
