//! What a job rests on: since when all evidence must be had to rebuild what is open, and what is open.
//!
//! ```text
//! evidence   ├─ memory ─┼──── a journey under way ────▶
//!                  ├─ memory ─┼── a sighting ──▶
//!                       ├───────── memory ─────────┤ clock − lateness: nothing older can come any more
//!            ▲
//!            └ rests on
//! ```
//!
//! Both are known *as of every moment* of the job clock, for workers run ahead of the commits: what goes into the progress
//! record of an epoch is what held at its end. A restart begins from the one ([`pump`](crate::pump)) and is held to the other.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use crate::flow::Held;

/// A basis of one epoch, or of one table as of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Basis {
    /// No evidence older than this bears on anything that may still change.
    pub(crate) rests_on_ms: u64,
    /// A fingerprint of all that may still change: equal if the same rows are open at the same revisions.
    pub(crate) open: u64,
}

impl Basis {
    /// Nothing is open.
    pub(crate) const NOTHING: Self = Self { rests_on_ms: u64::MAX, open: 0 };

    /// The basis of both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { rests_on_ms: self.rests_on_ms.min(other.rests_on_ms), open: self.open.wrapping_add(other.open) }
    }
}

/// How a basis changed since it was last asked for.
#[derive(Clone, Debug)]
pub(crate) struct AsOf(Rc<RefCell<VecDeque<(u64, Basis)>>>);

impl AsOf {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(VecDeque::from([(0, Basis::NOTHING)]))))
    }

    /// What held at this moment. What was before it is forgotten: moments are asked for in order.
    pub(crate) fn at(&self, moment: u64) -> Basis {
        let mut changes = self.0.borrow_mut();
        while changes.get(1).is_some_and(|(since, _)| *since <= moment) {
            changes.pop_front();
        }
        changes.front().map_or(Basis::NOTHING, |(_, basis)| *basis)
    }

    /// From this moment on another holds. One that comes out of order counts from the latest moment known, which only
    /// makes a rise later than it was.
    fn set(&self, since: u64, basis: Basis) {
        let mut changes = self.0.borrow_mut();
        match changes.back_mut() {
            Some((_, last)) if *last == basis => {}
            Some((known, last)) if *known >= since => *last = basis,
            _ => changes.push_back((since, basis)),
        }
    }
}

/// Evidence that begins within the same so many milliseconds is kept as one, as old as the oldest can be.
const TOGETHER_MS: u64 = 1_000;

/// Keeps the basis of one table.
pub(crate) struct Ledger {
    /// By when evidence begins: until when something may rest on it. Those that are over are dropped once they are the
    /// oldest.
    until: BTreeMap<u64, u64>,
    open: u64,
    as_of: AsOf,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { until: BTreeMap::new(), open: 0, as_of: AsOf::new() }
    }

    /// Where its basis can be asked for.
    pub(crate) fn as_of(&self) -> AsOf {
        self.as_of.clone()
    }

    /// A row came whose evidence begins then, and on which something may rest until the clock has passed `until_ms`. That it
    /// may be withdrawn before does not matter: it is only remembered for longer than need be.
    pub(crate) fn rest(&mut self, now: u64, begins_ms: u64, until_ms: u64) {
        let until = self.until.entry(begins_ms / TOGETHER_MS * TOGETHER_MS).or_default();
        *until = (*until).max(until_ms).max(now);
        self.tell(now);
    }

    /// The fingerprint of what is open changes: `gone` goes and `come` comes.
    pub(crate) fn open(&mut self, now: u64, gone: u64, come: u64) {
        self.open = self.open.wrapping_sub(gone).wrapping_add(come);
        self.tell(now);
    }

    /// The clock has come this far.
    pub(crate) fn pass(&mut self, now: u64) {
        while let Some(oldest) = self.until.first_entry().filter(|oldest| *oldest.get() < now) {
            let until = oldest.remove();
            self.tell(until.saturating_add(1));
        }
    }

    fn tell(&self, since: u64) {
        let rests_on_ms = self.until.first_key_value().map_or(u64::MAX, |(begins_ms, _)| *begins_ms);
        self.as_of.set(since, Basis { rests_on_ms, open: self.open });
    }
}

