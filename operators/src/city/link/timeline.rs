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
        let from = self.from(span.start);
        self.entries.range(from..).take_while(move |(at, _, _)| *at < span.end)
    }

    /// The last thing before a moment and the first at or after it.
    pub(super) fn around(&self, at_ms: u64) -> [Option<&Entry<T>>; 2] {
        let next = self.from(at_ms);
        [next.checked_sub(1), Some(next)].map(|i| self.entries.get(i?))
    }

    /// The place of the first thing from a moment on.
    fn from(&self, at_ms: u64) -> usize {
        first_not(&self.entries, |(at, _, _)| *at < at_ms)
    }

    fn find(&self, at_ms: u64, id: Id) -> Result<usize, usize> {
        let i = first_not(&self.entries, |(at, other, _)| (*at, *other) < (at_ms, id));
        let found = self.entries.get(i).is_some_and(|(at, other, _)| (*at, *other) == (at_ms, id));
        if found { Ok(i) } else { Err(i) }
    }
}

/// The place of the first entry that is not `before`; all that are stand in front. Looks at the end first, where nearly all
/// that is asked for is, and in ever longer steps further back.
pub(super) fn first_not<E>(entries: &VecDeque<E>, before: impl Fn(&E) -> bool) -> usize {
    let (mut low, mut high, mut step) = (0, entries.len(), 1);
    while high > 0 {
        let probe = high.saturating_sub(step);
        if before(&entries[probe]) {
            low = probe + 1;
            break;
        }
        (high, step) = (probe, step * 2);
    }
    while low < high {
        let middle = low.midpoint(high);
        if before(&entries[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_is_found_wherever_it_is(numbers in prop::collection::vec(0u8..20, 0..40), from in 0u8..22) {
            let mut sorted = numbers.clone();
            sorted.sort_unstable();
            let by_hand = sorted.iter().filter(|number| **number < from).count();
            prop_assert_eq!(first_not(&VecDeque::from(sorted), |number| *number < from), by_hand);
        }
    }
}
