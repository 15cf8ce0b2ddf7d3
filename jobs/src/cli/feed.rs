//! `giaolo feed`: put a recording into topics.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use engine::transport::file::FileTransport;
use engine::transport::{Batch, NewRecord, Position, TopicStore, Transport};
use indicatif::HumanCount;
use schemas::Id;

use super::run::ARRIVAL_FIELDS;
use super::store::{Store, explain};
use super::{Outcome, say};

/// Bytes read and written at a time.
const READ_BYTES: usize = 1 << 20;

/// What makes a record's key, unless it is said.
const KEY: &str = "camera,head,unit,list+plate";

/// Put a recording into topics
///
/// Reads every recording of the folder (observations.ndjson, signals.ndjson, …) into the topic of its name, in order of
/// arrival and with the arrival times of the recording. Records are keyed, and spread over partitions, by the first of the
/// fields named with --key that they have: what must stay in order stays in one partition.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  giaolo feed recording/ --brokers localhost:9092 --partitions 8")]
pub(super) struct Feed {
    /// The folder
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    store: Store,
    /// Partitions of topics that are made
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,
    /// Fields that make a record's key, joined by a slash where a record has several of one group
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', default_value = KEY)]
    key: Vec<String>,
}

impl Feed {
    /// The command with nothing but a folder and a store.
    #[cfg(feature = "vision")]
    pub(super) fn of(dir: PathBuf, store: Store) -> Self {
        Self { dir, store, partitions: 1, key: KEY.split(',').map(str::to_owned).collect() }
    }

    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let store = self.store.require()?;
        let recording = FileTransport::new(&self.dir, ARRIVAL_FIELDS);
        let topics = topics(&self.dir)?;
        let began_ms = began_ms(&recording, &topics)?;
        for topic in topics {
            let partitions = match store.partitions(&topic) {
                Ok(partitions) => partitions.len(),
                Err(_) => {
                    store.create_topic(&topic, self.partitions).map_err(explain)?;
                    self.partitions as usize
                }
            };
            let records = self.feed(&recording, store.as_ref(), &topic, partitions as u64, began_ms)?;
            say(&format!("{topic:<14} {:>12} records over {partitions} partitions\n", HumanCount(records).to_string()))?;
        }
        Ok(Outcome::Well)
    }

    /// `began_ms` is the arrival of records before any with an arrival of its own.
    fn feed(
        &self,
        recording: &FileTransport,
        store: &dyn TopicStore,
        topic: &str,
        partitions: u64,
        began_ms: Option<u64>,
    ) -> anyhow::Result<u64> {
        let mut count = 0;
        for partition in recording.partitions(topic).map_err(explain)? {
            let mut reader = recording.reader(topic, partition, 0).map_err(explain)?;
            let mut batch = Batch::default();
            loop {
                batch.clear();
                let position = reader.read(READ_BYTES, &mut batch).map_err(explain)?;
                let keys: Vec<String> = batch.records.iter().map(|record| self.key_of(batch.value(record).unwrap_or_default())).collect();
                let records = batch.records.iter().zip(&keys).map(|(record, key)| NewRecord {
                    partition: (Id::of("partition").with(key.as_bytes()).finish().0 % partitions) as u32,
                    arrival_ms: record.arrival_ms.or(began_ms),
                    key: key.as_bytes(),
                    value: batch.value(record),
                });
                let records: Vec<_> = records.collect();
                store.append(topic, &records).map_err(explain)?;
                count += records.len() as u64;
                if position == Position::End {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// A record's key; empty for one that has none of the fields, or is not JSON.
    fn key_of(&self, record: &[u8]) -> String {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(record) else { return String::new() };
        let key = |group: &String| group.split('+').map(|field| value.get(field)?.as_str()).collect::<Option<Vec<_>>>();
        self.key.iter().find_map(key).map_or_else(String::new, |parts| parts.join("/"))
    }
}

/// When a recording began: the earliest arrival of a partition's first records. What tells no time of its own, as a list, was
/// there then. A store would put the time at which it is fed, and a replay would find the list after everything else.
fn began_ms(recording: &FileTransport, topics: &std::collections::BTreeSet<String>) -> anyhow::Result<Option<u64>> {
    let mut earliest = None;
    for topic in topics {
        for partition in recording.partitions(topic).map_err(explain)? {
            let (mut reader, mut batch) = (recording.reader(topic, partition, 0).map_err(explain)?, Batch::default());
            while batch.records.is_empty() && reader.read(READ_BYTES, &mut batch).map_err(explain)? != Position::End {}
            earliest = earliest.into_iter().chain(batch.records.iter().filter_map(|record| record.arrival_ms)).min();
        }
    }
    Ok(earliest)
}

/// The topics a folder has recordings of.
fn topics(folder: &Path) -> anyhow::Result<std::collections::BTreeSet<String>> {
    let mut topics = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("the folder {folder:?} could not be read"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let plain = name.strip_suffix(".gz").unwrap_or(&name);
        if let Some(stem) = plain.strip_suffix(".ndjson").or_else(|| plain.strip_suffix(".bin")) {
            let numbered = stem.rsplit_once('-').filter(|(_, number)| number.parse::<u32>().is_ok());
            topics.insert(numbered.map_or(stem, |(topic, _)| topic).to_owned());
        }
    }
    anyhow::ensure!(!topics.is_empty(), "the folder {folder:?} holds no recordings (hint: files such as observations.ndjson)");
    Ok(topics)
}
