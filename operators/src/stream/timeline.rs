//! `Timeline`: the rows of every key in order of event time, forgotten by the clock; what the time-bounded verbs keep.
//!
//! ```text
//! index    hash of key ─▶ newest row ─earlier─▶ row ─earlier─▶ row ─earlier─▶ (forgotten)
//!                             │                  │              │
//! rows     oldest arrival … … ● … … … … … … … … ●… … … … … … …●… … … newest arrival
//!          ▲ forgotten from here                                       added here ▲
//! ```
//!
//! One ring holds the rows of all keys in order of arrival and needs no allocation for a row; links run through it from
//! each key's newest row to its oldest. A link is never cut when a row is forgotten: it then points before the ring, and
//! because links only lead to earlier rows, all that it would have led to has been forgotten too.
//!
//! What is remembered is exact: a row is seen until the clock passes its event time + `keep_ms`, whatever else the ring
//! still holds, so that nothing depends on when the ring is tidied. A row ahead of its time delays the tidying of its
//! neighbours by as much.

use std::collections::VecDeque;
use std::hash::{BuildHasher, BuildHasherDefault, Hash};
use std::hint::black_box;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHasher;

use super::index::{Index, Slot};
use super::{Clock, Footprint};

/// How many rows are brought into the cache together: enough to keep memory busy, few enough to still be there when used.
const BLOCK: usize = 32;

/// How many rows of a key are brought into the cache: most keys have no more that matter. One row too few costs a wait for
/// memory, one too many next to nothing.
const DEPTH: usize = 8;

