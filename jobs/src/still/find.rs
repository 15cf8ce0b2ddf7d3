//! Finding records of a camera and a time in a topic without reading all of it.
//!
//! A camera's records lie in one partition, in order of time, with those of other cameras between them. So an offset is halved
//! upon: whichever record of the camera comes after it is before the time or is not.

use std::ops::ControlFlow;

use engine::transport::{TopicStore, TransportError, visit};
use schemas::wire::{Format, Record};
use schemas::{Frame, Name, Observation};

/// When so few records are left, they are read rather than halved upon.
const FEW: u64 = 256;

/// A record with its place.
pub(super) struct Found<T> {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) record: T,
}

/// A record of a camera at a time.
pub(super) trait Timed: Record {
    fn camera(&self) -> Name;
    fn at_ms(&self) -> u64;
}

impl Timed for Frame {
    fn camera(&self) -> Name {
        self.camera
    }

    fn at_ms(&self) -> u64 {
        self.at_ms
    }
}

impl Timed for Observation {
    fn camera(&self) -> Name {
        self.camera
    }

    fn at_ms(&self) -> u64 {
        self.at_ms
    }
}

/// A camera's records of a span of time, in the order in which they lie.
pub(super) fn of_camera<T: Timed>(
    store: &dyn TopicStore,
    topic: &str,
    camera: Name,
    from_ms: u64,
    until_ms: u64,
) -> Result<Vec<Found<T>>, TransportError> {
    let mut all = Vec::new();
    for partition in store.partitions(topic)? {
        let begin = begin::<T>(store, topic, partition, camera, from_ms)?;
        scan::<T>(store, topic, partition, begin, |offset, record| {
            if record.camera() != camera {
                return true;
            }
            // Pictures change places by less than a second: what lies that far beyond is the end.
            let beyond = record.at_ms() > until_ms + 2_000;
            if (from_ms..=until_ms).contains(&record.at_ms()) {
                all.push(Found { partition, offset, record });
            }
            !beyond
        })?;
    }
    Ok(all)
}

/// The first record of a camera that is kept and of which something holds.
pub(super) fn first<T: Timed>(
    store: &dyn TopicStore,
    topic: &str,
    camera: Name,
    holds: impl Fn(&T) -> bool,
) -> Result<Option<T>, TransportError> {
    let mut found = None;
    for partition in store.partitions(topic)? {
        scan::<T>(store, topic, partition, store.offsets(topic, partition)?.start, |_, record| {
            if record.camera() == camera && holds(&record) {
                found.get_or_insert(record);
            }
            found.is_none()
        })?;
    }
    Ok(found)
}

/// The last record of which something holds.
pub(super) fn last_row<T: Record>(store: &dyn TopicStore, topic: &str, holds: impl Fn(&T) -> bool) -> Result<Option<T>, TransportError> {
    let mut found = None;
    for partition in store.partitions(topic)? {
        scan::<T>(store, topic, partition, store.offsets(topic, partition)?.start, |_, record| {
            if holds(&record) {
                found = Some(record);
            }
            true
        })?;
    }
    Ok(found)
}

/// An offset before all of a camera's records of a time or later.
fn begin<T: Timed>(store: &dyn TopicStore, topic: &str, partition: u32, camera: Name, from_ms: u64) -> Result<u64, TransportError> {
    let kept = store.offsets(topic, partition)?;
    let (mut from, mut to) = (kept.start, kept.end);
    while to - from > FEW {
        let middle = from + (to - from) / 2;
        let mut next = None;
        scan::<T>(store, topic, partition, middle, |offset, record| {
            if offset < to && record.camera() == camera {
                next = Some(record.at_ms());
            }
            offset < to && next.is_none()
        })?;
        // Pictures that change places are near each other: two seconds are left for them.
        if next.is_some_and(|at_ms| at_ms + 2_000 < from_ms) { from = middle } else { to = middle }
    }
    Ok(from)
}

/// Reads a partition from an offset on, for as long as it is asked to. What is no such record is left out.
fn scan<T: Record>(
    store: &dyn TopicStore,
    topic: &str,
    partition: u32,
    from: u64,
    mut take: impl FnMut(u64, T) -> bool,
) -> Result<(), TransportError> {
    visit(store, topic, partition, from, |batch, record| {
        let read = batch.value(record).and_then(|value| Format::of(value).decode::<T>(value).ok());
        if read.is_none_or(|read| take(record.offset, read)) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })
}
