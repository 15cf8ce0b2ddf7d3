//! Verbs for any stream, whatever its records mean.

mod as_of_join;
mod deduplicate;
mod fold;
mod footprint;

mod in_force;
mod index;
mod interval_join;
mod interval_self_join;
mod offload;
mod reconsider;
mod retain;
mod sessionize;
mod suppress;
mod timeline;

pub use as_of_join::as_of_join;
pub use deduplicate::deduplicate;
pub use fold::fold;
pub use footprint::Footprint;

pub(crate) use in_force::InForce;
pub use interval_join::{Interval, interval_join};
pub use interval_self_join::interval_self_join;
pub use offload::{Offload, OffloadLimits, PoolFailed, Turn, WhenFull, Work};
pub use retain::retain;
pub use sessionize::{Sessions, sessionize};
pub use suppress::{suppress, suppress_memory_ms};

use differential_dataflow::VecCollection;

/// The job clock: milliseconds, the timestamp of the dataflow.
pub type Clock = u64;

/// A changing collection: records come and go at moments of the job clock.
pub type Changes<'scope, D> = VecCollection<'scope, Clock, D, isize>;
