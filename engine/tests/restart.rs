//! A job that is stopped and started again neither loses nor repeats: on a transport in memory, with the real runtime.

mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::transport::memory::MemoryTransport;
use engine::transport::{OutputRow, Progress, Reader, Transport, TransportError, Writer};
use engine::{Binding, Report, Run, RunError, Settings};
use sums::Sums;

/// Topics in memory whose commits fail, as a passing fault, as often as told.
#[derive(Clone, Default)]
struct Faulty {
    memory: MemoryTransport,
    faults: Arc<AtomicUsize>,
}

impl Transport for Faulty {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        self.memory.partitions(topic)
    }
    fn reader(&self, topic: &str, partition: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        self.memory.reader(topic, partition, offset)
    }
    fn writer(&self, _: &str, _: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(self.clone()))
    }
}

impl Writer for Faulty {
    fn add_outputs(&mut self, _: &[String]) -> Result<(), TransportError> {
        Ok(())
    }
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        self.memory.history()
    }
    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        if self.faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(TransportError::passing("no room"));
        }
        self.memory.commit(rows, progress)
    }
}

/// 4,000 entries over three partitions, the third of which lags by two seconds; `changed` replaces one of them.
fn filled(changed: Option<u64>) -> Faulty {
    let faulty = Faulty::default();
    for i in 0..4_000 {
        let arrival = 1_000_000 + i * 7 + if i % 3 == 2 { 2_000 } else { 5 };
        let value = if changed == Some(i) { 0 } else { i };
        let entry = format!("{{\"key\":{},\"at_ms\":{},\"value\":{value}}}", i % 61, 1_000_000 + i * 7);
        faulty.memory.append("entries", (i % 3) as u32, arrival, entry.as_bytes());
    }
    faulty
}

fn rows(faulty: &Faulty) -> Vec<String> {
    faulty.memory.rows().into_iter().map(|row| String::from_utf8(row.value).unwrap()).collect()
}

fn run(faulty: &Faulty, definition: &str, workers: usize, stop_after: u64) -> Result<Report, RunError> {
    let stop = Arc::new(AtomicBool::new(false));
    let run = Run {
        job: Arc::new(Sums),
        name: "sums".into(),
        definition: definition.into(),
        sources: vec![Binding { source: "entries".into(), transport: Arc::new(faulty.clone()), topic: "entries".into(), table: false }],
        sink: Arc::new(faulty.clone()),
        outputs: vec!["sums".into(), "rejected".into()],
        settings: Settings { workers, lateness_ms: 5_000, bounded: true, epoch_bytes: 2_000, epochs_in_flight: 2, ..Settings::default() },
        stop: Arc::clone(&stop),
    };
    run.run(&mut |report| stop.store(report.commits >= stop_after, Ordering::Relaxed))
}

/// The revisions of every key, in order.
fn revisions(rows: &[String]) -> BTreeMap<String, Vec<String>> {
    rows.iter().fold(BTreeMap::new(), |mut all: BTreeMap<String, Vec<String>>, row| {
        all.entry(row.split(' ').next().unwrap().into()).or_default().push(row.clone());
        all
    })
}

#[test]
fn stopping_again_and_again_gives_the_changelog_of_an_undisturbed_run() {
    let undisturbed = filled(None);
    run(&undisturbed, "1", 1, u64::MAX).unwrap();
    let expected = revisions(&rows(&undisturbed));
    assert_eq!(expected.len(), 61);
    for (n, revisions) in expected.values().enumerate() {
        let numbers: Vec<u64> = revisions.iter().map(|r| r.split(' ').nth(2).unwrap().parse().unwrap()).collect();
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "key {n}");
        assert!(revisions.last().unwrap().ends_with("final"));
    }
    let disturbed = filled(None);
    let mut starts = 0;
    for workers in [1, 2].into_iter().cycle() {
        starts += 1;
        if run(&disturbed, "1", workers, 3).unwrap().finished {
            break;
        }
    }
    assert!(starts > 5, "it was stopped {starts} times");
    assert_eq!(revisions(&rows(&disturbed)), expected);
    let before = rows(&disturbed).len();
    assert!(run(&disturbed, "1", 1, 3).unwrap().finished, "a finished job stays finished");
    assert_eq!(rows(&disturbed).len(), before);
}

/// Runs live, looking for new partitions all the time, until it has read so many records.
fn live(faulty: &Faulty, records: u64, mut observe: impl FnMut(&Report)) -> Report {
    let stop = Arc::new(AtomicBool::new(false));
    let run = Run {
        job: Arc::new(Sums),
        name: "sums".into(),
        definition: "1".into(),
        sources: vec![Binding { source: "entries".into(), transport: Arc::new(faulty.clone()), topic: "entries".into(), table: false }],
        sink: Arc::new(faulty.clone()),
        outputs: vec!["sums".into(), "rejected".into()],
        settings: Settings { look_for_partitions: Duration::from_millis(10), ..Settings::default() },
        stop: Arc::clone(&stop),
    };
    let began = Instant::now();
    run.run(&mut |report| {
        observe(report);
        stop.store(report.records >= records || began.elapsed() > Duration::from_secs(60), Ordering::Relaxed);
    })
    .unwrap()
}

#[test]
fn a_partition_that_appears_while_the_job_runs_is_read_from_its_beginning() {
    let faulty = Faulty::default();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let put = |partition: u32, keys: std::ops::Range<u64>| {
        for key in keys {
            let entry = format!("{{\"key\":{key},\"at_ms\":{now_ms},\"value\":1}}");
            faulty.memory.append("entries", partition, now_ms, entry.as_bytes());
        }
    };
    put(0, 0..10);
    // Others come where nobody looked at the start, in the midst of those that were there.
    let report = live(&faulty, 30, |report| {
        if report.records == 10 {
            put(2, 10..20);
        }
        if report.records == 20 {
            put(1, 20..30);
        }
    });
    assert_eq!(report.records, 30);
    put(1, 30..40);
    // Started again, it knows all three, and tells of nothing twice.
    assert_eq!(live(&faulty, 40, |_| ()).records, 40);
    let told = revisions(&rows(&faulty));
    assert_eq!(told.len(), 40);
    assert!(told.values().all(|revisions| revisions.len() == 1), "{told:?}");
}

#[test]
fn a_commit_that_fails_for_a_while_loses_nothing() {
    let memory = filled(None);
    memory.faults.store(3, Ordering::SeqCst);
    assert!(run(&memory, "1", 1, u64::MAX).unwrap().finished);
    let undisturbed = filled(None);
    run(&undisturbed, "1", 1, u64::MAX).unwrap();
    assert_eq!(revisions(&rows(&memory)), revisions(&rows(&undisturbed)));
}

#[test]
fn another_definition_or_another_past_is_refused() {
    let mut memory = filled(None);
    run(&memory, "1", 1, 2).unwrap();
    assert!(matches!(run(&memory, "2", 1, 2), Err(RunError::OtherDefinition { .. })));
    let mut other = filled(Some(7));
    memory.history().unwrap().iter().for_each(|progress| other.commit(&[], progress).unwrap());
    let error = run(&other, "1", 1, u64::MAX).unwrap_err().to_string();
    assert!(error.contains("is not what it was"), "{error}");
}
