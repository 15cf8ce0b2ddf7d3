//! Where topics live: options that several commands share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use engine::transport::local::LocalTransport;
use engine::transport::{Batch, Position, TopicStore, Transport, TransportError};
use serde_json::Value;

/// A store of topics: one file, or a Kafka cluster.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(super) struct Store {
    /// A store in one SQLite file; it is made if it does not exist
    #[arg(long, value_name = "FILE")]
    pub(super) local: Option<PathBuf>,
    /// Brokers of a Kafka cluster, host:port, separated by commas
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(super) brokers: Vec<String>,
}

impl Store {
    /// The store, if one was named.
    pub(super) fn open(&self) -> anyhow::Result<Option<Arc<dyn TopicStore>>> {
        if let Some(file) = &self.local {
            return Ok(Some(Arc::new(LocalTransport::open(file).map_err(explain)?)));
        }
        if self.brokers.is_empty() { Ok(None) } else { self.kafka().map(Some) }
    }

    /// The store; without one the command makes no sense.
    pub(super) fn require(&self) -> anyhow::Result<Arc<dyn TopicStore>> {
        match self.open()? {
            Some(store) => Ok(store),
            None => bail!("no store is named (hint: --local FILE, or --brokers LIST)"),
        }
    }

    /// A file of ours that goes with the store: beside it where it is a file itself, else in this folder.
    pub(super) fn beside(&self, what: &str) -> PathBuf {
        match &self.local {
            Some(store) => store.with_extension(format!("{what}.db")),
            None => PathBuf::from(format!("giaolo-{what}.db")),
        }
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka(&self) -> anyhow::Result<Arc<dyn TopicStore>> {
        bail!("this build cannot talk to Kafka (hint: build it with the feature \"kafka\")")
    }

    #[cfg(feature = "kafka")]
    fn kafka(&self) -> anyhow::Result<Arc<dyn TopicStore>> {
        use engine::transport::kafka::{KafkaConfig, KafkaTransport};
        let config = KafkaConfig { brokers: self.brokers.join(","), ..KafkaConfig::default() };
        Ok(Arc::new(KafkaTransport::new(config).map_err(explain)?))
    }
}

/// A transport as the engine wants it.
pub(super) fn as_transport(store: &Arc<dyn TopicStore>) -> Arc<dyn Transport> {
    Arc::clone(store) as Arc<dyn Transport>
}

/// A failed transport with the advice it carries.
pub(super) fn explain(error: TransportError) -> anyhow::Error {
    let hint = error.hint.clone();
    let error = anyhow::Error::from(error);
    match hint {
        Some(hint) => anyhow::anyhow!("{error:#} (hint: {hint})"),
        None => error,
    }
}

/// The rows of an output that stand: the last of each id that was not withdrawn.
pub(super) fn standing(store: &dyn TopicStore, topic: &str) -> anyhow::Result<BTreeMap<String, Value>> {
    let mut rows = BTreeMap::new();
    for partition in store.partitions(topic).map_err(explain)? {
        let from = store.offsets(topic, partition).map_err(explain)?.start;
        let mut reader = store.reader(topic, partition, from).map_err(explain)?;
        let mut batch = Batch::default();
        loop {
            batch.clear();
            let position = reader.read(1 << 20, &mut batch).map_err(explain)?;
            for value in batch.records.iter().filter_map(|record| batch.value(record)) {
                let row: Value = serde_json::from_slice(value)?;
                rows.insert(row["id"].as_str().unwrap_or_default().to_owned(), row);
            }
            if position != Position::More {
                break;
            }
        }
    }
    rows.retain(|_, row| row["status"] != "withdrawn");
    Ok(rows)
}
