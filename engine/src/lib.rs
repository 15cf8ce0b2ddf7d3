//! The runtime of Giaolo: runs any job, knows no traffic word.
//!
//! ```text
//! cameras ─▶ capture ─▶ transport (feature `vision`)
//!
//! definition ─▶ plan ─▶ job
//!                        │
//! transport ─▶ pump (job clock, epochs) ─▶ workers (timely) ─▶ changelog ─▶ committer ─▶ transport ─▶ dispatch ─▶ webhooks
//!         └──▶ stage (work that cannot be repeated to the bit) ───────────────────┘
//! ```

pub mod access;
mod ahead;
pub mod audit;
mod basis;
#[cfg(feature = "vision")]
pub mod capture;
pub mod changelog;
pub mod clock;
pub mod cluster;
mod committer;
pub mod definition;
pub mod dispatch;
mod epoch;
mod fail_point;
pub mod flow;
pub mod following;
pub mod gauges;
mod halt;
mod memory;
pub mod plan;
mod profile;
mod pump;
mod recovery;
pub mod run;
pub mod server;
pub mod settings;
pub mod share;
pub mod signing;
#[cfg(test)]
mod simulation;
pub mod stage;
mod state_file;
mod time;
pub mod transport;
pub mod view;
mod worker;

pub use changelog::{RowSpec, Standing};
pub use flow::{Flow, Held, Job, Limits, Mark, Part, Program, Raw, Refusal, RefusalReason, Rejection, Shelf};
pub use run::{Binding, Report, Run, RunError};
pub use settings::{OnDataLoss, Settings};
pub use time::wall_ms;

/// Makes ring the cryptography of TLS in this process, for clients that take what the process has.
pub fn use_crypto() {
    _ = rustls::crypto::ring::default_provider().install_default();
}
