//! What is told in the end depends on the evidence alone: not on workers, formats, transports or the order of arrival.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use city::records::Observation;
use city::{Plan, Recording, simulate};
use engine::transport::Transport;
use engine::transport::file::FileTransport;
use engine::transport::local::LocalTransport;
use schemas::wire::{Format, Record};

use crate::product::{TABLES, Told, assert_same, definition, feed, in_memory, input, job, replay};

/// Small, and yet with some of everything.
fn recording() -> Recording {
    simulate(&Plan::new(5, 8, 400))
}

/// Runs from one place to another and tells what then stands there.
fn between(recording: &Recording, source: Arc<dyn Transport>, sink: Arc<dyn Transport>) -> Told {
    assert!(job(definition(), &recording.city, &source, &sink).run(&mut |_| ()).unwrap().finished);
    Told::at(sink.as_ref())
}

/// Runs from files to files.
fn on_files(recording: &Recording, input: &Path) -> Told {
    let output = tempfile::tempdir().unwrap();
    let source = FileTransport::new(input, &["received_ms", "at_ms"]);
    between(recording, Arc::new(source), Arc::new(FileTransport::new(output.path(), &[])))
}

/// A topic as `DIR/topic.bin`: before each record its length and its arrival.
fn write_binary<T: Record>(folder: &Path, topic: &str, recording: &Recording) {
    let mut bytes = Vec::new();
    for (arrival_ms, _, line) in &input(recording)[topic] {
        let record: T = Format::Json.decode(line.as_bytes()).unwrap();
        let mut payload = Vec::new();
        Format::Bincode.encode(&record, &mut payload);
        bytes.extend((payload.len() as u32).to_le_bytes());
        bytes.extend(arrival_ms.unwrap_or(0).to_le_bytes());
        bytes.extend(payload);
    }
    fs::write(folder.join(topic).with_extension("bin"), bytes).unwrap();
}

#[test]
fn one_worker_two_and_three_say_the_same() {
    let recording = recording();
    let one = replay(&recording, |_| ());
    TABLES.iter().for_each(|topic| assert!(one.rows(topic).len() > 10, "{topic} says too little to compare"));
    for workers in [2, 3] {
        let more = replay(&recording, |run| run.settings.workers = workers);
        assert_same(&format!("{workers} workers"), &one, &more);
        assert_eq!(one.rejected(), more.rejected(), "{workers} workers");
    }
}

#[test]
fn steps_of_the_clock_and_sizes_of_epochs_do_not_matter() {
    let recording = recording();
    let usual = replay(&recording, |_| ());
    assert_same("small epochs", &usual, &replay(&recording, |run| run.settings.epoch_bytes = 5_000));
    assert_same("a coarse clock", &usual, &replay(&recording, |run| run.settings.tick_ms = 1_700));
}

#[test]
fn json_bincode_memory_files_and_the_local_store_say_the_same() {
    let recording = recording();
    let memory = replay(&recording, |_| ());
    let folder = tempfile::tempdir().unwrap();
    recording.write(folder.path()).unwrap();
    let files = on_files(&recording, &folder.path().join("input"));
    assert_same("files", &memory, &files);
    assert_eq!(memory.rejected(), files.rejected());

    let binary = tempfile::tempdir().unwrap();
    write_binary::<schemas::Observation>(binary.path(), "observations", &recording);
    write_binary::<schemas::Signal>(binary.path(), "signals", &recording);
    write_binary::<schemas::HotlistEntry>(binary.path(), "hotlist", &recording);
    assert_same("bincode", &memory, &on_files(&recording, binary.path()));

    let local: Arc<LocalTransport> = Arc::new(LocalTransport::open(folder.path().join("city.db")).unwrap());
    feed(local.as_ref(), &recording, |_, _| true);
    let store = between(&recording, Arc::clone(&local) as _, local);
    assert_same("the local store", &memory, &store);
    assert_eq!(memory.rejected(), store.rejected());
}

