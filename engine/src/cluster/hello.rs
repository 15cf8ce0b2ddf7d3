//! How a process introduces itself, and why it may be refused.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::TcpStream;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::ClusterError;
use super::wire::{receive, send};

/// The longest introduction.
const MOST: usize = 64 << 10;

/// What processes that work together have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Terms {
    /// The program, to the build: what workers exchange has no other description.
    pub(super) program: String,
    /// The addresses of all.
    pub(super) hosts: Vec<String>,
    /// Workers of each process.
    pub(super) workers: usize,
    /// What they run.
    pub(super) work: String,
}

/// What a process comes for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// To be told what to do.
    Follow,
    /// To exchange what workers send each other, in this round.
    Link {
        /// The round.
        round: u64,
    },
}

/// An introduction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) terms: Terms,
    pub(super) process: usize,
    pub(super) purpose: Purpose,
}

/// What the leader answers to one who wants to follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// Others are waited for.
    Wait,
    /// This round begins.
    Begin {
        /// Its number.
        round: u64,
    },
    /// All is done already.
    Finished,
    /// It cannot be.
    Refused {
        /// Why.
        message: String,
        /// What to do about it.
        hint: String,
    },
}

impl Hello {
    pub(super) fn say(&self, to: &mut TcpStream) -> io::Result<()> {
        send(to, self, &[]).map(drop)
    }

    pub(super) fn hear(from: &mut TcpStream) -> io::Result<Self> {
        receive::<_, MOST>(from).map(|(hello, _)| hello)
    }
}

impl Answer {
    pub(super) fn say(&self, to: &mut TcpStream) -> io::Result<()> {
        send(to, self, &[]).map(drop)
    }

    pub(super) fn hear(from: &mut TcpStream) -> io::Result<Self> {
        receive::<_, MOST>(from).map(|(answer, _)| answer)
    }
}

impl Terms {
    /// Why a process with other terms cannot work with one of these.
    pub(super) fn refuse(&self, theirs: &Self) -> Option<ClusterError> {
        let differs = |what: &str, ours: &str, theirs: &str, hint: &str| {
            Some(ClusterError::new(format!("process 0 has another {what}: {ours}, here it is {theirs}"), hint))
        };
        if self.program != theirs.program {
            let hint = "install the same build of the program on all machines";
            return differs("program", &self.program, &theirs.program, hint);
        }
        if self.hosts != theirs.hosts {
            return differs("hosts file", &self.hosts.join(" "), &theirs.hosts.join(" "), "give all processes the same file");
        }
        if self.workers != theirs.workers {
            let hint = "start all processes with the same --workers";
            return differs("number of workers", &self.workers.to_string(), &theirs.workers.to_string(), hint);
        }
        if self.work != theirs.work {
            return differs("task", &self.work, &theirs.work, "start all processes with the same job, map and options");
        }
        None
    }
}

/// The program that runs, by version and by what its file holds.
pub(super) fn program() -> String {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let build = || checksum().map_or_else(|_| "unknown".to_owned(), |sum| format!("{sum:08x}"));
    PROGRAM.get_or_init(|| format!("{} build {}", env!("CARGO_PKG_VERSION"), build())).clone()
}

fn checksum() -> io::Result<u32> {
    // Where there is /proc it is the file that runs, even if another has taken its place since.
    let mut file = File::open("/proc/self/exe").or_else(|_| std::env::current_exe().and_then(File::open))?;
    let (mut hasher, mut block) = (crc32fast::Hasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&block[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_differs_is_told_in_what() {
        let hosts = vec!["a:1".to_owned(), "b:1".to_owned()];
        let ours = Terms { program: "1 build aa".to_owned(), hosts, workers: 2, work: "city 12".to_owned() };
        assert!(ours.refuse(&ours.clone()).is_none());
        let told = |theirs: Terms| ours.refuse(&theirs).map(|error| error.message).unwrap_or_default();
        let other = Terms { program: "1 build bb".to_owned(), ..ours.clone() };
        assert_eq!(told(other), "process 0 has another program: 1 build aa, here it is 1 build bb");
        assert_eq!(told(Terms { workers: 1, ..ours.clone() }), "process 0 has another number of workers: 2, here it is 1");
        assert!(told(Terms { hosts: vec!["a:1".to_owned()], ..ours.clone() }).contains("hosts file: a:1 b:1, here it is a:1"));
        assert!(told(Terms { work: "city 13".to_owned(), ..ours.clone() }).contains("task: city 12, here it is city 13"));
    }

    #[test]
    fn the_program_knows_its_own_build() {
        assert!(program().starts_with(env!("CARGO_PKG_VERSION")) && !program().ends_with("unknown"));
    }

    #[test]
    fn no_introduction_and_no_answer_brings_a_process_down() {
        use city::mutate::{again_and_again, change, one};
        let terms = Terms { program: program(), hosts: vec!["a:1".to_owned(), "b:1".to_owned()], workers: 2, work: "city 12".to_owned() };
        let hello = |purpose| Hello { terms: terms.clone(), process: 1, purpose };
        let refused = Answer::Refused { message: "another build".to_owned(), hint: "install the same".to_owned() };
        let mut right = [const { Vec::new() }; 4];
        send(&mut right[0], &hello(Purpose::Follow), &[]).unwrap();
        send(&mut right[1], &hello(Purpose::Link { round: 7 }), &[]).unwrap();
        send(&mut right[2], &Answer::Begin { round: 7 }, &[]).unwrap();
        send(&mut right[3], &refused, b"more").unwrap();
        let mut heard = [0, 0];
        again_and_again(|random| {
            let mut bytes = one(random, &right).clone();
            change(&mut bytes, &one(random, &right)[..], random);
            let hello = receive::<Hello, MOST>(&mut &bytes[..]);
            let answer = receive::<Answer, MOST>(&mut &bytes[..]);
            heard[usize::from(hello.is_err() && answer.is_err())] += 1;
            if let Ok((hello, _)) = hello {
                terms.refuse(&hello.terms);
            }
        });
        assert!(heard[0] > 100 && heard[1] > 100, "{heard:?}: the changes are too few or too many");
    }
}
