//! `reconsider`: where a row of a key changed, what a verb says of the rows around it is said anew.
//!
//! ```text
//! rows of a key    ●  ●   ●●     ● ✚ ●    ●   ●          ✚ comes or goes at this moment
//!                        ├── looked at ──┤                said of them before: −    said of them now: +
//! ```
//!
//! What a verb says must depend on a bounded neighbourhood, as far as it `reach`es: then a row is needed only until the
//! clock has passed the last change that can bear on it, and a restart rebuilds it all from as much of the log. What lies
//! at the edge of the neighbourhood may be judged wrongly for want of rows beyond; it is judged so before and after,
//! and cancels.

use std::hash::Hash;

use differential_dataflow::ExchangeData;
use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;

use super::timeline::spread;
use super::{Changes, Clock, Footprint, fold};

/// What is said of the rows of one key.
pub(super) trait Judge<D> {
    /// What is said.
    type Said: Ord + Clone + 'static;

    /// How long before a change rows can bear on what is said, milliseconds.
    fn memory_ms(&self) -> u64;

    /// From when until when (both included) rows must be looked at if one at `at_ms` changes.
    fn reach(&self, rows: &Rows<D>, at_ms: u64) -> (u64, u64);

    /// Says what is to be said of rows of one key, different ones, in order of time and then of the row.
    fn judge(&self, rows: &[(u64, &D)], say: &mut dyn FnMut(Self::Said));
}

/// Says of the rows of every key what `judge` says, exactly for every row inserted or retracted before the clock passes its
/// event time by more than `lateness_ms`. What comes later is not heard.
pub(super) fn reconsider<'scope, D, K, J>(
    rows: Changes<'scope, D>,
    name: &str,
    by: impl Fn(&D) -> (K, u64) + Clone + 'static,
    lateness_ms: u64,
    judge: J,
) -> Changes<'scope, J::Said>
where
    D: ExchangeData,
    K: Hash + Eq + 'static,
    J: Judge<D> + 'static,
{
    let route = {
        let by = by.clone();
        move |row: &D| spread(&by(row).0)
    };
    let mut bench = Bench { lateness_ms, judge, keys: FxHashMap::default(), held: 0, swept_ms: 0 };
    fold(rows, name, route, move |now, changes, said| {
        consolidate(changes);
        for (row, diff) in changes.drain(..) {
            let (key, at_ms) = by(&row);
            bench.change(now, key, at_ms, row, diff, said);
        }
        consolidate(said);
        bench.forget(now);
        Footprint::of::<(u64, D, isize)>(bench.held) + Footprint { rows: 0, ..Footprint::of::<(K, Rows<D>)>(bench.keys.len()) }
    })
}

/// The rows of every key, and who judges them.
struct Bench<D, K, J> {
    lateness_ms: u64,
    judge: J,
    keys: FxHashMap<K, Rows<D>>,
    /// Rows of all keys.
    held: usize,
    swept_ms: Clock,
}

impl<D: Ord, K: Hash + Eq, J: Judge<D>> Bench<D, K, J> {
    fn change(&mut self, now: Clock, key: K, at_ms: u64, row: D, diff: isize, said: &mut Vec<(J::Said, isize)>) {
        if at_ms < now.saturating_sub(self.lateness_ms) {
            return;
        }
        let rows = self.keys.entry(key).or_default();
        let (from_ms, until_ms) = self.judge.reach(rows, at_ms);
        self.judge.judge(&rows.between(from_ms, until_ms), &mut |one| said.push((one, -1)));
        self.held -= rows.0.len();
        rows.change(at_ms, row, diff);
        self.held += rows.0.len();
        self.judge.judge(&rows.between(from_ms, until_ms), &mut |one| said.push((one, 1)));
    }

