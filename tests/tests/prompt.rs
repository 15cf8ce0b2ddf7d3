//! How soon a person is told, on the job clock: each moment is committed alone, so a row's moment is that of its commit.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use city::records::Observation;
use city::{Noise, Plan, Recording, simulate};
use engine::transport::memory::MemoryTransport;
use engine::transport::{OutputRow, Progress, Reader, Transport, TransportError, Writer};
use serde_json::Value;

use crate::product::{definition, in_memory, job};

/// No vehicle is in view for longer. One that was in view when its entry began is told when its time falls into the entry's,
/// at its crossing; promptness is measured on the others.
const IN_VIEW_MS: i64 = 90_000;

/// A topic's rows, each with the job clock at which it was committed.
type Clocked = Vec<(u64, Value)>;

/// Alerts with the job clock at which each came.
#[derive(Clone, Default)]
struct Stopwatch(Arc<Mutex<Clocked>>);

impl Transport for Stopwatch {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        Err(TransportError::lasting(format!("{topic} is not read from here")))
    }

    fn reader(&self, topic: &str, _: u32, _: u64) -> Result<Box<dyn Reader>, TransportError> {
        Err(TransportError::lasting(format!("{topic} is not read from here")))
    }

    fn writer(&self, _: &str, _: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(self.clone()))
    }
}

impl Writer for Stopwatch {
    fn add_outputs(&mut self, _: &[String]) -> Result<(), TransportError> {
        Ok(())
    }
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        let alerts = rows.iter().filter(|row| &*row.topic == "alerts");
        let parsed = alerts.map(|row| (progress.clock, serde_json::from_slice(&row.value).expect("a row is JSON")));
        self.0.lock().expect("nobody panics with it").extend(parsed);
        Ok(())
    }
}

/// The alerts of a recording in the order in which they came, each moment a commit of its own.
fn alerts(recording: &Recording) -> Clocked {
    let memory: MemoryTransport = in_memory(recording);
    let (source, watch) = (Arc::new(memory) as Arc<dyn Transport>, Stopwatch::default());
    let mut run = job(definition(), &recording.city, &source, &(Arc::new(watch.clone()) as Arc<dyn Transport>));
    (run.settings.epoch_bytes, run.settings.epochs_in_flight) = (1, 1);
    assert!(run.run(&mut |_| ()).unwrap().finished);
    let clocked = watch.0.lock().expect("the run is over");
    clocked.clone()
}

/// Whether a frame shows a plate, every character of it read with confidence.
fn reads(frame: &Observation, plate: &str) -> bool {
    let sure = |read: &city::records::Plate| read.text == plate && read.confidence.iter().all(|c| *c >= 850);
    frame.objects.iter().filter_map(|object| object.plate.as_deref()).any(sure)
}

/// Cameras whose frames arrive late, and otherwise as they should be.
fn delayed() -> Noise {
    Noise { delay_ms: 150.0, ..Noise::none() }
}

#[test]
fn a_wanted_vehicle_is_told_within_a_second_of_the_first_confident_read() {
    let mut told = 0;
    for seed in 0..4 {
        let mut plan = Plan { noise: delayed(), ..Plan::new(seed, 6, 300) };
        plan.behaviour.hotlist = 12;
        let recording = simulate(&plan);
        let first = first_of_each(&alerts(&recording), "hotlist");
        for entry in &recording.hotlist {
            let held = |o: &&Observation| (entry.from_ms..entry.until_ms).contains(&o.at_ms);
            let Some(read) = recording.observations.iter().filter(held).find(|o| reads(o, &entry.plate)) else { continue };
            if read.at_ms - entry.from_ms < IN_VIEW_MS {
                continue;
            }
            let came = first.get(entry.plate.as_str()).unwrap_or_else(|| panic!("seed {seed}: nobody was told of {entry:?}"));
            let after_ms = *came as i64 - read.received_ms;
            assert!((0..=1_000).contains(&after_ms), "seed {seed}: told {after_ms} ms after the first read of {entry:?}");
            told += 1;
        }
    }
    assert!(told >= 20, "only {told} wanted vehicles passed");
}

#[test]
fn who_stands_where_it_is_forbidden_is_told_while_still_standing() {
    let mut told = 0;
    for seed in 0..4 {
        let mut plan = Plan { noise: delayed(), ..Plan::new(seed, 8, 420) };
        plan.behaviour.stopping = 6;
        let recording = simulate(&plan);
        let first = first_of_each(&alerts(&recording), "no_stopping");
        for stop in recording.truth.stopping.iter().filter(|stop| stop.stay_ms > 70_000) {
            let came = first.get(stop.plate.as_str()).unwrap_or_else(|| panic!("seed {seed}: nobody was told of {stop:?}"));
            let standing_ms = *came as i64 - stop.from_ms;
            // Its last metre before it stands still counts as standing: at walking pace or a little more, less than half a second.
            assert!((59_500..=62_000).contains(&standing_ms), "seed {seed}: told {standing_ms} ms into {stop:?}");
            told += 1;
        }
    }
    assert!(told >= 8, "only {told} vehicles stood for long");
}

/// When the first alert of a rule came for each plate.
fn first_of_each(alerts: &Clocked, rule: &str) -> BTreeMap<String, u64> {
    let mut first = BTreeMap::new();
    for (clock, alert) in alerts.iter().filter(|(_, alert)| alert["rule"] == rule) {
        if let Some(plate) = alert["plate"]["text"].as_str() {
            first.entry(plate.to_owned()).or_insert(*clock);
        }
    }
    first
}
