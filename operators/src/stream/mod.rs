//! Verbs for any stream, whatever its records mean.

mod fold;
mod index;
mod interval_join;
mod interval_self_join;
mod timeline;

pub use fold::fold;
pub use interval_join::{Interval, interval_join};
pub use interval_self_join::interval_self_join;

use differential_dataflow::VecCollection;

/// The job clock: milliseconds, the timestamp of the dataflow.
pub type Clock = u64;

/// A changing collection: records come and go at moments of the job clock.
pub type Changes<'scope, D> = VecCollection<'scope, Clock, D, isize>;
