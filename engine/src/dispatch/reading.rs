//! Reading the topic into the outbox. What was deleted before it was read is too old to be told of anyway.

use super::outbox::{Entry, Outbox, Unreadable};
use super::{Config, Desk, DispatchError, Notice, Subject, envelope};
use crate::following::{Found, Partitions};
use crate::transport::{Batch, TopicStore};

/// Bytes read at a time: a few hundred alerts, and the bound of what is in memory.
const READ_BYTES: usize = 256 << 10;

/// The topic, as it is read.
pub(super) struct Reading<'a, S: Subject> {
    store: &'a dyn TopicStore,
    config: &'a Config<S::Filter>,
    subject: &'a S,
    partitions: Partitions,
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
        let partitions = Partitions::begin(store, &config.topic, state.positions(&config.topic)?)?;
        Ok(Self { store, config, subject, partitions })
    }

    /// Reads each partition once, and puts what is there into the outbox.
    pub(super) fn read(&mut self, desk: &Desk, now_ms: u64) -> Result<Found, DispatchError> {
        let what = (self.config, self.subject);
        self.partitions
            .read(self.store, READ_BYTES, |partition, next_offset, batch| keep(what, partition, next_offset, batch, desk, now_ms))
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
                let body = envelope::body(&notice);
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
