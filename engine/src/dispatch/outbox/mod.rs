//! The state file: what waits, what was told, how far the topic was read. One SQLite file, one owner.
//!
//! ```text
//!             ┌ positions   (topic, partition) ▸ next offset    ┐  one transaction: what was read is here
//! topic ─▶    │ deliveries  (endpoint, id, revision) ▸ state    ┘  before the position says so
//!             │ told        (endpoint, id) ▸ newest revision that was ever sent
//!             └ endpoints   name ▸ since when and why disabled
//!
//! pending ─▶ sending ─┬▶ delivered
//!    ▲  │       │     └▶ dead        told that it is gone, too large, or more waits than may
//!    │  ▼       │
//!    │ superseded, expired
//!    └──────────┘  failed, or this program died meanwhile: whether it arrived is not known, so it is sent again
//! ```
//!
//! `told` is written *before* a revision is sent, and nothing older than it is ever sent again: whatever was lost on the way,
//! an endpoint never hears an older revision after a newer one. `synchronous = FULL`: that holds when the machine dies, too.
//!
//! What is done is kept for a week, a delivered message without its content.

mod desk;
mod intake;
mod lane;

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

pub use self::desk::{Listed, Selection};
pub(super) use self::intake::{Entry, Unreadable};
pub(super) use self::lane::{Delivery, Outcome};
use super::DispatchError;
pub(super) use crate::following::signed;
use crate::following::{FileError, Shape, SqlError, StateFile, positions};

/// How long what is done is kept, milliseconds.
const KEPT_MS: u64 = 7 * 86_400_000;

const TABLES: &str = "
    CREATE TABLE deliveries (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        endpoint TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, kind TEXT NOT NULL,
        state TEXT NOT NULL, reason TEXT, attempts INTEGER NOT NULL DEFAULT 0,
        arrived_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, next_ms INTEGER NOT NULL DEFAULT 0, changed_ms INTEGER NOT NULL,
        body BLOB
    ) STRICT;
    CREATE INDEX by_state ON deliveries (endpoint, state, sequence);
    CREATE INDEX by_id ON deliveries (endpoint, id, state);
    CREATE INDEX by_age ON deliveries (changed_ms);
    CREATE TABLE told (
        endpoint TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (endpoint, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE endpoints (name TEXT PRIMARY KEY, disabled_ms INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
";

/// `GIAD`.
const SHAPE: Shape = Shape { application: 0x4749_4144, version: 1, tables: TABLES, synchronous: "FULL" };

/// What became of the deliveries to an endpoint since the program began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Taken by the endpoint.
    pub delivered: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Too old to be sent.
    pub expired: u64,
    /// Given up.
    pub dead: u64,
    /// Replaced by a newer revision before they were sent.
    pub superseded: u64,
}

/// The state file.
pub struct Outbox {
    file: StateFile,
    tallies: BTreeMap<String, Tally>,
}

impl Outbox {
    /// Opens the file, making it if there is none, as its one owner. What was being sent is to be sent again.
    ///
    /// # Errors
    /// It cannot be opened, or is someone else's.
    pub(super) fn own(path: &Path) -> Result<Self, DispatchError> {
        let again = "UPDATE deliveries SET state = 'pending', next_ms = 0 WHERE state = 'sending'";
        Ok(Self { file: StateFile::own(path, &SHAPE, again)?, tallies: BTreeMap::new() })
    }

    /// Opens the file, which must be there, to look at it and to put things right; whoever owns it goes on.
    ///
    /// # Errors
    /// It is not there, cannot be opened, or is someone else's.
    pub fn look(path: &Path) -> Result<Self, DispatchError> {
        Ok(Self { file: StateFile::look(path, &SHAPE)?, tallies: BTreeMap::new() })
    }

    fn connection(&self) -> &Connection {
        self.file.connection()
    }

    /// Makes changes in one transaction, as long as the file is still ours.
    fn change<T>(&mut self, changes: impl FnOnce(&Transaction<'_>) -> Result<T, SqlError>) -> Result<T, DispatchError> {
        Ok(self.file.change(changes)?)
    }

    /// Where reading goes on, by partition.
    pub(super) fn positions(&self, topic: &str) -> Result<BTreeMap<u32, u64>, DispatchError> {
        Ok(positions(self.connection(), topic).map_err(FileError::from)?)
    }

    /// How many revisions wait for an endpoint or are under way to it.
    pub(super) fn waiting(&self, endpoint: &str) -> Result<u64, DispatchError> {
        let sql = "SELECT count(*) FROM deliveries WHERE endpoint = ?1 AND state IN ('pending', 'sending')";
        Ok(self.connection().prepare_cached(sql)?.query_one([endpoint], |row| row.get::<_, i64>(0))?.cast_unsigned())
    }

    /// What became of the deliveries to an endpoint since the program began.
    pub(super) fn tally(&self, endpoint: &str) -> Tally {
        self.tallies.get(endpoint).copied().unwrap_or_default()
    }

    /// Gives up what waits for endpoints that are not configured any more.
    pub(super) fn retire_all_but(&mut self, endpoints: &[&str], now_ms: u64) -> Result<usize, DispatchError> {
        let retire = "UPDATE deliveries SET state = 'dead', reason = 'the endpoint is not configured any more', changed_ms = ?2
            WHERE state = 'pending' AND endpoint NOT IN (SELECT value FROM json_each(?1))";
        let names = serde_json::json!(endpoints).to_string();
        self.change(|transaction| Ok(transaction.execute(retire, params![names, signed(now_ms)])?))
    }

    /// Forgets what has been done for a week.
    pub(super) fn forget(&mut self, now_ms: u64) -> Result<(), DispatchError> {
        let before = signed(now_ms.saturating_sub(KEPT_MS));
        self.change(|transaction| {
            transaction.execute("DELETE FROM deliveries WHERE changed_ms < ?1 AND state NOT IN ('pending', 'sending')", params![before])?;
            Ok(transaction.execute("DELETE FROM told WHERE at_ms < ?1", params![before])?)
        })?;
        Ok(())
    }
}
