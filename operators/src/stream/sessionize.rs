//! `sessionize`: rows of one key that follow each other closely become one.
//!
//! ```text
//! rows       ● ●  ●     ●             ●  ● ●
//! sessions   └────────────┘ ├─> gap ─┤└────┘
//! ```
//!
//! A late row may lengthen a session or merge two; a retraction may shorten one or split it.
//!
//! A series without end would be one session without end, and its rows could never be forgotten. So a session longer than
//! `longest` is cut at the clock's multiples of it. One that is not longer is never cut, wherever it lies.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::Changes;
use super::reconsider::{Judge, Rows, reconsider};

/// What makes rows one session, and how long to wait for rows that are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The most time between a row and the next of the same session, milliseconds.
    pub gap_ms: u64,
    /// The most time between the first and the last row of a session, milliseconds.
    pub longest_ms: u64,
    /// How far the clock may have passed a row's event time when the row is inserted or retracted, milliseconds.
    pub lateness_ms: u64,
}

impl Sessions {
    /// How long after a row's event time it can still bear on what is said, milliseconds: a row a gap later may make too
    /// long what until then was as long as it may be, and a row within a gap before it might have.
    #[must_use]
    pub const fn memory_ms(&self) -> u64 {
        self.longest_ms.saturating_add(self.gap_ms.saturating_mul(2))
    }

    /// Cuts rows, in order of time, into sessions.
    fn cut<'r, D>(self, rows: &'r [(u64, &'r D)]) -> impl Iterator<Item = &'r [(u64, &'r D)]> {
        let series = rows.chunk_by(move |(earlier_ms, _), (later_ms, _)| later_ms - earlier_ms <= self.gap_ms);
        series.flat_map(move |series| {
            let lasts_ms = series.last().map_or(0, |(at_ms, _)| *at_ms) - series.first().map_or(0, |(at_ms, _)| *at_ms);
            let cell = move |at_ms: u64| if lasts_ms > self.longest_ms { at_ms / self.longest_ms.max(1) } else { 0 };
            series.chunk_by(move |(a_ms, _), (b_ms, _)| cell(*a_ms) == cell(*b_ms))
        })
    }
}

/// Makes one row of each session: rows of the same key, each at most `gap_ms` after the one before.
///
/// `by` tells a row's key and its event time in milliseconds. `session` is given the rows of a session with their times, in
/// order of time and then of the row, equal rows once, and says what it means, if anything.
///
/// Cost: a change of a row takes a look at the rows of its session, before and after. Exact for every row inserted or
/// retracted before the clock passes its event time by more than the lateness; what comes later is not heard. Rows are
/// forgotten, silently, [`Sessions::memory_ms`] later.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::{Sessions, sessionize};
///
/// timely::example(|scope| {
///     // Plate and time: twice around the block, and back after an hour.
///     let (_, seen) = scope.new_collection_from(vec![(7u8, 60_000u64), (7, 200_000), (7, 310_000), (7, 3_960_000)]);
///     let sessions = Sessions { gap_ms: 300_000, longest_ms: 7_200_000, lateness_ms: 2_000 };
///     sessionize(seen, "Rounds", |row| *row, sessions, |rows| (rows.len() > 1).then_some((rows[0].1.0, rows.len())))
///         .inspect(|change| assert_eq!(*change, ((7, 3), 0, 1)));
/// });
/// ```
pub fn sessionize<'scope, D, K, Out>(
    rows: Changes<'scope, D>,
    name: &str,
    by: impl Fn(&D) -> (K, u64) + Clone + 'static,
    sessions: Sessions,
    session: impl Fn(&[(u64, &D)]) -> Option<Out> + 'static,
) -> Changes<'scope, Out>
where
    D: ExchangeData,
    K: Hash + Eq + 'static,
    Out: Ord + Clone + 'static,
{
    reconsider(rows, name, by, sessions.lateness_ms, Sittings { sessions, session })
}

/// One of each session.
struct Sittings<F> {
    sessions: Sessions,
    session: F,
}

impl<D, Out, F> Judge<D> for Sittings<F>
where
    D: Ord,
    Out: Ord + Clone + 'static,
    F: Fn(&[(u64, &D)]) -> Option<Out>,
{
    type Said = Out;

    fn memory_ms(&self) -> u64 {
        self.sessions.memory_ms()
    }

    /// As far as the series goes that the row is, was or will be part of.
    fn reach(&self, rows: &Rows<D>, at_ms: u64) -> (u64, u64) {
        let near = |reached_ms: &mut u64, next_ms: u64| {
            let near = reached_ms.abs_diff(next_ms) <= self.sessions.gap_ms;
            near.then(|| *reached_ms = next_ms).map(|()| next_ms)
        };
        let from_ms = rows.back_from(at_ms).scan(at_ms, near).last();
        let until_ms = rows.on_from(at_ms).scan(at_ms, near).last();
        (from_ms.unwrap_or(at_ms), until_ms.unwrap_or(at_ms))
    }

    fn judge(&self, rows: &[(u64, &D)], say: &mut dyn FnMut(Out)) {
        self.sessions.cut(rows).filter_map(&self.session).for_each(say);
    }
}
