//! The log: structured lines on standard error.

use std::io;

use tracing_subscriber::EnvFilter;

/// Begins to log what `filter` lets through; `RUST_LOG` says otherwise. Lines are JSON where `json` or `GIAOLO_LOG=json` says so.
pub(super) fn begin(filter: &str, json: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    let json = json || std::env::var("GIAOLO_LOG").is_ok_and(|format| format == "json");
    // Where a test runs several commands in one process, the first has begun.
    let _ = if json { lines.json().flatten_event(true).try_init() } else { lines.try_init() };
}
