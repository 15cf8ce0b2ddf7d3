//! Places with a topic "entries" of two partitions that can lose what they hold.

use std::sync::Arc;

use engine::transport::local::LocalTransport;
use engine::transport::memory::MemoryTransport;
use engine::transport::{NewRecord, TopicStore, Transport};
use rusqlite::Connection;

/// The topic.
pub(crate) const ENTRIES: &str = "entries";

/// A place.
pub(crate) trait Place {
    /// A connection to it.
    fn connect(&self) -> Arc<dyn Transport>;

    /// Adds records to the topic: partition, arrival and value.
    fn append(&self, records: &[(u32, u64, String)]);

    /// Deletes the records of a partition before an offset, as retention does.
    fn cut(&self, partition: u32, before: u64);

    /// Deletes the topic and makes it anew.
    fn remake(&self);
}

impl Place for MemoryTransport {
    fn connect(&self) -> Arc<dyn Transport> {
        Arc::new(self.clone())
    }

    fn append(&self, records: &[(u32, u64, String)]) {
        records.iter().for_each(|(partition, arrival_ms, value)| self.append(ENTRIES, *partition, *arrival_ms, value.as_bytes()));
    }

    fn cut(&self, partition: u32, before: u64) {
        self.forget(ENTRIES, partition, before);
    }

    fn remake(&self) {
        self.delete(ENTRIES);
        (0..2).for_each(|partition| self.create(ENTRIES, partition));
    }
}

/// A place in memory.
pub(crate) fn memory() -> MemoryTransport {
    let memory = MemoryTransport::default();
    memory.remake();
    memory
}

fn append(store: &dyn TopicStore, records: &[(u32, u64, String)]) {
    let new: Vec<NewRecord<'_>> = records
        .iter()
        .map(|(partition, arrival_ms, value)| NewRecord {
            partition: *partition,
            arrival_ms: Some(*arrival_ms),
            value: Some(value.as_bytes()),
            ..NewRecord::default()
        })
        .collect();
    store.append(ENTRIES, &new).unwrap();
}

/// A store in one file.
pub(crate) struct Local(tempfile::TempDir);

impl Local {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.store().create_topic(ENTRIES, 2).unwrap();
        place
    }

    fn store(&self) -> LocalTransport {
        LocalTransport::open(self.0.path().join("store.db")).unwrap()
    }

    /// By hand, for a store deletes nothing itself.
    fn execute(&self, statement: &str) {
        let connection = Connection::open(self.0.path().join("store.db")).unwrap();
        connection.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        connection.execute(statement, []).unwrap();
    }
}

const OF_THE_TOPIC: &str = "topic = (SELECT id FROM topics WHERE name = 'entries')";

impl Place for Local {
    fn connect(&self) -> Arc<dyn Transport> {
        Arc::new(self.store())
    }

    fn append(&self, records: &[(u32, u64, String)]) {
        append(&self.store(), records);
    }

    fn cut(&self, partition: u32, before: u64) {
        self.execute(&format!("DELETE FROM records WHERE {OF_THE_TOPIC} AND partition = {partition} AND offset < {before}"));
    }

    fn remake(&self) {
        self.execute(&format!("DELETE FROM records WHERE {OF_THE_TOPIC}"));
        self.execute("DELETE FROM topics WHERE name = 'entries'");
        self.store().create_topic(ENTRIES, 2).unwrap();
    }
}

/// A real Kafka.
#[cfg(feature = "kafka")]
pub(crate) struct Kafka(city::broker::Broker);

#[cfg(feature = "kafka")]
impl Kafka {
    /// `None` where there can be none, which is said.
    pub(crate) fn start() -> Option<Self> {
        let broker = city::broker::Broker::start().map_err(|skipped| println!("{skipped}")).ok()?;
        broker.create_topic(ENTRIES, 2);
        Some(Self(broker))
    }

    fn store(&self) -> engine::transport::kafka::KafkaTransport {
        use engine::transport::kafka::{KafkaConfig, KafkaTransport};
        KafkaTransport::new(KafkaConfig { brokers: self.0.brokers(), ..KafkaConfig::default() }).unwrap()
    }
}

#[cfg(feature = "kafka")]
impl Place for Kafka {
    fn connect(&self) -> Arc<dyn Transport> {
        Arc::new(self.store())
    }

    fn append(&self, records: &[(u32, u64, String)]) {
        append(&self.store(), records);
    }

    fn cut(&self, partition: u32, before: u64) {
        let number = |n: u64| i64::try_from(n).unwrap();
        crate::retention::delete_before(&self.0.brokers(), ENTRIES, partition.cast_signed(), number(before));
    }

    fn remake(&self) {
        self.0.delete_topic(ENTRIES);
        self.0.create_topic(ENTRIES, 2);
    }
}
