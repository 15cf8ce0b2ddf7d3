//! A job that is stopped again and again, with another number of workers each time, writes the changelog of one that never was:
//! revision by revision, for what it knows it rebuilds from the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use city::{Plan, Recording, simulate};
use engine::Report;
use engine::transport::Transport;
use engine::transport::local::LocalTransport;

use crate::product::{TABLES, Told, definition, feed, job};

/// The job over a store, in epochs of a few seconds.
pub(crate) fn small_steps(store: &Arc<dyn Transport>, recording: &Recording, workers: usize) -> engine::Run {
    let mut run = job(definition(), &recording.city, store, store);
    (run.settings.workers, run.settings.epoch_bytes, run.settings.epochs_in_flight) = (workers, 40_000, 2);
    run
}

/// Runs the job over a store until it ends or has committed so often.
pub(crate) fn run(store: &Arc<dyn Transport>, recording: &Recording, workers: usize, commits: u64) -> Report {
    let run = small_steps(store, recording, workers);
    let stop = Arc::clone(&run.stop);
    run.run(&mut |report| stop.store(report.commits >= commits, Ordering::Relaxed)).unwrap()
}

/// Every row of every table, by id and revision.
pub(crate) fn revisions(told: &Told) -> BTreeMap<(&str, String, u64), String> {
    let mut all = BTreeMap::new();
    for topic in TABLES {
        told.table(topic);
        for line in told.rows(topic) {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            all.insert((topic, row["id"].as_str().unwrap().to_owned(), row["revision"].as_u64().unwrap()), line.clone());
        }
    }
    all
}

#[test]
fn stopping_again_and_again_gives_the_changelog_of_an_undisturbed_run() {
    let folder = tempfile::tempdir().unwrap();
    let recording = simulate(&Plan::new(13, 5, 240));
    let told = |name: &str, workers: [usize; 3], commits: u64| {
        let local = Arc::new(LocalTransport::open(folder.path().join(name)).unwrap());
        feed(local.as_ref(), &recording, |_, _| true);
        let store = Arc::clone(&local) as Arc<dyn Transport>;
        let starts = workers.into_iter().cycle().take_while(|workers| !run(&store, &recording, *workers, commits).finished).count();
        (Told::at(local.as_ref()), starts)
    };
    let (undisturbed, _) = told("undisturbed.db", [1, 1, 1], u64::MAX);
    let (disturbed, stops) = told("disturbed.db", [1, 2, 3], 4);
    assert!(stops >= 5, "it was stopped {stops} times");
    let (expected, found) = (revisions(&undisturbed), revisions(&disturbed));
    assert!(expected.len() > 500);
    for (row, line) in &expected {
        assert_eq!(found.get(row), Some(line), "{row:?}");
    }
    let more: Vec<_> = found.iter().filter(|(row, _)| !expected.contains_key(*row)).collect();
    assert!(more.is_empty(), "rows that an undisturbed run does not have: {more:?}");
    assert_eq!(disturbed.rejected(), undisturbed.rejected());
}
