//! Killed at random moments, without a chance to say goodbye, also while it recovers: the changelog is that of a run that
//! never was, revision by revision, and so is what was rejected.
//!
//! ```text
//! this test ──starts──▶ itself as another process: the job on the store   ─ ─ kill −9 ─ ─▶ again, with other workers
//!     └────reads what is committed, and holds it to the changelog of an undisturbed run
//! ```

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use city::broker::Broker;
use city::{Plan, Random, Recording, simulate};
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::local::LocalTransport;
use engine::transport::{TopicStore, Transport};

use crate::product::{TABLES, Told, feed};
use crate::restart::{revisions, run, small_steps};

/// Where the process that is to be killed finds its store, and how many workers it has.
const STORE: &str = "CRASH_STORE";
const WORKERS: &str = "CRASH_WORKERS";

pub(crate) fn recording() -> Recording {
    simulate(&Plan::new(31, 5, 480))
}

/// A store by its name: `kafka:BROKERS`, else a file.
pub(crate) fn open(store: &str) -> Arc<dyn TopicStore> {
    match store.strip_prefix("kafka:") {
        Some(brokers) => {
            // A predecessor that was killed in a transaction is not waited for longer than this.
            let config = KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() };
            Arc::new(KafkaTransport::new(config).unwrap())
        }
        None => Arc::new(LocalTransport::open(Path::new(store)).unwrap()),
    }
}

/// The command that starts the job on a store in a process of its own.
pub(crate) fn process(store: &str, workers: i64) -> Command {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--ignored", "--exact", "crash::the_process_that_is_killed", "--nocapture"]);
    process.env(STORE, store).env(WORKERS, workers.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    process
}

fn spawn(store: &str, workers: i64) -> Child {
    process(store, workers).spawn().unwrap()
}

/// What the process says when it has committed, and when it has worked through something it had committed before.
const COMMITTED: &str = "committed";
const REPLAYED: &str = "replayed";

#[test]
#[ignore = "the tests below start it, in a process of its own"]
fn the_process_that_is_killed() {
    let (store, workers) = (env::var(STORE).unwrap(), env::var(WORKERS).unwrap().parse().unwrap());
    let (place, recording): (Arc<dyn Transport>, _) = (open(&store), recording());
    let mut run = small_steps(&place, &recording, workers);
    (run.settings.epoch_bytes, run.settings.epochs_in_flight) = (16_000, 1);
    let report = run.run(&mut |report| println!("{}", if report.replaying { REPLAYED } else { COMMITTED }));
    assert!(report.unwrap().finished);
}

/// Kills the job over a store so often: after a few commits or, every third time, while it recovers. Then lets it finish.
fn killed_again_and_again(store: &str, kills: u64, seed: u64, mut afterwards: impl FnMut(u64)) -> Told {
    let mut random = Random::of(seed, 77);
    for kill in 0..kills {
        let mut process = spawn(store, random.range(1, 3));
        let (steps, recovering) = (random.range(1, 8).unsigned_abs() as usize, kill % 3 == 2);
        let said = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        let step = |line: &String| line.ends_with(COMMITTED) || (recovering && line.ends_with(REPLAYED));
        let seen = said.filter(step).take(steps).count();
        std::thread::sleep(Duration::from_micros(random.range(0, 15_000).unsigned_abs()));
        process.kill().unwrap();
        let why = process.wait_with_output().unwrap().stderr;
        assert_eq!(seen, steps, "seed {seed}, kill {kill}: it ended before it was killed: {}", String::from_utf8_lossy(&why));
        afterwards(kill);
    }
    let output = spawn(store, 2).wait_with_output().unwrap();
    assert!(output.status.success(), "seed {seed}: it did not finish:\n{}", String::from_utf8_lossy(&output.stderr));
    Told::at(open(store).as_ref())
}

/// What a run tells that is left alone.
pub(crate) fn undisturbed() -> Told {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalTransport::open(folder.path().join("undisturbed.db")).unwrap());
    feed(store.as_ref(), &recording(), |_, _| true);
    assert!(run(&(Arc::clone(&store) as Arc<dyn Transport>), &recording(), 1, u64::MAX).finished);
    Told::at(store.as_ref())
}

/// Holds a changelog to that of a run that was left alone.
pub(crate) fn hold(disturbed: &Told, seed: u64) {
    let undisturbed = undisturbed();
    let (expected, found) = (revisions(&undisturbed), revisions(disturbed));
    assert!(expected.len() > 500);
    for topic in TABLES {
        assert_eq!(disturbed.rows(topic).len(), undisturbed.rows(topic).len(), "seed {seed}: {topic}");
    }
    for (row, line) in &expected {
        assert_eq!(found.get(row), Some(line), "seed {seed}: {row:?}");
    }
    assert_eq!(disturbed.rejected(), undisturbed.rejected(), "seed {seed}");
}

#[test]
fn a_job_on_a_local_store_that_is_killed_sixty_times_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.db");
    feed(&LocalTransport::open(&path).unwrap(), &recording(), |_, _| true);
    let seed = 1;
    hold(&killed_again_and_again(path.to_str().unwrap(), 60, seed, |_| ()), seed);
}

#[test]
fn a_job_on_kafka_that_is_killed_and_then_its_broker_loses_and_repeats_nothing() {
    let mut broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    let store = format!("kafka:{}", broker.brokers());
    feed(open(&store).as_ref(), &recording(), |_, _| true);
    let seed = 2;
    let told = killed_again_and_again(&store, 12, seed, |kill| {
        if kill % 6 == 3 {
            // A broker that is killed while it ends a transaction may forget to tell its partitions, for good: that is
            // Kafka's to mend. One that is merely open outlives it.
            std::thread::sleep(Duration::from_millis(300));
            broker.restart();
        }
    });
    hold(&told, seed);
}
