//! The consumers of a process: one, until somebody reads a partition twice or one has no broker any more.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{Offset, TopicPartitionList};
use tracing::debug;

use super::super::{Lost, TransportError};
use super::client::{KafkaConfig, Purpose};
use super::cluster::watermarks;
use super::connection::{Connection, is_unanswered};

/// The consumers, and who holds what in them.
pub(super) struct Consumers {
    config: KafkaConfig,
    open: Mutex<Vec<Arc<Shared>>>,
}

/// A consumer for many partitions, each at most once.
struct Shared {
    consumer: Arc<BaseConsumer<Connection>>,
    held: Mutex<BTreeSet<(String, i32)>>,
    /// Whether it was left because nobody answered it: no partition is taken in it any more.
    left: AtomicBool,
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, BTreeSet<(String, i32)>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Consumers {
    /// None yet.
    pub(super) fn new(config: KafkaConfig) -> Arc<Self> {
        Arc::new(Self { config, open: Mutex::default() })
    }

    /// Takes a partition, to be fetched from an offset (0: from the first that is kept).
    pub(super) fn hold(
        self: &Arc<Self>,
        topic: &str,
        partition: i32,
        offset: u64,
    ) -> Result<(PartitionQueue<Connection>, Held), TransportError> {
        let shared = self.free_for(topic, partition)?;
        let held = Held { consumers: Arc::clone(self), shared, topic: topic.to_owned(), partition };
        // The queue first: what is fetched before it is split would go to the main queue.
        let queue = held.consumer().split_partition_queue(topic, partition);
        let queue = queue.ok_or_else(|| TransportError::lasting(format!("{held} cannot be read: librdkafka has no queue for it")))?;
        held.consumer().context().begins(topic, partition);
        let from = if offset == 0 { Offset::Beginning } else { Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX)) };
        let assigned = held.list(from).and_then(|list| held.consumer().incremental_assign(&list));
        assigned.map_err(|error| held.explain(error))?;
        Ok((queue, held))
    }

    /// A consumer that does not hold the partition yet, in which it is marked as held.
    fn free_for(&self, topic: &str, partition: i32) -> Result<Arc<Shared>, TransportError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|shared| !shared.left.load(Ordering::Relaxed));
        let which = (topic.to_owned(), partition);
        if let Some(shared) = open.iter().find(|shared| shared.held().insert(which.clone())) {
            return Ok(shared.clone());
        }
        let consumer = self.config.consumer(Purpose::Read)?;
        let shared = Arc::new(Shared { consumer, held: Mutex::new(BTreeSet::from([which])), left: AtomicBool::new(false) });
        open.push(shared.clone());
        Ok(shared)
    }
}

/// A partition that is being fetched, until this is dropped.
pub(super) struct Held {
    consumers: Arc<Consumers>,
    shared: Arc<Shared>,
    topic: String,
    partition: i32,
}

impl Held {
    pub(super) fn consumer(&self) -> &Arc<BaseConsumer<Connection>> {
        &self.shared.consumer
    }

    /// The same partition in another consumer, from an offset on; nobody else takes one in this one either.
    pub(super) fn elsewhere(&self, offset: u64) -> Result<(PartitionQueue<Connection>, Self), TransportError> {
        self.shared.left.store(true, Ordering::Relaxed);
        self.consumers.hold(&self.topic, self.partition, offset)
    }

    /// Since when its broker does not answer, if it does not.
    pub(super) fn silent_since(&self) -> Option<Instant> {
        self.consumer().context().silent_since(&self.topic, self.partition)
    }

    /// The end of what is committed: the offset before which no transaction is open.
    pub(super) fn committed_end(&self) -> Result<u64, TransportError> {
        let found = watermarks(self.consumer(), &self.topic, self.partition);
        found.map(|offsets| offsets.end).map_err(|error| {
            self.shared.left.fetch_or(is_unanswered(&error), Ordering::Relaxed);
            self.explain(error)
        })
    }

    /// What an error means that came up in reading it.
    pub(super) fn explain(&self, error: KafkaError) -> TransportError {
        self.consumer().context().explain(&format!("{self} cannot be read"), error)
    }

    /// A loss in it, of which nothing is known.
    pub(super) fn lost(&self) -> Lost {
        Lost { topic: self.topic.clone(), partition: self.partition.unsigned_abs(), ..Lost::default() }
    }

    fn list(&self, offset: Offset) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.topic, self.partition, offset)?;
        Ok(list)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Err(error) = self.list(Offset::Invalid).and_then(|list| self.consumer().incremental_unassign(&list)) {
            // It was never assigned, or the client is going away.
            debug!(%error, "{self} was not given back");
        }
        self.shared.held().remove(&(self.topic.clone(), self.partition));
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic “{}”, partition {}", self.topic, self.partition)
    }
}
