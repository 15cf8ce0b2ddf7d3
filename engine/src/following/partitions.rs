//! Reading a topic, partition by partition, from positions of one's own.
//!
//! A position that is no longer kept is left for the oldest that is: what lay between cannot be had any more, and the log
//! says so. One that was never written is an error: the topic is another than it was.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::transport::{Batch, Position, Reader, TopicStore, TransportError};

/// How often new partitions are looked for.
const LOOK_FOR_PARTITIONS: Duration = Duration::from_secs(30);

/// What a look at a topic found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Found {
    /// Everything that is there has been read.
    Nothing,
    /// No records yet, though there may be some: a broker has not answered.
    Perhaps,
    /// Records.
    Something,
}

/// The partitions of a topic, as they are read.
pub(crate) struct Partitions {
    topic: String,
    /// Where partitions begin that are not read yet.
    positions: BTreeMap<u32, u64>,
    partitions: Vec<Partition>,
    looked: Instant,
}

struct Partition {
    number: u32,
    /// Up to where its records were kept.
    next_offset: u64,
    /// Begun at `next_offset`; none after a failure.
    reader: Option<Box<dyn Reader>>,
}

impl Partitions {
    /// Begins where somebody was.
    pub(crate) fn begin(store: &dyn TopicStore, topic: &str, positions: BTreeMap<u32, u64>) -> Result<Self, TransportError> {
        let mut partitions = Self { topic: topic.to_owned(), positions, partitions: Vec::new(), looked: Instant::now() };
        partitions.look(store)?;
        Ok(partitions)
    }

    /// Adds the partitions that are not read yet.
    fn look(&mut self, store: &dyn TopicStore) -> Result<(), TransportError> {
        self.looked = Instant::now();
        for number in store.partitions(&self.topic)? {
            if !self.partitions.iter().any(|partition| partition.number == number) {
                let next_offset = self.positions.get(&number).copied().unwrap_or(0);
                self.partitions.push(Partition { number, next_offset, reader: None });
            }
        }
        Ok(())
    }

    /// Reads about so many bytes of each partition, and hands them on with the partition's number and the offset after them.
    /// What `keep` could not keep is read again.
    pub(crate) fn read<E: From<TransportError>>(
        &mut self,
        store: &dyn TopicStore,
        most_bytes: usize,
        mut keep: impl FnMut(u32, u64, &Batch) -> Result<(), E>,
    ) -> Result<Found, E> {
        if self.looked.elapsed() > LOOK_FOR_PARTITIONS {
            self.look(store)?;
        }
        let mut found = Found::Nothing;
        let mut batch = Batch::default();
        for partition in &mut self.partitions {
            batch.clear();
            let reader = partition.reader(store, &self.topic)?;
            let position = reader.read(most_bytes, &mut batch);
            if batch.records.is_empty() {
                if position.as_ref().is_ok_and(|position| *position == Position::More) {
                    found = found.max(Found::Perhaps);
                }
                partition.reader = partition.reader.take().filter(|_| position.is_ok());
                position?;
                continue;
            }
            let next_offset = batch.records.last().map_or(partition.next_offset, |record| record.offset + 1);
            // A reader is ahead of what could not be kept; it begins anew then.
            let reader = partition.reader.take();
            keep(partition.number, next_offset, &batch)?;
            (partition.reader, partition.next_offset) = (reader.filter(|_| position.is_ok()), next_offset);
            found = Found::Something;
        }
        Ok(found)
    }
}

impl Partition {
    fn reader(&mut self, store: &dyn TopicStore, topic: &str) -> Result<&mut Box<dyn Reader>, TransportError> {
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let kept = store.offsets(topic, self.number)?;
                if self.next_offset < kept.start {
                    if self.next_offset > 0 {
                        let (partition, oldest) = (self.number, kept.start);
                        tracing::error!(topic, partition, from = self.next_offset, oldest, "records were deleted before they were read");
                    }
                    self.next_offset = kept.start;
                }
                store.reader(topic, self.number, self.next_offset)?
            }
        };
        Ok(self.reader.insert(reader))
    }
}
