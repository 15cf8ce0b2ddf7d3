//! The recorded rush hour of `giaolo demo`: it is the one its README says how to make, and shows every rule.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use city::records::City;
use city::{Plan, simulate};
use engine::transport::file::FileTransport;
use engine::transport::memory::MemoryTransport;
use flate2::read::GzDecoder;

use crate::product::{Told, definition, job};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../jobs/demo")
}

/// The plan of the command in the recording's README.
fn plan() -> Plan {
    let plan = Plan::new(2026, 12, 3_600);
    Plan { arrivals_per_hour: 200, ..plan }
}

fn unpacked(name: &str) -> Vec<String> {
    let file = std::fs::File::open(folder().join(name).with_extension("ndjson.gz")).expect("a part of the recording");
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).expect("whole lines of text");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn the_recording_is_what_its_command_makes() {
    let recording = simulate(&plan());
    assert_eq!(City::read(&folder().join("city.json")).expect("a map"), recording.city);
    assert!(unpacked("observations") == recording.observation_lines());
    assert!(unpacked("signals") == recording.signal_lines());
    assert!(unpacked("hotlist") == recording.hotlist_lines());
}

#[test]
fn the_recording_shows_every_rule_and_is_seen_as_it_was() {
    let recording = simulate(&plan());
    let source = Arc::new(FileTransport::new(folder(), &["received_ms", "at_ms"]));
    let sink = MemoryTransport::default();
    let run = job(definition(), &recording.city, &(source as _), &(Arc::new(sink.clone()) as _));
    assert!(run.run(&mut |_| ()).expect("a run").finished);
    let told = Told::in_memory(&sink);
    let score = told.judged(&recording);
    assert!(score.journeys.idf1 > Some(0.97), "{:?}", score.journeys);
    for rule in ["camera_silent", "cloned_plate", "hotlist", "no_stopping", "point_speed", "red_light", "section_speed", "wrong_way"] {
        assert!(told.rows("alerts").iter().any(|row| row.contains(&format!("\"rule\":\"{rule}\""))), "{rule} does not fire");
    }
}
