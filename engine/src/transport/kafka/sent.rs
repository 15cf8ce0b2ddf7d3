//! What a writer committed last, kept until nobody can take it back, and whether it is there.
//!
//! A broker confirms a commit before the marks that end the transaction are in its partitions. One that is alone and shuts down
//! just then (Kafka 4.3.1) may record that they are and write none. What lies there is then neither committed nor aborted until
//! the same writer's next transaction in that partition ends, as that one ends: if it is aborted, so is what was confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::super::{Batch, OutputRow, RawRecord, TransportError};
use super::cluster::Cluster;
use super::committed::Committed;
use super::connection::Delivered;

/// A message of a transaction.
pub(super) struct Sent {
    pub(super) epoch: u64,
    pub(super) row: OutputRow,
    /// Where it lies, if its transaction may have been committed.
    place: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    partition: i32,
    /// Not known where the broker had it already when it was sent again.
    offset: Option<u64>,
}

/// By topic and partition, and then by epoch, the first message that was written there. A transaction's messages in one
/// partition are all committed, or none.
pub(super) type Firsts<'a> = BTreeMap<(&'a str, i32), BTreeMap<u64, &'a Sent>>;

impl Sent {
    pub(super) fn new(epoch: u64, row: OutputRow) -> Self {
        Self { epoch, row, place: None }
    }

    /// The message, with a number to know it by.
    pub(super) fn record(&self, number: usize) -> BaseRecord<'_, [u8], [u8], usize> {
        let row = &self.row;
        let headers = row.headers.iter().fold(OwnedHeaders::new_with_capacity(row.headers.len()), |headers, (key, value)| {
            headers.insert(Header { key, value: Some(&**value) })
        });
        BaseRecord::with_opaque_to(&row.topic, number).key(row.key.as_bytes()).payload(&*row.value).headers(headers)
    }

    /// Whether a record is this message.
    fn is(&self, batch: &Batch, record: &RawRecord) -> bool {
        match self.place.and_then(|place| place.offset) {
            Some(offset) => record.offset == offset,
            None => batch.key(record) == self.row.key.as_bytes() && batch.value(record) == Some(&*self.row.value),
        }
    }
}

/// Marks where messages came to lie, by their numbers.
pub(super) fn place(messages: &mut [Sent], delivered: &[Delivered]) {
    for Delivered { message, partition, offset } in delivered {
        messages[*message].place = Some(Place { partition: *partition, offset: *offset });
    }
}

/// Where messages lie.
pub(super) fn firsts(messages: &[Sent]) -> Firsts<'_> {
    let mut firsts = Firsts::new();
    for sent in messages {
        if let Some(place) = sent.place {
            firsts.entry((&sent.row.topic, place.partition)).or_default().entry(sent.epoch).or_insert(sent);
        }
    }
    firsts
}

/// Leaves the messages that are not there, none of which may be in a transaction that is still open.
pub(super) fn keep_lost(cluster: &Cluster, messages: &mut Vec<Sent>) -> Result<(), TransportError> {
    let mut readers = Vec::new();
    let mut there = BTreeSet::new();
    for ((topic, partition), mut epochs) in firsts(messages) {
        let number = u32::try_from(partition).unwrap_or(0);
        let kept = cluster.offsets(topic, number)?;
        let offset = |sent: &Sent| sent.place.and_then(|place| place.offset);
        epochs.retain(|epoch, first| {
            // Of what was deleted since nobody can tell any more.
            let deleted = offset(first).is_some_and(|offset| offset < kept.start);
            !(deleted && there.insert((topic.to_owned(), partition, *epoch)))
        });
        if let Some(from) = epochs.values().map(|first| offset(first).unwrap_or(0)).min() {
            readers.push((Committed::begin(cluster, topic, number, from..kept.end)?, topic.to_owned(), partition, epochs));
        }
    }
    for (committed, topic, partition, mut epochs) in readers {
        committed.visit(|batch, record| {
            epochs.retain(|epoch, first| !(first.is(batch, record) && there.insert((topic.clone(), partition, *epoch))));
            Ok(if epochs.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    messages.retain(|sent| sent.place.is_none_or(|place| !there.contains(&(sent.row.topic.to_string(), place.partition, sent.epoch))));
    messages.iter_mut().for_each(|sent| sent.place = None);
    Ok(())
}
