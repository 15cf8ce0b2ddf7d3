//! Things in order of time at one place: inserted mostly at the end, looked up by spans of time, dropped at the front.

use std::collections::VecDeque;
use std::ops::Range;

use schemas::Id;

/// When, which, what.
pub(super) type Entry<T> = (u64, Id, T);

/// Things `T` by time and id.
#[derive(Debug)]
pub(super) struct Timeline<T> {
    entries: VecDeque<Entry<T>>,
}

impl<T> Default for Timeline<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new() }
    }
}

impl<T> Timeline<T> {
    /// Puts a thing in; one with the same time and id is replaced.
    pub(super) fn insert(&mut self, at_ms: u64, id: Id, thing: T) {
        match self.find(at_ms, id) {
            Ok(i) => self.entries[i].2 = thing,
            Err(i) => self.entries.insert(i, (at_ms, id, thing)),
        }
    }

    /// Takes a thing out.
    pub(super) fn remove(&mut self, at_ms: u64, id: Id) {
        if let Ok(i) = self.find(at_ms, id) {
            self.entries.remove(i);
        }
    }

    /// The things within a span of time, in order.
    pub(super) fn within(&self, span: Range<u64>) -> impl Iterator<Item = &Entry<T>> {
        let from = self.entries.partition_point(|(at, _, _)| *at < span.start);
        self.entries.range(from..).take_while(move |(at, _, _)| *at < span.end)
    }

    /// The last thing before a moment and the first at or after it.
    pub(super) fn around(&self, at_ms: u64) -> [Option<&Entry<T>>; 2] {
        let next = self.entries.partition_point(|(at, _, _)| *at < at_ms);
        [next.checked_sub(1), Some(next)].map(|i| self.entries.get(i?))
    }

    fn find(&self, at_ms: u64, id: Id) -> Result<usize, usize> {
        self.entries.binary_search_by(|(at, other, _)| (at, other).cmp(&(&at_ms, &id)))
    }
}
