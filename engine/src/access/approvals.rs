//! Requests that wait until a second person approves of them, kept in a server's state file.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::rand::{SecureRandom as _, SystemRandom};
use rusqlite::{Connection, Row, params};

use super::AccessError;
use crate::state_file;
use crate::time::wall_ms;

/// How long a request waits; then it is as if it had not been made.
const WAITS_MS: u64 = 86_400_000;
/// How long it is known what became of one.
const KEPT_MS: u64 = 30 * 86_400_000;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS approvals (
        id TEXT PRIMARY KEY, method TEXT NOT NULL, path TEXT NOT NULL, uri TEXT NOT NULL, body BLOB, who TEXT NOT NULL,
        asked_ms INTEGER NOT NULL, decided TEXT, decided_by TEXT
    ) STRICT, WITHOUT ROWID;
";

/// A request that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) method: String,
    /// Its route, as it is mounted.
    pub(crate) path: String,
    /// What was asked for, with its query.
    pub(crate) uri: String,
    pub(crate) body: Vec<u8>,
    /// The name of who asked.
    pub(crate) who: String,
    pub(crate) asked_ms: u64,
}

impl Held {
    /// Until when it waits, milliseconds since the epoch.
    pub(crate) fn until_ms(&self) -> u64 {
        self.asked_ms.saturating_add(WAITS_MS)
    }
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    Approved,
    Refused,
}

impl Decided {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Refused => "refused",
        }
    }
}

/// The requests that wait.
pub(crate) struct Approvals {
    connection: Mutex<Connection>,
}

impl Approvals {
    pub(crate) fn open(path: &Path) -> Result<Self, AccessError> {
        let connection = state_file::open(path, TABLES).map_err(|source| AccessError::Open { path: path.to_owned(), source })?;
        Ok(Self { connection: Mutex::new(connection) })
    }

    /// Keeps a request, and returns the id by which it is approved of.
    pub(crate) fn hold(&self, method: &str, path: &str, uri: &str, body: &[u8], who: &str) -> Result<Held, AccessError> {
        let mut id = [0; 8];
        SystemRandom::new().fill(&mut id).map_err(|_| AccessError::NotRandom)?;
        let id = format!("{:016x}", u64::from_be_bytes(id));
        let (asked_ms, owned) = (wall_ms(), str::to_owned);
        let connection = self.lock();
        connection.execute("DELETE FROM approvals WHERE asked_ms < ?1", [asked_ms.saturating_sub(KEPT_MS).cast_signed()])?;
        // What nobody approved of in time need not be known any more.
        let expired = asked_ms.saturating_sub(WAITS_MS).cast_signed();
        connection.execute("UPDATE approvals SET body = NULL WHERE decided IS NULL AND asked_ms < ?1", [expired])?;
        connection.execute(
            "INSERT INTO approvals (id, method, path, uri, body, who, asked_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![id, method, path, uri, body, who, asked_ms.cast_signed()],
        )?;
        Ok(Held { id, method: owned(method), path: owned(path), uri: owned(uri), body: body.to_vec(), who: owned(who), asked_ms })
    }

    /// What waits, in the order in which it was asked.
    pub(crate) fn waiting(&self) -> rusqlite::Result<Vec<Held>> {
        let sql = "SELECT id, method, path, uri, body, who, asked_ms FROM approvals
            WHERE decided IS NULL AND body IS NOT NULL AND asked_ms >= ?1 ORDER BY asked_ms, id";
        let since = wall_ms().saturating_sub(WAITS_MS).cast_signed();
        self.lock().prepare_cached(sql)?.query_map([since], held)?.collect()
    }

    /// One that waits.
    pub(crate) fn find(&self, id: &str) -> rusqlite::Result<Option<Held>> {
        Ok(self.waiting()?.into_iter().find(|held| held.id == id))
    }

    /// Decides, and forgets what was asked; `false`: somebody else was first. What is approved of is done at most once.
    pub(crate) fn decide(&self, id: &str, decided: Decided, by: &str) -> rusqlite::Result<bool> {
        let sql = "UPDATE approvals SET decided = ?2, decided_by = ?3, body = NULL WHERE id = ?1 AND decided IS NULL";
        Ok(self.lock().execute(sql, params![id, decided.name(), by])? == 1)
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn held(row: &Row<'_>) -> rusqlite::Result<Held> {
    Ok(Held {
        id: row.get(0)?,
        method: row.get(1)?,
        path: row.get(2)?,
        uri: row.get(3)?,
        body: row.get(4)?,
        who: row.get(5)?,
        asked_ms: row.get::<_, i64>(6)?.cast_unsigned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_decided_once_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let asked = Approvals::open(&path).unwrap().hold("POST", "/v1/things", "/v1/things?a=1", b"body", "an").unwrap();
        // It waits in the file, not in the process.
        let approvals = Approvals::open(&path).unwrap();
        assert_eq!(approvals.find(&asked.id).unwrap().as_ref(), Some(&asked));
        assert_eq!(approvals.waiting().unwrap(), std::slice::from_ref(&asked));
        assert!(approvals.decide(&asked.id, Decided::Approved, "binh").unwrap());
        assert!(!approvals.decide(&asked.id, Decided::Refused, "chi").unwrap());
        assert_eq!((approvals.waiting().unwrap(), approvals.find(&asked.id).unwrap()), (vec![], None));
        let kept: Option<Vec<u8>> = approvals.lock().query_row("SELECT body FROM approvals", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, None);
        let old = approvals.hold("POST", "/v1/things", "/v1/things", b"body", "an").unwrap();
        let yesterday = (wall_ms() - WAITS_MS - 1).cast_signed();
        approvals.lock().execute("UPDATE approvals SET asked_ms = ?2 WHERE id = ?1", params![old.id, yesterday]).unwrap();
        assert_eq!((approvals.waiting().unwrap(), approvals.find(&old.id).unwrap()), (vec![], None));
    }
}