/// The recording with one more, empty frame of each camera at the end: so all is observed until the same moment, however late
/// the frames before it come. Else a camera whose last frames are on their way would rightly be called silent.
fn closed(recording: &Recording, after_ms: i64) -> Recording {
    let mut closed = recording.clone();
    let at_ms = recording.observations.iter().map(|o| o.at_ms).max().unwrap() + after_ms;
    for camera in &recording.city.cameras {
        let last = recording.observations.iter().rfind(|o| o.camera == camera.id).unwrap();
        closed.observations.push(Observation {
            frame: last.frame + 100_000,
            at_ms,
            objects: Vec::new(),
            received_ms: at_ms,
            ..last.clone()
        });
    }
    closed
}

#[test]
fn cameras_may_come_in_any_order_within_the_lateness() {
    for seed in 0..12 {
        let recording = simulate(&Plan::new(seed, 5, 180));
        for (mix, lateness_ms) in [(seed, 20_000), (seed + 100, 800_000)] {
            let in_order = replay(&closed(&recording, lateness_ms), |_| ());
            let mixed = replay(&closed(&recording.interleaved(mix, lateness_ms), lateness_ms), |_| ());
            assert_same(&format!("seed {seed}, mix {mix}, up to {lateness_ms} ms late"), &in_order, &mixed);
        }
    }
}

#[test]
fn signals_and_lists_may_come_after_the_vehicles() {
    for seed in 0..4 {
        let recording = simulate(&Plan::new(seed, 8, 400));
        let memory = in_memory(&Recording { signals: Vec::new(), hotlist: Vec::new(), ..recording.clone() });
        // All of them within the lateness, yet long after the last frame.
        let after_ms = recording.observations.last().unwrap().received_ms.unsigned_abs();
        recording.signal_lines().iter().for_each(|line| memory.append("signals", 0, after_ms + 5_000, line.as_bytes()));
        recording.hotlist_lines().iter().for_each(|line| memory.append("hotlist", 0, after_ms + 5_000, line.as_bytes()));
        let place: Arc<dyn Transport> = Arc::new(memory.clone());
        assert!(job(definition(), &recording.city, &place, &place).run(&mut |_| ()).unwrap().finished);
        let told = Told::in_memory(&memory);
        assert!(told.rows("alerts").iter().any(|row| row.contains("\"rule\":\"red_light\"")), "seed {seed} has a red light");
        assert_same(&format!("seed {seed}, signals last"), &replay(&recording, |_| ()), &told);
    }
}

#[test]
fn a_clock_that_jumps_leaves_proper_changelogs() {
    // The list comes ten days after the frames: at that moment the clock passes everything it could still have changed.
    let recording = simulate(&Plan::new(5, 5, 180));
    let memory = in_memory(&Recording { hotlist: Vec::new(), ..recording.clone() });
    let days_later = recording.observations.last().unwrap().received_ms.unsigned_abs() + 10 * 86_400_000;
    recording.hotlist_lines().iter().for_each(|line| memory.append("hotlist", 0, days_later, line.as_bytes()));
    let place: Arc<dyn Transport> = Arc::new(memory.clone());
    assert!(job(definition(), &recording.city, &place, &place).run(&mut |_| ()).unwrap().finished);
    let told = Told::in_memory(&memory);
    told.finals();
    assert_eq!(told.rows("sightings").len(), replay(&recording, |_| ()).rows("sightings").len());
}

#[test]
fn what_lines_are_called_does_not_matter() {
    let recording = recording();
    let mut renamed = recording.clone();
    renamed.city.cameras.iter_mut().flat_map(|camera| &mut camera.lines).for_each(|line| line.id.push_str("-1"));
    let [as_it_was, otherwise] = [&recording, &renamed].map(|recording| replay(recording, |_| ()));
    assert!(otherwise.rows("sightings").iter().any(|row| row.contains("\"stop-1\"")));
    for topic in ["journeys", "alerts"] {
        assert_eq!(as_it_was.table(topic), otherwise.table(topic), "{topic}");
    }
}
