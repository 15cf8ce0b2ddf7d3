//! What librdkafka tells about a client while it runs, and what its errors mean to a person.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, DeliveryResult, Message};
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use tracing::{debug, trace, warn};

use super::super::TransportError;
use super::statistics::Statistics;

/// A broker that has sent nothing for so long does not answer: a fetch returns after half a second, with or without records.
pub(super) const SILENCE: Duration = Duration::from_secs(5);

/// What librdkafka says of a line that was in use: `…: Disconnected (after 20ms in state UP)`. One that only could not be made
/// carried nothing, and one that was idle it does not speak of.
const WAS_IN_USE: &str = "in state UP";

/// The listener of one client.
pub(super) struct Connection {
    brokers: String,
    heard: Mutex<Heard>,
}

/// What was heard.
#[derive(Default)]
struct Heard {
    /// The last error that concerned the client as a whole.
    trouble: Option<(Code, String)>,
    /// Whether a line to a broker that was in use failed since this was last asked.
    line_failed: bool,
    /// Where messages came to lie since this was last asked.
    delivered: Vec<Delivered>,
    /// Partitions whose broker does not answer, and since when.
    silent: BTreeMap<(String, i32), Instant>,
    /// Whether no broker is connected.
    alone: bool,
    /// The first message of this transaction that was not delivered.
    undelivered: Option<Undelivered>,
    /// A record that came by the wrong way.
    lost: Option<String>,
}

/// Where a message came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Its number, as it was given to [`send`](super::producer::Sender::send).
    pub(super) message: usize,
    pub(super) partition: i32,
    /// Not known where the broker had it already when it was sent again.
    pub(super) offset: Option<u64>,
}

/// A message that was not delivered.
pub(super) struct Undelivered {
    pub(super) topic: String,
    pub(super) key: String,
    pub(super) bytes: usize,
    pub(super) error: KafkaError,
}

impl Connection {
    pub(super) fn new(brokers: &str) -> Self {
        Self { brokers: brokers.to_owned(), heard: Mutex::default() }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the broker of a partition does not answer, if it does not.
    pub(super) fn silent_since(&self, topic: &str, partition: i32) -> Option<Instant> {
        let heard = self.heard();
        if heard.silent.is_empty() { None } else { heard.silent.get(&(topic.to_owned(), partition)).copied() }
    }

    /// Whether no broker is connected.
    pub(super) fn is_alone(&self) -> bool {
        self.heard().alone
    }

    /// A partition begins to be fetched: while nobody did, it had no broker that could answer.
    pub(super) fn begins(&self, topic: &str, partition: i32) {
        self.heard().silent.remove(&(topic.to_owned(), partition));
    }

    /// The first message that was not delivered since this was last asked.
    pub(super) fn undelivered(&self) -> Option<Undelivered> {
        self.heard().undelivered.take()
    }

    /// Where the messages lie that were delivered since this was last asked.
    pub(super) fn delivered(&self) -> Vec<Delivered> {
        std::mem::take(&mut self.heard().delivered)
    }

    /// Whether a line to a broker that was in use failed since this was last asked: what was sent may have been sent twice, or be gone.
    pub(super) fn line_failed(&self) -> bool {
        std::mem::take(&mut self.heard().line_failed)
    }

    /// Records must come by the queues of their partitions. One that does not is a bug, and must not go unnoticed.
    pub(super) fn lost(&self, message: &BorrowedMessage<'_>) {
        self.heard().lost = Some(format!("offset {} of topic “{}”, partition {}", message.offset(), message.topic(), message.partition()));
    }

    /// Fails if a record was lost.
    pub(super) fn check_none_lost(&self) -> Result<(), TransportError> {
        match &self.heard().lost {
            Some(which) => Err(TransportError::lasting(format!("librdkafka gave {which} to nobody: this is a bug"))),
            None => Ok(()),
        }
    }

    /// What an error means, and whether it may pass. `what` begins the sentence and names the topic or the job.
    pub(super) fn explain(&self, what: &str, error: KafkaError) -> TransportError {
        let code = error.rdkafka_error_code().unwrap_or(Code::Unknown);
        let trouble = self.heard().trouble.clone();
        let at = format!("kafka at {}", self.brokers);
        let explained = match (code, trouble) {
            (code, _) if is_denied(code) => {
                TransportError::lasting(format!("{what}: {at} does not allow it")).hint("Ask for the right to it, or use another user.")
            }
            (_, Some((code, reason))) if is_denied(code) => {
                TransportError::lasting(format!("{what}: {at} does not accept this user")).hint(format!("It said: {reason}."))
            }
            (code, trouble) if is_unreachable(code) => {
                let said = trouble.map_or(String::new(), |(_, reason)| format!(" The last error was: {reason}."));
                TransportError::passing(format!("{what}: {at} did not answer"))
                    .hint(format!("Are the brokers running, and is this their address?{said}"))
            }
            (code, _) if has_no_leader(code) => TransportError::passing(format!("{what}: no broker of {at} leads it just now"))
                .hint("A broker is away, or the cluster's controllers are. It goes on by itself once they are back."),
            (code, _) if is_lasting(code) => TransportError::lasting(format!("{what}: {at} refuses it")),
            _ => TransportError::passing(format!("{what}: {at} failed")),
        };
        explained.because(error)
    }
}

pub(super) fn is_denied(code: Code) -> bool {
    matches!(
        code,
        Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
    )
}

/// Whether no broker answered, as far as this client knows. It may be the client: one that was told of a cluster without brokers, as
/// those that are still there tell while all count as gone, forgets every one and never looks for any again (librdkafka 2.12, its
/// issue 5301). So a client that nobody answered is not used again: the next one asks where the user said that the brokers are.
pub(super) fn is_unanswered(error: &KafkaError) -> bool {
    error.rdkafka_error_code().is_some_and(is_unreachable)
}

fn is_unreachable(code: Code) -> bool {
    matches!(
        code,
        Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::RequestTimedOut
            | Code::TimedOutQueue
    )
}

/// Whether another broker leads a partition by now, or none does for the moment.
pub(super) fn has_no_leader(code: Code) -> bool {
    matches!(code, Code::UnknownPartition | Code::LeaderNotAvailable | Code::NotLeaderForPartition)
}

fn is_lasting(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidTopic
            | Code::UnknownTopic
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature
            | Code::InvalidArgument
            | Code::InvalidConfig
            | Code::InvalidReplicationFactor
            | Code::InvalidPartitions
            | Code::PolicyViolation
            | Code::MessageSizeTooLarge
            | Code::Fatal
    )
}

