//! Writing: one Kafka transaction with the rows of all outputs and the progress record.
//!
//! ```text
//! ready ─▶ begin ─▶ send rows, progress ─▶ delivered ─▶ commit ─▶ ready
//!            ▲              │ error            │ error     │ no answer
//!            └── aborting ◀─┴──────────────────┘           └▶ unknown: the same commit asks again
//! any ─▶ ended: another writer took the name
//! ```

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};

use super::super::progress::{no_output, taken_over};
use super::super::topics::check_name;
use super::super::{OutputRow, Progress, TransportError, Writer};
use super::client::Purpose;
use super::cluster::{Cluster, Wanted};
use super::producer::Sender;
use super::progress;
use crate::fail_point::{Stage, pass};

/// How long a predecessor's transaction may take to end.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// How long an abort may take; if it does not end, the next commit goes on with it.
const ABORT: Duration = Duration::from_secs(5);

/// The one writer of a job.
pub(super) struct KafkaWriter {
    cluster: Arc<Cluster>,
    sender: Sender,
    job: String,
    outputs: BTreeSet<String>,
    state: State,
}

/// Where the writer stands between two calls.
enum State {
    /// No transaction is open.
    Ready,
    /// One is open that must be aborted.
    Aborting,
    /// The commit of this epoch was asked for and not answered.
    Unknown(u64),
}

impl KafkaWriter {
    /// Takes the job over from whoever wrote it before, and makes the outputs that are not there.
    pub(super) fn become_writer(cluster: Arc<Cluster>, job: &str, outputs: &[String]) -> Result<Self, TransportError> {
        cluster.make_topics(&progress::topics().into_iter().collect::<Vec<_>>())?;
        make_outputs(&cluster, outputs)?;
        let outputs = outputs.iter().cloned().collect();
        let sender = Sender::new(&cluster.config, Purpose::Write(job))?;
        sender.producer.init_transactions(TAKE_OVER).map_err(|error| {
            let what = format!("job “{job}” cannot become the writer of its outputs");
            sender.producer.context().explain(&what, error)
        })?;
        Ok(Self { cluster, sender, job: job.to_owned(), outputs, state: State::Ready })
    }

    fn send(&self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        for row in rows {
            let headers = row.headers.iter().fold(OwnedHeaders::new_with_capacity(row.headers.len()), |headers, (key, value)| {
                headers.insert(Header { key, value: Some(value) })
            });
            self.sender.send(BaseRecord::to(&row.topic).key(row.key.as_bytes()).payload(&*row.value).headers(headers))?;
        }
        if !rows.is_empty() {
            pass(Stage::MidSend);
        }
        let record = progress.to_json()?;
        for topic in [progress::HISTORY, progress::LATEST] {
            self.sender.send(BaseRecord::to(topic).partition(0).key(self.job.as_bytes()).payload(&*record))?;
        }
        self.sender.deliver()
    }

    /// Ends the transaction whose messages have all been delivered.
    fn finish(&mut self, epoch: u64) -> Result<(), TransportError> {
        pass(Stage::BeforeCommit);
        pass(Stage::InCommit);
        match self.sender.producer.commit_transaction(self.sender.patience) {
            Ok(()) => {
                pass(Stage::AfterCommit);
                self.state = State::Ready;
                Ok(())
            }
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                Err(self.give_up(self.explain("is not committed", KafkaError::Transaction(error))))
            }
            Err(error) if may_be_asked_again(&error) => {
                self.state = State::Unknown(epoch);
                let cause = self.explain("is not committed", error);
                let message = format!(
                    "whether epoch {epoch} of job “{}” was committed is not known: {} did not answer",
                    self.job,
                    self.cluster.place()
                );
                Err(TransportError { hint: cause.hint, source: cause.source, ..TransportError::passing(message) })
            }
            Err(error) => Err(self.ended().unwrap_or_else(|| TransportError { retry: false, ..self.explain("is not committed", error) })),
        }
    }

    /// Aborts, and says why: because of the error given, unless the writer has been replaced.
    fn give_up(&mut self, error: TransportError) -> TransportError {
        let aborted = self.abort();
        self.ended().or_else(|| aborted.err().filter(|worse| !worse.retry)).unwrap_or(error)
    }

    fn abort(&mut self) -> Result<(), TransportError> {
        self.state = State::Aborting;
        let aborted = self.sender.producer.abort_transaction(ABORT);
        // What was purged counts as undelivered; it is of no interest any more.
        self.sender.producer.context().undelivered();
        match aborted {
            Ok(()) => {
                self.state = State::Ready;
                Ok(())
            }
            Err(error) => {
                let retry = may_be_asked_again(&error);
                Err(self.ended().unwrap_or_else(|| TransportError { retry, ..self.explain("could not be aborted", error) }))
            }
        }
    }

    /// The error of a writer that can do nothing more, if that is what it is.
    fn ended(&self) -> Option<TransportError> {
        let (code, reason) = self.sender.producer.client().fatal_error()?;
        Some(match code {
            // The broker has one answer for two causes: the name was taken, or a transaction was open for too long.
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => taken_over(&self.job, &self.cluster.place()),
            // A broker that was away may have ended the transaction itself, and librdkafka goes on with none of its states after that.
            _ => TransportError {
                renew: true,
                ..TransportError::lasting(format!("the writer of job “{}” has ended: {reason}", self.job)).hint("Start the job again.")
            },
        })
    }

    fn explain(&self, what: &str, error: KafkaError) -> TransportError {
        self.sender.producer.context().explain(&format!("an epoch of job “{}” {what}", self.job), error)
    }
}

fn make_outputs(cluster: &Cluster, outputs: &[String]) -> Result<(), TransportError> {
    outputs.iter().try_for_each(|topic| check_name(topic))?;
    let wanted: Vec<_> = outputs.iter().map(|topic| Wanted { topic, partitions: None, settings: &[] }).collect();
    cluster.make_topics(&wanted)
}

impl Writer for KafkaWriter {
    fn add_outputs(&mut self, outputs: &[String]) -> Result<(), TransportError> {
        make_outputs(&self.cluster, outputs)?;
        self.outputs.extend(outputs.iter().cloned());
        Ok(())
    }

    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        progress::history(&self.cluster, &self.job)
    }

    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        if let Some(ended) = self.ended() {
            return Err(ended);
        }
        if let Some(row) = rows.iter().find(|row| !self.outputs.contains(&row.topic)) {
            return Err(no_output(&row.topic, &self.job));
        }
        match self.state {
            State::Unknown(epoch) if epoch == progress.epoch => return self.finish(epoch),
            State::Unknown(epoch) => {
                return Err(TransportError::lasting(format!("whether epoch {epoch} of job “{}” was committed is not known", self.job))
                    .hint("Start the job again: its progress record tells."));
            }
            State::Aborting => self.abort()?,
            State::Ready => {}
        }
        self.sender.producer.begin_transaction().map_err(|error| self.ended().unwrap_or_else(|| self.explain("cannot begin", error)))?;
        match self.send(rows, progress) {
            Ok(()) => self.finish(progress.epoch),
            Err(error) => Err(self.give_up(error)),
        }
    }
}

/// Whether librdkafka goes on with it and the same call asks how far it is.
fn may_be_asked_again(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => RDKafkaError::is_retriable(error),
        KafkaError::Flush(code) => *code == Code::OperationTimedOut,
        _ => false,
    }
}
