//! How clients are set up: what the user may say, and what this transport must.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use serde::Deserialize;

use super::super::TransportError;
use super::connection::Connection;

/// Where a Kafka cluster is and how it is spoken to.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Some of its brokers, `host:port`, separated by commas; the others are learnt from them.
    pub brokers: String,
    /// Further properties of librdkafka, by its names: `security.protocol`, `sasl.username`, `ssl.ca.location`, `compression.type` …
    /// Default: none. Their values are never printed.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// What this transport's promises rest on; a user's value for one of these is an error.
const OURS: [&str; 11] = [
    "auto.offset.reset",
    "bootstrap.servers",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "isolation.level",
    "metadata.broker.list",
    "statistics.interval.ms",
    "transactional.id",
];

/// What a client is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// Metadata and watermarks, of everything in the log.
    Lookup,
    /// Reading what was committed.
    Read,
    /// Appending by hand.
    Feed,
    /// Being the one writer of a job.
    Write(&'a str),
}

impl Purpose<'_> {
    /// What a user may change.
    fn defaults(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Lookup => &[("client.id", "giaolo")],
            // Large fetches, in bounded memory: at most 16 MiB wait in each partition, and its place is refilled at once
            // (librdkafka would rest for a second). The group is only a name: librdkafka wants one to assign partitions.
            Self::Read => &[
                ("client.id", "giaolo"),
                ("group.id", "giaolo"),
                ("max.partition.fetch.bytes", "4194304"),
                ("queued.max.messages.kbytes", "16384"),
                ("fetch.queue.backoff.ms", "10"),
            ],
            Self::Feed => &[("client.id", "giaolo"), ("message.timeout.ms", "30000"), ("linger.ms", "20")],
            // A commit is flushed at once, so there is nothing to linger for. Java's way of choosing partitions, so
            // that other programs find a key where they expect it. Compressed, for a progress record is written many times a second
            // and kept for a week.
            Self::Write(_) => &[
                ("client.id", "giaolo"),
                ("message.timeout.ms", "15000"),
                ("linger.ms", "0"),
                ("partitioner", "murmur2_random"),
                ("compression.type", "lz4"),
            ],
        }
    }

    /// What a user may not change.
    fn demands(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Lookup => &[("isolation.level", "read_uncommitted")],
            Self::Read => &[
                ("isolation.level", "read_committed"),
                ("enable.partition.eof", "true"),
                ("auto.offset.reset", "error"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("statistics.interval.ms", "1000"),
            ],
            Self::Feed | Self::Write(_) => &[("enable.idempotence", "true")],
        }
    }
}

impl KafkaConfig {
    /// All settings of a client.
    pub(super) fn client(&self, purpose: Purpose<'_>) -> Result<ClientConfig, TransportError> {
        if let Some(name) = self.properties.keys().find(|name| OURS.contains(&name.as_str())) {
            return Err(TransportError::lasting(format!("property “{name}” of kafka is set by Giaolo and cannot be changed"))
                .hint("Remove it: exactly-once rests on it. Brokers are named under `brokers`."));
        }
        let mut client = ClientConfig::new();
        // That a line fails is said at this level, and is listened to.
        client.set_log_level(RDKafkaLogLevel::Info);
        for (name, value) in purpose.defaults() {
            client.set(*name, *value);
        }
        for (name, value) in &self.properties {
            client.set(name, value);
        }
        for (name, value) in purpose.demands() {
            client.set(*name, *value);
        }
        if let Purpose::Write(job) = purpose {
            client.set("transactional.id", format!("giaolo-{job}"));
        }
        client.set("bootstrap.servers", &self.brokers);
        Ok(client)
    }

    /// A consumer whose events are served.
    pub(super) fn consumer(&self, purpose: Purpose<'_>) -> Result<Arc<BaseConsumer<Connection>>, TransportError> {
        let consumer: BaseConsumer<_> = self.client(purpose)?.create_with_context(Connection::new(&self.brokers)).map_err(refused)?;
        let consumer = Arc::new(consumer);
        let weak = Arc::downgrade(&consumer);
        thread::Builder::new()
            .name("kafka-events".to_owned())
            .spawn(move || serve(&weak))
            .map_err(|e| TransportError::passing("no thread could be started").because(e))?;
        Ok(consumer)
    }

    /// How long librdkafka tries to deliver a message, and this transport waits for a commit.
    pub(super) fn patience(&self) -> Duration {
        let given = self.properties.get("message.timeout.ms").or_else(|| self.properties.get("delivery.timeout.ms"));
        Duration::from_millis(given.and_then(|ms| ms.parse().ok()).unwrap_or(15_000))
    }
}

/// Takes a consumer's events (logs, errors, statistics) from its main queue until it is dropped. Records come by other queues.
fn serve(consumer: &Weak<BaseConsumer<Connection>>) {
    while let Some(consumer) = consumer.upgrade() {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            consumer.context().lost(&message);
        }
    }
}

/// A client that could not be made. Its values may be secret, and librdkafka's words about them repeat them.
pub(super) fn refused(error: KafkaError) -> TransportError {
    match error {
        KafkaError::ClientConfig(_, _, name, _) => {
            TransportError::lasting(format!("property “{name}” of kafka is not known, or its value is wrong"))
                .hint("librdkafka's CONFIGURATION.md lists the properties and what they may be.")
        }
        KafkaError::ClientCreation(reason) => TransportError::lasting(format!("no kafka client can be made: {reason}")),
        other => TransportError::lasting("no kafka client can be made").because(other),
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig").field("brokers", &self.brokers).field("properties", &self.properties.keys()).finish()
    }
}
