//! `suppress`: of rows of one key, one stands and holds back the others for a window, then the next.
//!
//! ```text
//! rows     ●  ○ ○ ○   ● ○  ○  ○   ●  ○          ● stands    ○ less than a window after one that stands
//!          ├─window─┤ ├─window─┤  ├─window─┤
//! ```
//!
//! It says *that it goes on*, at most once a window. Who wants to be told only that it began takes
//! [`deduplicate`](super::deduplicate).
//!
//! In a series without end, which row stands would depend on the very first, for ever: no restart could find out again, and
//! a late row would change all that follows. So a series is counted anew every four windows of the clock, from the last row
//! before, whether that stood or not. Two that stand are always a window apart; in a dense series, once in four windows they
//! are two.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::Changes;
use super::reconsider::{Judge, Rows, reconsider};

/// After how many windows a series is counted anew: the more, the more evenly it rings, and the longer a restart reads.
const ROUND_WINDOWS: u64 = 4;

/// Lets a row stand unless another of its key that stands precedes it by less than `window_ms`.
///
/// `by` tells a row's key and its event time in milliseconds. Of rows at the same time the least is the first; equal rows
/// stand once. At every multiple of four windows the last row before it counts as one that stood. What stands depends on
/// event times alone: late rows and retractions correct it.
///
/// Cost: a change of a row takes a look at the rows of its key within at most nine windows. Exact for every row inserted or
/// retracted before the clock passes its event time by more than `lateness_ms`; what comes later is not heard. Rows are
/// forgotten, silently, [`suppress_memory_ms`] later.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::suppress;
///
/// timely::example(|scope| {
///     // Plate and time: seen again and again.
///     let (_, seen) = scope.new_collection_from(vec![(7u8, 1_000u64), (7, 31_000), (7, 80_000), (8, 31_000)]);
///     suppress(seen, "Seen", |row| *row, 60_000, 2_000)
///         .inspect(|(row, _, diff)| assert!(*row != (7, 31_000) && *diff == 1));
/// });
/// ```
pub fn suppress<'scope, D, K>(
    rows: Changes<'scope, D>,
    name: &str,
    by: impl Fn(&D) -> (K, u64) + Clone + 'static,
    window_ms: u64,
    lateness_ms: u64,
) -> Changes<'scope, D>
where
    D: ExchangeData,
    K: Hash + Eq + 'static,
{
    let round_ms = window_ms.saturating_mul(ROUND_WINDOWS).max(1);
    reconsider(rows, name, by, lateness_ms, OnceAWindow { window_ms, round_ms })
}

/// How long after a row's event time it can still bear on what [`suppress`] says of later ones, milliseconds.
#[must_use]
pub const fn suppress_memory_ms(window_ms: u64) -> u64 {
    window_ms.saturating_mul(ROUND_WINDOWS + 1)
}

/// A row stands unless the last one that stood is less than a window earlier.
struct OnceAWindow {
    window_ms: u64,
    round_ms: u64,
}

impl OnceAWindow {
    fn round(&self, at_ms: u64) -> u64 {
        at_ms / self.round_ms
    }
}

impl<D: Ord + Clone + 'static> Judge<D> for OnceAWindow {
    type Said = D;

    fn memory_ms(&self) -> u64 {
        suppress_memory_ms(self.window_ms)
    }

    /// A row bears on its own round and, as the last before it, on the next; how its own round begins is up to the last
    /// row before that.
    fn reach(&self, _: &Rows<D>, at_ms: u64) -> (u64, u64) {
        let begin_ms = self.round(at_ms) * self.round_ms;
        let last_round = self.round(at_ms.saturating_add(self.window_ms));
        (begin_ms.saturating_sub(self.window_ms), last_round.saturating_add(1).saturating_mul(self.round_ms))
    }

    fn judge(&self, rows: &[(u64, &D)], say: &mut dyn FnMut(D)) {
        let mut stood_ms: Option<u64> = None;
        let mut before_ms: Option<u64> = None;
        for (at_ms, row) in rows {
            if before_ms.is_some_and(|before_ms| self.round(before_ms) != self.round(*at_ms)) {
                stood_ms = before_ms;
            }
            if stood_ms.is_none_or(|stood_ms| at_ms - stood_ms >= self.window_ms) {
                say((*row).clone());
                stood_ms = Some(*at_ms);
            }
            before_ms = Some(*at_ms);
        }
    }
}
