//! Apache Kafka, through librdkafka.
//!
//! ```text
//!              lookup (sees everything)      metadata, watermarks
//! brokers ◀──▶ consumer (read committed) ─┬▶ queue of one partition ─▶ reader
//!                                         └▶ queue of one partition ─▶ reader
//!              producer (transactional) ◀── writer: rows ┐
//!                                                        ├ one transaction
//!                         giaolo-progress, giaolo-history┘
//!                         giaolo-writers ◀── who the writer is
//! ```
//!
//! **Reading.** One consumer a process, with partitions assigned by hand: who reads what is the job's own business and stands in
//! its progress record, so consumer groups have no say. librdkafka hands out one queue a partition; a reader owns
//! one. (A consumer holds a partition once: who reads one twice gets a second consumer, and a reader whose client has no broker any
//! more goes on in another one.) Only committed records are seen.
//! *Caught up* means that the broker said so and still answers: a broker that went away is an error, not silence.
//! An offset that is gone is an error too, never a silent jump.
//!
//! **Writing.** A transactional producer named after the job. Taking its name (`init_transactions`) comes first and ends the
//! transaction of a predecessor, so what is read afterwards as history is final. Each commit is one transaction with the rows, the
//! newest progress record in the compacted `giaolo-progress`, and the same in `giaolo-history`, which keeps a week.
//! After anything that went wrong with a transaction or a line the writer goes on with a new producer, unless `giaolo-writers` names
//! another, and looks whether what it wrote last is there: a broker that shuts down alone may forget a commit that it has confirmed.
//!
//! **Outputs** that do not exist are made with one partition, the cluster's own replication and `cleanup.policy=delete`. They are changelogs
//! keyed by id, so `compact` suggests itself; but a job's own output is the memory from which it rebuilds its state, and
//! compaction would take the earlier revisions out of it. Who wants another setting makes the topic first.

mod client;
mod cluster;
mod committed;
mod connection;
mod consumers;
mod producer;
mod progress;
mod reader;
mod sent;
mod statistics;
mod writer;

use std::ops::Range;
use std::sync::Arc;

pub use self::client::KafkaConfig;
use self::cluster::{Cluster, Wanted};
use self::reader::KafkaReader;
use self::writer::KafkaWriter;
use super::topics::{missing_partition, not_kept};
use super::{NewRecord, Progress, Reader, TopicStore, TopicSummary, Transport, TransportError, Writer};

/// A Kafka cluster.
pub struct KafkaTransport {
    cluster: Arc<Cluster>,
}

impl KafkaTransport {
    /// Prepares clients for a cluster. Nothing is asked of it yet.
    ///
    /// # Errors
    /// A property is unknown to librdkafka, has a wrong value, or is one that this transport must set itself.
    pub fn new(config: KafkaConfig) -> Result<Self, TransportError> {
        Ok(Self { cluster: Arc::new(Cluster::new(config)?) })
    }
}

impl Transport for KafkaTransport {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        self.cluster.partitions(topic)
    }

    fn reader(&self, topic: &str, partition: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        let kept = self.offsets(topic, partition)?;
        // 0 asks for what is kept, whatever that is.
        if offset > kept.end || (offset > 0 && offset < kept.start) {
            return Err(not_kept(topic, partition, offset, &kept, &self.cluster.place()));
        }
        Ok(Box::new(KafkaReader::begin(&self.cluster, topic, partition, offset)?))
    }

    fn writer(&self, job: &str, outputs: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(KafkaWriter::become_writer(self.cluster.clone(), job, outputs)?))
    }
}

impl TopicStore for KafkaTransport {
    fn topics(&self) -> Result<Vec<TopicSummary>, TransportError> {
        let summary = |(name, partitions): (String, Vec<u32>)| {
            let partitions = partitions.into_iter().map(|partition| self.cluster.offsets(&name, partition)).collect::<Result<_, _>>()?;
            Ok(TopicSummary { name, partitions })
        };
        self.cluster.topics()?.into_iter().map(summary).collect()
    }

    fn offsets(&self, topic: &str, partition: u32) -> Result<Range<u64>, TransportError> {
        let partitions = self.cluster.partitions(topic)?;
        if !partitions.contains(&partition) {
            return Err(missing_partition(topic, partition, partitions.len(), &self.cluster.place()));
        }
        self.cluster.offsets(topic, partition)
    }

    fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), TransportError> {
        self.cluster.make_topics(&[Wanted { topic, partitions: Some(partitions), settings: &[] }])
    }

    fn append(&self, topic: &str, records: &[NewRecord<'_>]) -> Result<(), TransportError> {
        let partitions = self.cluster.partitions(topic)?;
        if let Some(record) = records.iter().find(|record| !partitions.contains(&record.partition)) {
            return Err(missing_partition(topic, record.partition, partitions.len(), &self.cluster.place()));
        }
        self.cluster.feed(topic, records)
    }

    fn progress(&self) -> Result<Vec<Progress>, TransportError> {
        progress::latest(&self.cluster)
    }
}
