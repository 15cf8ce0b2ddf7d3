//! The runtime of Giaolo: runs any job, knows no traffic word.
//!
//! ```text
//! definition ─▶ plan ─▶ job
//!                        │
//! transport ─▶ pump (job clock, epochs) ─▶ workers (timely) ─▶ changelog ─▶ committer ─▶ transport
//! ```

mod basis;
pub mod changelog;
pub mod clock;
pub mod definition;
mod epoch;
pub mod flow;
pub mod plan;
mod pump;
pub mod run;
pub mod settings;
pub mod transport;
mod worker;

pub use changelog::{RowSpec, Standing};
pub use flow::{Flow, Held, Job, Mark, Raw, Refusal, RefusalReason, Rejection};
pub use run::{Binding, Report, Run, RunError};
pub use settings::Settings;
