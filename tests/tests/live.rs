//! Live: the job on real topics, of an Apache Kafka and of the local store, as it runs in service: stopped, started again, and
//! read by a client that is not ours.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use city::broker::Broker;
use city::changelog::Table;
use city::{Plan, Recording, simulate};
use engine::Report;
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::local::LocalTransport;
use engine::transport::{TopicStore, Transport};
use serde_json::Value;

use crate::broker::kcat;
use crate::product::{TABLES, Told, assert_same, definition, feed, job, replay};

/// Frames stay empty for so long at the end, so that nobody is in view whose sighting would still be going on.
const QUIET_MS: i64 = 45_000;

/// A live job that has not come this far is stuck.
const MOST: Duration = Duration::from_secs(120);

pub(crate) fn connect(broker: &Broker) -> Arc<KafkaTransport> {
    Arc::new(KafkaTransport::new(KafkaConfig { brokers: broker.brokers(), ..KafkaConfig::default() }).unwrap())
}

/// A recording that ends in half a minute from now: nothing in it is late, and no camera is silent since.
pub(crate) fn just_now(plan: &Plan) -> Recording {
    let mut recording = simulate(plan);
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    let last_ms = recording.observations.last().unwrap().received_ms;
    recording.observations.iter_mut().filter(|o| o.at_ms > last_ms - QUIET_MS).for_each(|o| o.objects.clear());
    recording.shift(now_ms + 30_000 - last_ms);
    recording
}

/// Runs the job live from a store to the same store until it has read so many records and committed what comes of them.
fn run_until(store: &Arc<dyn Transport>, recording: &Recording, records: usize) -> Report {
    let run = job(definition(), &recording.city, store, store);
    let (stop, began) = (Arc::clone(&run.stop), Instant::now());
    let run = engine::Run { settings: engine::Settings { bounded: false, ..run.settings.clone() }, ..run };
    let report = run.run(&mut |report| stop.store(report.records >= records as u64 || began.elapsed() > MOST, Ordering::Relaxed)).unwrap();
    assert!(report.records == records as u64 && !report.finished, "after {:?}: {report:?}", began.elapsed());
    report
}

/// Half of a recording, a stop, the other half: no revision is lost or told twice, and what stands is what an undisturbed
/// replay says.
fn stopped_and_started_again(store: &Arc<impl TopicStore + 'static>) {
    let recording = just_now(&Plan::new(21, 5, 240));
    let as_transport = Arc::clone(store) as Arc<dyn Transport>;
    let sizes = [recording.observations.len(), recording.signals.len(), recording.hotlist.len()];
    feed(store.as_ref(), &recording, |n, all| n < all / 2);
    run_until(&as_transport, &recording, sizes.iter().map(|all| all / 2).sum());
    let half = Told::at(store.as_ref());
    feed(store.as_ref(), &recording, |n, all| n >= all / 2);
    let all = run_until(&as_transport, &recording, sizes.iter().sum());
    assert!(all.commits > 0);
    let whole = Told::at(store.as_ref());
    for topic in TABLES {
        assert!(half.rows(topic).len() > 5 && half.rows(topic).len() < whole.rows(topic).len(), "both halves tell of {topic}");
        assert_eq!(half.rows(topic), &whole.rows(topic)[..half.rows(topic).len()], "what was told before stays");
    }
    let replayed = replay(&recording, |_| ());
    for topic in TABLES {
        assert_eq!(said(&whole.table(topic)), said(&replayed.table(topic)), "{topic}");
    }
    assert_eq!(whole.rejected(), replayed.rejected());
}

/// What stands, whatever its revision and whether it is final already.
pub(crate) fn said(table: &Table) -> BTreeMap<&str, BTreeMap<&str, &Value>> {
    let fields = |row: &&serde_json::Map<String, Value>| -> bool { row["status"] != "withdrawn" };
    let told = |name: &&str| !["revision", "status"].contains(name);
    let row = |row| -> BTreeMap<&str, &Value> {
        let row: &serde_json::Map<String, Value> = row;
        row.iter().map(|(name, value)| (name.as_str(), value)).filter(|(name, _)| told(name)).collect()
    };
    table.standing().into_iter().filter(|(_, row)| fields(row)).map(|(id, fields)| (id, row(fields))).collect()
}

#[test]
fn a_local_store_that_is_stopped_and_started_again_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    stopped_and_started_again(&Arc::new(LocalTransport::open(folder.path().join("city.db")).unwrap()));
}

#[test]
fn a_job_on_kafka_that_is_stopped_and_started_again_loses_and_repeats_nothing() {
    match Broker::start() {
        Ok(broker) => stopped_and_started_again(&connect(&broker)),
        Err(skipped) => println!("{skipped}"),
    }
}

#[test]
fn what_kafka_holds_is_what_files_hold_and_other_clients_can_read_it() {
    let broker = match Broker::start() {
        Ok(broker) => broker,
        Err(skipped) => return println!("{skipped}"),
    };
    broker.create_topic("observations", 8);
    broker.create_topic("signals", 1);
    broker.create_topic("hotlist", 1);
    let recording = simulate(&Plan::new(22, 8, 300));
    let kafka = connect(&broker);
    feed(kafka.as_ref(), &recording, |_, _| true);
    let place = Arc::clone(&kafka) as Arc<dyn Transport>;
    let run = job(definition(), &recording.city, &place, &place);
    let name = run.name.clone();
    assert!(run.run(&mut |_| ()).unwrap().finished);
    let told = Told::at(kafka.as_ref());
    assert_same("Kafka", &replay(&recording, |_| ()), &told);

    for (topic, ce_type) in [("sightings", "vn.giaolo.sighting"), ("journeys", "vn.giaolo.journey"), ("alerts", "vn.giaolo.alert")] {
        let arguments = ["-C", "-t", topic, "-o", "beginning", "-e", "-X", "isolation.level=read_committed", "-f", "%k\\t%h\\t%s\\n"];
        let Some(text) = kcat(&broker.brokers(), &arguments, "") else { return println!("skipped: no kcat") };
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), told.rows(topic).len(), "{topic}");
        for (row, ours) in rows.iter().zip(told.rows(topic)) {
            let mut parts = row.splitn(3, '\t');
            let (key, headers, value) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
            assert_eq!(value, ours);
            check_headers(key, headers, &serde_json::from_str(value).unwrap(), ce_type, &name);
        }
    }
}

/// Key and headers are those of a CloudEvent (1.0, binary mode).
fn check_headers(key: &str, headers: &str, row: &Value, ce_type: &str, job: &str) {
    let headers: BTreeMap<&str, &str> = headers.split(',').filter_map(|header| header.split_once('=')).collect();
    let id = format!("{key}.{}", row["revision"]);
    assert_eq!(row["id"], key);
    let expected = [
        ("ce_id", id.as_str()),
        ("ce_type", ce_type),
        ("ce_source", job),
        ("ce_specversion", "1.0"),
        ("content-type", "application/json"),
        ("ce_time", headers["ce_time"]),
    ];
    assert_eq!(headers, BTreeMap::from(expected));
    let time = headers["ce_time"];
    assert!(time.starts_with("2026-01-01T00:") && time.ends_with('Z'), "{time}");
}
