//! One partition as the pump reads it: what was read and not yet handed out, and how far that is.

use std::sync::Arc;
use std::time::Duration;

use crate::epoch::{Partition, Slice};
use crate::gauges::PartitionFigures;
use crate::time::Time;
use crate::transport::{Batch, PartitionProgress, Position, Reader, TransportError};

/// Bytes asked of a partition at a time.
const READ_BYTES: usize = 256 << 10;
/// How long a partition that failed is left alone, at first and at most.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// One partition being read.
pub(crate) struct Lane {
    partition: usize,
    topic: String,
    number: u32,
    reader: Box<dyn Reader>,
    batch: Arc<Batch>,
    taken: usize,
    position: Position,
    /// The largest arrival time of the records handed out, 0 before the first.
    arrival_ms: u64,
    /// The first offset handed out.
    first: Option<u64>,
    next_offset: u64,
    count: u64,
    hash: crc32fast::Hasher,
    answered: bool,
    /// Until when it rests after an error, and for how long that is.
    rest: Option<(Duration, Duration)>,
    table: bool,
}

impl Lane {
    /// A partition from the beginning of what `reader` reads.
    #[must_use]
    pub(crate) fn new(place: usize, partition: &Partition, reader: Box<dyn Reader>) -> Self {
        Self {
            partition: place,
            topic: partition.topic.clone(),
            number: partition.number,
            reader,
            batch: Arc::default(),
            taken: 0,
            position: Position::More,
            arrival_ms: 0,
            first: None,
            next_offset: 0,
            count: 0,
            hash: crc32fast::Hasher::new(),
            answered: false,
            rest: None,
            table: partition.table,
        }
    }

    /// Goes on where it was when `known` was recorded; `reader` must begin there.
    #[must_use]
    pub(crate) fn resumed(self, known: &PartitionProgress) -> Self {
        let hash = crc32fast::Hasher::new_with_initial(known.hash as u32);
        Self { next_offset: known.next_offset, count: known.count, arrival_ms: known.arrival_ms, hash, ..self }
    }

    /// Goes on at a later offset, for what lies before it is gone.
    #[must_use]
    pub(crate) fn cut_off(self, at: u64) -> Self {
        Self { next_offset: at, ..self }
    }

    /// Counts as if it had read what was read before.
    pub(crate) fn take_count(&mut self, known: &PartitionProgress) {
        self.count = known.count;
        self.hash = crc32fast::Hasher::new_with_initial(known.hash as u32);
    }

    /// The offset of the first record handed out.
    pub(crate) fn first(&self) -> Option<u64> {
        self.first
    }

    /// Whether it is part of a table.
    #[must_use]
    pub(crate) fn is_table(&self) -> bool {
        self.table
    }

    /// How far it was handed out.
    #[must_use]
    pub(crate) fn progress(&self) -> PartitionProgress {
        let (topic, partition) = (self.topic.clone(), self.number);
        let hash = u64::from(self.hash.clone().finalize());
        let Self { next_offset, count, arrival_ms, .. } = *self;
        PartitionProgress { topic, partition, next_offset, event_ms: 0, count, hash, arrival_ms, rests_on_offset: None, last: None }
    }

    /// How far it was handed out, for people.
    pub(crate) fn figures(&self, now_ms: u64) -> PartitionFigures {
        let caught_up = self.caught_up();
        let lag_ms = if caught_up || self.arrival_ms == 0 { 0 } else { now_ms.saturating_sub(self.arrival_ms) };
        let (topic, partition) = (self.topic.clone(), self.number);
        PartitionFigures { topic, partition, next_offset: self.next_offset, records: self.count, caught_up, lag_ms }
    }

    /// The next offset to be handed out.
    #[must_use]
    pub(crate) fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Reads on if everything read before was handed out. An error that may pass is logged and the partition rests a while.
    ///
    /// # Errors
    /// The partition cannot be read and never will be.
    pub(crate) fn fill(&mut self, time: &dyn Time) -> Result<(), TransportError> {
        if self.taken < self.batch.records.len() || self.position == Position::End {
            return Ok(());
        }
        if self.rest.is_some_and(|(until, _)| time.elapsed() < until) {
            return Ok(());
        }
        let mut batch = Arc::try_unwrap(std::mem::take(&mut self.batch)).unwrap_or_default();
        batch.clear();
        let result = self.reader.read(READ_BYTES, &mut batch);
        self.answered |= !batch.records.is_empty() || matches!(result, Ok(Position::CaughtUp | Position::End));
        (self.batch, self.taken) = (Arc::new(batch), 0);
        match result {
            Ok(position) => (self.position, self.rest) = (position, None),
            Err(error) if error.retry => {
                let pause = self.rest.map_or(BACKOFF.0, |(_, pause)| (pause * 2).min(BACKOFF.1));
                tracing::warn!(topic = self.topic, partition = self.number, %error, ?pause, "reading failed; trying again");
                self.rest = Some((time.elapsed() + pause, pause));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether everything there is has been handed out.
    #[must_use]
    pub(crate) fn caught_up(&self) -> bool {
        self.taken == self.batch.records.len() && self.position != Position::More
    }

    /// Whether the partition has ever told where it stands.
    #[must_use]
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// The arrival time of the record last handed out; 0 before the first.
    #[must_use]
    pub(crate) fn arrival_ms(&self) -> u64 {
        self.arrival_ms
    }

    /// The arrival time of the next record, if one was read: never less than that of a record before it.
    #[must_use]
    pub(crate) fn head_ms(&self) -> Option<u64> {
        let record = self.batch.records.get(self.taken)?;
        Some(self.arrival_ms.max(record.arrival_ms.unwrap_or(0)))
    }

    /// Hands out the records read that satisfy a condition on (arrival, offset), up to the first that does not.
    pub(crate) fn take_while(&mut self, mut condition: impl FnMut(u64, u64) -> bool) -> Option<Slice> {
        let from = self.taken;
        while let Some(record) = self.batch.records.get(self.taken) {
            let arrival = self.arrival_ms.max(record.arrival_ms.unwrap_or(0));
            if !condition(arrival, record.offset) {
                break;
            }
            self.hash.update(self.batch.value(record).unwrap_or_default());
            self.first.get_or_insert(record.offset);
            (self.arrival_ms, self.next_offset) = (arrival, record.offset + 1);
            self.count += 1;
            self.taken += 1;
        }
        let records = from..self.taken;
        (!records.is_empty()).then(|| Slice {
            partition: self.partition,
            batch: Arc::clone(&self.batch),
            records,
            first: 0,
            arrival_ms: self.arrival_ms,
            decoded: Arc::default(),
        })
    }
}
