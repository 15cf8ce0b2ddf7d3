//! The city on a server: one job, then another that joins it, a restart, and more traffic. Both say what a job says that was
//! alone and left alone.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{env, thread};

use city::broker::Broker;
use city::changelog::Table;
use city::{Plan, Random, Recording};
use engine::server::{Config, Server, Submission};
use engine::transport::local::LocalTransport;
use engine::transport::{TopicStore, Transport};
use engine::{RunError, Settings};
use jobs::comparison::{Comparison, Version};
use jobs::shared::TrafficHost;

use crate::crash::open;
use crate::live::{connect, just_now, said};
use crate::product::{TABLES, definition, feed, read_all, replay};

/// A server that has not come this far is stuck.
const MOST: Duration = Duration::from_secs(120);

/// The job `city` under another name, with outputs of its own.
fn second() -> String {
    beside(definition())
}

/// A variation of the job `city` under another name, with outputs of its own.
pub(crate) fn beside(definition: &str) -> String {
    let (job, _) = definition.split_once("\n# Examples that must hold").unwrap();
    let (begin, outputs) = job.split_once("\noutputs:\n").unwrap();
    let outputs =
        TABLES.into_iter().fold(outputs.to_owned(), |text, topic| text.replacen(&format!("  {topic}: "), &format!("  {topic}-2: "), 1));
    format!("{}\noutputs:\n{outputs}", begin.replace("\njob: city\n", "\njob: second\n"))
}

/// A server at work.
struct Serving {
    server: Server,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), RunError>>,
}

impl Serving {
    fn begin(store: &Arc<dyn Transport>, recording: &Recording, folder: &Path, workers: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let city = serde_json::to_value(&recording.city).and_then(serde_json::from_value).unwrap();
        let config = Config {
            name: "centre".to_owned(),
            identity: "1".to_owned(),
            source: Arc::clone(store),
            sink: Arc::clone(store),
            settings: Settings { workers, ..Settings::default() },
            catalogue: folder.join("jobs.db"),
            stop: Arc::clone(&stop),
        };
        let host = TrafficHost { city: Some(Arc::new(city)), remember_ms: 3_600_000, ..TrafficHost::default() };
        let server = Server::open(config, Arc::new(host)).unwrap();
        let running = server.clone();
        Self { server, stop, thread: std::thread::spawn(move || running.run()) }
    }

    fn submit(&self, text: &str, tell_final: bool) {
        let view = self.server.submit("test.yaml", text, Submission { tell_final, ..Submission::default() });
        view.unwrap_or_else(|error| panic!("{error}"));
    }

