//! How soon a camera's frame is seen in what is committed: a server under steady load, on the local store and on a real Kafka; and
//! in the dataflow alone, which has no store.
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
//! `LATENCY_BOXES=50000,100000` other loads, `LATENCY_SECONDS=60` another time, `LATENCY_WORKERS=2` more workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use benches::dataflows::answer;
use benches::numbers;
use benches::serving::{Place, Serving, make_topics, now_ms, produce};
use city::Load;
use city::broker::Broker;
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::local::LocalTransport;
use engine::transport::{Batch, Reader, TopicStore};

/// How often the outputs are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// What comes at first is not counted: caches are cold, and nobody has a plate yet.
const WARM_UP: Duration = Duration::from_secs(10);
/// The outputs that are looked at.
const WATCHED: [&str; 2] = ["sightings", "journeys"];

fn main() {
    let quick = benches::quick();
    let loads = numbers("LATENCY_BOXES", &[if quick { 1_000 } else { 10_000 }]);
    let seconds = numbers("LATENCY_SECONDS", &[if quick { 3 } else { 40 }])[0];
    let workers = numbers("LATENCY_WORKERS", &[1])[0];
    println!("{:>9} {:8} {:>9}  {:10} {:>7} {:>7} {:>7} {:>7}  ms", "boxes/s", "store", "rows", "output", "p50", "p90", "p99", "most");
    for boxes in loads {
        let boxes = boxes as f64;
        let latencies = answer(&load(boxes, seconds), WARM_UP);
        print("none", boxes, "both", latencies);
        let folder = tempfile::tempdir().expect("a folder");
        let store = |name: &str| Arc::new(LocalTransport::open(folder.path().join(name)).expect("a store"));
        let local = Place { input: store("in.db"), output: store("out.db"), folder: folder.path().to_owned() };
        measure("local", boxes, seconds, workers, &local);
        if quick {
            continue;
        }
        match Broker::start() {
            Ok(broker) => {
                let config = KafkaConfig { brokers: broker.brokers(), ..KafkaConfig::default() };
                let kafka = Arc::new(KafkaTransport::new(config).expect("a broker"));
                let other = tempfile::tempdir().expect("a folder");
                let place = Place { input: Arc::clone(&kafka), output: kafka, folder: other.path().to_owned() };
                measure("kafka", boxes, seconds, workers, &place);
            }
            Err(skipped) => println!("{skipped}"),
        }
    }
}

/// Sends a load for so long and prints how soon it was seen.
fn measure<T: TopicStore + 'static>(store: &str, boxes: f64, seconds: usize, workers: usize, place: &Place<T>) {
    let load = load(boxes, seconds);
    make_topics(place.input.as_ref());
    let serving = Serving::start(&load, place, workers);
    serving.submit_city();
    let (input, output) = (Arc::clone(&place.input), &place.output);
    let producing = thread::spawn(move || produce(&load, now_ms(), input.as_ref(), &AtomicBool::new(false), &AtomicBool::default()));
    let latencies = look(output.as_ref(), Duration::from_secs(seconds as u64));
    let behind_ms = producing.join().expect("the producer");
    serving.stop();
    for (topic, latencies) in latencies {
        print(store, boxes, topic, latencies);
    }
    if behind_ms > 100 {
        println!("          the producer itself was up to {behind_ms} ms late");
    }
}

fn load(boxes: f64, seconds: usize) -> Load {
    let hours = (WARM_UP.as_secs_f64() + seconds as f64) / 3_600.0;
    Load { seed: 1, cameras: 200, fps: 5, boxes_per_second: boxes, sightings_per_second: boxes / 100.0, hours }
}

fn print(store: &str, boxes: f64, output: &str, mut latencies: Vec<f64>) {
    latencies.sort_by(f64::total_cmp);
    let at = |part: f64| latencies.get(((latencies.len() as f64 - 1.0) * part) as usize).copied().unwrap_or(f64::NAN);
    let (p50, p90, p99, most) = (at(0.5), at(0.9), at(0.99), at(1.0));
    println!("{boxes:>9} {store:8} {:>9}  {output:10} {p50:>7.1} {p90:>7.1} {p99:>7.1} {most:>7.1}", latencies.len());
}

/// Looks at the outputs for so long after the warm-up; returns how old each row's last frame was when it was seen.
fn look(output: &dyn TopicStore, span: Duration) -> BTreeMap<&'static str, Vec<f64>> {
    let began = Instant::now();
    let mut latencies: BTreeMap<&'static str, Vec<f64>> = WATCHED.map(|topic| (topic, Vec::new())).into();
    let mut readers: Vec<(&'static str, Box<dyn Reader>)> = Vec::new();
    while began.elapsed() < WARM_UP + span {
        if readers.is_empty() {
            let found = WATCHED.map(|topic| (topic, benches::serving::readers(output, topic, false)));
            if found.iter().all(|(_, readers)| !readers.is_empty()) {
                readers.extend(found.into_iter().flat_map(|(topic, found)| found.into_iter().map(move |reader| (topic, reader))));
            }
        }
        for (topic, reader) in &mut readers {
            let mut batch = Batch::default();
            reader.read(1 << 20, &mut batch).expect("an output");
            let seen_ms = now_ms();
            let news = batch.records.iter().filter_map(|record| last_frame_ms(batch.value(record)?));
            if began.elapsed() > WARM_UP {
                latencies.entry(topic).or_default().extend(news.map(|last_ms| seen_ms.saturating_sub(last_ms) as f64));
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
