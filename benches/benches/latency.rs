//! How soon a camera's frame is seen in what is committed: a server under steady load, on the local store and on a real Kafka.
//!
//! ```text
//! producer ──frames, each when it is due──▶ observations ─▶ server: job city ─▶ sightings, journeys ──▶ reader (read committed)
//!          (whatever the server does: open loop)                                          latency = seen − the row's last frame
//! ```
//!
//! A stall is charged to every frame that was due meanwhile. A row is counted when it is told for the first time, which a
//! frame has brought about; a journey's row went through all of it: track, link, assembly, changelog, transaction.
//!
//! `cargo bench -p giaolo-benches --bench latency` takes the load of the promise, 10,000 boxes a second of 200 cameras;
//! `LATENCY_BOXES=50000,100000` other loads, `LATENCY_SECONDS=60` another time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use city::broker::Broker;
use city::{EPOCH_MS, Load};
use engine::Settings;
use engine::server::{Config, Server, Submission};
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::local::LocalTransport;
use engine::transport::{Batch, NewRecord, Reader, TopicStore, Transport};
use jobs::ready::ready;
use jobs::shared::TrafficHost;

/// How often what has become due is sent.
const SEND_EVERY: Duration = Duration::from_millis(5);
/// How often the outputs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// What comes at first is not counted: caches are cold, and nobody has a plate yet.
const WARM_UP: Duration = Duration::from_secs(10);
/// Partitions of the topic of observations.
const PARTITIONS: u32 = 8;
/// The outputs that are looked at.
const WATCHED: [&str; 2] = ["sightings", "journeys"];

fn main() {
    let quick = benches::quick();
    let number = |name: &str, default: &str| -> Vec<f64> {
        let text = std::env::var(name).unwrap_or_else(|_| default.to_owned());
        text.split(',').map(|word| word.parse().unwrap_or_else(|_| panic!("{name} is numbers with commas between them"))).collect()
    };
    let loads = number("LATENCY_BOXES", if quick { "1000" } else { "10000" });
    let seconds = number("LATENCY_SECONDS", if quick { "3" } else { "40" })[0];
    println!("{:>9} {:8} {:>9}  {:10} {:>7} {:>7} {:>7} {:>7}  ms", "boxes/s", "store", "rows", "output", "p50", "p90", "p99", "most");
    for boxes in loads {
        let folder = tempfile::tempdir().expect("a folder");
        let store = |name: &str| Arc::new(LocalTransport::open(folder.path().join(name)).expect("a store"));
        measure("local", boxes, seconds, &store("in.db"), &store("out.db"), folder.path());
        if quick {
            continue;
        }
        match Broker::start() {
            Ok(broker) => {
                let config = KafkaConfig { brokers: broker.brokers(), ..KafkaConfig::default() };
                let kafka = Arc::new(KafkaTransport::new(config).expect("a broker"));
                measure("kafka", boxes, seconds, &kafka, &kafka, &folder.path().join("kafka"));
            }
            Err(skipped) => println!("{skipped}"),
        }
    }
}

/// Sends a load for so long and prints how soon it was seen.
fn measure<T: TopicStore + 'static>(store: &str, boxes: f64, seconds: f64, input: &Arc<T>, output: &Arc<T>, folder: &std::path::Path) {
    let hours = (WARM_UP.as_secs_f64() + seconds) / 3_600.0;
    let load = Load { seed: 1, cameras: 200, fps: 5, boxes_per_second: boxes, sightings_per_second: boxes / 100.0, hours };
    for (topic, partitions) in [("observations", PARTITIONS), ("signals", 1), ("hotlist", 1)] {
        input.create_topic(topic, partitions).expect("a topic");
    }
    std::fs::create_dir_all(folder).expect("a folder");
    let stop = Arc::new(AtomicBool::new(false));
    let city = serde_json::to_value(load.city()).and_then(serde_json::from_value).expect("the product reads our map");
    let config = Config {
        name: "latency".to_owned(),
        identity: "1".to_owned(),
        source: Arc::clone(input) as Arc<dyn Transport>,
        sink: Arc::clone(output) as Arc<dyn Transport>,
        settings: Settings::default(),
        catalogue: folder.join("jobs.db"),
        stop: Arc::clone(&stop),
    };
    let server = Server::open(config, Arc::new(TrafficHost { city: Some(Arc::new(city)), remember_ms: 3_600_000 })).expect("a server");
    let (running, text) = (server.clone(), ready("city").expect("a ready job").text);
    let serving = thread::spawn(move || running.run());
    server.submit("city.yaml", text, Submission::default()).expect("the ready job is right");
    let sink = Arc::clone(input);
    let producing = thread::spawn(move || produce(&load, sink.as_ref()));
    let latencies = look(output.as_ref(), Duration::from_secs_f64(seconds));
    let behind_ms = producing.join().expect("the producer");
    stop.store(true, Ordering::Relaxed);
    serving.join().expect("the server").expect("the server ran");
    for (topic, mut latencies) in latencies {
        latencies.sort_unstable();
        let at = |part: f64| latencies.get(((latencies.len() as f64 - 1.0) * part) as usize).copied().unwrap_or(0);
        let (p50, p90, p99, most) = (at(0.5), at(0.9), at(0.99), at(1.0));
        println!("{boxes:>9} {store:8} {:>9}  {topic:10} {p50:>7} {p90:>7} {p99:>7} {most:>7}", latencies.len());
    }
    if behind_ms > 100 {
        println!("          the producer itself was up to {behind_ms} ms late");
    }
}

