//! A follower: does with its workers what the leader says, round after round, until all is done.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};

use super::hello::{Answer, Purpose, Terms};
use super::links::{Links, links};
use super::wire::{Begin, MOST, Said, Told, receive, send};
use super::{AGAIN, BEAT, Cluster, ClusterError, REMIND, SILENCE};
use crate::epoch::{Launch, Order};
use crate::flow::{Job, Limits};
use crate::gauges::Gauges;
use crate::run::RunError;
use crate::server::{Definition, Host, Idle, Prepared, Work};
use crate::settings::Settings;
use crate::transport::TransportError;
use crate::worker::{Charge, Complete, Failure, Workers};

/// How soon it is noticed that the process is to stop.
const HEED: Duration = Duration::from_millis(100);

/// A process that does what process 0 says. It reads and writes nothing itself.
pub struct Follower {
    /// What all processes build at once.
    pub job: Arc<dyn Job>,
    /// The job's or server's name.
    pub name: String,
    /// Hash of its definition.
    pub definition: String,
    /// Names of its sources.
    pub sources: Vec<String>,
    /// Who knows what definitions mean, where this is a server's.
    pub host: Option<Arc<dyn Host>>,
    /// The limits, with the cluster.
    pub settings: Settings,
    /// Set it to stop the process: what is under way is committed first.
    pub stop: Arc<AtomicBool>,
}

/// How a round ended.
enum Ended {
    /// All is done.
    Finished,
    /// The leader begins another, or will be started again.
    Over,
}

impl Follower {
    /// One of a server of this name: its jobs come with what it is told. All servers have the same limits of their own.
    pub fn of_server(name: String, definition: String, host: Arc<dyn Host>, settings: Settings, stop: Arc<AtomicBool>) -> Self {
        let settings = Settings { lateness_ms: 0, max_skew_ms: 0, memory_ms: 0, ..settings };
        Self { job: Arc::new(Idle), name, definition, sources: Vec::new(), host: Some(host), settings, stop }
    }

    /// Follows until all is done, or until told to stop.
    ///
    /// # Errors
    /// The leader does not take this process: it is of another build, or was started for something else.
    pub fn run(&self) -> Result<(), RunError> {
        let Some(cluster) = self.settings.cluster.clone() else { return Ok(()) };
        let terms = cluster.terms(&self.name, &self.definition, self.settings.workers);
        while let Some((stream, round)) = cluster.enlist(&terms, &self.stop)? {
            let ended = self.follow(&cluster, &terms, stream, round);
            match ended {
                Ok(Ended::Finished) => return Ok(()),
                Ok(Ended::Over) => tracing::info!("the round is over"),
                Err(error) => tracing::warn!(%error, "the leader is gone, or has lost somebody; waiting for what it says"),
            }
        }
        Ok(())
    }

    /// One round.
    fn follow(&self, cluster: &Cluster, terms: &Terms, mut stream: TcpStream, round: u64) -> io::Result<Ended> {
        let streams = cluster.link(terms, round)?;
        let workers = self.settings.workers;
        let (builders, links) = links(streams, cluster.process, workers)?;
        let links = Arc::new(links);
        let charge = self.charge();
        let broken = Arc::clone(&charge.broken);
        let (complete, completed) = unbounded();
        let started = Workers::start(&charge, workers, None, &complete, builders).map_err(io::Error::other)?;
        drop(complete);
        let (say, says) = unbounded();
        let (round, over) = bounded::<()>(0);
        stream.set_read_timeout(Some(SILENCE))?;
        let mouth = Mouth {
            stream: stream.try_clone()?,
            completed,
            says,
            over,
            gauges: charge.gauges.clone(),
            links: Arc::clone(&links),
            stop: Arc::clone(&self.stop),
            broken: Arc::clone(&broken),
        };
        let mouth = thread::Builder::new().name("mouth".into()).spawn(move || mouth.speak())?;
        tracing::info!(process = cluster.process, "following");
        let ended = self.obey(&mut stream, &started, &say);
        broken.store(true, Ordering::Relaxed);
        links.end();
        // A worker that panicked has said so.
        drop(started.join());
        drop(round);
        let _ = mouth.join();
        if matches!(ended, Ok(Ended::Finished)) {
            let _ = send(&mut stream, &Said::Parted, &[]);
        }
        let _ = stream.shutdown(Shutdown::Both);
        ended
    }

    /// Passes on what the leader says.
    fn obey(&self, stream: &mut TcpStream, workers: &Workers, say: &Sender<Failure>) -> io::Result<Ended> {
        let mut partitions = Arc::default();
        loop {
            let (told, bytes) = receive::<_, MOST>(stream)?;
            match told {
                Told::Beat => {}
                Told::Take(take) => workers.tell(&Order::Take(Arc::new(take.into_epoch(bytes, &mut partitions)))),
                Told::Begin(begin) => match self.launch(begin) {
                    Ok(launch) => workers.tell(&Order::Begin(Arc::new(launch))),
                    Err(failure) => drop(say.send(failure)),
                },
                Told::End(departure) => workers.tell(&Order::End(departure)),
                Told::Finish => workers.tell(&Order::Finish),
                Told::Stop => workers.tell(&Order::Stop),
                Told::Over { finished } => return Ok(if finished { Ended::Finished } else { Ended::Over }),
            }
        }
    }

