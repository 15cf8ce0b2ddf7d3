//! The product as the tests meet it: the ready job `city` between two transports, and what it put out.
//!
//! ```text
//! recording ─▶ transport ─▶ job ─▶ transport ─▶ Told: changelogs ─▶ tables, figures
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use city::Recording;
use city::changelog::{Table, tables_equal};
use city::judge::{Outputs, Score, judge};
use city::records::City;
use city::truth::Truth;
use engine::plan::{Plan, REJECTED};
use engine::transport::memory::MemoryTransport;
use engine::transport::{Batch, Position, TopicStore, Transport};
use engine::{Binding, Run, Settings};
use jobs::catalogue::{Context, Traffic};
use jobs::dataflow::Dataflow;
use jobs::ready::ready;
use schemas::Duration;
use serde_json::Value;

/// The topics that hold tables.
pub(crate) const TABLES: [&str; 3] = ["sightings", "journeys", "alerts"];

/// The definition of the ready job `city`.
pub(crate) fn definition() -> &'static str {
    ready("city").expect("a ready job").text
}

/// The job `city` with another lateness and, for all steps that look so far back, another window.
pub(crate) fn remembering(lateness: &str, window: &str) -> String {
    let begin = definition().replace("lateness: 15 min", &format!("lateness: {lateness}"));
    let steps = ["link", "assemble_journeys", "hotlist", "cloned_plate"].map(|step| format!("    step: {step}\n"));
    steps.iter().fold(begin, |text, step| text.replacen(step, &format!("{step}    window: {window}\n"), 1))
}

/// A job over a map, bounded, with one worker; the caller changes what it wants otherwise.
pub(crate) fn job(definition: &str, map: &City, source: &Arc<dyn Transport>, sink: &Arc<dyn Transport>) -> Run {
    let plan = Plan::read(&Traffic, "test.yaml", definition).unwrap_or_else(|problems| panic!("{problems}"));
    let map = serde_json::to_value(map).and_then(serde_json::from_value).expect("the product reads our map");
    let bind = |planned: &engine::plan::PlannedSource| Binding {
        source: planned.name.clone(),
        transport: Arc::clone(source),
        topic: planned.topic.clone(),
        table: planned.table,
    };
    let settings = Settings {
        lateness_ms: plan.lateness_ms,
        max_skew_ms: plan.max_skew_ms,
        patience_ms: plan.patience_ms,
        tick_ms: plan.tick_ms,
        memory_ms: plan.memory_ms,
        bounded: true,
        ..Settings::default()
    };
    Run {
        name: plan.job.clone(),
        definition: plan.hash.clone(),
        sources: plan.sources.iter().map(bind).collect(),
        sink: Arc::clone(sink),
        outputs: plan.outputs.iter().map(|output| output.topic.clone()).chain([REJECTED.to_owned()]).collect(),
        settings,
        stop: Arc::new(AtomicBool::new(false)),
        job: Arc::new(Dataflow { context: Context { city: Arc::new(map), lateness: Duration::from_ms(plan.lateness_ms) }, plan }),
    }
}

/// A record of an input topic: when it arrived, its key and the record itself.
pub(crate) type Arrived = (Option<u64>, String, String);

/// The records of a recording's input topics, each with the key it has in a log.
pub(crate) fn input(recording: &Recording) -> BTreeMap<&'static str, Vec<Arrived>> {
    let ms = |ms: i64| Some(ms.unsigned_abs());
    let observations = recording.observations.iter().zip(recording.observation_lines());
    let signals = recording.signals.iter().zip(recording.signal_lines());
    let hotlist = recording.hotlist.iter().zip(recording.hotlist_lines());
    BTreeMap::from([
        ("observations", observations.map(|(o, line)| (ms(o.received_ms), o.camera.clone(), line)).collect()),
        ("signals", signals.map(|(s, line)| (ms(s.at_ms), s.head.clone(), line)).collect()),
        // A list is there before the first frame.
        ("hotlist", hotlist.map(|(h, line)| (ms(city::EPOCH_MS), format!("{}/{}", h.list, h.plate), line)).collect()),
    ])
}

/// A recording in memory.
pub(crate) fn in_memory(recording: &Recording) -> MemoryTransport {
    let memory = MemoryTransport::default();
    for (topic, records) in input(recording) {
        memory.create(topic, 0);
        records.iter().for_each(|(arrival, _, line)| memory.append(topic, 0, arrival.unwrap_or(0), line.as_bytes()));
    }
    memory
}

/// What a job put out: its changelogs by topic, rows in order of commit.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<String, Vec<String>>);

impl Told {
    /// What was committed in memory.
    pub(crate) fn in_memory(memory: &MemoryTransport) -> Self {
        let mut told = Self::default();
        for row in memory.rows() {
            told.0.entry(row.topic.to_string()).or_default().push(String::from_utf8(row.value).expect("rows are text"));
        }
        told
    }

