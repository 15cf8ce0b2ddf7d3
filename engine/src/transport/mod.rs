//! Transports: where records are read from and written to. One contract, three ways to keep it.
//!
//! ```text
//! Reader   read a batch ▸ report position, arrival and end ▸ begin anywhere
//! Writer   commit the rows of all outputs and one progress record, atomically
//! ```
//!
//! A transport moves bytes; what they mean is the business of a format and of the job.

pub mod file;
#[cfg(feature = "kafka")]
pub mod kafka;
pub mod local;
pub mod memory;
mod progress;
mod topics;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(crate) use self::topics::made_anew;
pub use self::topics::{NewRecord, TopicStore, TopicSummary, visit};

/// Records read from one partition, in order; their bytes lie in one block.
#[derive(Debug, Default)]
pub struct Batch {
    /// Keys and values, one after the other.
    pub bytes: Vec<u8>,
    /// The records.
    pub records: Vec<RawRecord>,
}

/// One record of a [`Batch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawRecord {
    /// Its offset in the partition (the line, from 0, for a file).
    pub offset: u64,
    /// The log's own time of it, milliseconds since the epoch; `None` where the log keeps none.
    pub arrival_ms: Option<u64>,
    /// Where its key lies in the block; empty if it has none.
    pub key: Range<usize>,
    /// Where its value lies in the block; `None` is a tombstone.
    pub value: Option<Range<usize>>,
}

impl Batch {
    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
    }

    /// Adds a record, copying its bytes.
    pub fn push(&mut self, offset: u64, arrival_ms: Option<u64>, key: &[u8], value: Option<&[u8]>) {
        let mut keep = |part: &[u8]| {
            let from = self.bytes.len();
            self.bytes.extend_from_slice(part);
            from..self.bytes.len()
        };
        let (key, value) = (keep(key), value.map(&mut keep));
        self.records.push(RawRecord { offset, arrival_ms, key, value });
    }

    /// A record's key.
    #[must_use]
    pub fn key(&self, record: &RawRecord) -> &[u8] {
        &self.bytes[record.key.clone()]
    }

    /// A record's value, unless it is a tombstone.
    #[must_use]
    pub fn value(&self, record: &RawRecord) -> Option<&[u8]> {
        record.value.clone().map(|range| &self.bytes[range])
    }
}

/// What a read found besides records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// There may be more to read at once.
    More,
    /// Everything the log holds has been read; more may be written to it.
    CaughtUp,
    /// Nothing will ever follow (a recording).
    End,
}

/// One partition of one topic, read in order. Moved to the thread that reads.
pub trait Reader: Send {
    /// Appends records until about `most_bytes` were read or nothing more is there; returns at once.
    ///
    /// # Errors
    /// The partition cannot be read (now, or ever: see [`TransportError::retry`]). What was appended stands.
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError>;
}

/// A place with topics.
pub trait Transport: Send + Sync {
    /// The partitions of a topic, in order; more may appear later.
    ///
    /// # Errors
    /// The topic does not exist or the transport cannot be reached; the error names both.
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError>;

    /// Begins reading a partition at an offset (0: from the first record that is kept).
    ///
    /// # Errors
    /// As for [`partitions`](Self::partitions); or the offset is no longer kept.
    fn reader(&self, topic: &str, partition: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError>;

    /// Becomes the one writer of a job: whoever was it before can no longer commit.
    ///
    /// # Errors
    /// The transport cannot be reached, or an output topic cannot be made.
    fn writer(&self, job: &str, outputs: &[String]) -> Result<Box<dyn Writer>, TransportError>;
}

/// The one writer of a job.
pub trait Writer: Send {
    /// What was committed before, oldest first: the steps from which state is rebuilt, at least as far back as the last of them
    /// says a restart reaches ([`Progress::rests_on_ms`]). Empty for a new job, and for transports that keep no progress.
    ///
    /// # Errors
    /// It cannot be read, or is not ours to understand.
    fn history(&mut self) -> Result<Vec<Progress>, TransportError>;

    /// Makes further outputs of the job, where they are not there.
    ///
    /// # Errors
    /// As for [`Transport::writer`].
    fn add_outputs(&mut self, outputs: &[String]) -> Result<(), TransportError>;

    /// Commits rows and progress: all or nothing.
    ///
    /// # Errors
    /// Nothing was committed, unless the error says the outcome is unknown. After a passing error (either kind) the same
    /// rows and progress may be given again: a commit whose outcome was unknown is then asked about, not repeated. Or the
    /// writer is dropped, and the next one's [`history`](Self::history) tells. A lasting error ends the writer.
    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError>;