    /// Waits until so many records were taken and what comes of them is committed.
    fn until(&self, records: usize) {
        let began = Instant::now();
        let mut commits = None;
        loop {
            let figures = self.server.figures();
            let taken: u64 = figures.partitions.iter().map(|partition| partition.records).sum();
            // An idle server commits twice a second: what was in flight is out after a few more commits.
            if taken >= records as u64 && figures.commits >= *commits.get_or_insert(figures.commits) + 3 {
                return assert_eq!(taken, records as u64);
            }
            assert!(began.elapsed() < MOST, "{figures:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap().unwrap();
    }
}

fn table(store: &dyn Transport, topic: &str) -> Table {
    let rows = read_all(store, topic);
    Table::of(rows.iter().map(String::as_str)).unwrap_or_else(|faults| panic!("{topic} is no proper changelog: {faults:?}"))
}

fn two_jobs_and_a_restart(store: &Arc<impl TopicStore + 'static>) {
    let recording = just_now(&Plan::new(23, 5, 240));
    let (place, folder) = (Arc::clone(store) as Arc<dyn Transport>, tempfile::tempdir().unwrap());
    let sizes = [recording.observations.len(), recording.signals.len(), recording.hotlist.len()];
    feed(store.as_ref(), &recording, |n, all| n < all / 2);
    let serving = Serving::begin(&place, &recording, folder.path(), 1);
    serving.submit(definition(), false);
    serving.until(sizes.iter().map(|all| all / 2).sum());
    let plan = serving.server.plan("second.yaml", &second()).unwrap();
    assert_eq!(plan["builds"], serde_json::json!(["outputs of second"]), "everything else is there");
    serving.submit(&second(), true);
    serving.end();

    let serving = Serving::begin(&place, &recording, folder.path(), 2);
    feed(store.as_ref(), &recording, |n, all| n >= all / 2);
    serving.until(sizes.iter().sum());
    serving.end();
    let replayed = replay(&recording, |_| ());
    for topic in TABLES {
        let (first, second) = (table(place.as_ref(), topic), table(place.as_ref(), &format!("{topic}-2")));
        assert!(said(&first).len() > 5, "{topic}");
        assert_eq!(said(&first), said(&replayed.table(topic)), "{topic}");
        assert_eq!(said(&second), said(&first), "{topic} of the second job");
    }
}

/// Where the server that is to be killed finds its store and its catalogue, how many workers it has, and what it is told.
const STORE: &str = "SERVE_STORE";
const FOLDER: &str = "SERVE_FOLDER";
const WORKERS: &str = "SERVE_WORKERS";
const SUBMIT: &str = "SERVE_SUBMIT";
/// What it says when it has taken what it was told.
const TAKEN: &str = "taken";

/// The map and the times of all that happens while a server is killed again and again.
fn traffic(seed: u64) -> Recording {
    just_now(&Plan::new(seed, 5, 240))
}

#[test]
#[ignore = "the test below starts it, in a process of its own"]
fn the_server_that_is_killed() {
    let (store, folder) = (env::var(STORE).unwrap(), env::var(FOLDER).unwrap());
    let place: Arc<dyn Transport> = open(&store);
    let serving = Serving::begin(&place, &traffic(25), Path::new(&folder), env::var(WORKERS).unwrap().parse().unwrap());
    match env::var(SUBMIT).unwrap().as_str() {
        "first" => serving.submit(definition(), true),
        "second" => serving.submit(&second(), true),
        _ => {}
    }
    println!("{TAKEN}");
    serving.thread.join().unwrap().unwrap();
}

fn spawn(store: &str, folder: &Path, workers: i64, submit: &str) -> Child {
    let mut process = Command::new(env::current_exe().unwrap());
    process.args(["--ignored", "--exact", "serve::the_server_that_is_killed", "--nocapture"]);
    process.env(STORE, store).env(FOLDER, folder).env(WORKERS, workers.to_string()).env(SUBMIT, submit);
    process.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// A server is killed so often, while traffic comes and jobs do; then it is left alone until it has taken everything.
fn a_server_that_is_killed(name: &str, store: &Arc<impl TopicStore + 'static>, kills: usize) {
    let (recording, folder, mut random) = (traffic(25), tempfile::tempdir().unwrap(), Random::of(3, 78));
    let sizes = [recording.observations.len(), recording.signals.len(), recording.hotlist.len()];
    for kill in 0..kills {
        feed(store.as_ref(), &recording, |n, all| n >= all * kill / kills && n < all * (kill + 1) / kills);
        let submit = match kill {
            0 => "first",
            kill if kill == kills / 3 => "second",
            _ => "",
        };
        let mut process = spawn(name, folder.path(), random.range(1, 3), submit);
        let mut said = BufReader::new(process.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.ends_with(TAKEN)), "kill {kill}: it ended before it was killed");
        thread::sleep(Duration::from_millis(random.range(0, 900).unsigned_abs()));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    let place = Arc::clone(store) as Arc<dyn Transport>;
    let serving = Serving::begin(&place, &recording, folder.path(), 2);
    serving.until(sizes.iter().sum());
    serving.end();
    let replayed = replay(&recording, |_| ());
    for topic in TABLES {
        let (first, second) = (table(place.as_ref(), topic), table(place.as_ref(), &format!("{topic}-2")));
        assert_eq!(said(&first), said(&replayed.table(topic)), "{topic}");
        assert_eq!(said(&second), said(&first), "{topic} of the second job");
    }
}

#[test]
fn a_server_on_a_local_store_that_is_killed_thirty_times_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.db");
    a_server_that_is_killed(path.to_str().unwrap(), &Arc::new(LocalTransport::open(&path).unwrap()), 30);
}

#[test]
fn a_comparison_tells_of_the_alerts_in_which_two_versions_differ_and_of_no_other() {
    let recording = just_now(&Plan::new(24, 6, 240));
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(LocalTransport::open(folder.path().join("city.db")).unwrap());
    let place = Arc::clone(&store) as Arc<dyn Transport>;
    let sizes = [recording.observations.len(), recording.signals.len(), recording.hotlist.len()];
    let lenient = second().replace("tolerance_kmh: 5", "tolerance_kmh: 30");
    assert_ne!(lenient, second());
    let serving = Serving::begin(&place, &recording, folder.path(), 1);
    feed(store.as_ref(), &recording, |n, all| n < all / 2);
    serving.submit(definition(), true);
    serving.submit(&lenient, true);
    let version = |text: &str| Version { file: "test.yaml".to_owned(), text: text.to_owned() };
    let comparison = Comparison { compare: "differences".to_owned(), first: version(definition()), second: version(&lenient) };
    serving.submit(&serde_json::to_string(&comparison).unwrap(), true);
    feed(store.as_ref(), &recording, |n, all| n >= all / 2);
    serving.until(sizes.iter().sum());
    serving.end();
    let (first, second) = (table(place.as_ref(), "alerts"), table(place.as_ref(), "alerts-2"));
    let (first, second, differences) = (said(&first), said(&second), table(place.as_ref(), "differences"));
    let differences = said(&differences);
    let differ = |id: &&&str| first.get(**id) != second.get(**id);
    let expected: BTreeSet<&str> = first.keys().chain(second.keys()).filter(differ).copied().collect();
    assert!(!expected.is_empty() && expected.len() < first.len(), "{} of {} differ", expected.len(), first.len());
    assert_eq!(differences.keys().copied().collect::<BTreeSet<_>>(), expected);
    for (id, row) in &differences {
        let side = |name: &str| row[name].as_object().map(|alert| alert.iter().map(|(name, value)| (name.as_str(), value)).collect());
        assert_eq!((side("first").as_ref(), side("second").as_ref()), (first.get(id), second.get(id)), "{id}");
    }
}

#[test]
fn on_a_local_store_two_jobs_say_what_one_says_that_was_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    two_jobs_and_a_restart(&Arc::new(LocalTransport::open(folder.path().join("city.db")).unwrap()));
}

#[test]
fn on_kafka_two_jobs_say_what_one_says_that_was_left_alone() {
    match Broker::start() {
        Ok(broker) => two_jobs_and_a_restart(&connect(&broker)),
        Err(skipped) => println!("{skipped}"),
    }
}
