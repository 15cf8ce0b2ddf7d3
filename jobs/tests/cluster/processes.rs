//! The program as processes that are started, looked after and killed, and what they wrote.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use engine::transport::{Batch, Position, Transport};

/// The recording that comes with the program.
pub(crate) const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo");
pub(crate) const CITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/city.json");
const TABLES: [&str; 3] = ["sightings", "journeys", "alerts"];
/// What has not come about by then never will.
pub(crate) const MOST: Duration = Duration::from_secs(120);

pub(crate) fn giaolo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_giaolo")).args(arguments).output().unwrap()
}

/// Addresses nobody listens at just now, in a file.
pub(crate) fn hosts(folder: &Path, processes: usize) -> PathBuf {
    let held: Vec<TcpListener> = (0..processes).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let lines: Vec<String> = held.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
    let path = folder.join(format!("hosts-{processes}-{}", lines[0].rsplit(':').next().unwrap()));
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

/// A process that is killed when it is not wanted any more.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub(crate) fn start(log: &Path, arguments: &[String]) -> Self {
        Self::start_with(log, arguments, &[])
    }

    /// Starts it with variables of its environment.
    pub(crate) fn start_with(log: &Path, arguments: &[String], environment: &[(&str, &str)]) -> Self {
        let errors = File::options().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_giaolo"));
        command.args(arguments).envs(environment.iter().copied()).stdout(Stdio::null()).stderr(errors);
        Self { child: command.spawn().unwrap(), log: log.to_owned() }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill {signal} {}", self.child.id())]).status().unwrap();
        assert!(sent.success(), "no signal to {}", self.said());
    }

    /// Waits until it says something.
    pub(crate) fn until_it_says(&self, wanted: &str) {
        let began = Instant::now();
        while !self.said().contains(wanted) {
            assert!(began.elapsed() < MOST, "it does not say {wanted:?}: {}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits until it ends well.
    pub(crate) fn finish(&mut self) {
        assert_eq!(self.end(), Some(0), "{}", self.said());
    }

    /// Waits until it ends; returns its exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let began = Instant::now();
        while !self.has_ended() {
            assert!(began.elapsed() < MOST, "it does not end: {}", self.said());
            sleep(Duration::from_millis(10));
        }
        self.child.wait().unwrap().code()
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The rows of the tables, each after its table's name, in the order in which they were committed.
pub(crate) fn told(place: &dyn Transport) -> Vec<String> {
    let mut told = Vec::new();
    for topic in TABLES {
        for partition in place.partitions(topic).unwrap_or_default() {
            let mut reader = place.reader(topic, partition, 0).unwrap();
            let mut position = Position::More;
            while position == Position::More {
                let mut batch = Batch::default();
                position = reader.read(1 << 20, &mut batch).unwrap();
                let value = |record| String::from_utf8_lossy(batch.value(record).unwrap());
                told.extend(batch.records.iter().map(|record| format!("{topic} {}", value(record))));
            }
        }
    }
    told
}

/// All rows of the tables, each with how often it stands there.
pub(crate) fn rows(place: &dyn Transport) -> BTreeMap<String, usize> {
    let mut rows = BTreeMap::new();
    told(place).into_iter().for_each(|row| *rows.entry(row).or_default() += 1);
    rows
}
