//! `as_of_join`: each row of the left meets the row of the right that was in force at its event time.
//!
//! ```text
//! right   ──red────────────green──────────red─────      in force from its own time until the next one's
//! left    ────────●──────────────●──────────────●──
//!                red           green           red
//! ```
//!
//! A late row of the right, or one taken back, corrects what was told of every row of the left that it bears on. Two
//! different rows of the right at one time contradict each other: while they are in force, nothing is.

use std::collections::BTreeMap;
use std::hash::Hash;

use differential_dataflow::consolidation::consolidate;
use differential_dataflow::{AsCollection, ExchangeData};
use rustc_hash::FxHashMap;
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::interval_join::Side;
use super::timeline::spread;
use super::{Changes, Clock, Footprint, InForce, fold};

/// Joins each left row with the right row of its key in force at its event time, the latest that is not later.
///
/// `left_by` and `right_by` tell a row's key and its event time in milliseconds. `join` says what a pair means, if anything.
///
/// Cost: a left row takes a search among the right rows of its key; a right row one look at the left rows until the next.
/// Exact for every row inserted or retracted before the clock passes its event time by more than `lateness_ms`. Left rows
/// are then forgotten, silently, and right rows but for the one in force: as much as a table of the right's last rows.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::as_of_join;
///
/// timely::example(|scope| {
///     // Head, time, state; and who passed it when.
///     let (_, signals) = scope.new_collection_from(vec![(7u8, 1_000u64, "red"), (7, 31_000, "green")]);
///     let (_, passed) = scope.new_collection_from(vec![(7u8, 30_999u64), (7, 31_000), (8, 5_000)]);
///     let signals = signals.map(|(head, at_ms, state)| (head, at_ms, state.to_string()));
///     as_of_join(passed, signals, "Shown", |p| *p, |s| (s.0, s.1), 2_000, |p, s| Some((p.1, s.2.clone())))
///         .inspect(|((at_ms, state), _, diff)| assert_eq!((state == "red", *diff), (*at_ms == 30_999, 1)));
/// });
/// ```
pub fn as_of_join<'scope, L, R, K, Out>(
    left: Changes<'scope, L>,
    right: Changes<'scope, R>,
    name: &str,
    left_by: impl Fn(&L) -> (K, u64) + Clone + 'static,
    right_by: impl Fn(&R) -> (K, u64) + Clone + 'static,
    lateness_ms: u64,
    join: impl Fn(&L, &R) -> Option<Out> + 'static,
) -> Changes<'scope, Out>
where
    L: ExchangeData,
    R: ExchangeData,
    K: Hash + Eq + 'static,
    Out: Ord + Clone + 'static,
{
    let left = left.inner.map(|(row, now, diff)| (Side::Left(row), now, diff));
    let right = right.inner.map(|(row, now, diff)| (Side::Right(row), now, diff));
    let key = move |row: &Side<L, R>| match row {
        Side::Left(row) => left_by(row),
        Side::Right(row) => right_by(row),
    };
    let route = {
        let key = key.clone();
        move |row: &Side<L, R>| spread(&key(row).0)
    };
    let mut keys: FxHashMap<K, Joined<L, R, Out>> = FxHashMap::default();
    let (mut swept_ms, mut held): (Clock, usize) = (0, 0);
    fold(left.concat(right).as_collection(), name, route, move |now, changes, out| {
        consolidate(changes);
        for (row, diff) in changes.drain(..) {
            let (key, at_ms) = key(&row);
            if matches!(row, Side::Left(_)) && at_ms.saturating_add(lateness_ms) < now {
                continue;
            }
            let rows = keys.entry(key).or_default();
            held -= rows.len();
            match row {
                Side::Left(row) => rows.left(at_ms, row, diff, &join, out),
                Side::Right(row) => rows.right(at_ms, row, diff, &join, out),
            }
            held += rows.len();
        }
        consolidate(out);
        if now.saturating_sub(swept_ms) > lateness_ms / 8 {
            swept_ms = now;
            keys.retain(|_, rows| rows.forget(now.saturating_sub(lateness_ms)));
            held = keys.values().map(Joined::len).sum();
        }
        Footprint::of::<(L, isize, Option<Out>)>(held) + Footprint { rows: 0, ..Footprint::of::<(K, Joined<L, R, Out>)>(keys.len()) }
    })
}

/// The rows of one key: those of the left with how often each is there and what was told of it, those of the right by time.
struct Joined<L, R, Out> {
    left: BTreeMap<(u64, L), (isize, Option<Out>)>,
    right: InForce<R>,
}

impl<L, R, Out> Default for Joined<L, R, Out> {
    fn default() -> Self {
        Self { left: BTreeMap::new(), right: InForce::default() }
    }
}

impl<L: Ord + Clone, R: Ord, Out: Clone + PartialEq> Joined<L, R, Out> {
    fn left(&mut self, at_ms: u64, row: L, diff: isize, join: &impl Fn(&L, &R) -> Option<Out>, out: &mut Vec<(Out, isize)>) {
        let says = self.right.at(at_ms).and_then(|right| join(&row, right));
        let (count, told) = self.left.entry((at_ms, row.clone())).or_insert((0, says));
        *count += diff;
        out.extend(told.iter().map(|told| (told.clone(), diff)));
        if *count == 0 {
            self.left.remove(&(at_ms, row));
        }
    }

    fn right(&mut self, at_ms: u64, row: R, diff: isize, join: &impl Fn(&L, &R) -> Option<Out>, out: &mut Vec<(Out, isize)>) {
        self.right.change(at_ms, row, diff);
        let next_ms = self.right.until_ms(at_ms);
        let touched =
            self.left.iter_mut().skip_while(|((at, _), _)| *at < at_ms).take_while(|((at, _), _)| next_ms.is_none_or(|next| *at < next));
        for ((at, row), (count, told)) in touched {
            let says = self.right.at(*at).and_then(|right| join(row, right));
            if *told != says {
                out.extend(told.take().map(|old| (old, -*count)));
                out.extend(says.iter().map(|new| (new.clone(), *count)));
                *told = says;
            }
        }
    }

    fn len(&self) -> usize {
        self.left.len() + self.right.len()
    }

    /// Forgets left rows from before `since_ms`, and right rows of which none in force since then is one; whether any is left.
    fn forget(&mut self, since_ms: u64) -> bool {
        while self.left.first_key_value().is_some_and(|((at_ms, _), _)| *at_ms < since_ms) {
            self.left.pop_first();
        }
        self.right.forget(since_ms);
        !self.left.is_empty() || self.right.last_ms().is_some()
    }
}
