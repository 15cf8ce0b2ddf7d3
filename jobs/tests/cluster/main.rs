//! More than one process: the program started several times over a hosts file, killed here and there, says what it says alone.

mod processes;
mod served;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use city::Random;
use city::broker::Broker;
use engine::transport::Transport;
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::local::LocalTransport;
use tempfile::TempDir;

use self::processes::{CITY, DEMO, Process, giaolo, hosts, rows};

/// The job `city` over a recording, in so many processes.
struct Run {
    folder: TempDir,
    hosts: PathBuf,
    arguments: Vec<String>,
    processes: Vec<Process>,
}

impl Run {
    fn start(processes: usize, workers: usize, place: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workers = workers.to_string();
        let arguments = [&["run", "city", "--city", CITY, "--workers", &workers], place].concat();
        let arguments = arguments.into_iter().map(str::to_owned).collect();
        let hosts = hosts(folder.path(), processes);
        let mut run = Self { folder, hosts, arguments, processes: Vec::new() };
        run.processes = (0..processes).map(|process| run.process(process)).collect();
        run
    }

    fn process(&self, process: usize) -> Process {
        let place = ["--hosts".to_owned(), self.hosts.to_str().unwrap().to_owned(), "--process".to_owned(), process.to_string()];
        Process::start(&self.folder.path().join(format!("log-{process}")), &[&self.arguments[..], &place].concat())
    }

    fn finish(&mut self) {
        self.processes.iter_mut().for_each(Process::finish);
    }
}

/// Holds rows to those of a run that was alone: all of them, once each, and so every revision.
fn hold(found: &BTreeMap<String, usize>, what: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("alone.db");
    let alone = giaolo(&["run", "city", "--city", CITY, "--input", DEMO, "--local", store.to_str().unwrap()]);
    assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stderr));
    let expected = rows(&LocalTransport::open(&store).unwrap());
    assert!(expected.len() > 10_000 && expected.values().all(|times| *times == 1));
    let differs = expected.iter().find(|(row, times)| found.get(*row) != Some(times));
    assert_eq!(differs, None, "{what}: a row is missing, or stands there more than once");
    assert_eq!(found.len(), expected.len(), "{what}: there are rows that a run alone does not have");
}

#[test]
fn several_processes_say_what_one_says() {
    for (processes, workers) in [(2, 1), (2, 2), (3, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("city.db");
        Run::start(processes, workers, &["--input", DEMO, "--local", store.to_str().unwrap()]).finish();
        hold(&rows(&LocalTransport::open(&store).unwrap()), &format!("{processes} processes, {workers} workers each"));
    }
}

/// How far each partition was read, and the largest event time in it, as the last progress record of a store says.
fn read_up_to(store: &Path) -> BTreeMap<String, (u64, u64)> {
    let mut writer = LocalTransport::open(store).unwrap().writer("city", &[]).unwrap();
    let last = writer.history().unwrap().pop().unwrap();
    last.partitions.into_iter().map(|p| (format!("{}/{}", p.topic, p.partition), (p.next_offset, p.event_ms))).collect()
}

#[test]
fn what_followers_read_is_known_to_the_progress_record() {
    let folder = tempfile::tempdir().unwrap();
    let [alone, together] = ["alone.db", "together.db"].map(|name| folder.path().join(name));
    for (processes, store) in [(1, &alone), (2, &together)] {
        Run::start(processes, 1, &["--input", DEMO, "--local", store.to_str().unwrap()]).finish();
    }
    let (alone, together) = (read_up_to(&alone), read_up_to(&together));
    assert!(alone["observations/0"].1 > 0, "{alone:?}");
    assert_eq!(alone, together);
}

#[test]
fn who_comes_when_all_is_done_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("city.db");
    let place = ["--input", DEMO, "--local", store.to_str().unwrap()];
    Run::start(1, 1, &place).finish();
    let began = Instant::now();
    Run::start(2, 1, &place).finish();
    assert!(began.elapsed() < Duration::from_secs(8), "whoever has been told is waited for");
}

