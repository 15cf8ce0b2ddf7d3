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
//! Taking the file over raises its generation; a predecessor that still runs finds itself replaced at its next change.
//! What is done is kept for a week, a delivered message without its content.

mod desk;
mod intake;
mod lane;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params};
use serde::Serialize;

pub use self::desk::{Listed, Selection};
pub(super) use self::intake::{Entry, Unreadable};
pub(super) use self::lane::{Delivery, Outcome};
use super::DispatchError;

/// Marks the file as ours: `GIAD`.
const APPLICATION: i32 = 0x4749_4144;
/// Version of the tables below.
const VERSION: i32 = 1;
/// How long another program's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
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
    CREATE TABLE positions (
        topic TEXT NOT NULL, partition INTEGER NOT NULL, next_offset INTEGER NOT NULL, PRIMARY KEY (topic, partition)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE endpoints (name TEXT PRIMARY KEY, disabled_ms INTEGER NOT NULL, reason TEXT NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE owner (generation INTEGER NOT NULL) STRICT;
    INSERT INTO owner VALUES (0);
";

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
    connection: Connection,
    path: PathBuf,
    /// Our generation; `None` for who only looks.
    generation: Option<i64>,
    tallies: BTreeMap<String, Tally>,
}

impl Outbox {
    /// Opens the file, making it if there is none, as its one owner. What was being sent is to be sent again.
    ///
    /// # Errors
    /// It cannot be opened, or is someone else's.
    pub(super) fn own(path: &Path) -> Result<Self, DispatchError> {
        let mut outbox = Self::open(path, true)?;
        outbox.change(|transaction| {
            transaction.execute("UPDATE owner SET generation = generation + 1", [])?;
            transaction.execute("UPDATE deliveries SET state = 'pending', next_ms = 0 WHERE state = 'sending'", [])
        })?;
        outbox.generation = Some(outbox.connection.query_one("SELECT generation FROM owner", [], |row| row.get(0))?);
        Ok(outbox)
    }

    /// Opens the file, which must be there, to look at it and to put things right; whoever owns it goes on.
    ///
    /// # Errors
    /// It is not there, cannot be opened, or is someone else's.
    pub fn look(path: &Path) -> Result<Self, DispatchError> {
        Self::open(path, false)
    }

    fn open(path: &Path, create: bool) -> Result<Self, DispatchError> {
        let place = |source| DispatchError::Open { path: path.to_owned(), source };
        if create {
            make_private(path).map_err(|error| DispatchError::Create { path: path.to_owned(), source: error })?;
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let mut outbox = Self { connection: connection.map_err(place)?, path: path.to_owned(), generation: None, tallies: BTreeMap::new() };
        outbox.connection.busy_timeout(PATIENCE).map_err(place)?;
        let number = |sql| outbox.connection.query_one(sql, [], |row| row.get::<_, i32>(0)).map_err(place);
        let found = (number("PRAGMA application_id")?, number("PRAGMA user_version")?, number("SELECT count(*) FROM sqlite_schema")?);
        match found {
            (APPLICATION, VERSION, _) => {}
            (0, 0, 0) if create => outbox.make_tables().map_err(place)?,
            _ => return Err(DispatchError::NotOurs { path: path.to_owned() }),
        }
        outbox.connection.pragma_update(None, "synchronous", "FULL").map_err(place)?;
        Ok(outbox)
    }

    fn make_tables(&mut self) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another program may have been first.
        if transaction.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i32>(0))? == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()
    }

    /// Makes changes in one transaction, as long as the file is still ours.
    fn change<T>(&mut self, changes: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, DispatchError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(ours) = self.generation {
            let current: i64 = transaction.query_one("SELECT generation FROM owner", [], |row| row.get(0))?;
            if current != ours {
                return Err(DispatchError::TakenOver { path: self.path.clone() });
            }
        }
        let result = changes(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// Where reading goes on, by partition.
    pub(super) fn positions(&self, topic: &str) -> Result<BTreeMap<u32, u64>, DispatchError> {
        let mut statement = self.connection.prepare_cached("SELECT partition, next_offset FROM positions WHERE topic = ?1")?;
        let rows = statement.query_map([topic], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// How many revisions wait for an endpoint or are under way to it.
    pub(super) fn waiting(&self, endpoint: &str) -> Result<u64, DispatchError> {
        let sql = "SELECT count(*) FROM deliveries WHERE endpoint = ?1 AND state IN ('pending', 'sending')";
        Ok(self.connection.prepare_cached(sql)?.query_one([endpoint], |row| row.get::<_, i64>(0))?.cast_unsigned())
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
        self.change(|transaction| transaction.execute(retire, params![names, signed(now_ms)]))
    }

    /// Forgets what has been done for a week.
    pub(super) fn forget(&mut self, now_ms: u64) -> Result<(), DispatchError> {
        let before = signed(now_ms.saturating_sub(KEPT_MS));
        self.change(|transaction| {
            transaction.execute("DELETE FROM deliveries WHERE changed_ms < ?1 AND state NOT IN ('pending', 'sending')", params![before])?;
            transaction.execute("DELETE FROM told WHERE at_ms < ?1", params![before])
        })?;
        Ok(())
    }
}

/// A moment or an offset as SQLite keeps it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Makes the file, for this user alone: what waits in it names plates.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
