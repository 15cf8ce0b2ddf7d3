//! `giaolo tail`: print what a topic holds, and what comes.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use engine::transport::{Batch, Position, Reader};

use super::store::{Store, explain};
use super::{Outcome, job};

/// How often a topic is asked for more.
const EVERY: Duration = Duration::from_millis(200);
/// Bytes asked for at a time.
const READ_BYTES: usize = 1 << 20;

/// Print what a topic holds, and what comes
///
/// The last records first, one a line; with --follow then every new one as it is committed. Rows of transactions that were
/// taken back are not shown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo tail alerts --local city.db
  giaolo tail alerts --brokers localhost:9092 --last 0 --follow | jq .text")]
pub(super) struct Tail {
    /// The topic
    #[arg(value_name = "TOPIC")]
    topic: String,
    #[command(flatten)]
    store: Store,
    /// How many records of each partition to begin with
    #[arg(long, short = 'n', value_name = "N", default_value_t = 10)]
    last: u64,
    /// Go on until stopped
    #[arg(long, short)]
    follow: bool,
}

/// Hands on what readers find, record by record, until stopped.
pub(super) fn follow(readers: &mut [Box<dyn Reader>], stop: &AtomicBool, take: &dyn Fn(&[u8]) -> anyhow::Result<()>) -> anyhow::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let mut behind = false;
        for reader in readers.iter_mut() {
            let mut batch = Batch::default();
            behind |= reader.read(READ_BYTES, &mut batch).map_err(explain)? == Position::More;
            batch.records.iter().filter_map(|record| batch.value(record)).try_for_each(take)?;
        }
        if !behind {
            std::thread::sleep(EVERY);
        }
    }
    Ok(())
}

impl Tail {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let store = self.store.require()?;
        let mut readers = Vec::new();
        for partition in store.partitions(&self.topic).map_err(explain)? {
            let kept = store.offsets(&self.topic, partition).map_err(explain)?;
            let from = kept.end.saturating_sub(self.last).max(kept.start);
            readers.push((store.reader(&self.topic, partition, from).map_err(explain)?, kept.end));
        }
        let stop = job::stop_on_signals()?;
        while !stop.load(Ordering::Relaxed) {
            let mut behind = false;
            for (reader, end) in &mut readers {
                behind |= self.print(reader.as_mut(), end)?;
            }
            if !behind {
                if !self.follow {
                    break;
                }
                std::thread::sleep(EVERY);
            }
        }
        Ok(Outcome::Well)
    }

    /// Prints what a partition has; returns whether more is to come at once. Without --follow `end` is where to stop.
    fn print(&self, reader: &mut dyn Reader, end: &mut u64) -> anyhow::Result<bool> {
        let mut batch = Batch::default();
        let position = reader.read(READ_BYTES, &mut batch).map_err(explain)?;
        let mut out = std::io::stdout().lock();
        for record in batch.records.iter().filter(|record| self.follow || record.offset < *end) {
            out.write_all(batch.value(record).unwrap_or(b"null"))?;
            out.write_all(b"\n")?;
        }
        let reached = batch.records.last().is_some_and(|record| record.offset + 1 >= *end);
        Ok(position == Position::More && (self.follow || !reached))
    }
}
