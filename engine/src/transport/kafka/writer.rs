//! Writing: one Kafka transaction with the rows of all outputs and the progress record.
//!
//! ```text
//! ready ─▶ begin ─▶ send rows, progress ─▶ delivered ─▶ commit ─▶ ready
//!   ▲                  │ error                              │ error, no answer, or a line failed meanwhile
//!   │                  └──────────────▶ worn ◀──────────────┘
//!   │                                    │ a new producer, unless another writer has announced itself
//!   └── what was lost is written again ◀─┘ what was committed last, or may have been: is it there?
//! ```
//!
//! A producer is *worn* once anything went wrong with a transaction, or with a line between two. Requests may then have been sent
//! twice, and one that comes late would reach into the next transaction, or stand for it: in one that is aborted librdkafka
//! (2.12) also gives the sequence numbers of messages that the broker may have taken to the next messages, which the broker then
//! takes for repetitions and drops. A new producer begins a new epoch of the name, in which nothing of the old one counts.
//!
//! Then the log itself is asked for what was committed last. That answers whether a commit came about whose answer was not heard, and
//! finds what a broker confirmed and lost (see [`sent`]).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use std::{mem, process};

use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, Producer};

use super::super::progress::{no_output, taken_over};
use super::super::topics::check_name;
use super::super::{OutputRow, Progress, TransportError, Writer};
use super::client::Purpose;
use super::cluster::{Cluster, Wanted};
use super::connection::is_denied;
use super::producer::Sender;
use super::progress;
use super::sent::{self, Sent};
use crate::fail_point::{Stage, pass};

/// How long a predecessor's transaction may take to end.
const TAKE_OVER: Duration = Duration::from_secs(30);

/// How long an abort may take. If it does not end, the next producer ends it.
const ABORT: Duration = Duration::from_secs(5);

