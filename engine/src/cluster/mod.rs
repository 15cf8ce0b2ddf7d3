//! More than one process: the workers of all make one dataflow, on timely's own cluster runtime.
//!
//! ```text
//! process 0, the leader                                        process 1, 2, …: followers
//! pump ─orders─┬─▶ its workers ─┐                              ┌─▶ workers
//!              └─▶ relay ───────┼────── a connection ──────▶ follower
//! committer ◀── worker 0 ◀──────┴──── links, timely's own ─────┘
//! ```
//!
//! The leader alone reads, commits and answers. What it tells its own workers it tells those of the followers, in the same
//! order: of an epoch the records that they are to decode, of a job its definition, which they plan again. What workers make
//! flows through the dataflow to worker 0, as it does in one process.
//!
//! A *round* is the life of one dataflow. Whoever loses anybody hangs up, by which the round ends for all; the leader gathers
//! everybody anew and goes on from the progress record. That it is the only one is not seen to here: it becomes the one
//! writer of the outputs as any other process does (`engine/src/recovery.rs`).
//!
//! What goes between processes is neither encrypted nor authenticated: it belongs on a private network.

mod budget;
mod door;
mod follower;
mod hello;
mod hosts;
mod leader;
mod links;
mod wire;

use std::collections::BTreeSet;
use std::io;
use std::net::TcpStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub(crate) use self::budget::Budget;
use self::door::Door;
pub use self::follower::Follower;
pub(crate) use self::hello::Terms;
use self::hello::{Hello, Purpose};
pub use self::hosts::Hosts;
pub use self::leader::Loss;
pub(crate) use self::leader::{Crew, Round, dismiss, lead};

/// How often whoever has nothing to say says so.
const BEAT: Duration = Duration::from_secs(1);
/// Who has said nothing for so long is lost.
const SILENCE: Duration = Duration::from_secs(10);
/// How long it may take to connect everybody with everybody.
const LINKING: Duration = Duration::from_secs(10);
/// How long it takes before it is tried again to reach somebody.
const AGAIN: Duration = Duration::from_millis(200);
/// How long a follower may take to come once all is done.
const FAREWELL: Duration = Duration::from_secs(10);
/// How often it is said that somebody is waited for.
const REMIND: Duration = Duration::from_secs(30);

/// The processes cannot work together as they were started.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct ClusterError {
    /// What is wrong: short, lower case, no full stop.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl ClusterError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// The processes that share the work, as one of them sees it.
#[derive(Debug)]
pub struct Cluster {
    hosts: Hosts,
    process: usize,
    agreed: String,
    door: Door,
    /// Who has heard that all is done.
    parted: Mutex<BTreeSet<usize>>,
}

impl Cluster {
    /// Listens at this process's address. `agreed` is what the processes must have in common beside what they run, such as
    /// options: it is told to whoever is refused.
    ///
    /// # Errors
    /// There is no such process in the file, or its address is taken or not this machine's.
    pub fn open(hosts: Hosts, process: usize, agreed: impl Into<String>) -> Result<Self, ClusterError> {
        let Some(address) = hosts.addresses().get(process) else {
            let message = format!("there is no process {process}: {} names {}", hosts.file().display(), hosts.addresses().len());
            return Err(ClusterError::new(message, "processes are counted from 0, one for each address in the file"));
        };
        let door = Door::open(address).map_err(|error| cannot_listen(&hosts, process, &error))?;
        Ok(Self { hosts, process, agreed: agreed.into(), door, parted: Mutex::default() })
    }

    /// Whether this process leads: it reads, commits and answers.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.process == 0
    }

    /// How many processes there are.
    #[must_use]
    pub fn processes(&self) -> usize {
        self.hosts.addresses().len()
    }

    /// Takes note that a process has heard that all is done.
    fn part(&self, process: usize) {
        self.parted.lock().unwrap_or_else(PoisonError::into_inner).insert(process);
    }

    fn has_parted(&self, process: usize) -> bool {
        self.parted.lock().unwrap_or_else(PoisonError::into_inner).contains(&process)
    }

    fn address(&self, process: usize) -> &str {
        self.hosts.addresses().get(process).map_or("", String::as_str)
    }

    /// Connects this process with every other: it goes to those before it, and those after it come.
    fn link(&self, terms: &Terms, round: u64) -> io::Result<Vec<Option<TcpStream>>> {
        let until = Instant::now() + LINKING;
        let mut streams: Vec<Option<TcpStream>> = (0..self.processes()).map(|_| None).collect();
        for (process, stream) in streams.iter_mut().enumerate().take(self.process) {
            *stream = Some(self.knock(terms, process, Purpose::Link { round }, until)?);
        }
        while streams.iter().skip(self.process + 1).any(Option::is_none) {
            let left = until.saturating_duration_since(Instant::now());
            let Some(arrival) = self.door.wait(left) else {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "not everybody came"));
            };
            match arrival.hello.purpose {
                Purpose::Link { round: theirs } if theirs == round && arrival.hello.process > self.process => {
                    streams.get_mut(arrival.hello.process).into_iter().for_each(|place| *place = arrival.stream.try_clone().ok());
                }
                // Of a round that is over.
                Purpose::Link { .. } => {}
                Purpose::Follow => {
                    let who = arrival.hello.process;
                    self.door.put_back(arrival);
                    return Err(io::Error::other(format!("process {who} began anew")));
                }
            }
        }
        Ok(streams)
    }

    /// Goes to another process and says who it is.
    fn knock(&self, terms: &Terms, process: usize, purpose: Purpose, until: Instant) -> io::Result<TcpStream> {
        let hello = Hello { terms: terms.clone(), process: self.process, purpose };
        loop {
            let reached = TcpStream::connect(self.address(process)).and_then(|mut stream| {
                stream.set_nodelay(true)?;
                hello.say(&mut stream)?;
                Ok(stream)
            });
            match reached {
                Err(_) if Instant::now() < until => std::thread::sleep(AGAIN),
                reached => return reached,
            }
        }
    }

    /// What whoever works with this process must have in common with it.
    pub(crate) fn terms(&self, name: &str, definition: &str, workers: usize) -> Terms {
        let work = format!("{name} {definition} {}", self.agreed);
        Terms { program: hello::program(), hosts: self.hosts.addresses().to_vec(), workers, work }
    }
}

fn cannot_listen(hosts: &Hosts, process: usize, error: &io::Error) -> ClusterError {
    let address = &hosts.addresses()[process];
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => format!("another program has the port, or process {process} runs already"),
        io::ErrorKind::AddrNotAvailable => {
            format!("{address} is no address of this machine: is --process {process} right, and {} too?", hosts.file().display())
        }
        _ => format!("{} must name this machine in the place of process {process}", hosts.file().display()),
    };
    ClusterError::new(format!("process {process} cannot listen on {address}: {error}"), hint)
}
