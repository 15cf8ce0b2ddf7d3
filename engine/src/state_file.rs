//! A server's state file: jobs, access, approvals and the audit log are tables of one SQLite file, each opened by who keeps it.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

/// How long another's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens the file, making it and the tables where there are none. What is committed is on the disk.
pub(crate) fn open(path: &Path, tables: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(tables)?;
    Ok(connection)
}
