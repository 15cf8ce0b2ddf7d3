//! The topics of a race: the reads, loaded once, and the alerts of each pass, followed read committed.

use anyhow::Context as _;
use benches::plate_reads::{Alerts, PlateRead};
use benches::plate_wire::{self, EPOCH_MS};
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::{Batch, NewRecord, Position, Reader, TopicStore as _, Transport as _};

/// The topic of the reads.
pub(crate) const READS: &str = "reads";

/// Reads written at a time.
const CHUNK: usize = 50_000;

/// The broker's topics.
pub(crate) struct Topics(KafkaTransport);

impl Topics {
    pub(crate) fn new(brokers: &str) -> anyhow::Result<Self> {
        Ok(Self(KafkaTransport::new(KafkaConfig { brokers: brokers.to_owned(), ..KafkaConfig::default() })?))
    }

    /// Writes the reads, in order of arrival, each at the time of the newest before it; a camera's go to one partition.
    pub(crate) fn load(&self, reads: &[PlateRead], partitions: u32) -> anyhow::Result<()> {
        self.0.create_topic(READS, partitions)?;
        let mut newest = 0;
        for reads in reads.chunks(CHUNK) {
            let mut text = Vec::new();
            let ends: Vec<usize> = reads
                .iter()
                .map(|read| {
                    plate_wire::write_read(read, &mut text);
                    text.len()
                })
                .collect();
            let mut begin = 0;
            let records = reads.iter().zip(ends).map(|(read, end)| {
                newest = newest.max(read.at_ms);
                let value = Some(&text[std::mem::replace(&mut begin, end)..end]);
                NewRecord { partition: u32::from(read.camera) % partitions, arrival_ms: Some(EPOCH_MS + newest), key: &[], value }
            });
            self.0.append(READS, &records.collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Makes a topic for alerts and follows it.
    pub(crate) fn follow(&self, topic: &str) -> anyhow::Result<Following> {
        self.0.create_topic(topic, 1)?;
        Ok(Following { reader: self.0.reader(topic, 0, 0)?, batch: Batch::default(), alerts: Alerts::default() })
    }
}

/// A topic of alerts, as far as it has been read.
pub(crate) struct Following {
    reader: Box<dyn Reader>,
    batch: Batch,
    /// What it held so far.
    pub(crate) alerts: Alerts,
}

impl Following {
    /// Reads on; whether the end was reached.
    pub(crate) fn read(&mut self) -> anyhow::Result<bool> {
        self.batch.clear();
        let position = self.reader.read(1 << 20, &mut self.batch)?;
        for record in &self.batch.records {
            let (earlier, later) = plate_wire::pair(self.batch.value(record).unwrap_or_default()).context("not an alert")?;
            self.alerts.add(earlier, later, 1);
        }
        Ok(position == Position::CaughtUp)
    }
}
