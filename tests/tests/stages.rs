//! Killed at each stage of a restart and of a commit, also twice in a row: whatever was committed by then is the beginning of what
//! a run tells that is left alone, and in the end all of it is.
//!
//! ```text
//! start   before-init ▸ after-init ▸ after-progress ▸ in-replay …      the stages are passed by the program itself
//! commit  mid-send ▸ before-commit ▸ in-commit ▸ after-commit          (engine/src/fail_point.rs)
//! ```

use std::os::unix::process::ExitStatusExt as _;

use city::broker::Broker;
use engine::transport::local::LocalTransport;

use crate::crash::{open, process, recording, undisturbed};
use crate::product::{TABLES, Told, feed};
use crate::restart::revisions;

/// The signal by which a process ends that was told to die.
const ABORTED: i32 = 6;

/// The stages, those of a commit first, so that there is something to be rebuilt; and at which passing it dies.
const STAGES: [(&str, u32); 8] = [
    ("mid-send", 3),
    ("before-commit", 3),
    ("in-commit", 3),
    ("after-commit", 3),
    ("before-init", 1),
    ("after-init", 1),
    ("after-progress", 1),
    ("in-replay", 2),
];

/// Starts the job on a store and lets it die at a stage.
fn die(store: &str, workers: i64, stage: &str, passing: u32) {
    let output = process(store, workers).env("GIAOLO_DIE_AT", format!("{stage}:{passing}")).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let died = output.status.signal() == Some(ABORTED) && errors.contains(&format!("dies at {stage}"));
    assert!(died, "it did not die at {stage} but ended with {}: {errors}", output.status);
}

/// Holds what was committed so far to what a run tells that is left alone: each row is one of its rows, and of each id there are
/// the first revisions, without a gap. That the last ones come too is seen in the end.
fn hold(so_far: &Told, whole: &Told, stage: &str) {
    let expected = revisions(whole);
    for (row, line) in revisions(so_far) {
        assert_eq!(expected.get(&row), Some(&line), "after {stage}: {row:?}");
    }
}

fn killed_at_each_stage(store: &str) {
    feed(open(store).as_ref(), &recording(), |_, _| true);
    let whole = undisturbed();
    assert!(revisions(&whole).len() > 500);
    for (number, (stage, passing)) in (1..).zip(STAGES) {
        die(store, 1 + number % 2, stage, passing);
        // The one that begins where it died dies there too, as soon as it comes there.
        die(store, 2 - number % 2, stage, 1);
        hold(&Told::at(open(store).as_ref()), &whole, stage);
    }
    let output = process(store, 2).output().unwrap();
    assert!(output.status.success(), "it did not finish:\n{}", String::from_utf8_lossy(&output.stderr));
    let told = Told::at(open(store).as_ref());
    assert_eq!(revisions(&told), revisions(&whole));
    for topic in TABLES {
        assert_eq!(told.rows(topic).len(), whole.rows(topic).len(), "{topic}");
    }
    assert_eq!(told.rejected(), whole.rejected());
}

#[test]
fn a_job_on_a_local_store_that_dies_at_each_stage_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city.db");
    drop(LocalTransport::open(&path).unwrap());
    killed_at_each_stage(path.to_str().unwrap());
}

#[test]
fn a_job_on_kafka_that_dies_at_each_stage_loses_and_repeats_nothing() {
    match Broker::start() {
        Ok(broker) => killed_at_each_stage(&format!("kafka:{}", broker.brokers())),
        Err(skipped) => println!("{skipped}"),
    }
}
