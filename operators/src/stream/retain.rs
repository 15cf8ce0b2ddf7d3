//! `retain`: lets a row change only for so long.
//!
//! ```text
//! a row    ──●── may come, and may be taken back ──┤  what stands now stands for good
//!        event time                    event time + window
//! ```
//!
//! The verbs with a memory forget a row some time after its event time; what they were told of it must then be the same
//! for its coming and its going. `retain` draws that line in front of verbs that do not draw it themselves, so that a row
//! which came in time and is taken back too late stays, everywhere, instead of here and not there. Forgetting is silent:
//! nothing is retracted when the clock passes the line.
//!
//! To keep only the rows for which a condition holds, use the collection's own `filter`.

use differential_dataflow::{AsCollection, Data};
use timely::dataflow::operators::vec::Filter;

use super::Changes;

/// Lets a row be inserted and retracted until the clock passes its event time by more than `window_ms`; what comes later is
/// not heard.
///
/// `at` tells a row's event time in milliseconds. Cost: none, it remembers nothing.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::stream::retain;
///
/// timely::example(|scope| {
///     let (mut input, reads) = scope.new_collection::<(&str, u64), isize>();
///     retain(reads, |read| read.1, 1_000).inspect(|change| assert_eq!(*change, (("88A12345", 5_000), 5_900, 1)));
///     input.update_at(("88A12345", 5_000), 5_900, 1);
///     input.update_at(("88A12345", 5_000), 6_001, -1);
///     input.update_at(("29C00001", 4_000), 5_900, 1);
/// });
/// ```
pub fn retain<'scope, D: Data>(rows: Changes<'scope, D>, at: impl Fn(&D) -> u64 + 'static, window_ms: u64) -> Changes<'scope, D> {
    rows.inner.filter(move |(row, now, _)| *now <= at(row).saturating_add(window_ms)).as_collection()
}
