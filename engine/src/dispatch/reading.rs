//! Reading the topic into the outbox.
//!
//! A position that is no longer kept is left for the oldest that is: what lay between is too old to be told of anyway, and
//! the log says so. One that was never written is an error: the topic is another than it was.

use std::time::{Duration, Instant};

use super::outbox::{Entry, Outbox, Unreadable};
use super::{Config, Desk, DispatchError, Notice, Subject, envelope};
use crate::transport::{Batch, Position, Reader, TopicStore, TransportError};

/// Bytes read at a time: a few hundred alerts, and the bound of what is in memory.
const READ_BYTES: usize = 256 << 10;
/// How often new partitions are looked for.
const LOOK_FOR_PARTITIONS: Duration = Duration::from_secs(30);

/// What a look at the topic found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Records.
    Something,
    /// No records yet, though there may be some: a broker has not answered.
    Perhaps,
    /// Everything that is there has been read.
    Nothing,
}

/// The partitions of the topic, as they are read.
pub(super) struct Reading<'a, S: Subject> {
    store: &'a dyn TopicStore,
    config: &'a Config<S::Filter>,
    subject: &'a S,
    partitions: Vec<Partition>,
    looked: Instant,
}

struct Partition {
    number: u32,
    /// Up to where it is in the outbox.
    next_offset: u64,
    /// Begun at `next_offset`; none after a failure.
    reader: Option<Box<dyn Reader>>,
}

/// A revision on its way into the outbox.
struct Read {
    notice: Notice,
    body: Result<Vec<u8>, String>,
    arrived_ms: u64,
}

impl<'a, S: Subject> Reading<'a, S> {
    pub(super) fn begin(
        store: &'a dyn TopicStore,
        config: &'a Config<S::Filter>,
        subject: &'a S,
        state: &Outbox,
    ) -> Result<Self, DispatchError> {
        let mut reading = Self { store, config, subject, partitions: Vec::new(), looked: Instant::now() };
        reading.look(&state.positions(&config.topic)?)?;
        Ok(reading)
    }

    /// Adds the partitions that are not read yet.
    fn look(&mut self, positions: &std::collections::BTreeMap<u32, u64>) -> Result<(), TransportError> {
        self.looked = Instant::now();
        for number in self.store.partitions(&self.config.topic)? {
            if !self.partitions.iter().any(|partition| partition.number == number) {
                let next_offset = positions.get(&number).copied().unwrap_or(0);
                self.partitions.push(Partition { number, next_offset, reader: None });
            }
        }
        Ok(())
    }

    /// Reads each partition once, and puts what is there into the outbox.
    pub(super) fn read(&mut self, desk: &Desk, now_ms: u64) -> Result<Found, DispatchError> {
        if self.looked.elapsed() > LOOK_FOR_PARTITIONS {
            self.look(&desk.state().positions(&self.config.topic)?)?;
        }
        let mut found = Found::Nothing;
        let mut batch = Batch::default();
        for partition in &mut self.partitions {
            batch.clear();
            let reader = partition.reader(self.store, &self.config.topic)?;
            let position = reader.read(READ_BYTES, &mut batch);
            if batch.records.is_empty() {
                if found == Found::Nothing && position.as_ref().is_ok_and(|position| *position == Position::More) {
                    found = Found::Perhaps;
                }
                partition.reader = partition.reader.take().filter(|_| position.is_ok());
                position?;
                continue;
            }
            let next_offset = batch.records.last().map_or(partition.next_offset, |record| record.offset + 1);
            // A reader is ahead of what could not be kept; it begins anew then.
            let reader = partition.reader.take();
            keep((self.config, self.subject), partition.number, next_offset, &batch, desk, now_ms)?;
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

/// Puts a batch and its position into the outbox.
fn keep<S: Subject>(
    (config, subject): (&Config<S::Filter>, &S),
    partition: u32,
    next_offset: u64,
    batch: &Batch,
    desk: &Desk,
    now_ms: u64,
) -> Result<(), DispatchError> {
    let (mut read, mut unreadable) = (Vec::new(), Vec::new());
    for record in &batch.records {
        let Some(value) = batch.value(record) else { continue };
        match subject.read(value) {
            Ok(notice) => {
                let body = envelope::body(subject.name(), &notice);
                read.push(Read { body, arrived_ms: record.arrival_ms.unwrap_or(now_ms).min(now_ms), notice });
            }
            Err(reason) => unreadable.push(Unreadable { place: format!("{}/{partition}/{}", config.topic, record.offset), reason }),
        }
    }
    let mut entries = Vec::with_capacity(read.len() * config.endpoints.len());
    for Read { notice, body, arrived_ms } in &read {
        for endpoint in &config.endpoints {
            entries.push(Entry {
                endpoint: &endpoint.name,
                notice,
                body: body.as_deref().map_err(String::as_str),
                wanted: subject.wants(&endpoint.filter, notice),
                arrived_ms: *arrived_ms,
                deadline_ms: arrived_ms.saturating_add(endpoint.limits.expires_after_ms),
            });
        }
    }
    for record in &unreadable {
        tracing::error!(place = record.place, reason = record.reason, "a record cannot be read");
    }
    let bounds: Vec<(&str, usize)> = config.endpoints.iter().map(|endpoint| (endpoint.name.as_str(), endpoint.limits.queue)).collect();
    desk.state().take((&config.topic, partition, next_offset), &entries, &unreadable, &bounds, now_ms)
}