/// Keeps the basis of what steps hold, one thing each for whoever they hold it of.
pub(crate) struct Holdings {
    held: BTreeMap<u64, Held>,
    begins: BTreeSet<(u64, u64)>,
    until: BTreeSet<(u64, u64)>,
    open: u64,
    as_of: AsOf,
}

impl Holdings {
    pub(crate) fn new() -> Self {
        let (begins, until) = (BTreeSet::new(), BTreeSet::new());
        Self { held: BTreeMap::new(), begins, until, open: 0, as_of: AsOf::new() }
    }

    /// Where its basis can be asked for.
    pub(crate) fn as_of(&self) -> AsOf {
        self.as_of.clone()
    }

    /// The changes of one moment: what is held comes and goes.
    pub(crate) fn change(&mut self, now: u64, changes: &mut Vec<(Held, isize)>) {
        self.pass(now);
        // What goes before what comes in its place.
        changes.sort_by_key(|(_, diff)| *diff);
        for (held, diff) in changes.drain(..) {
            let known = self.held.get(&held.of).copied();
            if diff > 0 {
                known.iter().for_each(|known| self.drop(known));
                self.held.insert(held.of, held);
                self.begins.insert((held.begins_ms, held.of));
                self.until.insert((held.until_ms, held.of));
                self.open = self.open.wrapping_add(held.print());
            } else if known == Some(held) {
                self.drop(&held);
            }
        }
        self.tell(now);
    }

    /// The clock has come this far.
    pub(crate) fn pass(&mut self, now: u64) {
        while let Some((until_ms, of)) = self.until.first().copied().filter(|(until_ms, _)| *until_ms < now) {
            let Some(held) = self.held.get(&of).copied() else { break };
            self.drop(&held);
            self.tell(until_ms.saturating_add(1));
        }
    }

    fn drop(&mut self, held: &Held) {
        self.held.remove(&held.of);
        self.begins.remove(&(held.begins_ms, held.of));
        self.until.remove(&(held.until_ms, held.of));
        self.open = self.open.wrapping_sub(held.print());
    }

    fn tell(&self, since: u64) {
        let rests_on_ms = self.begins.first().map_or(u64::MAX, |(begins_ms, _)| *begins_ms);
        self.as_of.set(since, Basis { rests_on_ms, open: self.open });
    }
}

impl Held {
    fn print(&self) -> u64 {
        fingerprint([self.of, self.begins_ms, self.print])
    }
}

/// Numbers as one, such that different ones hardly ever give the same sum.
pub(crate) fn fingerprint(numbers: [u64; 3]) -> u64 {
    numbers.into_iter().fold(0, |print, number| {
        // The finaliser of SplitMix64 (Steele et al., 2014).
        let mixed = (print ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_evidence_is_told_as_of_each_moment_however_late_it_is_asked_for() {
        let mut ledger = Ledger::new();
        let as_of = ledger.as_of();
        ledger.rest(10_000, 7_300, 20_000);
        ledger.rest(11_000, 4_000, 15_000);
        ledger.rest(12_000, 9_999, 30_000);
        ledger.pass(40_000);
        let found = [9_999, 10_000, 10_999, 11_000, 15_000, 15_001, 20_000, 20_001, 30_000, 30_001].map(|at| as_of.at(at).rests_on_ms);
        assert_eq!(found, [u64::MAX, 7_000, 7_000, 4_000, 4_000, 7_000, 7_000, 9_000, 9_000, u64::MAX]);
    }

    #[test]
    fn what_is_open_has_the_same_fingerprint_whatever_was_before() {
        let [mut one, mut other] = [Ledger::new(), Ledger::new()];
        one.open(1, 0, fingerprint([1, 1, 0]));
        one.open(2, fingerprint([1, 1, 0]), fingerprint([1, 2, 0]));
        one.open(3, fingerprint([1, 2, 0]), 0);
        one.open(3, 0, fingerprint([2, 1, 0]));
        other.open(3, 0, fingerprint([2, 1, 0]));
        assert_eq!(one.as_of().at(5), other.as_of().at(5));
        other.open(4, fingerprint([2, 1, 0]), fingerprint([2, 2, 0]));
        assert_ne!(one.as_of().at(5), other.as_of().at(5));
    }
}
