//! The log: structured lines on standard error.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Begins to log from a level on; `RUST_LOG` says otherwise, and `GIAOLO_LOG=json` makes the lines JSON.
pub(super) fn begin(level: LevelFilter) {
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // Where a test runs several commands in one process, the first has begun.
    let _ = match std::env::var("GIAOLO_LOG") {
        Ok(format) if format == "json" => lines.json().flatten_event(true).try_init(),
        _ => lines.try_init(),
    };
}