/// Kills processes again and again, goes on with others of another number, and lets the last finish.
fn killed(place: &[&str], kills: usize, seed: u64) {
    let mut random = Random::of(seed, 5);
    let mut left = kills;
    while left > 0 {
        let (processes, workers) = [(1, 1), (1, 2), (2, 1), (2, 2)][random.range(0, 3) as usize];
        let mut run = Run::start(processes, workers, place);
        // Some die alone, and are started again; then all die together, in no order.
        for _ in 0..random.range(0, 2).min(left as i64) {
            sleep(Duration::from_millis(random.range(100, 900) as u64));
            let who = random.range(0, processes as i64 - 1) as usize;
            if run.processes[0].has_ended() {
                break;
            }
            drop(run.processes.remove(who));
            let again = run.process(who);
            run.processes.insert(who, again);
            left -= 1;
        }
        sleep(Duration::from_millis(random.range(100, 900) as u64));
        left = left.saturating_sub(1);
    }
    Run::start(2, 1, place).finish();
}

fn killed_on_a_local_store(kills: usize, seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("city.db");
    killed(&["--input", DEMO, "--local", store.to_str().unwrap()], kills, seed);
    hold(&rows(&LocalTransport::open(&store).unwrap()), &format!("seed {seed}"));
}

#[test]
fn whoever_is_killed_nothing_is_lost_or_repeated_on_a_local_store() {
    killed_on_a_local_store(8, 1);
}

#[test]
#[ignore = "takes minutes"]
fn many_kills_on_a_local_store() {
    (2..12).for_each(|seed| killed_on_a_local_store(30, seed));
}

fn killed_on_kafka(kills: usize, seed: u64) {
    let broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    let brokers = broker.brokers();
    let fed = giaolo(&["feed", DEMO, "--brokers", &brokers, "--partitions", "4"]);
    assert!(fed.status.success(), "{}", String::from_utf8_lossy(&fed.stderr));
    killed(&["--brokers", &brokers, "--bounded"], kills, seed);
    let place: Arc<dyn Transport> = Arc::new(KafkaTransport::new(KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap());
    hold(&rows(place.as_ref()), &format!("seed {seed} on Kafka"));
}

#[test]
fn whoever_is_killed_nothing_is_lost_or_repeated_on_kafka() {
    killed_on_kafka(5, 21);
}

#[test]
#[ignore = "takes minutes"]
fn many_kills_on_kafka() {
    killed_on_kafka(40, 22);
}

/// What the program says that cannot work as it was started.
fn refused(arguments: &[&str]) -> String {
    let output = giaolo(arguments);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("(hint: ") && !text.contains("panicked"), "{text}");
    text
}

#[test]
fn what_does_not_go_together_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (pair, store) = (path(&hosts(folder.path(), 2)), path(&folder.path().join("city.db")));
    let run = |more: &[&str]| refused(&[&["run", "city", "--city", CITY, "--input", DEMO, "--local", &store], more].concat());
    assert!(run(&["--hosts", "nowhere", "--process", "0"]).contains("the hosts file \"nowhere\" could not be read"));
    assert!(run(&["--hosts", &pair, "--process", "2"]).contains("there is no process 2"));
    let wrong = path(&folder.path().join("wrong"));
    fs::write(&wrong, "127.0.0.1\n").unwrap();
    assert!(run(&["--hosts", &wrong, "--process", "0"]).contains("wrong:1: \"127.0.0.1\" is no host:port"));
    fs::write(&wrong, "192.0.2.1:7401\n").unwrap();
    assert!(run(&["--hosts", &wrong, "--process", "0"]).contains("no address of this machine"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    fs::write(&wrong, taken.local_addr().unwrap().to_string()).unwrap();
    assert!(run(&["--hosts", &wrong, "--process", "0"]).contains("another program has the port"));
    assert_eq!(giaolo(&["run", "city", "--hosts", &pair]).status.code(), Some(2));

    let arguments = ["run", "city", "--city", CITY, "--input", DEMO, "--local", &store, "--hosts", &pair, "--process", "0"];
    let leader = Process::start(&folder.path().join("log"), &arguments.map(str::to_owned));
    let follow = |job: &str, more: &[&str]| refused(&[&["run", job, "--city", CITY, "--hosts", &pair, "--process", "1"], more].concat());
    assert!(follow("city", &["--workers", "2"]).contains("another number of workers: 1, here it is 2"));
    assert!(follow("hotlist", &[]).contains("another task: city "));
    // The same program, but for a byte: another build.
    let other = folder.path().join("giaolo");
    fs::copy(env!("CARGO_BIN_EXE_giaolo"), &other).unwrap();
    std::io::Write::write_all(&mut File::options().append(true).open(&other).unwrap(), b"\n").unwrap();
    let output = Command::new(&other).args(["run", "city", "--city", CITY, "--hosts", &pair, "--process", "1"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains("process 0 has another program: "), "{text}");
    assert!(leader.said().contains("refused: "), "{}", leader.said());
}
