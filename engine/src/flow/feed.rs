//! Feeds: how the records of a source enter the dataflow on each worker.
//!
//! ```text
//! epoch ─▶ moment ─▶ slice ─▶ feed ─┬─ decoded, in time ──▶ input of the dataflow
//!                                   └─ refused ───────────▶ rejections
//! ```

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::core::input::Handle;

use super::{ExchangeData, Limits, Mark, Raw, Refusal, RefusalReason, Rejection};
use crate::ahead::Decode;
use crate::clock::{Untimely, judge};
use crate::epoch::{Epoch, Moment, Slice};
use crate::transport::RawRecord;

pub(super) type InputHandle<D> = Handle<u64, CapacityContainerBuilder<Vec<(D, u64, isize)>>>;

/// Takes one source's records into the dataflow.
pub(crate) trait Feed {
    fn take(&mut self, epoch: &Epoch, moment: &Moment, slice: &Slice);
    fn mark(&mut self, _moment: &Moment, _epoch: &Epoch) {}
    fn advance(&mut self, to: u64);
}

/// Decodes a share of a source's records on each worker.
pub(super) struct RecordFeed<T: Clone + 'static, D, E> {
    pub(super) handle: InputHandle<T>,
    pub(super) decode: Arc<RecordDecode<D>>,
    /// Whether the records are decoded ahead where there is time for it.
    pub(super) ahead: bool,
    pub(super) event_ms: E,
    pub(super) rejected: Rc<RefCell<InputHandle<Rejection>>>,
    /// The largest event time of what was taken of a partition at a moment.
    pub(super) newest: InputHandle<(usize, u64)>,
    pub(super) limits: Limits,
    /// The job clock when this was built: what was too late then is not of its time.
    pub(super) born: u64,
    pub(super) index: usize,
    pub(super) peers: usize,
}

/// How the records of a source are decoded.
pub(super) struct RecordDecode<D>(pub(super) D);

