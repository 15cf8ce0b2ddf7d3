//! The product as it is measured: a job through the engine, or some of its operators alone in a dataflow.

mod answer;
mod job;
mod join;
mod judge;
mod steps;
mod track;

pub use answer::answer;
pub use job::run;
pub use join::{join, join_corrected, too_fast};
pub use judge::judge;
pub use track::{Frame, track};

/// Moments between reading and completion that a feed lets wait, as the engine does.
const EPOCHS_IN_FLIGHT: usize = 16;
