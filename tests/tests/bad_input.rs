//! Bad input becomes a row in `rejected` and changes nothing else; a bad place is an error that says what to do, and never a panic.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use city::faults::{Fault, spoil, spoil_hotlist};
use city::{Plan, Recording, simulate};
use engine::RunError;
use engine::plan::Plan as JobPlan;
use engine::transport::Transport;
use engine::transport::file::FileTransport;
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::local::LocalTransport;
use engine::transport::memory::MemoryTransport;
use jobs::catalogue::Traffic;

use crate::product::{Told, assert_same, definition, job, replay};

fn recording() -> Recording {
    simulate(&Plan::new(9, 4, 120))
}

/// Runs over files in which one topic's lines were replaced.
fn with_lines(recording: &Recording, topic: &str, lines: &[u8]) -> Told {
    let folder = tempfile::tempdir().unwrap();
    recording.write(folder.path()).unwrap();
    let (from, to) = (folder.path().join("input"), folder.path().join("output"));
    fs::write(from.join(topic).with_extension("ndjson"), lines).unwrap();
    let source: Arc<dyn Transport> = Arc::new(FileTransport::new(from, &["received_ms", "at_ms"]));
    let sink: Arc<dyn Transport> = Arc::new(FileTransport::new(to, &[]));
    assert!(job(definition(), &recording.city, &source, &sink).run(&mut |_| ()).unwrap().finished);
    Told::at(sink.as_ref())
}

/// How many records were rejected for each reason.
fn reasons(told: &Told) -> BTreeMap<String, usize> {
    told.rejected().into_iter().fold(BTreeMap::new(), |mut all, (reason, _)| {
        *all.entry(reason).or_default() += 1;
        all
    })
}

fn counted(expected: &BTreeMap<&str, usize>) -> BTreeMap<String, usize> {
    expected.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
}

#[test]
fn every_kind_of_bad_record_is_rejected_with_its_reason_and_changes_nothing() {
    let recording = recording();
    let good = replay(&recording, |_| ());
    let lines = recording.observation_lines();
    for fault in Fault::ALL {
        let count = if fault == Fault::ManyObjects { 1 } else { 5 };
        let spoilt = spoil(&lines, &[(fault, count)], 3);
        let told = with_lines(&recording, "observations", spoilt.lines.join("\n").as_bytes());
        assert_eq!(reasons(&told), counted(&spoilt.rejected), "{fault:?}");
        assert_same(&format!("{fault:?}"), &good, &told);
    }
}

#[test]
fn all_kinds_at_once_are_no_worse() {
    let recording = recording();
    let all = Fault::ALL.map(|fault| (fault, if fault == Fault::ManyObjects { 1 } else { 20 }));
    let spoilt = spoil(&recording.observation_lines(), &all, 4);
    let told = with_lines(&recording, "observations", spoilt.lines.join("\n").as_bytes());
    assert_eq!(reasons(&told), counted(&spoilt.rejected));
    assert_same("all faults", &replay(&recording, |_| ()), &told);
}

#[test]
fn bytes_that_are_no_text_are_kept_as_base64() {
    let recording = recording();
    let mut lines = recording.observation_lines().join("\n").into_bytes();
    let middle = lines.iter().skip(lines.len() / 2).position(|byte| *byte == b'\n').unwrap() + lines.len() / 2;
    lines.splice(middle..middle, b"\n\xff\xfe{\"camera\"\x80}\n".iter().copied().chain(*b"{\"camera\":\"c\xc3\",\"frame\":1}"));
    let told = with_lines(&recording, "observations", &lines);
    let good = replay(&recording, |_| ());
    let new: Vec<_> = told.rejected().into_iter().filter(|row| !good.rejected().contains(row)).collect();
    assert_eq!(new.len(), 2, "{new:?}");
    assert!(new.iter().all(|(reason, record)| reason == "unreadable" && !record.is_empty() && !record.contains('{')), "{new:?}");
    assert_same("no text", &good, &told);
}

