//! `interval_self_join`: pairs of rows of one stream, of one key, whose event times differ by no more than some bounds.
//!
//! The same as [`interval_join`](super::interval_join) of a stream with itself where the left row precedes the right one,
//! at half the memory and a third of the work: one timeline, and every pair is met once.

use std::hash::Hash;

use differential_dataflow::ExchangeData;

use super::timeline::{Timeline, settle, spread};
use super::{Changes, Interval, fold};

/// Joins every row with the later rows of its key, as far as the interval says.
///
/// `by` tells a row's key and its event time in milliseconds. `join(earlier, later)` is called once for every pair of
/// different rows with `later.at − earlier.at` within the interval; of two rows at the same time the lesser is the
/// earlier, so a lower bound below 0 means the same as 0. What holds for [`interval_join`](super::interval_join) about
/// retractions, late rows and forgetting holds here.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::{Interval, interval_self_join};
///
/// timely::example(|scope| {
///     // Plate, camera and time.
///     let (_, reads) = scope.new_collection_from(vec![(7u64, 1u8, 1_000u64), (7, 2, 31_000), (7, 3, 999_000), (8, 3, 5_000)]);
///     let within = Interval { lower_ms: 0, upper_ms: 600_000, lateness_ms: 2_000 };
///     interval_self_join(reads, "Pairs", |read| (read.0, read.2), within, |a, b| (a.1 != b.1).then_some((a.1, b.1)))
///         .inspect(|change| assert_eq!(*change, ((1, 2), 0, 1)));
/// });
/// ```
pub fn interval_self_join<'scope, D, K, Out>(
    rows: Changes<'scope, D>,
    name: &str,
    by: impl Fn(&D) -> (K, u64) + Clone + 'static,
    interval: Interval,
    join: impl Fn(&D, &D) -> Option<Out> + 'static,
) -> Changes<'scope, Out>
where
    D: ExchangeData,
    K: Hash + Eq + 'static,
    Out: Clone + 'static,
{
    let route = {
        let by = by.clone();
        move |row: &D| spread(&by(row).0)
    };
    let most_ms = interval.upper_ms.max(0) as u64;
    let least_ms = if interval.upper_ms < 0 { u64::MAX } else { interval.lower_ms.max(0) as u64 };
    let mut timeline = Timeline::new(by.clone(), most_ms.saturating_add(interval.lateness_ms));
    fold(rows, name, route, move |now, changes, out| {
        timeline.forget(now);
        settle(changes);
        timeline.for_each(changes, |timeline, row, diff| {
            let (key, at_ms) = by(&row);
            if !timeline.remembers(at_ms) {
                return;
            }
            let thread = timeline.find(&key);
            for (other, other_ms, times) in timeline.between(thread, at_ms.saturating_sub(most_ms), at_ms.saturating_add(most_ms)) {
                if other_ms.abs_diff(at_ms) < least_ms {
                    continue;
                }
                let result = match (other_ms, other).cmp(&(at_ms, &row)) {
                    std::cmp::Ordering::Less => join(other, &row),
                    std::cmp::Ordering::Greater => join(&row, other),
                    std::cmp::Ordering::Equal => None,
                };
                out.extend(result.map(|result| (result, diff * times)));
            }
            timeline.change(thread, row, diff);
        });
        timeline.footprint()
    })
}
