//! What a person does with a place of topics, by hand: list, make, fill.

use std::ops::{ControlFlow, Range};
use std::thread;
use std::time::Duration;

use super::{Batch, Lost, Position, Progress, RawRecord, Transport, TransportError};

/// A transport whose topics can be listed, made and filled, for the program's commands.
///
/// The end of a partition is [`offsets`](Self::offsets)`.end`; the last ten records are those a reader finds from `end - 10`.
pub trait TopicStore: Transport {
    /// All topics, by name, but for the transport's own.
    ///
    /// # Errors
    /// The place cannot be reached.
    fn topics(&self) -> Result<Vec<TopicSummary>, TransportError>;

    /// The offsets that one partition keeps: the first, and the one its next record will have.
    ///
    /// # Errors
    /// As for [`Transport::partitions`].
    fn offsets(&self, topic: &str, partition: u32) -> Result<Range<u64>, TransportError>;

    /// Makes a topic. One that exists with as many partitions is left as it is.
    ///
    /// # Errors
    /// It exists with another number of partitions, has no proper name, or cannot be made.
    fn create_topic(&self, topic: &str, partitions: u32) -> Result<(), TransportError>;

    /// Adds records to a topic, in order. They are safe when this returns.
    ///
    /// # Errors
    /// The topic or the partition does not exist, or cannot be written. The local store then has none of them; Kafka may have some.
    fn append(&self, topic: &str, records: &[NewRecord<'_>]) -> Result<(), TransportError>;

    /// How far each job has come that commits here, by name: its newest progress record. Who asks becomes nobody's writer. Default
    /// none, as of a place that keeps no progress.
    ///
    /// # Errors
    /// It cannot be read, or is not ours to understand.
    fn progress(&self) -> Result<Vec<Progress>, TransportError> {
        Ok(Vec::new())
    }
}

/// A record to be added to a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewRecord<'a> {
    /// The partition it goes to.
    pub partition: u32,
    /// When it arrived, milliseconds since the epoch; `None`: unknown (Kafka puts its own time).
    pub arrival_ms: Option<u64>,
    /// Its key; empty if it has none.
    pub key: &'a [u8],
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// A topic and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSummary {
    /// Its name.
    pub name: String,
    /// The offsets kept, by partition. Their number is about that of the records: compaction and transactions leave gaps.
    pub partitions: Vec<Range<u64>>,
}

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// Shows the records of a partition from an offset on (0: from the first that is kept), until nothing more is there or it is told to
/// stop.
///
/// # Errors
/// The partition cannot be read.
pub fn visit(
    transport: &dyn Transport,
    topic: &str,
    partition: u32,
    from: u64,
    mut see: impl FnMut(&Batch, &RawRecord) -> ControlFlow<()>,
) -> Result<(), TransportError> {
    let (mut reader, mut batch) = (transport.reader(topic, partition, from)?, Batch::default());
    loop {
        batch.clear();
        let position = reader.read(READ_BYTES, &mut batch)?;
        if batch.records.iter().any(|record| see(&batch, record).is_break()) || position != Position::More {
            return Ok(());
        }
        if batch.records.is_empty() {
            // A broker has not answered yet.
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// A topic that was asked for and is not there.
pub(super) fn missing(topic: &str, place: &str, existing: &[String]) -> TransportError {
    let hint = match nearest(topic, existing) {
        _ if existing.is_empty() => "There are no topics yet: feed a recording, or start what produces them.".to_owned(),
        Some(near) => format!("Did you mean “{near}”? There are: {}.", listed(existing)),
        None => format!("There are: {}.", listed(existing)),
    };
    TransportError::lasting(format!("topic “{topic}” does not exist in {place}")).hint(hint)
}

/// A partition that was asked for and is not there.
pub(super) fn missing_partition(topic: &str, partition: u32, partitions: usize, place: &str) -> TransportError {
    TransportError::lasting(format!("topic “{topic}” in {place} has no partition {partition}: it has {partitions}, counted from 0"))
}

/// A reader that was to begin where nothing is kept.
pub(super) fn not_kept(topic: &str, partition: u32, offset: u64, kept: &Range<u64>, place: &str) -> TransportError {
    let which = format!("offset {offset} of topic “{topic}”, partition {partition} in {place}");
    let lost = |from, until, remade| vec![Lost { topic: topic.to_owned(), partition, from, until, remade }];
    if offset < kept.start {
        TransportError::lasting(format!("{which} is no longer kept: the oldest is {}", kept.start))
            .hint("The topic's retention is shorter than this job needs: lengthen it, or start the job under another name.")
            .lost(lost(offset, kept.start, false))
    } else {
        TransportError::lasting(format!("{which} was never written: the topic ends at {}", kept.end))
            .hint("The topic was probably deleted and made again: start the job under another name, or bring the old topic back.")
            .lost(lost(kept.end, offset, true))
    }
}

/// A topic that holds something else where a record was that was read.
pub(crate) fn made_anew(topic: &str, partition: u32, offset: u64) -> TransportError {
    TransportError::lasting(format!("offset {offset} of topic “{topic}”, partition {partition} is not what was read there"))
        .hint("The topic was probably deleted and made again: start the job under another name, or bring the old topic back.")
        .lost(vec![Lost { topic: topic.to_owned(), partition, from: 0, until: offset + 1, remade: true }])
}

/// The name most like the one given, if any is like it.
fn nearest<'a>(name: &str, candidates: &'a [String]) -> Option<&'a String> {
    let likeness = |candidate: &String| strsim::jaro_winkler(name, candidate);
    candidates.iter().filter(|c| likeness(c) > 0.75).max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

/// At most twelve names, for a message.
fn listed(names: &[String]) -> String {
    const MOST: usize = 12;
    let shown = names[..names.len().min(MOST)].join(", ");
    if names.len() > MOST { format!("{shown} and {} more", names.len() - MOST) } else { shown }
}

/// Refuses names that Kafka would refuse, in every transport: so a job can move from one to the other.
pub(super) fn check_name(topic: &str) -> Result<(), TransportError> {
    let proper = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if topic.is_empty() || topic.len() > 249 || topic.starts_with('.') || !topic.chars().all(proper) {
        let hint = "Use at most 249 letters, digits, dots, underscores and hyphens, not beginning with a dot.";
        return Err(TransportError::lasting(format!("“{topic}” cannot be the name of a topic")).hint(hint));
    }
    Ok(())
}