impl ClientContext for Connection {
    /// `ERROR` is kept for what wakes someone; librdkafka heals most of its own.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        if facility == "FAIL" && message.contains(WAS_IN_USE) {
            self.heard().line_failed = true;
        }
        match level {
            RDKafkaLogLevel::Debug => trace!(target: "kafka", facility, "{message}"),
            RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => debug!(target: "kafka", facility, "{message}"),
            // A property of producers given to a consumer, or the other way round.
            _ if facility == "CONFWARN" => debug!(target: "kafka", facility, "{message}"),
            _ => warn!(target: "kafka", facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is reported as an error as well.
        let Some(code) = error.rdkafka_error_code().filter(|code| *code != Code::PartitionEOF) else { return };
        debug!(target: "kafka", %error, "{reason}");
        let mut heard = self.heard();
        // That all brokers are down follows what is wrong with each, and says less.
        if code != Code::AllBrokersDown || heard.trouble.is_none() {
            heard.trouble = Some((code, reason.to_owned()));
        }
    }

    fn stats_raw(&self, statistics: &[u8]) {
        let statistics = match Statistics::read(statistics) {
            Ok(statistics) => statistics,
            Err(error) => return warn!(target: "kafka", %error, "librdkafka's statistics cannot be read"),
        };
        let mut heard = self.heard();
        heard.alone = statistics.is_alone();
        let before = std::mem::take(&mut heard.silent);
        for which in statistics.silent(SILENCE) {
            let since = before.get(&which).copied().unwrap_or_else(Instant::now);
            heard.silent.insert(which, since);
        }
    }
}

impl ConsumerContext for Connection {}

impl ProducerContext<NoCustomPartitioner> for Connection {
    /// The number of the message.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, message: usize) {
        match result {
            Ok(place) => {
                self.heard().delivered.push(Delivered {
                    message,
                    partition: place.partition(),
                    offset: u64::try_from(place.offset()).ok(),
                });
            }
            Err((error, message)) => {
                self.heard().undelivered.get_or_insert_with(|| Undelivered {
                    topic: message.topic().to_owned(),
                    key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
                    bytes: message.payload_len(),
                    error: error.clone(),
                });
            }
        }
    }
}
