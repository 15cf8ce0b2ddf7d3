//! Writing: one Kafka transaction with the rows of all outputs and the progress record.
//!
//! ```text
//! ready ─▶ begin ─▶ send rows, progress ─▶ delivered ─▶ commit ─▶ ready
//!   ▲          ▲           │ error            │ error     │ no answer
//!   │          └─ worn ◀─ aborting ◀──────────┘           └▶ unknown: the same commit asks again ─▶ worn
//!   └───────────────┘ a new producer, unless another writer has announced itself
//! ```
//!
//! A producer is *worn* once anything went wrong with a transaction. Requests may then have been sent twice, and one that
//! comes late would reach into the next transaction, or stand for it: in one that is aborted librdkafka (2.12) also gives the
//! sequence numbers of messages that the broker may have taken to the next messages, which the broker then takes for
//! repetitions and drops. A new producer begins a new epoch of the name, in which nothing of the old one counts.

use std::collections::BTreeSet;
use std::process;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer};

use super::super::progress::{no_output, taken_over};
use super::super::topics::check_name;
use super::super::{OutputRow, Progress, TransportError, Writer};
use super::client::Purpose;
use super::cluster::{Cluster, Wanted};
use super::connection::is_denied;
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
    /// Its own name among all that ever wrote the job.
    name: String,
    outputs: BTreeSet<String>,
    state: State,
}

/// Where the writer stands between two calls.
#[derive(Clone, Copy)]
enum State {
    /// No transaction is open.
    Ready,
    /// One is open that must be aborted. Whether this epoch was committed with it is not known, if there is one.
    Aborting(Option<u64>),
    /// The commit of this epoch was asked for and not answered.
    Unknown(u64),
    /// The producer must be replaced. Whether this epoch was committed is not known, if there is one.
    Worn(Option<u64>),
}

impl KafkaWriter {
    /// Takes the job over from whoever wrote it before, and makes the outputs that are not there.
    pub(super) fn become_writer(cluster: Arc<Cluster>, job: &str, outputs: &[String]) -> Result<Self, TransportError> {
        cluster.make_topics(&progress::topics())?;
        make_outputs(&cluster, outputs)?;
        let outputs = outputs.iter().cloned().collect();
        let sender = take_name(&cluster, job)?;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let name = format!("process {}, nanosecond {}", process::id(), now.as_nanos());
        let writer = Self { cluster, sender, job: job.to_owned(), name, outputs, state: State::Ready };
        writer.announce()?;
        Ok(writer)
    }

    /// Lets everybody know who writes the job now.
    fn announce(&self) -> Result<(), TransportError> {
        let failed = |error| self.explain("cannot be written: its writer is not announced", error);
        self.sender.producer.begin_transaction().map_err(failed)?;
        let record = BaseRecord::to(progress::WRITERS).partition(0).key(self.job.as_bytes()).payload(self.name.as_bytes());
        self.sender.send(record)?;
        self.sender.deliver()?;
        self.sender.producer.commit_transaction(self.sender.patience).map_err(failed)
    }

    /// Fails if another writer has announced itself since.
    fn check_writer(&self) -> Result<(), TransportError> {
        match progress::writer(&self.cluster, &self.job)? {
            Some(newest) if newest != self.name => Err(taken_over(&self.job, &self.cluster.place())),
            _ => Ok(()),
        }
    }

