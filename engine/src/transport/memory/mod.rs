//! The `memory` transport: topics that live as long as the process, for the tests in a job definition.
//!
//! A commit is atomic because it happens under one lock. Clones share the same topics.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::topics::not_kept;
use super::{Batch, OutputRow, Position, Progress, Reader, Transport, TransportError, Writer};

/// Topics in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryTransport(Arc<Mutex<Topics>>);

/// A record: arrival time, key and value.
type Kept = (u64, Vec<u8>, Vec<u8>);

/// The records of a partition that are kept, and the offset of the first of them.
#[derive(Debug, Default)]
struct Partition {
    first: u64,
    kept: VecDeque<Kept>,
}

impl Partition {
    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }
}

#[derive(Debug, Default)]
struct Topics {
    /// By topic and partition.
    records: BTreeMap<(String, u32), Partition>,
    commits: Vec<(Vec<OutputRow>, Progress)>,
}

impl MemoryTransport {
    /// Appends a record to a partition, which is made if need be.
    pub fn append(&self, topic: &str, partition: u32, arrival_ms: u64, value: &[u8]) {
        self.create(topic, partition);
        if let Some(records) = self.lock().records.get_mut(&(topic.to_owned(), partition)) {
            records.kept.push_back((arrival_ms, Vec::new(), value.to_vec()));
        }
    }

    /// Makes an empty partition, unless it is there.
    pub fn create(&self, topic: &str, partition: u32) {
        self.lock().records.entry((topic.to_owned(), partition)).or_default();
    }

    /// Deletes the records of a partition before an offset, as a topic does whose retention is over.
    pub fn forget(&self, topic: &str, partition: u32, before: u64) {
        if let Some(records) = self.lock().records.get_mut(&(topic.to_owned(), partition)) {
            while records.first < before && records.kept.pop_front().is_some() {
                records.first += 1;
            }
        }
    }

    /// Deletes a topic.
    pub fn delete(&self, topic: &str) {
        self.lock().records.retain(|(name, _), _| name != topic);
    }

    /// All rows committed so far, in order.
    #[must_use]
    pub fn rows(&self) -> Vec<OutputRow> {
        self.lock().commits.iter().flat_map(|(rows, _)| rows.clone()).collect()
    }

    /// Nothing here is left half-done by a panic, so a poisoned lock is as good as another.
    fn lock(&self) -> MutexGuard<'_, Topics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for MemoryTransport {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        let topics = self.lock();
        let numbers: Vec<u32> = topics.records.keys().filter(|(name, _)| name == topic).map(|(_, number)| *number).collect();
        if numbers.is_empty() { Err(TransportError::lasting(format!("there is no topic {topic:?} in memory"))) } else { Ok(numbers) }
    }

    fn reader(&self, topic: &str, partition: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        let which = (topic.to_owned(), partition);
        let kept = self.lock().records.get(&which).map_or(0..0, |records| records.first..records.end());
        if offset > kept.end || (offset > 0 && offset < kept.start) {
            return Err(not_kept(topic, partition, offset, &kept, "memory"));
        }
        Ok(Box::new(MemoryReader { transport: self.clone(), partition: which, next: offset.max(kept.start) }))
    }

    fn writer(&self, job: &str, outputs: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        outputs.iter().for_each(|output| self.create(output, 0));
        Ok(Box::new(MemoryWriter { transport: self.clone(), job: job.to_owned() }))
    }
}

/// The writer of one job.
struct MemoryWriter {
    transport: MemoryTransport,
    job: String,
}

impl Writer for MemoryWriter {
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        let all = self.transport.history()?;
        Ok(all.into_iter().filter(|progress| progress.job == self.job).collect())
    }

    fn add_outputs(&mut self, outputs: &[String]) -> Result<(), TransportError> {
        self.transport.add_outputs(outputs)
    }

    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        self.transport.commit(rows, progress)
    }
}

/// As the writer of whatever jobs there are.
impl Writer for MemoryTransport {
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        Ok(self.lock().commits.iter().map(|(_, progress)| progress.clone()).collect())
    }

    fn add_outputs(&mut self, outputs: &[String]) -> Result<(), TransportError> {
        outputs.iter().for_each(|output| self.create(output, 0));
        Ok(())
    }

    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        let mut topics = self.lock();
        for row in rows {
            let kept = &mut topics.records.entry((row.topic.to_string(), 0)).or_default().kept;
            kept.push_back((progress.clock, row.key.clone().into_bytes(), row.value.clone()));
        }
        topics.commits.push((rows.to_vec(), progress.clone()));
        Ok(())
    }
}

struct MemoryReader {
    transport: MemoryTransport,
    partition: (String, u32),
    next: u64,
}

impl Reader for MemoryReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let topics = self.transport.lock();
        let Some(records) = topics.records.get(&self.partition) else { return Ok(Position::CaughtUp) };
        let from = batch.bytes.len();
        while let Some((arrival_ms, key, value)) = self.next.checked_sub(records.first).and_then(|place| records.kept.get(place as usize)) {
            if batch.bytes.len() - from >= most_bytes {
                return Ok(Position::More);
            }
            batch.push(self.next, Some(*arrival_ms), key, Some(value));
            self.next += 1;
        }
        if self.next < records.first || self.next > records.end() {
            return Err(not_kept(&self.partition.0, self.partition.1, self.next, &(records.first..records.end()), "memory"));
        }
        Ok(Position::CaughtUp)
    }
}
