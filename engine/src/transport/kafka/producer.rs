//! Sending messages and learning what became of them.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};

use super::super::TransportError;
use super::client::{KafkaConfig, Purpose, refused};
use super::connection::{Connection, Delivered, Undelivered};

/// How often a full or emptying queue is looked at: short beside a round trip to a broker.
const GLANCE: Duration = Duration::from_micros(200);

/// A producer, and how long it tries. Its events are taken by a thread of its own.
pub(super) struct Sender {
    pub(super) producer: ThreadedProducer<Connection>,
    pub(super) patience: Duration,
}

impl Sender {
    pub(super) fn new(config: &KafkaConfig, purpose: Purpose<'_>) -> Result<Self, TransportError> {
        let producer = config.client(purpose)?.create_with_context(Connection::new(&config.brokers)).map_err(refused)?;
        Ok(Self { producer, patience: config.patience() })
    }

    /// Puts a message into the queue, waiting while that is full. It carries a number of the caller's.
    pub(super) fn send(&self, message: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), TransportError> {
        let deadline = Instant::now() + self.patience;
        let mut message = message;
        loop {
            match self.producer.send(message) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(Code::QueueFull), back)) if Instant::now() < deadline => {
                    message = back;
                    thread::sleep(GLANCE);
                }
                Err((error, back)) => {
                    let key = String::from_utf8_lossy(back.key.unwrap_or_default()).into_owned();
                    let bytes = back.payload.map_or(0, <[u8]>::len);
                    return Err(self.explain(Undelivered { topic: back.topic.to_owned(), key, bytes, error }));
                }
            }
        }
    }

    /// Waits until every message has been delivered, and says where each lies.
    pub(super) fn deliver(&self) -> Result<Vec<Delivered>, TransportError> {
        let deadline = Instant::now() + self.patience;
        // A flush without patience hurries what lingers and says whether anything is left.
        while let Err(error) = self.producer.flush(Duration::ZERO) {
            if Instant::now() > deadline {
                return Err(self.producer.context().explain("what was written is not delivered", error));
            }
            thread::sleep(GLANCE);
        }
        let delivered = self.producer.context().delivered();
        match self.producer.context().undelivered() {
            Some(undelivered) => Err(self.explain(undelivered)),
            None => Ok(delivered),
        }
    }

    fn explain(&self, undelivered: Undelivered) -> TransportError {
        let Undelivered { topic, key, bytes, error } = undelivered;
        let what = format!("row “{key}” for topic “{topic}”");
        if matches!(error.rdkafka_error_code(), Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize)) {
            return TransportError::lasting(format!("{what} is larger than kafka takes: {bytes} bytes"))
                .hint("Raise `message.max.bytes` of the topic and among the properties of kafka, or make the rows smaller.")
                .because(error);
        }
        self.producer.context().explain(&format!("{what} is not delivered"), error)
    }
}