/// The one writer of a job.
pub(super) struct KafkaWriter {
    cluster: Arc<Cluster>,
    sender: Sender,
    job: String,
    /// Its own name among all that ever wrote the job.
    name: String,
    outputs: BTreeSet<String>,
    /// Whether the producer must be replaced before it is used again.
    worn: bool,
    /// The epoch of which it is not known whether it was committed.
    asked: Option<u64>,
    /// What was committed last, or may have been.
    last: Vec<Sent>,
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
        let writer = Self { cluster, sender, job: job.to_owned(), name, outputs, worn: false, asked: None, last: Vec::new() };
        writer.announce()?;
        Ok(writer)
    }

    /// Lets everybody know who writes the job now. The records in the topics of progress say nothing. But if the transaction of a
    /// predecessor was never ended there (see [`sent`]), they end it as what it was: committed.
    fn announce(&self) -> Result<(), TransportError> {
        let failed = |error| self.explain("cannot be written: its writer is not announced", error);
        self.sender.producer.begin_transaction().map_err(failed)?;
        let key = progress::shown(&self.job);
        for (number, (topic, key)) in
            [(progress::WRITERS, &self.job), (progress::HISTORY, &key), (progress::LATEST, &key)].iter().enumerate()
        {
            let record = BaseRecord::with_opaque_to(topic, number).partition(0);
            self.sender.send(record.key(key.as_bytes()).payload(self.name.as_bytes()))?;
        }
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

    /// Goes on under a new epoch of the name, with everything in place that was committed. Whether another writer is there is asked
    /// before, so that nobody is robbed of the name; and after, when nobody can come between.
    fn renew(&mut self) -> Result<(), TransportError> {
        self.check_writer()?;
        let sender = take_name(&self.cluster, &self.job)?;
        self.check_writer()?;
        self.sender = sender;
        self.end_what_is_open()?;
        sent::keep_lost(&self.cluster, &mut self.last)?;
        if let Some(Sent { epoch, .. }) = self.last.last() {
            if self.asked.is_none() {
                let (job, rows, epoch) = (&self.job, self.last.len(), *epoch);
                tracing::warn!(job, epoch, rows, "kafka confirmed a commit and lost rows of it; they are written again");
            }
            let mut lost = mem::take(&mut self.last);
            let written = self.send(&mut lost);
            self.last = lost;
            written?;
            self.commit_transaction()?;
        }
        self.worn = false;
        Ok(())
    }

    /// Takes care that no transaction is open any more where something was committed last. What a broker left open is aborted by
    /// this; what it has committed stands.
    fn end_what_is_open(&self) -> Result<(), TransportError> {
        let firsts = sent::firsts(&self.last);
        if firsts.is_empty() {
            return Ok(());
        }
        let failed = |error| self.explain("cannot be looked for", error);
        self.sender.producer.begin_transaction().map_err(failed)?;
        for ((_, partition), epochs) in &firsts {
            epochs.values().take(1).try_for_each(|sent| self.sender.send(sent.record(0).partition(*partition)))?;
        }
        self.sender.deliver()?;
        self.sender.producer.abort_transaction(self.sender.patience).map_err(failed)
    }

    /// Begins a transaction and delivers its messages. From then on it may be committed, whatever is heard.
    fn send(&self, messages: &mut [Sent]) -> Result<(), TransportError> {
        self.sender.producer.begin_transaction().map_err(|error| self.explain("cannot begin", error))?;
        for (number, sent) in messages.iter().enumerate() {
            if number > 0 && *sent.row.topic == *progress::HISTORY {
                pass(Stage::MidSend);
            }
            self.sender.send(sent.record(number))?;
        }
        sent::place(messages, &self.sender.deliver()?);
        Ok(())
    }

    /// Ends the transaction whose messages have all been delivered.
    fn commit_transaction(&self) -> Result<(), TransportError> {
        pass(Stage::BeforeCommit);
        pass(Stage::InCommit);
        self.sender.producer.commit_transaction(self.sender.patience).map_err(|error| self.explain("is not committed", error))?;
        pass(Stage::AfterCommit);
        Ok(())
    }

    /// Writes an epoch.
    fn write(&mut self, epoch: u64, mut messages: Vec<Sent>) -> Result<(), TransportError> {
        if let Err(error) = self.send(&mut messages) {
            // At once, so that nobody waits for it; if it fails, the next producer does it.
            let _ = self.sender.producer.abort_transaction(ABORT);
            return Err(error);
        }
        // Of the newest progress there is one: an older one would stand for it.
        self.last.retain(|sent| *sent.row.topic != *progress::LATEST);
        self.last.append(&mut messages);
        self.asked = Some(epoch);
        self.commit_transaction().map_err(|cause| {
            let message = format!("whether epoch {epoch} of job “{}” was committed is not known: {cause}", self.job);
            TransportError { hint: cause.hint, retry: cause.retry, ..TransportError::passing(message) }
        })?;
        self.asked = None;
        Ok(())
    }

    /// An error after which the producer must be replaced. Another writer may have taken its name, or the broker ended its
    /// transaction because it was open for too long, or librdkafka lost its thread when a broker was away. Only the first is lasting.
    fn wear_out(&mut self, error: TransportError) -> TransportError {
        self.worn = true;
        let Some((code, _)) = self.sender.producer.client().fatal_error() else { return error };
        let ended = self.check_writer().err().filter(|error| !error.retry);
        ended.unwrap_or(TransportError { retry: !is_denied(code), ..error })
    }

    fn line_failed(&self) -> bool {
        self.sender.producer.context().line_failed()
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
        if let Some(row) = rows.iter().find(|row| !self.outputs.contains(&*row.topic)) {
            return Err(no_output(&row.topic, &self.job));
        }
        if let Some(epoch) = self.asked.filter(|epoch| *epoch != progress.epoch) {
            return Err(TransportError::lasting(format!("whether epoch {epoch} of job “{}” was committed is not known", self.job))
                .hint("Start the job again: its progress record tells."));
        }
        if self.worn || self.line_failed() {
            self.renew().map_err(|error| self.wear_out(error))?;
            if self.asked.take().is_some() {
                return Ok(());
            }
        }
        let record = progress.to_json()?;
        let of_progress = [progress::HISTORY, progress::LATEST].map(|topic| OutputRow {
            topic: topic.into(),
            key: self.job.clone(),
            value: record.clone(),
            headers: Vec::new(),
        });
        let messages = rows.iter().cloned().chain(of_progress).map(|row| Sent::new(progress.epoch, row)).collect();
        self.write(progress.epoch, messages).map_err(|error| self.wear_out(error))?;
        if self.line_failed() {
            self.worn = true;
        } else {
            // The one before is certain now.
            self.last.retain(|sent| sent.epoch == progress.epoch);
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), TransportError> {
        self.check_writer()
    }
}
