//! A server that perceives: killed in the midst of it, it says of every frame what a program by itself says, once.

use std::path::Path;
use std::time::{Duration, Instant};

use schemas::Observation;

use crate::perceive::{Life, by_camera, captured, copy, live, numbers};
use crate::program::records;
use crate::running::{Running, giaolo, text};

const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/weights");
const DEFINITION: &str = "version: 1
job: perceive
description: Vehicles on the pictures of the drawn cameras.
sources:
  frames: {kind: frames, format: bincode}
steps:
  seen:
    step: perceive
    from: frames
    detector: {drawn_vehicles: {weights: vehicle_detector.safetensors}}
    plates: {finder: plate_finder.safetensors, reader: plate_reader.safetensors}
    every: 80 ms
    behind: 100000 h
outputs:
  observations: {from: seen}
";

fn submit(folder: &Path, server: &Running, definition: &str) -> String {
    std::fs::write(folder.join("perceive.yaml"), definition).unwrap();
    text(&giaolo(folder, &["submit", "perceive.yaml", "--server", &server.address]))
}

fn until(what: &str, wanted: impl Fn() -> bool) {
    let began = Instant::now();
    while !wanted() {
        assert!(began.elapsed() < Duration::from_secs(90), "{what} did not come");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_server_that_is_killed_while_it_perceives_says_of_each_frame_what_there_is_to_say_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(store) = captured(folder.path(), false) else { return };
    let alone = copy(&store, "alone.db");
    live(&alone, &Life::default()).0.unwrap();
    let expected = by_camera(records::<Observation>(&alone, "observations"));

    let serve = || Running::start_on(folder.path(), &["--local", "frames.db"], &["--weights", WEIGHTS]);
    let seen = || records::<Observation>(&store, "observations").len();
    let mut server = serve();
    let told = submit(folder.path(), &server, DEFINITION);
    assert!(told.contains("it writes observations"), "{told}");
    let ask = |server: &Running, command: &str| text(&giaolo(folder.path(), &[command, "--server", &server.address]));
    // In its first life it surely looks at something; what is left for the last is chance.
    until("the stage", || {
        let status = ask(&server, "status");
        status.contains("stage perceive") && status.contains("of c1")
    });
    for part in 1..4 {
        until(&format!("part {part}"), || seen() >= part * expected.values().map(Vec::len).sum::<usize>() / 5);
        drop(server);
        server = serve();
    }
    until("the rest", || seen() >= expected.values().map(Vec::len).sum());
    let listed = ask(&server, "list");
    assert!(listed.contains("running    observations"), "{listed}");
    drop(server);
    let told = by_camera(records::<Observation>(&store, "observations"));
    assert_eq!(told.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (camera, seen) in &told {
        assert_eq!(numbers(seen), numbers(&expected[camera]), "{camera}");
    }
}

#[test]
fn weights_are_read_from_their_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    engine::transport::TopicStore::create_topic(
        &engine::transport::local::LocalTransport::open(folder.path().join("city.db")).unwrap(),
        "frames",
        1,
    )
    .unwrap();
    let server = Running::start(folder.path(), &[]);
    let refused = submit(folder.path(), &server, DEFINITION);
    assert!(refused.contains("no folder with weights") && refused.contains("--weights DIR"), "{refused}");
    drop(server);
    let server = Running::start(folder.path(), &["--weights", WEIGHTS]);
    for outside in ["../weights/vehicle_detector.safetensors", "/etc/passwd"] {
        let refused = submit(folder.path(), &server, &DEFINITION.replace("vehicle_detector.safetensors", outside));
        assert!(refused.contains("is not in the folder of weights"), "{refused}");
    }
    let refused = submit(folder.path(), &server, &DEFINITION.replace("vehicle_detector", "vehicle_detecter"));
    assert!(refused.contains("could not be read"), "{refused}");
    let refused = submit(folder.path(), &server, &DEFINITION.replace("vehicle_detector", "plate_reader"));
    assert!(refused.contains("cannot be used"), "{refused}");
    let refused =
        submit(folder.path(), &server, &DEFINITION.replace("  observations: {from: seen}", "  a: {from: seen}\n  b: {from: seen}"));
    assert!(refused.contains("one source, the one step, and one output"), "{refused}");
}