    /// Goes on under a new epoch of the name. Asked before, so that nobody is robbed of it; and after, when nobody can come between.
    fn replace_producer(&mut self) -> Result<(), TransportError> {
        self.check_writer()?;
        let sender = take_name(&self.cluster, &self.job)?;
        self.check_writer()?;
        self.sender = sender;
        Ok(())
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
                let asked_twice = matches!(self.state, State::Unknown(_)) || self.sender.producer.context().line_failed();
                self.state = if asked_twice { State::Worn(None) } else { State::Ready };
                Ok(())
            }
            Err(KafkaError::Transaction(error)) if error.txn_requires_abort() => {
                // It may have failed here and still been committed there.
                Err(self.give_up(Some(epoch), self.explain("is not committed", KafkaError::Transaction(error))))
            }
            Err(error) if may_be_asked_again(&error) => {
                self.state = State::Unknown(epoch);
                Err(self.not_known(epoch, &self.explain("is not committed", error)))
            }
            Err(error) => {
                let error = self.not_known(epoch, &self.explain("is not committed", error));
                Err(self.wear_out(Some(epoch), error))
            }
        }
    }

    fn not_known(&self, epoch: u64, cause: &TransportError) -> TransportError {
        let message = format!("whether epoch {epoch} of job “{}” was committed is not known: {cause}", self.job);
        TransportError { hint: cause.hint.clone(), ..TransportError::passing(message) }
    }

    /// Aborts, and says why: because of the error given, unless the writer has been replaced.
    fn give_up(&mut self, asked: Option<u64>, error: TransportError) -> TransportError {
        self.abort(asked).err().filter(|worse| !worse.retry).unwrap_or(error)
    }

    fn abort(&mut self, asked: Option<u64>) -> Result<(), TransportError> {
        self.state = State::Aborting(asked);
        match self.sender.producer.abort_transaction(ABORT) {
            Ok(()) => {
                self.state = State::Worn(asked);
                Ok(())
            }
            Err(error) if may_be_asked_again(&error) => Err(self.explain("could not be aborted", error)),
            Err(error) => Err(self.wear_out(asked, self.explain("could not be aborted", error))),
        }
    }

    /// The producer can do nothing more: another writer took its name, or the broker ended its transaction because it was open for
    /// too long, or librdkafka lost its thread when a broker was away. Only the first is lasting.
    fn wear_out(&mut self, asked: Option<u64>, error: TransportError) -> TransportError {
        self.state = State::Worn(asked);
        let denied = self.sender.producer.client().fatal_error().is_some_and(|(code, _)| is_denied(code));
        let ended = self.check_writer().err().filter(|error| !error.retry);
        ended.unwrap_or(TransportError { retry: !denied, ..error })
    }

    fn explain(&self, what: &str, error: KafkaError) -> TransportError {
        self.sender.producer.context().explain(&format!("an epoch of job “{}” {what}", self.job), error)
    }
}

/// A producer with the name of a job. Whoever had it before can commit nothing more, and what it had open is aborted.
fn take_name(cluster: &Cluster, job: &str) -> Result<Sender, TransportError> {
    let sender = Sender::new(&cluster.config, Purpose::Write(job))?;
    sender.producer.init_transactions(TAKE_OVER).map_err(|error| {
        let what = format!("job “{job}” cannot become the writer of its outputs");
        sender.producer.context().explain(&what, error)
    })?;
    Ok(sender)
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
        if let Some(row) = rows.iter().find(|row| !self.outputs.contains(&row.topic)) {
            return Err(no_output(&row.topic, &self.job));
        }
        if let State::Unknown(epoch) | State::Aborting(Some(epoch)) | State::Worn(Some(epoch)) = self.state
            && epoch != progress.epoch
        {
            return Err(TransportError::lasting(format!("whether epoch {epoch} of job “{}” was committed is not known", self.job))
                .hint("Start the job again: its progress record tells."));
        }
        match self.state {
            State::Unknown(epoch) => return self.finish(epoch),
            State::Aborting(asked) => self.abort(asked)?,
            State::Ready | State::Worn(_) => {}
        }
        if let State::Worn(asked) = self.state {
            self.replace_producer()?;
            let committed = asked.is_some() && progress::newest(&self.cluster, &self.job)?.map(|newest| newest.epoch) == asked;
            self.state = State::Ready;
            if committed {
                return Ok(());
            }
        }
        // What happened between two transactions concerns neither.
        self.sender.producer.context().line_failed();
        if let Err(error) = self.sender.producer.begin_transaction() {
            return Err(self.wear_out(None, self.explain("cannot begin", error)));
        }
        match self.send(rows, progress) {
            Ok(()) => self.finish(progress.epoch),
            Err(error) => Err(self.give_up(None, error)),
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