/// Sends each frame when it is due, at its time as its camera would; returns by how much it was late itself at most.
fn produce(load: &Load, input: &dyn TopicStore) -> u64 {
    let (began, began_ms) = (Instant::now(), now_ms());
    let mut frames = load.observations().peekable();
    let mut latest_ms = 0;
    while frames.peek().is_some() {
        let now = began.elapsed().as_millis() as i64;
        let mut due = Vec::new();
        while let Some(mut frame) = frames.next_if(|frame| frame.at_ms - EPOCH_MS <= now) {
            latest_ms = latest_ms.max(now - (frame.at_ms - EPOCH_MS));
            frame.at_ms += began_ms as i64 - EPOCH_MS;
            frame.received_ms = frame.at_ms;
            let partition = frame.camera.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) + u32::from(byte)) % PARTITIONS;
            due.push((partition, frame.camera.clone(), serde_json::to_string(&frame).expect("a frame is JSON")));
        }
        let records: Vec<NewRecord<'_>> = (due.iter())
            .map(|(partition, key, value)| NewRecord {
                partition: *partition,
                arrival_ms: None,
                key: key.as_bytes(),
                value: Some(value.as_bytes()),
            })
            .collect();
        if !records.is_empty() {
            input.append("observations", &records).expect("a topic");
        }
        thread::sleep(SEND_EVERY);
    }
    latest_ms.unsigned_abs()
}

/// Looks at the outputs for so long after the warm-up; returns how old each row's last frame was when it was seen.
fn look(output: &dyn Transport, span: Duration) -> BTreeMap<&'static str, Vec<u64>> {
    let began = Instant::now();
    let mut latencies: BTreeMap<&'static str, Vec<u64>> = WATCHED.map(|topic| (topic, Vec::new())).into();
    let mut readers: Vec<(&'static str, Box<dyn Reader>)> = Vec::new();
    while began.elapsed() < WARM_UP + span {
        if readers.is_empty() {
            let open = |topic: &'static str| Some((topic, output.partitions(topic).ok()?));
            let found: Option<Vec<_>> = WATCHED.into_iter().map(open).collect();
            for (topic, partitions) in found.into_iter().flatten() {
                readers.extend(partitions.into_iter().map(|number| (topic, output.reader(topic, number, 0).expect("a partition"))));
            }
        }
        for (topic, reader) in &mut readers {
            let mut batch = Batch::default();
            reader.read(1 << 20, &mut batch).expect("an output");
            let seen_ms = now_ms();
            let news = batch.records.iter().filter_map(|record| last_frame_ms(batch.value(record)?));
            if began.elapsed() > WARM_UP {
                latencies.entry(topic).or_default().extend(news.map(|last_ms| seen_ms.saturating_sub(last_ms)));
            }
        }
        thread::sleep(LOOK_EVERY);
    }
    latencies
}

/// The time of the last frame a row rests on. Only first revisions count: later ones may come of what was not seen, such as a
/// vehicle that has been gone for three seconds.
fn last_frame_ms(row: &[u8]) -> Option<u64> {
    let row: serde_json::Value = serde_json::from_slice(row).ok()?;
    if row["revision"] == 1 { row["until_ms"].as_u64() } else { None }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64)
}
