//! `interval_join`: pairs of rows of one key whose event times differ by no more than some bounds.
//!
//! ```text
//! left   ──●────────────          a pair: right.at − left.at within lower ..= upper
//!          ├─lower─┬──upper─┤
//! right  ──────────●─────         result at the moment of the later change, whichever side and sign it has
//! ```
//!
//! The result is bilinear: each change of one side meets what the other side holds. Rows are forgotten silently, once the
//! clock has passed the last partner that may still come: a pair stays, only its rows can no longer find new partners.

use std::hash::Hash;

use differential_dataflow::{AsCollection, ExchangeData};
use serde::{Deserialize, Serialize};
use timely::dataflow::operators::Concat;
use timely::dataflow::operators::vec::Map;

use super::timeline::{Timeline, settle, spread};
use super::{Changes, fold};

/// How far apart the event times of a pair may be, and how long to wait for rows that are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The least event time of the right row minus that of the left, milliseconds.
    pub lower_ms: i64,
    /// The most of it, included, milliseconds.
    pub upper_ms: i64,
    /// How far the clock may have passed a row's event time when the row is inserted or retracted, milliseconds.
    pub lateness_ms: u64,
}

impl Interval {
    /// How long a left row must be kept: until its last partner may have come.
    fn keep_left_ms(&self) -> u64 {
        (self.upper_ms.max(0) as u64).saturating_add(self.lateness_ms)
    }

    fn keep_right_ms(&self) -> u64 {
        (self.lower_ms.min(0).unsigned_abs()).saturating_add(self.lateness_ms)
    }
}

/// Joins rows of the same key whose event times differ by no more than the interval says.
///
/// `left_by` and `right_by` tell a row's key and its event time in milliseconds. `join` is called for every pair and says
/// what it means, if anything. Cost: a row is handled in constant time plus the pairs it is part of.
///
/// Exact for every row inserted or retracted before the clock passes its event time by more than the interval's lateness.
/// A row forgotten (lateness plus the span in which it may find partners) is not retracted, and neither are its pairs.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::{Interval, interval_join};
///
/// timely::example(|scope| {
///     // Plate and time: left at the entry, right at the exit of a tunnel.
///     let (_, entered) = scope.new_collection_from(vec![("88A12345", 1_000u64), ("29C00001", 2_000)]);
///     let (_, left) = scope.new_collection_from(vec![("88A12345", 61_000u64), ("29C00001", 999_000)]);
///     let within = Interval { lower_ms: 0, upper_ms: 600_000, lateness_ms: 2_000 };
///     let entered = entered.map(|(plate, at_ms)| (plate.to_string(), at_ms));
///     let left = left.map(|(plate, at_ms)| (plate.to_string(), at_ms));
///     let by = |row: &(String, u64)| (row.0.clone(), row.1);
///     interval_join(entered, left, "Tunnel", by, by, within, |entry, exit| Some(exit.1 - entry.1))
///         .inspect(|change| assert_eq!(*change, (60_000, 0, 1)));
/// });
/// ```
pub fn interval_join<'scope, L, R, K, Out>(
    left: Changes<'scope, L>,
    right: Changes<'scope, R>,
    name: &str,
    left_by: impl Fn(&L) -> (K, u64) + Clone + 'static,
    right_by: impl Fn(&R) -> (K, u64) + Clone + 'static,
    interval: Interval,
    join: impl Fn(&L, &R) -> Option<Out> + 'static,
) -> Changes<'scope, Out>
where
    L: ExchangeData,
    R: ExchangeData,
    K: Hash + Eq + 'static,
    Out: Clone + 'static,
{
    let left = left.inner.map(|(row, now, diff)| (Side::Left(row), now, diff));
    let right = right.inner.map(|(row, now, diff)| (Side::Right(row), now, diff));
    let route = {
        let (left_by, right_by) = (left_by.clone(), right_by.clone());
        move |row: &Side<L, R>| match row {
            Side::Left(row) => spread(&left_by(row).0),
            Side::Right(row) => spread(&right_by(row).0),
        }
    };
    let mut lefts = Timeline::new(left_by.clone(), interval.keep_left_ms());
    let mut rights = Timeline::new(right_by.clone(), interval.keep_right_ms());
    fold(left.concat(right).as_collection(), name, route, move |now, changes, out| {
        lefts.forget(now);
        rights.forget(now);
        settle(changes);
        for (row, diff) in changes.drain(..) {
            match row {
                Side::Left(row) => {
                    let (key, at_ms) = left_by(&row);
                    if lefts.remembers(at_ms) {
                        let (from_ms, until_ms) = (shift(at_ms, interval.lower_ms), shift(at_ms, interval.upper_ms));
                        let partners = rights.between(rights.find(&key), from_ms, until_ms);
                        out.extend(partners.filter_map(|(right, _, times)| Some((join(&row, right)?, diff * times))));
                        lefts.change(lefts.find(&key), row, diff);
                    }
                }
                Side::Right(row) => {
                    let (key, at_ms) = right_by(&row);
                    if rights.remembers(at_ms) {
                        let (from_ms, until_ms) =
                            (shift(at_ms, interval.upper_ms.saturating_neg()), shift(at_ms, interval.lower_ms.saturating_neg()));
                        let partners = lefts.between(lefts.find(&key), from_ms, until_ms);
                        out.extend(partners.filter_map(|(left, _, times)| Some((join(left, &row)?, diff * times))));
                        rights.change(rights.find(&key), row, diff);
                    }
                }
            }
        }
        lefts.footprint() + rights.footprint()
    })
}

/// A change of either side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(super) enum Side<L, R> {
    Left(L),
    Right(R),
}

fn shift(at_ms: u64, by_ms: i64) -> u64 {
    at_ms.saturating_add_signed(by_ms)
}
