//! A server with the job `city`, over a load whose frames come when they are due, whatever the server does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use city::records::Observation;
use city::{EPOCH_MS, Load};
use engine::server::{Config, Server, Submission};
use engine::transport::{NewRecord, Reader, TopicStore, Transport};
use engine::{RunError, Settings};
use jobs::ready::ready;
use jobs::shared::TrafficHost;

/// Partitions of the topic of observations.
const PARTITIONS: u32 = 8;
/// How often what has become due is sent.
const SEND_EVERY: Duration = Duration::from_millis(5);
/// How many frames are sent at once at most.
const SEND_MOST: usize = 20_000;

/// Where a server reads, writes and keeps its catalogue.
pub struct Place<T> {
    /// The topics it reads.
    pub input: Arc<T>,
    /// The topics it writes.
    pub output: Arc<T>,
    /// Where its catalogue is.
    pub folder: PathBuf,
}

/// A server that runs.
pub struct Serving {
    /// The server.
    pub server: Server,
    stop: Arc<AtomicBool>,
    running: JoinHandle<Result<(), RunError>>,
}

impl Serving {
    /// Starts a server over the cameras of a load, with so many workers.
    ///
    /// # Panics
    /// The place cannot be used.
    #[must_use]
    pub fn start<T: TopicStore + 'static>(load: &Load, place: &Place<T>, workers: usize) -> Self {
        let (server, stop) = open(load, place, workers);
        let running = server.clone();
        Self { server, stop, running: thread::spawn(move || running.run()) }
    }

    /// Submits the ready job `city`.
    ///
    /// # Panics
    /// It is refused.
    pub fn submit_city(&self) {
        submit_city(&self.server);
    }

    /// Stops it and waits for its end.
    ///
    /// # Panics
    /// It failed.
    pub fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().expect("the server").expect("the server ran");
    }
}

/// Puts the ready job `city` into the catalogue of a server that does not run yet: it begins with the first record there is then.
///
/// # Panics
/// The place cannot be used.
pub fn prepare<T: TopicStore + 'static>(load: &Load, place: &Place<T>) {
    submit_city(&open(load, place, 1).0);
}

fn open<T: TopicStore + 'static>(load: &Load, place: &Place<T>, workers: usize) -> (Server, Arc<AtomicBool>) {
    let stop = Arc::new(AtomicBool::new(false));
    let city = serde_json::to_value(load.city()).and_then(serde_json::from_value).expect("the product reads our map");
    let config = Config {
        name: "bench".to_owned(),
        identity: "1".to_owned(),
        source: Arc::clone(&place.input) as Arc<dyn Transport>,
        sink: Arc::clone(&place.output) as Arc<dyn Transport>,
        settings: Settings { workers, ..Settings::default() },
        catalogue: place.folder.join("jobs.db"),
        stop: Arc::clone(&stop),
    };
    let server =
        Server::open(config, Arc::new(TrafficHost { city: Some(Arc::new(city)), remember_ms: 3_600_000, ..TrafficHost::default() }))
            .expect("a server");
    (server, stop)
}

fn submit_city(server: &Server) {
    let text = ready("city").expect("a ready job").text;
    server.submit("city.yaml", text, Submission::default()).expect("the ready job is right");
}

/// Makes the topics that a server over a load reads.
///
/// # Panics
/// They cannot be made.
pub fn make_topics(input: &dyn TopicStore) {
    for (topic, partitions) in [("observations", PARTITIONS), ("signals", 1), ("hotlist", 1)] {
        input.create_topic(topic, partitions).expect("a topic");
    }
}

/// Sends each frame when it is due, at its time as its camera would, from `began_ms` on until the load or `enough` says so; what
/// was due before is sent at once, and `caught_up` says when that has been done. Returns by how many milliseconds it was late itself
/// at most.
///
/// # Panics
/// A frame cannot be sent.
pub fn produce(load: &Load, began_ms: u64, input: &dyn TopicStore, enough: &AtomicBool, caught_up: &AtomicBool) -> u64 {
    let mut frames = load.observations().peekable();
    let mut latest_ms = 0;
    while frames.peek().is_some() && !enough.load(Ordering::Relaxed) {
        let now = now_ms().saturating_sub(began_ms).cast_signed();
        let mut due = Vec::new();
        while due.len() < SEND_MOST
            && let Some(mut frame) = frames.next_if(|frame| frame.at_ms - EPOCH_MS <= now)
        {
            latest_ms = latest_ms.max(now - (frame.at_ms - EPOCH_MS));
            frame.at_ms += began_ms.cast_signed() - EPOCH_MS;
            frame.received_ms = frame.at_ms;
            due.push(sent(&frame));
        }
        if due.is_empty() {
            caught_up.store(true, Ordering::Relaxed);
            thread::sleep(SEND_EVERY);
            continue;
        }
        let records: Vec<NewRecord<'_>> = due.iter().map(Sent::record).collect();
        input.append("observations", &records).expect("a topic");
    }
    latest_ms.unsigned_abs()
}

struct Sent {
    partition: u32,
    at_ms: u64,
    key: String,
    value: String,
}

impl Sent {
    fn record(&self) -> NewRecord<'_> {
        let (key, value) = (self.key.as_bytes(), Some(self.value.as_bytes()));
        NewRecord { partition: self.partition, arrival_ms: Some(self.at_ms), key, value }
    }
}

fn sent(frame: &Observation) -> Sent {
    let partition = frame.camera.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) + u32::from(byte)) % PARTITIONS;
    let value = serde_json::to_string(frame).expect("a frame is JSON");
    Sent { partition, at_ms: frame.at_ms.unsigned_abs(), key: frame.camera.clone(), value }
}

/// Readers of all partitions of a topic, from an offset of each on: its first, or its end. None while the topic is not there.
#[must_use]
pub fn readers(output: &dyn TopicStore, topic: &str, from_end: bool) -> Vec<Box<dyn Reader>> {
    let open = |number| {
        let from = if from_end { output.offsets(topic, number)?.end } else { 0 };
        output.reader(topic, number, from)
    };
    output.partitions(topic).and_then(|numbers| numbers.into_iter().map(open).collect()).unwrap_or_default()
}

/// The time of day, milliseconds since the epoch.
#[must_use]
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
