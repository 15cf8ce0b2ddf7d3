//! What a job costs where it is to run, as far as that can be measured: how much comes, whether it is kept for long enough, and
//! how long a restart takes.
//!
//! ```text
//! topic   [ first kept ………………………………………………………………… the newest thousand ]
//!              └ kept for so long                        └ so many records and bytes a second
//! restart reads back the job's memory ─▶ records, bytes ─▶ time, at the pace at which this server worked so far
//! ```

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::gauges::Figures;
use crate::time::wall_ms;
use crate::transport::{Batch, Position, Transport, TransportError};

/// How many records of a partition are measured.
const SAMPLE: u64 = 1_000;
/// How long the measuring of one partition may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many records a server must have worked through before its pace says anything.
const PACE_LEAST: u64 = 1_000;

/// What a job costs.
#[derive(Debug, Serialize)]
pub(super) struct Forecast {
    /// The topics it reads.
    sources: Vec<Source>,
    /// What a restart reads anew, tables apart; `None` where a topic could not be measured.
    restart: Option<Restart>,
}

#[derive(Debug, Serialize)]
struct Source {
    topic: String,
    /// Whether it is read whole.
    table: bool,
    /// What comes, lately; `None` while nothing is there to be measured.
    #[serde(flatten)]
    rate: Option<Rate>,
    /// Since when records are kept, milliseconds before now.
    kept_ms: Option<u64>,
    /// Whether older ones were deleted that a restart would need.
    short: bool,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Rate {
    records_per_s: f64,
    bytes_per_s: f64,
}

#[derive(Debug, Serialize)]
struct Restart {
    records: u64,
    bytes: u64,
    /// At the pace of this server so far; `None` while it has worked through too little.
    ms: Option<u64>,
}

impl Forecast {
    /// Looks into the topics of a job whose results rest on evidence up to so old.
    pub(super) fn of(transport: &dyn Transport, sources: &BTreeMap<String, bool>, memory_ms: u64, figures: &Figures) -> Self {
        let sources: Vec<Source> =
            sources.iter().map(|(topic, table)| Source::measure(transport, topic, *table, memory_ms, figures)).collect();
        let rates: Option<Vec<Rate>> = sources.iter().filter(|source| !source.table).map(|source| source.rate).collect();
        let restart = rates.map(|rates| {
            let times = |rate: fn(&Rate) -> f64| (rates.iter().map(rate).sum::<f64>() * memory_ms as f64 / 1_000.0) as u64;
            let records = times(|rate| rate.records_per_s);
            Restart { records, bytes: times(|rate| rate.bytes_per_s), ms: pace(figures).map(|ms| (records as f64 * ms) as u64) }
        });
        Self { sources, restart }
    }
}

/// How long a record takes, milliseconds: workers share the records, and the first one's time is known.
fn pace(figures: &Figures) -> Option<f64> {
    let records: u64 = figures.partitions.iter().map(|partition| partition.records).sum();
    let busy_ms: u64 = figures.busy_ms.values().sum();
    (records >= PACE_LEAST).then(|| busy_ms as f64 / records as f64)
}

impl Source {
    /// What cannot be read now is not measured: the plan of a job is told even so.
    fn measure(transport: &dyn Transport, topic: &str, table: bool, memory_ms: u64, figures: &Figures) -> Self {
        let (mut rate, mut kept_ms, mut short) = (None::<Rate>, None, false);
        for number in transport.partitions(topic).unwrap_or_default() {
            let known = figures.partitions.iter().find(|known| (known.topic.as_str(), known.partition) == (topic, number));
            let newest = known.map_or(0, |known| known.next_offset.saturating_sub(SAMPLE));
            let newest = sample(transport, topic, number, newest, SAMPLE).or_else(|_| sample(transport, topic, number, 0, SAMPLE));
            if let Some(measured) = newest.ok().and_then(|sample| sample.rate()) {
                let sum = rate.get_or_insert_default();
                sum.records_per_s += measured.records_per_s;
                sum.bytes_per_s += measured.bytes_per_s;
            }
            let Some(first) = sample(transport, topic, number, 0, 1).ok().filter(|first| first.count > 0) else { continue };
            let age_ms = wall_ms().saturating_sub(first.from_ms);
            kept_ms = kept_ms.max(Some(age_ms));
            short |= first.offset > 0 && age_ms < memory_ms && !table;
        }
        Self { topic: topic.to_owned(), table, rate, kept_ms, short }
    }
}

/// Some records of a partition.
#[derive(Default)]
struct Sample {
    /// The first one's offset.
    offset: u64,
    count: u64,
    bytes: u64,
    from_ms: u64,
    until_ms: u64,
}

impl Sample {
    fn rate(&self) -> Option<Rate> {
        let span_s = self.until_ms.saturating_sub(self.from_ms) as f64 / 1_000.0;
        // Of so many records there is one interval less.
        let records_per_s = self.count.saturating_sub(1) as f64 / span_s;
        (span_s > 0.0).then(|| Rate { records_per_s, bytes_per_s: records_per_s * (self.bytes as f64 / self.count as f64) })
    }
}

/// Reads so many records from an offset on, or what there is.
fn sample(transport: &dyn Transport, topic: &str, partition: u32, offset: u64, most: u64) -> Result<Sample, TransportError> {
    let mut reader = transport.reader(topic, partition, offset)?;
    let (began, mut batch, mut sample) = (Instant::now(), Batch::default(), Sample::default());
    while sample.count < most && began.elapsed() < PATIENCE {
        batch.clear();
        let position = reader.read(1 << 16, &mut batch)?;
        for record in batch.records.iter().take((most - sample.count) as usize) {
            let Some(arrival_ms) = record.arrival_ms else { continue };
            if sample.count == 0 {
                (sample.offset, sample.from_ms) = (record.offset, arrival_ms);
            }
            sample.until_ms = sample.until_ms.max(arrival_ms);
            sample.count += 1;
            sample.bytes += (batch.key(record).len() + batch.value(record).map_or(0, <[u8]>::len)) as u64;
        }
        match position {
            Position::CaughtUp | Position::End => break,
            Position::More if batch.records.is_empty() => thread::sleep(Duration::from_millis(1)),
            Position::More => {}
        }
    }
    Ok(sample)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gauges::PartitionFigures;
    use crate::transport::memory::MemoryTransport;

    /// A record every 100 ms until just now, each of 10 bytes.
    fn topic(records: u64) -> MemoryTransport {
        let (memory, now_ms) = (MemoryTransport::default(), wall_ms());
        memory.create("frames", 0);
        (0..records).for_each(|n| memory.append("frames", 0, now_ms - 100 * (records - n), b"0123456789"));
        memory
    }

    fn forecast(memory: &MemoryTransport, figures: &Figures) -> serde_json::Value {
        let sources = BTreeMap::from([("frames".to_owned(), false)]);
        serde_json::to_value(Forecast::of(memory, &sources, 60_000, figures)).expect("JSON")
    }

    #[test]
    fn what_comes_is_measured_and_what_a_restart_reads_follows() {
        let forecast = forecast(&topic(50), &Figures::default());
        let source = &forecast["sources"][0];
        assert_eq!((source["records_per_s"].as_f64(), source["bytes_per_s"].as_f64()), (Some(10.0), Some(100.0)));
        assert!((5_000..6_000).contains(&source["kept_ms"].as_u64().expect("it is kept")), "{source}");
        assert_eq!(forecast["restart"], serde_json::json!({"records": 600, "bytes": 6_000, "ms": null}));
    }

    #[test]
    fn the_pace_is_that_of_the_server_so_far() {
        let partition = PartitionFigures { topic: "frames".to_owned(), records: 2_000, next_offset: 50, ..PartitionFigures::default() };
        let figures = Figures { partitions: vec![partition], busy_ms: [("track".to_owned(), 4_000)].into(), ..Figures::default() };
        assert_eq!(forecast(&topic(50), &figures)["restart"]["ms"], 1_200);
    }

    #[test]
    fn a_topic_that_is_not_there_leaves_the_forecast_open() {
        let forecast = forecast(&MemoryTransport::default(), &Figures::default());
        assert_eq!((&forecast["restart"], &forecast["sources"][0]["records_per_s"]), (&serde_json::Value::Null, &serde_json::Value::Null));
    }
}
