//! `deduplicate`: of rows of one key that follow each other closely, only the first stands.
//!
//! ```text
//! rows     ●   ○  ○    ○           ●  ○         ● stands    ○ less than a window after another
//!          ├─window─┤              ├─window─┤
//! ```
//!
//! It says *that it began*: however long the row of duplicates, it stands once. Who wants to be told again while it goes
//! on takes [`suppress`](super::suppress).

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::Changes;
use super::reconsider::{Judge, Rows, reconsider};

/// Lets a row stand unless another of its key precedes it by less than `window_ms`.
///
/// `by` tells a row's key and its event time in milliseconds. Of rows at the same time the least is the first; equal rows
/// stand once. What stands depends on event times alone: a row that comes late but precedes the one that stood takes its
/// place, and gives it back when it is retracted.
///
/// Cost: a change of a row takes a search among the rows of its key, and one look at those within a window around it.
/// Exact for every row inserted or retracted before the clock passes its event time by more than `lateness_ms`; what comes
/// later is not heard. Rows are forgotten, silently, a window later.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::deduplicate;
///
/// timely::example(|scope| {
///     // Camera and time: the same fault, reported four times.
///     let (_, faults) = scope.new_collection_from(vec![(7u8, 1_000u64), (7, 31_000), (7, 80_000), (8, 31_000)]);
///     deduplicate(faults, "Faults", |fault| *fault, 60_000, 2_000)
///         .inspect(|(fault, _, diff)| assert!([(7, 1_000), (8, 31_000)].contains(fault) && *diff == 1));
/// });
/// ```
pub fn deduplicate<'scope, D, K>(
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
    reconsider(rows, name, by, lateness_ms, FirstOfMany { window_ms })
}

/// A row stands unless the one before it is less than a window earlier.
struct FirstOfMany {
    window_ms: u64,
}

impl<D: Ord + Clone + 'static> Judge<D> for FirstOfMany {
    type Said = D;

    fn memory_ms(&self) -> u64 {
        self.window_ms
    }

    fn reach(&self, _: &Rows<D>, at_ms: u64) -> (u64, u64) {
        (at_ms.saturating_sub(self.window_ms), at_ms.saturating_add(self.window_ms))
    }

    fn judge(&self, rows: &[(u64, &D)], say: &mut dyn FnMut(D)) {
        let mut before_ms: Option<u64> = None;
        for (at_ms, row) in rows {
            if before_ms.is_none_or(|before_ms| at_ms - before_ms >= self.window_ms) {
                say((*row).clone());
            }
            before_ms = Some(*at_ms);
        }
    }
}
