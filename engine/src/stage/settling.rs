//! What of a partition is settled: how far it may be committed, and which rows go with that.
//!
//! ```text
//! offset      7  8  9 10 11 12        ■ settled   ○ taken, and still in work
//!             ■  ■  ○  ■  ■  ○
//!                  ▲                  committed up to here; the rows of 10 and 11 wait, or a restart would repeat them
//! ```
//!
//! Rows of one lane leave in the order in which they came. Where a stage says something of a later record before an earlier
//! one of the same lane (pictures that change places in a stream), the later one's rows leave with the earlier one's, and a
//! restart in between repeats them: a row is never lost, and repeated only there.

use std::collections::{BTreeMap, VecDeque};

use crate::transport::OutputRow;

/// One partition.
#[derive(Debug)]
pub(super) struct Settling {
    /// Records that were taken and are not committed, in order of their offsets.
    taken: VecDeque<Taken>,
    /// Rows that wait, by lane, in the order in which they came.
    held: BTreeMap<u64, VecDeque<(u64, OutputRow)>>,
    /// How far it is settled.
    reached: Reached,
}

/// How far a partition has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// The next offset.
    pub(super) next_offset: u64,
    /// Records before it.
    pub(super) count: u64,
    /// Their fingerprint.
    pub(super) hash: u64,
    /// Their largest arrival time.
    pub(super) arrival_ms: u64,
    /// Their largest event time.
    pub(super) event_ms: u64,
    /// The fingerprint of the last of them, once one was read that was recorded so.
    pub(super) last: Option<u32>,
}

#[derive(Debug)]
struct Taken {
    offset: u64,
    bytes: usize,
    settled: bool,
    reached: Reached,
}

impl Settling {
    /// Nothing is in work.
    pub(super) fn new(reached: Reached) -> Self {
        Self { taken: VecDeque::new(), held: BTreeMap::new(), reached }
    }

    /// A record goes to work; `reached` is how far the partition has come once it is settled.
    pub(super) fn take(&mut self, offset: u64, bytes: usize, reached: Reached) {
        self.taken.push_back(Taken { offset, bytes, settled: false, reached });
    }

    /// A record is settled, with what was said of it. One that was settled before changes nothing.
    pub(super) fn settle(&mut self, offset: u64, lane: u64, event_ms: u64, rows: Vec<OutputRow>) {
        let Ok(place) = self.taken.binary_search_by_key(&offset, |taken| taken.offset) else { return };
        let taken = &mut self.taken[place];
        if taken.settled {
            return;
        }
        (taken.settled, taken.reached.event_ms) = (true, event_ms);
        self.held.entry(lane).or_default().extend(rows.into_iter().map(|row| (offset, row)));
    }

    /// Moves on as far as all is settled; `rows` receives what may be committed with that. Returns the bytes that are done.
    pub(super) fn advance(&mut self, rows: &mut Vec<OutputRow>) -> usize {
        let mut bytes = 0;
        while let Some(taken) = self.taken.pop_front_if(|taken| taken.settled) {
            bytes += taken.bytes;
            let event_ms = self.reached.event_ms.max(taken.reached.event_ms);
            self.reached = Reached { event_ms, ..taken.reached };
        }
        let next = self.reached.next_offset;
        for held in self.held.values_mut() {
            let last = held.iter().rposition(|(offset, _)| *offset < next);
            rows.extend(held.drain(..last.map_or(0, |last| last + 1)).map(|(_, row)| row));
        }
        self.held.retain(|_, held| !held.is_empty());
        bytes
    }

    /// How far it is settled.
    pub(super) fn reached(&self) -> Reached {
        self.reached
    }

    /// Whether nothing is in work.
    pub(super) fn is_clear(&self) -> bool {
        self.taken.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn row(offset: u64) -> OutputRow {
        OutputRow { topic: "t".into(), key: offset.to_string(), value: Vec::new(), headers: Vec::new() }
    }

    fn reached(offset: u64) -> Reached {
        Reached { next_offset: offset + 1, ..Reached::default() }
    }

    proptest! {
        /// Whatever the order in which records of three lanes are settled, as long as each lane keeps its own, exactly the rows
        /// before the committed offset have left: a restart from there neither loses nor repeats any.
        #[test]
        fn what_is_committed_is_what_has_left(lanes in prop::collection::vec(0..3_u64, 1..40), picks in prop::collection::vec(any::<prop::sample::Index>(), 40)) {
            let mut settling = Settling::new(Reached::default());
            let mut waiting: Vec<VecDeque<u64>> = vec![VecDeque::new(); 3];
            for (offset, lane) in lanes.iter().enumerate() {
                settling.take(offset as u64, 1, reached(offset as u64));
                waiting[*lane as usize].push_back(offset as u64);
            }
            let (mut left, mut rows) = (BTreeSet::new(), Vec::new());
            for pick in picks.iter().take(lanes.len()) {
                let busy: Vec<usize> = (0..3).filter(|lane| !waiting[*lane].is_empty()).collect();
                let lane = busy[pick.index(busy.len())];
                let offset = waiting[lane].pop_front().unwrap();
                settling.settle(offset, lane as u64, 0, vec![row(offset)]);
                settling.advance(&mut rows);
                left.extend(rows.drain(..).map(|row| row.key.parse::<u64>().unwrap()));
                let before: BTreeSet<u64> = (0..settling.reached().next_offset).collect();
                prop_assert_eq!(&left, &before);
            }
            prop_assert!(settling.is_clear());
        }

        /// Where a lane's pictures change places, every row before the committed offset has left, in the order it came.
        #[test]
        fn nothing_is_lost_where_order_changes(order in Just((0..12_u64).collect::<Vec<_>>()).prop_shuffle()) {
            let mut settling = Settling::new(Reached::default());
            (0..12).for_each(|offset| settling.take(offset, 1, reached(offset)));
            let mut rows = Vec::new();
            for (place, offset) in order.iter().enumerate() {
                settling.settle(*offset, 0, 0, vec![row(*offset)]);
                settling.advance(&mut rows);
                let left: Vec<u64> = rows.iter().map(|row| row.key.parse().unwrap()).collect();
                prop_assert_eq!(&left[..], &order[..left.len()], "in the order they came");
                prop_assert!(left.len() <= place + 1);
                prop_assert!((0..settling.reached().next_offset).all(|before| left.contains(&before)), "none is lost");
            }
            prop_assert_eq!(rows.len(), 12);
        }
    }
}
