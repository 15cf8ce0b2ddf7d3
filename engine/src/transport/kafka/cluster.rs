//! The cluster as a whole: its topics, their watermarks, and making new ones.

use std::future::Future;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{IsError, KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::metadata::MetadataTopic;
use rdkafka::producer::BaseRecord;

use super::super::topics::{check_name, missing};
use super::super::{NewRecord, TransportError};
use super::client::{KafkaConfig, Purpose, refused};
use super::connection::{Connection, has_no_leader, is_unanswered};
use super::consumers::Consumers;
use super::producer::Sender;
use super::progress;

/// How long a question may take. Brokers answer in milliseconds, or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take until a broker knows that it leads a partition which others say it does.
const SETTLING: Duration = Duration::from_secs(1);

/// A cluster and the clients that speak to it.
pub(super) struct Cluster {
    pub(super) config: KafkaConfig,
    pub(super) consumers: Arc<Consumers>,
    /// It sees the records of open transactions too, so its watermarks are the log's own. `None` once nobody answered it.
    lookup: Mutex<Option<Arc<BaseConsumer<Connection>>>>,
    /// Made when something is appended by hand for the first time.
    feeder: Mutex<Option<Sender>>,
}

/// A topic that must be there.
pub(super) struct Wanted<'a> {
    pub(super) topic: &'a str,
    /// How many partitions it must have; `None`: one if it has to be made, else any.
    pub(super) partitions: Option<u32>,
    /// Its settings if it has to be made.
    pub(super) settings: &'a [(&'a str, &'a str)],
}

impl Cluster {
    pub(super) fn new(config: KafkaConfig) -> Result<Self, TransportError> {
        let lookup = Mutex::new(Some(config.consumer(Purpose::Lookup)?));
        Ok(Self { consumers: Consumers::new(config.clone()), config, lookup, feeder: Mutex::default() })
    }

    /// The cluster, for messages.
    pub(super) fn place(&self) -> String {
        format!("kafka at {}", self.config.brokers)
    }

