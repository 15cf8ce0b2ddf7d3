//! State is bounded: under a steady load for hours of the city's time, resident memory in the end is what it was at half time.
//!
//! Frames are made as they are read and rows are counted as they are written, so what grows is the job. Memory is that of a
//! whole process, hence each measurement runs in one of its own.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

use city::Load;
use city::records::{Observation, Signal};
use engine::transport::{Batch, OutputRow, Position, Progress, Reader, Transport, TransportError, Writer};
use serde::Serialize;

use crate::product::{job, remembering};

/// A load as a place of topics; what is written there is forgotten.
struct Steady(Load);

impl Transport for Steady {
    fn partitions(&self, _topic: &str) -> Result<Vec<u32>, TransportError> {
        Ok(vec![0])
    }

    fn reader(&self, topic: &str, _partition: u32, _offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        let frame = |o: Observation| (o.received_ms, json(&o));
        let change = |s: Signal| (s.at_ms, json(&s));
        let records: Records = match topic {
            "observations" => Box::new(self.0.observations().map(frame)),
            "signals" => Box::new(self.0.signals().into_iter().map(change)),
            _ => Box::new(std::iter::empty()),
        };
        Ok(Box::new(Made { records, next: 0 }))
    }

    fn writer(&self, _job: &str, _outputs: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(Forgotten))
    }
}

fn json(record: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(record).expect("a record is JSON")
}

/// When each record arrives, and its bytes.
type Records = Box<dyn Iterator<Item = (i64, Vec<u8>)> + Send>;

/// Records that are made when they are read.
struct Made {
    records: Records,
    next: u64,
}

impl Reader for Made {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        while batch.bytes.len() < most_bytes {
            let Some((arrival_ms, value)) = self.records.next() else { return Ok(Position::End) };
            batch.push(self.next, Some(arrival_ms.unsigned_abs()), b"", Some(&value));
            self.next += 1;
        }
        Ok(Position::More)
    }
}

/// Takes everything and keeps nothing.
struct Forgotten;

impl Writer for Forgotten {
    fn add_outputs(&mut self, _: &[String]) -> Result<(), TransportError> {
        Ok(())
    }
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, _rows: &[OutputRow], _progress: &Progress) -> Result<(), TransportError> {
        Ok(())
    }
}

/// What a load leaves: the memory in each tenth of it, MiB, the most and the mean, and how many rows came out.
struct Measured {
    most: Vec<f64>,
    mean: Vec<f64>,
    rows: BTreeMap<String, u64>,
}

impl Measured {
    fn of(load: &Load, definition: &str) -> Self {
        let length_ms = (load.hours * 3_600_000.0) as u64;
        let place: Arc<dyn Transport> = Arc::new(Steady(load.clone()));
        let mut seen = vec![Vec::new(); 10];
        let report = job(definition, &load.city(), &place, &place).run(&mut |report| {
            let tenth = report.clock.saturating_sub(city::EPOCH_MS.unsigned_abs()) * 10 / length_ms;
            seen[(tenth as usize).min(9)].push(city::resident_bytes() / f64::from(1 << 20));
        });
        let report = report.unwrap();
        assert!(report.finished);
        let most: Vec<_> = seen.iter().map(|mib| mib.iter().copied().fold(0.0, f64::max)).collect();
        let mean: Vec<_> = seen.iter().map(|mib| mib.iter().sum::<f64>() / mib.len() as f64).collect();
        println!("{load:?}: MiB by tenths {mean:.0?}, at most {most:.0?}, {} records, rows {:?}", report.records, report.rows);
        Self { most, mean, rows: report.rows }
    }

    /// Holds memory to a limit, and in the last three tenths to what it was in the second to the fourth.
    fn hold(&self, most_mib: f64) {
        let Self { most, mean, .. } = self;
        assert!(most.iter().all(|mib| *mib <= most_mib), "more than {most_mib} MiB: {most:.0?}");
        // What is in flight, and what the allocator takes by 32 MiB, comes and goes.
        let of = |tenths: &[f64]| tenths.iter().sum::<f64>() / tenths.len() as f64;
        assert!(of(&mean[7..]) <= of(&mean[1..4]) * 1.12, "memory grows: {mean:.0?} MiB");
    }
}

#[test]
fn memory_stays_flat_for_hours_of_the_citys_time() {
    let me = std::env::current_exe().unwrap();
    let output = Command::new(me).args(["--ignored", "--exact", "bounded::hours_of_a_small_city", "--nocapture"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    println!("{text}");
}

#[test]
#[ignore = "the test above runs it, in a process of its own"]
fn hours_of_a_small_city() {
    let load = Load { seed: 1, cameras: 20, fps: 2, boxes_per_second: 80.0, sightings_per_second: 4.0, hours: 4.0 };
    let measured = Measured::of(&load, &remembering("1 min", "2 min"));
    assert!(measured.rows["sightings"] > 50_000 && measured.rows["journeys"] > 50_000, "{:?}", measured.rows);
    measured.hold(256.0);
}

/// The city of today, for four hours. Takes minutes:
/// `cargo test --release -p giaolo-city --test all -- --ignored --exact bounded::four_hours_of_a_city_of_200_cameras --nocapture`
#[test]
#[ignore = "144 million boxes: minutes in release, much longer otherwise"]
fn four_hours_of_a_city_of_200_cameras() {
    let load = Load { seed: 1, cameras: 200, fps: 5, boxes_per_second: 10_000.0, sightings_per_second: 100.0, hours: 4.0 };
    let measured = Measured::of(&load, &remembering("15 min", "30 min"));
    assert!(measured.rows["sightings"] > 1_000_000, "{:?}", measured.rows);
    measured.hold(1_024.0);
}