    /// Whether this is still the one writer; it always is where none is fenced.
    ///
    /// # Errors
    /// Another took over, which is a lasting error; or who writes cannot be known now.
    fn check(&mut self) -> Result<(), TransportError> {
        Ok(())
    }
}

/// A row for an output topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRow {
    /// The output topic (or file stem).
    pub topic: Arc<str>,
    /// The row's id.
    pub key: String,
    /// The row as JSON or in the output's format.
    pub value: Vec<u8>,
    /// Headers, for transports that have them (CloudEvents 1.0 binary mode): name, value.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
}

/// One commit's progress record: written in the same transaction as the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Version of this record's shape.
    pub version: u16,
    /// The job.
    pub job: String,
    /// Hash of its definition.
    pub definition: String,
    /// Number of the last epoch it covers; 1, 2, 3 …
    pub epoch: u64,
    /// Outputs before this moment of the job clock are committed.
    pub frontier: u64,
    /// The job clock.
    pub clock: u64,
    /// The partitions, in a stable order; `ticks` refers to them by place.
    pub partitions: Vec<PartitionProgress>,
    /// The moments this commit covers: the clock, and how far each partition had been read when it was reached.
    pub ticks: Vec<Tick>,
    /// No evidence older than this, milliseconds since the epoch, bears on anything that may still change. 0, which records of
    /// earlier programs have, means that all there ever was may.
    #[serde(default)]
    pub rests_on_ms: u64,
    /// A fingerprint of what may still change, to which a restart is held; `None` where none was taken.
    #[serde(default)]
    pub open: Option<u64>,
    /// Whether the job is done: a bounded replay that reached its end.
    pub finished: bool,
    /// Jobs that began or ended on a server whose progress this is, after the tick of their clock.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The jobs of that server that run at the end of this commit, each as it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub running: Vec<Change>,
    /// Whether what came before could not be rebuilt as it was: with this commit the outputs go on from what they said themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_over: bool,
    /// What was gone by then, and is gone on without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Lost>,
}

/// Records of a partition that a job needs and that are gone for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: u32,
    /// The first offset that is needed and gone.
    pub from: u64,
    /// The offset behind the last of them; as `from` where it is not known how much is gone.
    pub until: u64,
    /// Whether what is there now is not what was read: made anew, or its end was cut off. It is read from its beginning.
    pub remade: bool,
}

impl Lost {
    /// How many offsets: about as many records.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.until.saturating_sub(self.from)
    }

    /// Whether it is of this partition.
    pub(crate) fn is_of(&self, topic: &str, partition: u32) -> bool {
        (self.topic.as_str(), self.partition) == (topic, partition)
    }

    /// Whether all of another loss is part of this one.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.is_of(&other.topic, other.partition) && self.remade == other.remade && self.until >= other.until
    }
}

/// A job of a server began or ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The job clock by then.
    pub clock: u64,
    /// The job.
    pub job: String,
    /// Hash of the definition that began; `None`: the job ended.
    pub began: Option<String>,
    /// Whether it told what was final by then.
    #[serde(default)]
    pub tell_final: bool,
    /// The output topics of a job that began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
    /// The output topics of a job that ended whose rows are final since.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closed: Vec<String>,
}

/// How far one partition has been read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionProgress {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: u32,
    /// The next offset to read.
    pub next_offset: u64,
    /// The largest event time read from it, milliseconds since the epoch.
    pub event_ms: u64,
    /// Records read from it since the job began.
    pub count: u64,
    /// CRC-32 over the values of those records, one after the other.
    pub hash: u64,
    /// The largest arrival time of those records, milliseconds since the epoch.
    #[serde(default)]
    pub arrival_ms: u64,
    /// Of a stage, the offset from which it must read again to go on at `next_offset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rests_on_offset: Option<u64>,
    /// Of a stage, CRC-32 over the value of the last of those records: by it a topic that was made anew is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<u32>,
}

/// A moment of the job clock; the lists follow [`Progress::partitions`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// The job clock.
    pub clock: u64,
    /// The next offset of each partition when it was reached.
    pub offsets: Vec<u64>,
    /// Until when each partition had been observed, milliseconds since the epoch.
    pub observed_ms: Vec<u64>,
}

/// A transport failed. Says whose fault it is by its hint, and whether trying again may help.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TransportError {
    /// What is wrong: short, lower case, no full stop; names the topic, file or server.
    pub message: String,
    /// What to do about it, in a sentence.
    pub hint: Option<String>,
    /// Whether the same call may succeed later.
    pub retry: bool,
    /// The records that are gone for good, if that is what is wrong.
    pub lost: Vec<Lost>,
    /// What lies behind it.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TransportError {
    /// An error that will not go away by itself.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, retry: false, lost: Vec::new(), source: None }
    }

    /// An error that may go away by itself.
    pub fn passing(message: impl Into<String>) -> Self {
        Self { retry: true, ..Self::lasting(message) }
    }

    /// With advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what is gone.
    #[must_use]
    pub(crate) fn lost(self, lost: Vec<Lost>) -> Self {
        Self { lost, ..self }
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