    /// Forgets what no change can bear on any more; looks through all keys eight times in that span.
    fn forget(&mut self, now: Clock) {
        let keep_ms = self.judge.memory_ms().saturating_add(self.lateness_ms);
        if now.saturating_sub(self.swept_ms) <= keep_ms / 8 {
            return;
        }
        self.swept_ms = now;
        self.keys.retain(|_, rows| rows.forget(now.saturating_sub(keep_ms)));
        self.held = self.keys.values().map(|rows| rows.0.len()).sum();
    }
}

/// Rows of one key with their event times and how often each is there, in order of time and then of the row.
pub(super) struct Rows<D>(Vec<(u64, D, isize)>);

impl<D> Default for Rows<D> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<D: Ord> Rows<D> {
    /// The event times up to `until_ms`, the latest first.
    pub(super) fn back_from(&self, until_ms: u64) -> impl Iterator<Item = u64> {
        let end = self.0.partition_point(|(at_ms, ..)| *at_ms <= until_ms);
        self.0[..end].iter().rev().map(|(at_ms, ..)| *at_ms)
    }

    /// The event times from `from_ms` on, the earliest first.
    pub(super) fn on_from(&self, from_ms: u64) -> impl Iterator<Item = u64> {
        let start = self.0.partition_point(|(at_ms, ..)| *at_ms < from_ms);
        self.0[start..].iter().map(|(at_ms, ..)| *at_ms)
    }

    /// The rows that are there from `from_ms` to `until_ms`, both included, each once.
    fn between(&self, from_ms: u64, until_ms: u64) -> Vec<(u64, &D)> {
        let start = self.0.partition_point(|(at_ms, ..)| *at_ms < from_ms);
        let within = self.0[start..].iter().take_while(|(at_ms, ..)| *at_ms <= until_ms);
        within.filter(|(.., count)| *count > 0).map(|(at_ms, row, _)| (*at_ms, row)).collect()
    }

    fn change(&mut self, at_ms: u64, row: D, diff: isize) {
        match self.0.binary_search_by(|(other_ms, other, _)| other_ms.cmp(&at_ms).then_with(|| other.cmp(&row))) {
            Ok(place) => {
                self.0[place].2 += diff;
                if self.0[place].2 == 0 {
                    self.0.remove(place);
                }
            }
            Err(place) => self.0.insert(place, (at_ms, row, diff)),
        }
    }

    /// Forgets what is older; whether anything is left.
    fn forget(&mut self, oldest_ms: u64) -> bool {
        let old = self.0.partition_point(|(at_ms, ..)| *at_ms < oldest_ms);
        self.0.drain(..old);
        !self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says of every row that it is there.
    struct Present;

    impl Judge<u64> for Present {
        type Said = u64;

        fn memory_ms(&self) -> u64 {
            700
        }

        fn reach(&self, _: &Rows<u64>, at_ms: u64) -> (u64, u64) {
            (at_ms, at_ms)
        }

        fn judge(&self, rows: &[(u64, &u64)], say: &mut dyn FnMut(u64)) {
            rows.iter().for_each(|(_, row)| say(**row));
        }
    }

    #[test]
    fn state_is_bounded_for_ever_and_what_comes_too_late_is_not_heard() {
        let mut bench = Bench { lateness_ms: 100, judge: Present, keys: FxHashMap::default(), held: 0, swept_ms: 0 };
        for now in 0..50_000 {
            let mut said = Vec::new();
            bench.change(now, now % 5, now, now, 1, &mut said);
            bench.change(now, 7 + now, now, now, 1, &mut said);
            assert_eq!(said, [(now, 1), (now, 1)]);
            bench.change(now, now % 5, now.saturating_sub(101), now, 1, &mut said);
            assert!(now < 101 || said.len() == 2);
            bench.forget(now);
            let held: usize = bench.keys.values().map(|rows| rows.0.len()).sum();
            assert!(held <= 3 * 902 && bench.keys.len() <= 907, "{held} rows of {} keys at {now}", bench.keys.len());
        }
    }
}