    /// What stands in the topics of a place.
    pub(crate) fn at(place: &dyn Transport) -> Self {
        let rows = |topic: &str| (topic.to_owned(), read_all(place, topic));
        Self(TABLES.into_iter().chain([REJECTED]).map(rows).collect())
    }

    /// The rows of one topic.
    pub(crate) fn rows(&self, topic: &str) -> &[String] {
        self.0.get(topic).map_or(&[], Vec::as_slice)
    }

    /// A topic's changelog, which must be a proper one.
    pub(crate) fn table(&self, topic: &str) -> Table {
        let lines = self.rows(topic).iter().map(String::as_str);
        Table::of(lines).unwrap_or_else(|faults| panic!("{topic} is no proper changelog: {}", first(&faults)))
    }

    /// The three tables, everything in them final.
    pub(crate) fn finals(&self) -> [Table; 3] {
        TABLES.map(|topic| {
            let table = self.table(topic);
            assert!(table.provisional().is_empty(), "{topic}: {:?} are not final", table.provisional());
            table
        })
    }

    /// The figures against a recording's own truth.
    pub(crate) fn judged(&self, recording: &Recording) -> Score {
        self.score(&recording.truth, &recording.city)
    }

    /// The figures.
    pub(crate) fn score(&self, truth: &Truth, map: &City) -> Score {
        let [sightings, journeys, alerts] = TABLES.map(|topic| self.rows(topic).iter().map(String::as_str));
        judge(truth, map, &Outputs::of(sightings, journeys, alerts).expect("rows of the documented form"))
    }

    /// What was rejected: reason and record, in an order of its own.
    pub(crate) fn rejected(&self) -> Vec<(String, String)> {
        let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let read = |line: &String| {
            let row: Value = serde_json::from_str(line).expect("a rejected row is JSON");
            (text(&row, "reason"), text(&row, "record") + &text(&row, "record_base64"))
        };
        let mut all: Vec<_> = self.rows(REJECTED).iter().map(read).collect();
        all.sort();
        all
    }
}

/// Holds two runs to the same final tables, id for id.
pub(crate) fn assert_same(what: &str, left: &Told, right: &Told) {
    for ((topic, left), right) in TABLES.into_iter().zip(left.finals()).zip(right.finals()) {
        let same = tables_equal(&left, &right);
        assert!(same.is_ok(), "{what}: {topic} differ: {}", first(&same.unwrap_err()));
    }
}

/// Runs the job over a recording in memory to its end.
pub(crate) fn replay(recording: &Recording, change: impl FnOnce(&mut Run)) -> Told {
    let memory = in_memory(recording);
    let place: Arc<dyn Transport> = Arc::new(memory.clone());
    let mut run = job(definition(), &recording.city, &place, &place);
    change(&mut run);
    let report = run.run(&mut |_| ()).unwrap();
    assert!(report.finished);
    Told::in_memory(&memory)
}

/// Makes a recording's topics in a store, observations in several partitions, and fills them: `part` says which records.
pub(crate) fn feed(store: &dyn TopicStore, recording: &Recording, part: impl Fn(usize, usize) -> bool) {
    for (topic, records) in input(recording) {
        let partitions = if topic == "observations" { 8 } else { 1 };
        store.create_topic(topic, partitions).unwrap();
        let chosen = records.iter().enumerate().filter(|(n, _)| part(*n, records.len()));
        let new = chosen.map(|(_, (arrival_ms, key, line))| engine::transport::NewRecord {
            partition: key.bytes().fold(7_u32, |hash, byte| hash.wrapping_mul(31) + u32::from(byte)) % partitions,
            arrival_ms: *arrival_ms,
            key: key.as_bytes(),
            value: Some(line.as_bytes()),
        });
        store.append(topic, &new.collect::<Vec<_>>()).unwrap();
    }
}

/// All records that stand in a topic, to the end that is there now.
pub(crate) fn read_all(place: &dyn Transport, topic: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for partition in place.partitions(topic).unwrap() {
        let mut reader = place.reader(topic, partition, 0).unwrap();
        loop {
            let mut batch = Batch::default();
            let position = reader.read(1 << 20, &mut batch).unwrap();
            let text = |record| String::from_utf8(batch.value(record).unwrap_or_default().to_vec()).expect("rows are text");
            rows.extend(batch.records.iter().map(text));
            if position != Position::More {
                break;
            }
        }
    }
    rows
}

/// The first few of many sentences.
fn first(faults: &[String]) -> String {
    format!("{} faults\n{}", faults.len(), faults[..faults.len().min(5)].join("\n"))
}