#[test]
fn a_hotlist_entry_that_ends_before_it_begins_is_rejected() {
    let recording = recording();
    let spoilt = spoil_hotlist(&recording, 3);
    let told = with_lines(&recording, "hotlist", spoilt.lines.join("\n").as_bytes());
    assert_eq!(reasons(&told)["invalid"], 3);
    assert_same("reversed entries", &replay(&recording, |_| ()), &told);
}

#[test]
fn bad_signals_are_rejected_too() {
    let recording = recording();
    let mut lines = recording.signal_lines();
    let at = lines.len() / 2;
    let bad = ["{\"head\":\"x\",\"state\":\"purple\",\"at_ms\":1}", "{\"head\":", "[1,2]", "{\"head\":7}", "\u{0}"];
    lines.splice(at..at, bad.map(String::from));
    let told = with_lines(&recording, "signals", lines.join("\n").as_bytes());
    let good = replay(&recording, |_| ());
    assert_eq!(told.rejected().len(), good.rejected().len() + bad.len(), "{:?}", reasons(&told));
    assert_same("bad signals", &good, &told);
}

#[test]
fn an_empty_topic_is_no_error() {
    let recording = recording();
    let quiet = with_lines(&recording, "observations", b"");
    assert!(quiet.rows("sightings").is_empty());
    let unlisted = with_lines(&recording, "hotlist", b"");
    assert!(unlisted.rows("alerts").iter().all(|row| !row.contains("\"rule\":\"hotlist\"")));
    assert_eq!(unlisted.rows("sightings"), replay(&recording, |_| ()).rows("sightings"));
}

/// What a run from a place says when it cannot begin: message and advice; at once.
fn refused(recording: &Recording, source: Arc<dyn Transport>) -> (String, String) {
    let sink: Arc<dyn Transport> = Arc::new(MemoryTransport::default());
    let began = Instant::now();
    let error = job(definition(), &recording.city, &source, &sink).run(&mut |_| ()).unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(30), "it took {:?} to say {error}", began.elapsed());
    let RunError::Transport(error) = error else { panic!("{error}") };
    (error.message, error.hint.unwrap_or_default())
}

#[test]
fn a_place_without_the_topic_is_named_with_what_to_do() {
    let recording = recording();
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let (message, _) = refused(&recording, Arc::new(FileTransport::new(&missing, &[])));
    assert!(message.contains("missing"), "{message}");
    let (message, hint) = refused(&recording, Arc::new(FileTransport::new(folder.path(), &[])));
    assert!(message.contains("observations") && hint.contains("observations.ndjson"), "{message}; {hint}");
    let local = LocalTransport::open(folder.path().join("city.db")).unwrap();
    let (message, hint) = refused(&recording, Arc::new(local));
    assert!(message.contains("observations") && !hint.is_empty(), "{message}; {hint}");
}

#[test]
fn a_broker_that_is_down_is_named_quickly() {
    let recording = recording();
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = KafkaConfig { brokers: format!("127.0.0.1:{port}"), ..KafkaConfig::default() };
    let (message, hint) = refused(&recording, Arc::new(KafkaTransport::new(config).unwrap()));
    assert!(message.contains(&port.to_string()) && !hint.is_empty(), "{message}; {hint}");
}

#[test]
fn a_definition_with_a_cycle_is_refused_with_its_steps() {
    let circular = definition().replace("step: track\n    from: observations", "step: link\n    from: sightings");
    let problems = JobPlan::read(&Traffic, "circular.yaml", &circular).unwrap_err().to_string();
    assert!(problems.contains("circular.yaml:") && problems.contains("sightings"), "{problems}");
    let long = definition().replace("step: cloned_plate\n    from: journeys", "step: cloned_plate\n    from: cloned_plates");
    let problems = JobPlan::read(&Traffic, "circular.yaml", &long).unwrap_err().to_string();
    assert!(problems.contains("cloned_plates"), "{problems}");
}