    /// The partitions of a topic, in order.
    pub(super) fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        if let Some(partitions) = self.existing(topic)? {
            return Ok(partitions);
        }
        let existing: Vec<String> = self.topics()?.into_iter().map(|(name, _)| name).collect();
        Err(missing(topic, &self.place(), &existing))
    }

    /// The partitions of a topic, if there is such a topic.
    pub(super) fn existing(&self, topic: &str) -> Result<Option<Vec<u32>>, TransportError> {
        check_name(topic)?;
        self.look_up_topic(topic, |found| {
            let Some(found) = found else { return Ok(None) };
            match found.error().filter(IsError::is_error).map(Code::from) {
                None => Ok(Some(numbers(found))),
                Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => Ok(None),
                Some(code) => Err(KafkaError::MetadataFetch(code)),
            }
        })
    }

    /// All topics and their partitions, by name, but for Kafka's own and ours.
    pub(super) fn topics(&self) -> Result<Vec<(String, Vec<u32>)>, TransportError> {
        let metadata = self.look_up("the topics cannot be listed", |lookup| lookup.fetch_metadata(None, PATIENCE))?;
        let ours = |name: &str| name.starts_with("__") || progress::topics().iter().any(|ours| ours.topic == name);
        let listed = metadata.topics().iter().filter(|topic| !ours(topic.name()));
        let mut topics: Vec<_> = listed.map(|topic| (topic.name().to_owned(), numbers(topic))).collect();
        topics.sort();
        Ok(topics)
    }

    /// The offsets that a partition keeps, those of open transactions included.
    pub(super) fn offsets(&self, topic: &str, partition: u32) -> Result<Range<u64>, TransportError> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let what = format!("the offsets of topic “{topic}”, partition {partition} cannot be looked up");
        self.look_up(&what, |lookup| watermarks(lookup, topic, number))
    }

    /// Makes the topics that are not there, and waits until they can be used.
    pub(super) fn make_topics(&self, wanted: &[Wanted<'_>]) -> Result<(), TransportError> {
        let mut new = Vec::new();
        for wanted in wanted {
            match (self.existing(wanted.topic)?, wanted.partitions) {
                (Some(existing), Some(partitions)) if existing.len() != partitions as usize => {
                    let message =
                        format!("topic “{}” in {} has {} partitions, not {partitions}", wanted.topic, self.place(), existing.len());
                    return Err(TransportError::lasting(message));
                }
                (Some(_), _) => {}
                (None, _) => new.push(wanted),
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        self.create(&new)?;
        new.iter().try_for_each(|wanted| self.await_topic(wanted.topic))
    }

    fn create(&self, new: &[&Wanted<'_>]) -> Result<(), TransportError> {
        let admin: AdminClient<_> =
            self.config.client(Purpose::Feed)?.create_with_context(Connection::new(&self.config.brokers)).map_err(refused)?;
        let topics: Vec<NewTopic<'_>> = new
            .iter()
            .map(|wanted| NewTopic {
                name: wanted.topic,
                num_partitions: wanted.partitions.map_or(1, |partitions| i32::try_from(partitions).unwrap_or(i32::MAX)),
                // The cluster's own number.
                replication: TopicReplication::Fixed(-1),
                config: wanted.settings.to_vec(),
            })
            .collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE));
        let failed = |name: &str, error| admin.inner().context().explain(&format!("topic “{name}” cannot be made"), error);
        let results = block_on(admin.create_topics(&topics, &options)).map_err(|error| failed(new[0].topic, error))?;
        for result in results {
            match result {
                // Another program was first.
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(failed(&name, KafkaError::AdminOp(code))),
            }
        }
        Ok(())
    }

    /// A topic can be used once its partitions have leaders, shortly after it was made.
    fn await_topic(&self, topic: &str) -> Result<(), TransportError> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let ready = |found: &MetadataTopic| {
                let partitions = found.partitions();
                !partitions.is_empty() && partitions.iter().all(|partition| partition.leader() >= 0)
            };
            if self.look_up_topic(topic, |found| Ok(found.is_some_and(ready)))? {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err(TransportError::passing(format!("topic “{topic}” was made in {}, but has no leader yet", self.place())))
    }

    /// Appends by hand.
    pub(super) fn feed(&self, topic: &str, records: &[NewRecord<'_>]) -> Result<(), TransportError> {
        let mut kept = self.feeder.lock().unwrap_or_else(PoisonError::into_inner);
        // One that fails is not kept.
        let feeder = kept.take().map_or_else(|| Sender::new(&self.config, Purpose::Feed), Ok)?;
        for (number, record) in records.iter().enumerate() {
            let mut message = BaseRecord::with_opaque_to(topic, number).partition(i32::try_from(record.partition).unwrap_or(i32::MAX));
            message.key = Some(record.key).filter(|key| !key.is_empty());
            message.payload = record.value;
            message.timestamp = record.arrival_ms.and_then(|ms| i64::try_from(ms).ok());
            feeder.send(message)?;
        }
        feeder.deliver()?;
        *kept = Some(feeder);
        Ok(())
    }

    /// Reads what the cluster says of a topic.
    fn look_up_topic<T>(&self, topic: &str, read: impl FnOnce(Option<&MetadataTopic>) -> KafkaResult<T>) -> Result<T, TransportError> {
        self.look_up(&format!("topic “{topic}” cannot be looked up"), |lookup| {
            read(lookup.fetch_metadata(Some(topic), PATIENCE)?.topics().first())
        })
    }

    /// Asks the cluster something.
    fn look_up<T>(&self, what: &str, ask: impl FnOnce(&BaseConsumer<Connection>) -> KafkaResult<T>) -> Result<T, TransportError> {
        let kept = || self.lookup.lock().unwrap_or_else(PoisonError::into_inner);
        let there = kept().clone();
        let lookup = match there {
            Some(lookup) => lookup,
            None => Arc::clone(kept().insert(self.config.consumer(Purpose::Lookup)?)),
        };
        ask(&lookup).map_err(|error| {
            if is_unanswered(&error) {
                kept().take_if(|kept| Arc::ptr_eq(kept, &lookup));
            }
            lookup.context().explain(what, error)
        })
    }
}

/// The offsets of a partition from the first that is kept to the end of what a consumer may see.
pub(super) fn watermarks(consumer: &BaseConsumer<Connection>, topic: &str, partition: i32) -> KafkaResult<Range<u64>> {
    let began = Instant::now();
    let (first, next) = loop {
        match consumer.fetch_watermarks(topic, partition, PATIENCE) {
            // What librdkafka remembers is that there was no leader or another one, as when a broker had been away; it does not look
            // again by itself. And a broker may be told of as leader of a new topic before it knows.
            Err(error) if error.rdkafka_error_code().is_some_and(has_no_leader) && began.elapsed() < SETTLING => {
                consumer.fetch_metadata(Some(topic), PATIENCE)?;
                thread::sleep(Duration::from_millis(20));
            }
            result => break result?,
        }
    };
    let offset = |offset: i64| u64::try_from(offset).unwrap_or(0);
    Ok(offset(first)..offset(next))
}

fn numbers(topic: &MetadataTopic) -> Vec<u32> {
    let mut numbers: Vec<u32> = topic.partitions().iter().filter_map(|partition| u32::try_from(partition.id()).ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// Waits for the one asynchronous call of this module, without a runtime.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}
