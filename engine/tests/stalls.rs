//! One partition's trouble is nobody else's: a live job goes on telling of the others within two seconds.
//!
//! ```text
//! 0  well                a record every 20 ms            told within 2 s, every one
//! 1  never had a record
//! 2  an hour ahead                                       rejected as future
//! 3  a year behind                                       rejected as late
//! 4  lags by an hour, and more keeps coming              taken in, though late for the wall clock
//! 5  fails, and fails again
//! ```

mod sums;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::transport::{Batch, OutputRow, Position, Progress, Reader, Transport, TransportError, Writer};
use engine::{Binding, Run, Settings};
use sums::Sums;

const HOUR_MS: u64 = 3_600_000;
const YEAR_MS: u64 = 365 * 24 * HOUR_MS;

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Where rows are committed: each with the wall clock of that moment.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<Vec<(u64, String)>>>);

/// One partition that has such a trouble.
struct Troubled {
    partition: u32,
    next: u64,
    began: Instant,
}

impl Transport for Place {
    fn partitions(&self, _: &str) -> Result<Vec<u32>, TransportError> {
        Ok((0..6).collect())
    }

    fn reader(&self, _: &str, partition: u32, next: u64) -> Result<Box<dyn Reader>, TransportError> {
        Ok(Box::new(Troubled { partition, next, began: Instant::now() }))
    }

    fn writer(&self, _: &str, _: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(self.clone()))
    }
}

impl Writer for Place {
    fn add_outputs(&mut self, _: &[String]) -> Result<(), TransportError> {
        Ok(())
    }
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        Ok(Vec::new())
    }

    fn commit(&mut self, rows: &[OutputRow], _: &Progress) -> Result<(), TransportError> {
        let now_ms = now_ms();
        self.0.lock().unwrap().extend(rows.iter().map(|row| (now_ms, String::from_utf8(row.value.clone()).unwrap())));
        Ok(())
    }
}

impl Reader for Troubled {
    fn read(&mut self, _: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let now_ms = now_ms();
        let (event_ms, arrival_ms, position) = match self.partition {
            0 => (now_ms, now_ms, Position::CaughtUp),
            2 => (now_ms + HOUR_MS, now_ms, Position::CaughtUp),
            3 => (now_ms - YEAR_MS, now_ms, Position::CaughtUp),
            4 => (now_ms - HOUR_MS, now_ms - HOUR_MS, Position::More),
            5 => return Err(TransportError::passing("the line is cut")),
            _ => return Ok(Position::CaughtUp),
        };
        if self.began.elapsed() < Duration::from_millis(20 * self.next) {
            return Ok(position);
        }
        // The key is the moment it was written, so that the row tells how long it took.
        let key = u64::from(self.partition) << 48 | now_ms;
        let entry = format!("{{\"key\":{key},\"at_ms\":{event_ms},\"value\":1}}");
        batch.push(self.next, Some(arrival_ms), b"", Some(entry.as_bytes()));
        self.next += 1;
        Ok(position)
    }
}

#[test]
fn nobody_waits_for_a_partition_that_is_in_trouble() {
    let place = Place::default();
    let stop = Arc::new(AtomicBool::new(false));
    let run = Run {
        job: Arc::new(Sums),
        name: "sums".into(),
        definition: "1".into(),
        sources: vec![Binding { source: "entries".into(), transport: Arc::new(place.clone()), topic: "entries".into(), table: false }],
        sink: Arc::new(place.clone()),
        outputs: vec!["sums".into(), "rejected".into()],
        settings: Settings { lateness_ms: 2 * HOUR_MS, patience_ms: HOUR_MS / 2, ..Settings::default() },
        stop: Arc::clone(&stop),
    };
    let began = Instant::now();
    // A partition that cannot be read from the start on is waited for for ten seconds, and no longer.
    let report = run.run(&mut |_| stop.store(began.elapsed() > Duration::from_secs(15), Ordering::Relaxed)).unwrap();
    assert!(report.records > 4 * 100, "{report:?}");
    let rows = place.0.lock().unwrap();
    let mut took_ms: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    for (committed_ms, row) in rows.iter() {
        match row.split(' ').collect::<Vec<_>>()[..] {
            [key, "1", "1", "provisional"] => {
                let key: u64 = key.parse().unwrap();
                took_ms.entry(key >> 48).or_default().push(committed_ms - (key & ((1 << 48) - 1)));
            }
            [_, reason @ ("Future" | "Late"), _] => *refused.entry(reason).or_default() += 1,
            _ => panic!("unexpected row {row:?}"),
        }
    }
    for partition in [0, 4] {
        let took_ms = &took_ms[&partition];
        assert!(took_ms.len() > 100, "partition {partition}: {} rows", took_ms.len());
        // The first was there before the job could begin.
        assert!(took_ms[1..].iter().all(|ms| *ms < 2_000), "partition {partition}: {:?} ms", took_ms[1..].iter().max());
    }
    assert!(refused["Future"] > 100 && refused["Late"] > 100, "{refused:?}");
}