    /// Plans a job anew.
    fn launch(&self, begin: Begin) -> Result<Launch, Failure> {
        let Begin { job, file, text, sources, at, born, tell_final } = begin;
        let prepared = self.host.as_ref().map(|host| host.prepare(&file, &text));
        match prepared {
            Some(Ok(Prepared { work: Work::Parts(program), .. })) => {
                let definition = Arc::new(Definition { file, text });
                Ok(Launch { job, program, definition, sources: Arc::new(sources), at, born, tell_final })
            }
            Some(Err(problems)) => Err(Failure { message: format!("a follower cannot plan it: {problems}"), part: None, jobs: vec![job] }),
            Some(Ok(_)) | None => Err(Failure { message: "a job began where none can".to_owned(), part: None, jobs: vec![job] }),
        }
    }

    fn charge(&self) -> Charge {
        let Settings { lateness_ms, max_skew_ms, memory_ms, .. } = self.settings;
        Charge {
            job: Arc::clone(&self.job),
            name: self.name.clone(),
            sources: self.sources.clone(),
            limits: Limits { lateness_ms, max_skew_ms, memory_ms },
            // By what is measured for them it is known which part panicked.
            gauges: self.host.is_some().then(|| Arc::new(Gauges::default())),
            broken: Arc::default(),
            takeover: None,
            ahead: None,
        }
    }
}

impl Cluster {
    /// Waits until the leader begins a round with this process; `None` if all is done, or if told to stop meanwhile.
    fn enlist(&self, terms: &Terms, stop: &AtomicBool) -> Result<Option<(TcpStream, u64)>, RunError> {
        let mut reminded: Option<Instant> = None;
        while !stop.load(Ordering::Relaxed) {
            if reminded.is_none_or(|at| at.elapsed() > REMIND) {
                tracing::info!("waiting for process 0 at {}", self.address(0));
                reminded = Some(Instant::now());
            }
            let answer = self.knock(terms, 0, Purpose::Follow, Instant::now()).and_then(|stream| answer(stream, stop));
            match answer {
                Ok(Some((stream, Answer::Begin { round }))) => return Ok(Some((stream, round))),
                Ok(Some((_, Answer::Finished))) => return Ok(None),
                Ok(Some((_, Answer::Refused { message, hint }))) => return Err(ClusterError { message, hint }.into()),
                Ok(_) => {}
                Err(error) => {
                    tracing::debug!(%error, "process 0 cannot be reached yet");
                    thread::sleep(AGAIN);
                }
            }
        }
        Ok(None)
    }
}

/// What the leader answers in the end; `None` if told to stop meanwhile.
fn answer(mut stream: TcpStream, stop: &AtomicBool) -> io::Result<Option<(TcpStream, Answer)>> {
    let mut heard = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        stream.set_read_timeout(Some(HEED))?;
        match stream.peek(&mut [0]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {
                stream.set_read_timeout(Some(SILENCE))?;
                match Answer::hear(&mut stream)? {
                    Answer::Wait => heard = Instant::now(),
                    answer => return Ok(Some((stream, answer))),
                }
            }
            Err(error) if !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Err(error),
            Err(_) if heard.elapsed() > SILENCE => return Err(io::ErrorKind::TimedOut.into()),
            Err(_) => {}
        }
    }
    Ok(None)
}

/// Tells the leader what becomes of the workers here.
struct Mouth {
    stream: TcpStream,
    completed: Receiver<Complete>,
    /// What failed beside the workers.
    says: Receiver<Failure>,
    /// Closed when the round is over.
    over: Receiver<()>,
    /// Where the workers tell what they hold.
    gauges: Option<Arc<Gauges>>,
    links: Arc<Links>,
    stop: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
}

impl Mouth {
    fn speak(mut self) {
        if self.say_all().is_err() {
            // Without a leader nobody need be waited for, and whoever reads from it learns that it is gone.
            self.broken.store(true, Ordering::Relaxed);
            let _ = self.stream.shutdown(Shutdown::Both);
        }
    }

    fn say_all(&mut self) -> io::Result<()> {
        let (mut beaten, mut leaving, mut left) = (Instant::now(), false, false);
        loop {
            match self.completed.recv_timeout(HEED) {
                Ok(Complete::Failed(failure)) => self.say(&Said::Failed(failure))?,
                // Worker 0 is the leader's.
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if left => {
                    // Nobody is left to be heard; it is only waited until the leader ends the round.
                    if self.over.recv_timeout(HEED) == Err(RecvTimeoutError::Disconnected) {
                        return Ok(());
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    left = true;
                    self.links.end();
                    if !self.broken.load(Ordering::Relaxed) {
                        self.say(&Said::Left)?;
                    }
                }
            }
            for failure in self.says.try_iter() {
                send(&mut self.stream, &Said::Failed(failure), &[])?;
            }
            if self.stop.load(Ordering::Relaxed) && !leaving {
                leaving = true;
                self.say(&Said::Leaving)?;
            }
            if self.links.is_broken() {
                return Err(io::ErrorKind::NotConnected.into());
            }
            if beaten.elapsed() > BEAT {
                beaten = Instant::now();
                let shares = self.gauges.as_ref().map(|gauges| gauges.shares()).unwrap_or_default();
                self.say(&Said::Beat(shares))?;
            }
        }
    }

    fn say(&mut self, said: &Said) -> io::Result<()> {
        send(&mut self.stream, said, &[]).map(drop)
    }
}

impl From<ClusterError> for TransportError {
    fn from(error: ClusterError) -> Self {
        Self::lasting(error.message).hint(error.hint)
    }
}

impl From<ClusterError> for RunError {
    fn from(error: ClusterError) -> Self {
        Self::Transport(error.into())
    }
}