/// A number for a key, all bits of it mixed: its low bits choose the worker, its high bits the place in the index.
pub(super) fn spread<K: Hash>(key: &K) -> u64 {
    let hash = BuildHasherDefault::<FxHasher>::default().hash_one(key);
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Readies the changes of a moment: where there are retractions, equal rows are added up and retractions come first, so
/// that a row which replaces another never meets it.
pub(super) fn settle<D: Ord>(changes: &mut Vec<(D, isize)>) {
    if changes.iter().any(|(_, diff)| *diff < 0) {
        consolidate(changes);
        changes.sort_by_key(|(_, diff)| *diff > 0);
    }
}

/// The rows of every key; `by` tells a row's key and its event time in milliseconds.
pub(super) struct Timeline<D, By> {
    by: By,
    keep_ms: u64,
    oldest_ms: u64,
    rows: VecDeque<Entry<D>>,
    /// The position of the ring's first row; positions count arrivals and wrap around.
    first: u32,
    index: Index,
}

/// A row as the ring holds it.
struct Entry<D> {
    row: D,
    diff: isize,
    /// The position of the next earlier row of the same key.
    earlier: u32,
}

/// Where the rows of a key are; good until the next change.
#[derive(Clone, Copy)]
pub(super) struct Thread {
    slot: Slot,
    newest: u32,
}

impl<D, K, By> Timeline<D, By>
where
    D: Ord,
    K: Hash + Eq,
    By: Fn(&D) -> (K, u64),
{
    /// Remembers rows until the clock passes their event time by more than `keep_ms`.
    pub(super) fn new(by: By, keep_ms: u64) -> Self {
        Self { by, keep_ms, oldest_ms: 0, rows: VecDeque::new(), first: 0, index: Index::default() }
    }

    /// Forgets what the clock has passed. The clock never goes back.
    pub(super) fn forget(&mut self, now: Clock) {
        self.oldest_ms = now.saturating_sub(self.keep_ms);
        while self.rows.front().is_some_and(|entry| entry.diff == 0 || (self.by)(&entry.row).1 < self.oldest_ms) {
            self.rows.pop_front();
            self.first = self.first.wrapping_add(1);
        }
    }

    /// Whether a row of this time is not yet forgotten. A change to a forgotten row says nothing any more.
    pub(super) fn remembers(&self, at_ms: u64) -> bool {
        at_ms >= self.oldest_ms
    }

    /// How many rows the ring holds.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What the ring and its index hold.
    pub(super) fn footprint(&self) -> Footprint {
        let index = Footprint { rows: 0, bytes: self.index.bytes() };
        Footprint::of::<Entry<D>>(self.rows.len()) + index
    }

    /// Finds the rows of a key.
    pub(super) fn find(&self, key: &K) -> Thread {
        let dead = self.first.wrapping_sub(1);
        let same = |position: u32| self.entry(position).map(|entry| (self.by)(&entry.row).0 == *key);
        let (slot, newest) = self.index.find(spread(key), same);
        Thread { slot, newest: newest.unwrap_or(dead) }
    }

    /// The rows of a thread, the newest first, each with its time and how often it is there.
    pub(super) fn walk(&self, thread: Thread) -> impl Iterator<Item = (&D, u64, isize)> {
        let mut position = thread.newest;
        std::iter::from_fn(move || {
            let entry = self.entry(position)?;
            position = entry.earlier;
            let at_ms = (self.by)(&entry.row).1;
            (at_ms >= self.oldest_ms).then_some((&entry.row, at_ms, entry.diff))
        })
    }

    /// The rows of a thread from `from_ms` to `until_ms`, both included, the newest first.
    pub(super) fn between(&self, thread: Thread, from_ms: u64, until_ms: u64) -> impl Iterator<Item = (&D, u64, isize)> {
        let walk = self.walk(thread).skip_while(move |(_, at_ms, _)| *at_ms > until_ms);
        walk.take_while(move |(_, at_ms, _)| *at_ms >= from_ms)
    }

    /// Adds a row to its thread `diff` times, or takes it away where `diff` is negative. It must not be forgotten yet.
    pub(super) fn change(&mut self, thread: Thread, row: D, diff: isize) {
        if diff == 0 {
            return;
        }
        let at_ms = (self.by)(&row).1;
        let (mut later, mut position) = (None, thread.newest);
        while let Some(entry) = self.entry(position) {
            let order = (self.by)(&entry.row).1.cmp(&at_ms).then_with(|| entry.row.cmp(&row));
            if order.is_gt() {
                later = Some(position);
                position = entry.earlier;
            } else if order.is_lt() {
                break;
            } else {
                return self.add(thread, later, position, diff);
            }
        }
        let added = self.first.wrapping_add(self.rows.len() as u32);
        self.rows.push_back(Entry { row, diff, earlier: position });
        self.link(thread, later, added);
    }

    /// Changes how often the row at `position` is there; unlinks it when it no longer is.
    fn add(&mut self, thread: Thread, later: Option<u32>, position: u32, diff: isize) {
        let entry = &mut self.rows[position.wrapping_sub(self.first) as usize];
        entry.diff += diff;
        if entry.diff == 0 {
            let earlier = entry.earlier;
            self.link(thread, later, earlier);
        }
    }

    /// Lets `position` follow `later`, or be the newest where there is nothing later.
    fn link(&mut self, thread: Thread, later: Option<u32>, position: u32) {
        match later {
            Some(later) => self.rows[later.wrapping_sub(self.first) as usize].earlier = position,
            None => {
                let (first, held) = (self.first, self.rows.len());
                self.index.set(thread.slot, position, |position| (position.wrapping_sub(first) as usize) < held);
            }
        }
    }

    fn entry(&self, position: u32) -> Option<&Entry<D>> {
        self.rows.get(position.wrapping_sub(self.first) as usize)
    }

    /// Hands `changes` to `each`, in order, after bringing what each will need into the cache: the loads of a block are
    /// all in flight at once instead of one after the other.
    pub(super) fn for_each(&mut self, changes: &mut Vec<(D, isize)>, mut each: impl FnMut(&mut Self, D, isize)) {
        let mut changes = changes.drain(..);
        while !changes.as_slice().is_empty() {
            let block = changes.as_slice().len().min(BLOCK);
            self.touch(&changes.as_slice()[..block]);
            changes.by_ref().take(block).for_each(|(row, diff)| each(self, row, diff));
        }
    }

    /// Loads the slots of these rows' keys, then their newest rows, then the ones before. A row may lie across two lines of
    /// the cache: its time is at one end, its link at the other.
    fn touch(&self, changes: &[(D, isize)]) {
        let (mut positions, mut times) = ([0; BLOCK], 0);
        for (position, (row, _)) in positions.iter_mut().zip(changes) {
            *position = self.index.peek(spread(&(self.by)(row).0));
        }
        for _ in 0..DEPTH {
            for position in &mut positions[..changes.len()] {
                let Some(entry) = self.entry(*position) else { continue };
                times ^= (self.by)(&entry.row).1;
                *position = entry.earlier;
            }
        }
        black_box((positions, times));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (u64, u64);

    fn feed(timeline: &mut Timeline<Row, impl Fn(&Row) -> (u64, u64)>, row: Row, diff: isize) {
        timeline.change(timeline.find(&row.0), row, diff);
    }

    #[test]
    fn rows_are_seen_newest_first_until_the_clock_has_passed_them() {
        let mut timeline = Timeline::new(|row: &Row| *row, 10);
        [(7, 20), (7, 22), (8, 21), (7, 21), (7, 21)].into_iter().for_each(|row| feed(&mut timeline, row, 1));
        let seen = |timeline: &Timeline<Row, _>| -> Vec<_> { timeline.walk(timeline.find(&7)).map(|(_, at, n)| (at, n)).collect() };
        assert_eq!(seen(&timeline), [(22, 1), (21, 2), (20, 1)]);
        timeline.forget(31);
        assert_eq!(seen(&timeline), [(22, 1), (21, 2)]);
        feed(&mut timeline, (7, 22), -1);
        assert_eq!(seen(&timeline), [(21, 2)]);
    }

    #[test]
    fn state_is_bounded_for_ever_even_where_positions_wrap_around() {
        let mut timeline = Timeline::new(|row: &Row| *row, 1_000);
        timeline.first = u32::MAX - 50_000;
        for now in 0..100_000 {
            timeline.forget(now);
            feed(&mut timeline, (1_000 + now % 7_919, now), 1);
            feed(&mut timeline, (now % 5, now), 1);
            assert!(timeline.len() <= 2_002);
            assert_eq!(timeline.walk(timeline.find(&(1_000 + now % 7_919))).count(), 1);
            assert_eq!(timeline.walk(timeline.find(&(now % 5))).count() as u64, 1 + now.min(1_000) / 5);
        }
        assert!(timeline.index.capacity() <= 8_192);
    }
}
