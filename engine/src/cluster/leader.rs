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

use super::hello::{Answer, Purpose, Terms};
use super::links::{Links, links};
use super::wire::{Begin, Hands, MOST, Said, Take, Told, receive, send};
use super::{BEAT, Cluster, REMIND, SILENCE};
use crate::epoch::{Epoch, Launch, Order, Partition};
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

/// Gathers everybody, however long that takes; `None` if told to stop meanwhile.
pub(crate) fn lead(cluster: &Arc<Cluster>, terms: &Terms, stop: &AtomicBool) -> Option<Crew> {
    let mut here: BTreeMap<usize, TcpStream> = BTreeMap::new();
    let mut reminded: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        let missing: Vec<usize> = (1..cluster.processes()).filter(|process| !here.contains_key(process)).collect();
        if missing.is_empty() {
            match begin(cluster, terms, &mut here) {
                Ok(crew) => return Some(crew),
                Err(error) => tracing::warn!(%error, "the processes could not be connected; gathering them anew"),
            }
            here.clear();
            continue;
        }
        if reminded.is_none_or(|at| at.elapsed() > REMIND) {
            let who: Vec<String> = missing.iter().map(|process| format!("{process} at {}", cluster.address(*process))).collect();
            tracing::info!("waiting for process {}", who.join(", "));
            reminded = Some(Instant::now());
        }
        if let Some(arrival) = cluster.door.wait(BEAT / 2) {
            let (process, mut stream) = (arrival.hello.process, arrival.stream);
            if arrival.hello.purpose != Purpose::Follow || !(1..cluster.processes()).contains(&process) {
                continue;
            }
            if let Some(refusal) = terms.refuse(&arrival.hello.terms) {
                tracing::warn!(process, "refused: {refusal}");
                let _ = Answer::Refused { message: refusal.message, hint: refusal.hint }.say(&mut stream);
                continue;
            }
            // Who comes twice has begun anew.
            here.insert(process, stream);
        }
        here.retain(|_, stream| is_open(stream) && Answer::Wait.say(stream).is_ok());
    }
    None
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
    ) -> io::Result<(Vec<AllocatorBuilder>, Self, Vec<Outlet>)> {
        let Crew { cluster, followers, streams } = crew;
        let (builders, links) = links(streams, 0, workers)?;
        let (asks, asked) = unbounded();
        let links = Arc::new(links);
        let (mut controls, mut relays, mut ends, mut outlets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (process, stream) in followers {
            stream.set_read_timeout(Some(SILENCE))?;
            let loss = Loss { process, address: cluster.address(process).to_owned(), message: String::new(), asked: false };
            let ear = Ear { stream: stream.try_clone()?, complete: complete.clone(), halt: halt.clone(), asks: asks.clone(), loss };
            thread::Builder::new().name(format!("follower-{process}")).spawn(move || ear.listen())?;
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
        Ok((builders, Self { controls, relays, ends, broken: Arc::clone(broken), asked, links }, outlets))
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
        self.relays.drain(..).for_each(|relay| drop(relay.join()));
        tracing::info!(link_bytes = self.links.sent(), "the round is over");
        self.asked.try_recv().ok()
    }
}

/// Hears one follower.
struct Ear {
    stream: TcpStream,
    complete: Sender<Complete>,
    halt: Halt,
    asks: Sender<Loss>,
    loss: Loss,
}

impl Ear {
    fn listen(mut self) {
        loop {
            match receive(&mut self.stream, MOST).map(|(said, _)| said) {
                Ok(Said::Beat) => {}
                Ok(Said::Left) => return,
                Ok(Said::Failed(failure)) => return drop(self.complete.send(Complete::Failed(failure))),
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
                    return drop(self.complete.send(Complete::Lost(Loss { message, ..self.loss })));
                }
            }
        }
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