impl<T, D> Decode for RecordDecode<D>
where
    T: ExchangeData,
    D: Fn(&Raw<'_>) -> Result<T, Refusal> + Send + Sync,
{
    fn decode(&self, epoch: &Epoch, slice: &Slice) -> Box<dyn Any + Send> {
        let records = slice.batch.records[slice.records.clone()].iter();
        Box::new(records.map(|record| (self.0)(&raw(epoch, slice, record))).collect::<Vec<_>>())
    }
}

/// Records that one worker decodes in a row before the next worker's turn.
pub(crate) const SHARE: usize = 16;

/// The worker that decodes a record, by how many records of its source came before, among so many workers.
pub(crate) fn share(number: usize, peers: usize) -> usize {
    number / SHARE % peers
}

impl<T, D, E> Feed for RecordFeed<T, D, E>
where
    T: ExchangeData,
    D: Fn(&Raw<'_>) -> Result<T, Refusal>,
    E: Fn(&T) -> Option<u64>,
{
    fn take(&mut self, epoch: &Epoch, moment: &Moment, slice: &Slice) {
        let clock = moment.tick.clock;
        let (mut newest, ahead) = (0, self.ahead.then(|| slice.decoded.take::<Result<T, Refusal>>()));
        let mut ahead = ahead.flatten().map(Vec::into_iter);
        for (number, record) in slice.batch.records[slice.records.clone()].iter().enumerate() {
            if share(slice.first + number, self.peers) != self.index {
                continue;
            }
            let raw = raw(epoch, slice, record);
            let decoded = ahead.as_mut().and_then(Iterator::next).unwrap_or_else(|| (self.decode.0)(&raw));
            let taken = decoded.and_then(|value| {
                let Some(event_ms) = (self.event_ms)(&value) else { return Ok(value) };
                timely_enough(event_ms, clock, raw.arrival_ms, self.limits)?;
                newest = newest.max(event_ms);
                Ok(value)
            });
            match taken {
                Ok(value) => self.handle.send((value, clock, 1)),
                Err(refusal) if refusal.reason == RefusalReason::Late && raw.arrival_ms + self.limits.lateness_ms < self.born => {}
                Err(refusal) => self.rejected.borrow_mut().send((Rejection::new(&raw, refusal), clock, 1)),
            }
        }
        if newest > 0 {
            self.newest.send(((slice.partition, newest), clock, 1));
        }
    }

    fn advance(&mut self, to: u64) {
        self.handle.advance_to(to);
        self.newest.advance_to(to);
    }
}

/// Keeps a table's rows on worker 0, where all of its records are decoded in order.
pub(super) struct TableFeed<K, T: Clone + 'static, D> {
    pub(super) handle: InputHandle<T>,
    pub(super) decode: D,
    pub(super) rejected: Rc<RefCell<InputHandle<Rejection>>>,
    pub(super) here: bool,
    pub(super) rows: BTreeMap<K, T>,
}

impl<K, T, D> Feed for TableFeed<K, T, D>
where
    K: Ord,
    T: ExchangeData,
    D: Fn(&Raw<'_>) -> Result<(K, Option<T>), Refusal>,
{
    fn take(&mut self, epoch: &Epoch, moment: &Moment, slice: &Slice) {
        if !self.here {
            return;
        }
        let clock = moment.tick.clock;
        for record in &slice.batch.records[slice.records.clone()] {
            let raw = raw(epoch, slice, record);
            match (self.decode)(&raw) {
                Err(refusal) => self.rejected.borrow_mut().send((Rejection::new(&raw, refusal), clock, 1)),
                Ok((key, row)) => {
                    let before = match row.clone() {
                        Some(row) => self.rows.insert(key, row),
                        None => self.rows.remove(&key),
                    };
                    if before != row {
                        before.into_iter().for_each(|old| self.handle.send((old, clock, -1)));
                        row.into_iter().for_each(|new| self.handle.send((new, clock, 1)));
                    }
                }
            }
        }
    }

    fn advance(&mut self, to: u64) {
        self.handle.advance_to(to);
    }
}

/// Tells how far a source's partitions have been observed; worker 0 alone speaks.
pub(super) struct MarkFeed {
    pub(super) handle: InputHandle<Mark>,
    pub(super) here: bool,
    pub(super) source: usize,
    pub(super) last: BTreeMap<u32, Mark>,
}

impl Feed for MarkFeed {
    fn take(&mut self, _: &Epoch, _: &Moment, _: &Slice) {}

    fn mark(&mut self, moment: &Moment, epoch: &Epoch) {
        if !self.here {
            return;
        }
        for (partition, until_ms) in epoch.partitions.iter().zip(&moment.tick.observed_ms) {
            if partition.source == self.source && *until_ms > 0 {
                let mark = Mark { partition: partition.number, until_ms: *until_ms };
                let before = self.last.insert(partition.number, mark);
                if before != Some(mark) {
                    before.into_iter().for_each(|old| self.handle.send((old, moment.tick.clock, -1)));
                    self.handle.send((mark, moment.tick.clock, 1));
                }
            }
        }
    }

    fn advance(&mut self, to: u64) {
        self.handle.advance_to(to);
    }
}

/// Lets the clock of the rejections go on.
pub(super) struct RejectedFeed(pub(super) Rc<RefCell<InputHandle<Rejection>>>);

impl Feed for RejectedFeed {
    fn take(&mut self, _: &Epoch, _: &Moment, _: &Slice) {}

    fn advance(&mut self, to: u64) {
        self.0.borrow_mut().advance_to(to);
    }
}

fn raw<'a>(epoch: &'a Epoch, slice: &'a Slice, record: &RawRecord) -> Raw<'a> {
    let partition = &epoch.partitions[slice.partition];
    Raw {
        topic: &partition.topic,
        partition: partition.number,
        offset: record.offset,
        arrival_ms: record.arrival_ms.unwrap_or(slice.arrival_ms),
        key: slice.batch.key(record),
        value: slice.batch.value(record),
    }
}

fn timely_enough(event_ms: u64, clock: u64, arrival_ms: u64, limits: Limits) -> Result<(), Refusal> {
    match judge(event_ms, clock, arrival_ms, limits.lateness_ms, limits.max_skew_ms) {
        None => Ok(()),
        Some(Untimely::Late { by_ms }) => {
            let detail = format!("its time {event_ms} is {by_ms} ms older than the job still accepts at {clock}");
            Err(Refusal { reason: RefusalReason::Late, detail })
        }
        Some(Untimely::Future { by_ms }) => {
            let detail = format!("its time {event_ms} is {by_ms} ms further ahead of its arrival at {arrival_ms} than clocks may be wrong");
            Err(Refusal { reason: RefusalReason::Future, detail })
        }
    }
}
