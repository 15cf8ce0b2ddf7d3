//! Reading one partition: from its queue, until that is empty.

use std::time::Duration;

use rdkafka::consumer::Consumer;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{BorrowedMessage, Message};

use super::super::{Batch, Lost, Position, Reader, TransportError};
use super::cluster::Cluster;
use super::connection::{Connection, SILENCE};
use super::consumers::Held;

/// Reads one partition.
pub(super) struct KafkaReader {
    queue: PartitionQueue<Connection>,
    held: Held,
    /// The offset after the last record read.
    next: u64,
    /// Whether the broker said that nothing more is there, and nothing has come since.
    at_end: bool,
}

impl KafkaReader {
    /// Begins at an offset, or at the first one kept if that is 0.
    pub(super) fn begin(cluster: &Cluster, topic: &str, partition: u32, offset: u64) -> Result<Self, TransportError> {
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        let (queue, held) = cluster.consumers.hold(topic, partition, offset)?;
        Ok(Self { queue, held, next: offset, at_end: false })
    }

    /// The end of what is committed.
    pub(super) fn committed_end(&self) -> Result<u64, TransportError> {
        self.held.committed_end()
    }

    /// Where the reader stands once its queue is empty.
    fn position(&mut self) -> Result<Position, TransportError> {
        self.held.consumer().context().check_none_lost()?;
        match self.held.silent_since() {
            // A broker that does not answer may hold more: nobody has caught up with it.
            Some(since) if since.elapsed() > SILENCE => {
                let error = self.held.explain(KafkaError::Global(Code::BrokerTransportFailure));
                // Where others are connected the client is well, and will say of a topic that was deleted that it was.
                if self.held.consumer().context().is_alone() {
                    (self.queue, self.held) = self.held.elsewhere(self.next)?;
                    self.at_end = false;
                }
                Err(error)
            }
            Some(_) => Ok(Position::More),
            None if self.at_end => Ok(Position::CaughtUp),
            None => Ok(Position::More),
        }
    }

    fn explain(&self, error: KafkaError) -> TransportError {
        let held = &self.held;
        // How much is known to who begins anew.
        let lost = || vec![Lost { from: self.next, until: self.next, ..held.lost() }];
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => {
                let message = format!("{held} no longer keeps what comes next");
                let hint = "Its retention is too short for this job, or it was deleted (and perhaps made again): start the job under another name.";
                TransportError::lasting(message).hint(hint).lost(lost()).because(error)
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition | Code::UnknownTopicId) => {
                TransportError::lasting(format!("{held} was deleted while it was read")).lost(lost()).because(error)
            }
            _ => held.explain(error),
        }
    }
}

impl Reader for KafkaReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let enough = batch.bytes.len() + most_bytes;
        loop {
            match self.queue.poll(Duration::ZERO) {
                Some(Ok(message)) => {
                    self.next = push(&message, batch) + 1;
                    self.at_end = false;
                    if batch.bytes.len() >= enough {
                        return Ok(Position::More);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => self.at_end = true,
                Some(Err(error)) => return Err(self.explain(error)),
                None => return self.position(),
            }
        }
    }
}

/// Adds a record, and returns its offset.
fn push(message: &BorrowedMessage<'_>, batch: &mut Batch) -> u64 {
    let offset = u64::try_from(message.offset()).unwrap_or(0);
    let arrival_ms = message.timestamp().to_millis().and_then(|ms| u64::try_from(ms).ok());
    batch.push(offset, arrival_ms, message.key().unwrap_or_default(), message.payload());
    offset
}
