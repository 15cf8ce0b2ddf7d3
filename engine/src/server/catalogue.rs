//! The catalogue of submitted jobs: every definition ever taken, and where each job stands. It survives the server.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

use super::State;
use crate::state_file;
use crate::transport::TransportError;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS definitions (
        job TEXT NOT NULL, hash TEXT NOT NULL, file TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (job, hash)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS jobs (
        name TEXT PRIMARY KEY, hash TEXT NOT NULL, state TEXT NOT NULL, reason TEXT, tell_final INTEGER NOT NULL,
        submitted_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS bounds (
        job TEXT PRIMARY KEY, memory INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
";

/// Jobs as [`entry`] reads them.
const JOBS: &str = "SELECT name, hash, state, reason, tell_final, submitted_ms, memory FROM jobs LEFT JOIN bounds ON job = name";

/// A job as the catalogue knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its name.
    pub job: String,
    /// Hash of its definition.
    pub definition: String,
    /// Where it stands.
    pub state: State,
    /// Why it failed.
    pub reason: Option<String>,
    /// Whether it was to tell what was final when it began.
    pub tell_final: bool,
    /// When it was submitted, milliseconds since the epoch.
    pub submitted_ms: u64,
    /// The most that what it alone holds may take, bytes; if there is a bound.
    pub memory_most: Option<u64>,
}

/// A definition as it was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The name of its file, for messages.
    pub file: String,
    /// The text.
    pub text: String,
}

/// The catalogue's file.
pub(super) struct Catalogue {
    connection: Connection,
}

impl Catalogue {
    /// Opens it, making it if there is none.
    pub(super) fn open(path: &Path) -> Result<Self, TransportError> {
        let opened = state_file::open(path, TABLES).map(|connection| Self { connection });
        opened.map_err(|error| {
            TransportError::lasting(format!("the catalogue of jobs {} cannot be used: {error}", path.display()))
                .hint("Name another file, or make room on the disk.")
        })
    }

    /// All jobs, by name.
    pub(super) fn jobs(&self) -> rusqlite::Result<Vec<Entry>> {
        let sql = format!("{JOBS} ORDER BY name");
        self.connection.prepare_cached(&sql)?.query_map([], entry)?.collect()
    }

    /// One job.
    pub(super) fn job(&self, name: &str) -> rusqlite::Result<Option<Entry>> {
        let sql = format!("{JOBS} WHERE name = ?1");
        self.connection.prepare_cached(&sql)?.query_row([name], entry).optional()
    }

    /// A version of a job's definition.
    pub(super) fn definition(&self, job: &str, hash: &str) -> rusqlite::Result<Option<Definition>> {
        let mut statement = self.connection.prepare_cached("SELECT file, text FROM definitions WHERE job = ?1 AND hash = ?2")?;
        statement.query_row([job, hash], |row| Ok(Definition { file: row.get(0)?, text: row.get(1)? })).optional()
    }

    /// Puts a job in, or another version of it, with its definition.
    pub(super) fn put(&mut self, entry: &Entry, definition: &Definition) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        transaction.execute(
            "INSERT INTO definitions (job, hash, file, text) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            params![entry.job, entry.definition, definition.file, definition.text],
        )?;
        transaction.execute(
            "INSERT OR REPLACE INTO jobs (name, hash, state, reason, tell_final, submitted_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![entry.job, entry.definition, entry.state.name(), entry.reason, entry.tell_final, entry.submitted_ms.cast_signed()],
        )?;
        bound(&transaction, &entry.job, entry.memory_most)?;
        transaction.commit()
    }

    /// Gives a job another bound, or none.
    pub(super) fn bound(&mut self, job: &str, memory_most: Option<u64>) -> rusqlite::Result<()> {
        bound(&self.connection, job, memory_most)
    }

    /// Brings a job into another state, if that is a way it may go; returns whether it is.
    pub(super) fn turn(&self, job: &str, next: State, reason: Option<&str>) -> rusqlite::Result<bool> {
        let Some(entry) = self.job(job)?.filter(|entry| entry.state.may_become(next)) else { return Ok(false) };
        let mut statement = self.connection.prepare_cached("UPDATE jobs SET state = ?2, reason = ?3 WHERE name = ?1")?;
        Ok(statement.execute(params![entry.job, next.name(), reason])? > 0)
    }
}

fn bound(connection: &Connection, job: &str, memory_most: Option<u64>) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM bounds WHERE job = ?1", [job])?;
    let insert = |bytes: u64| connection.execute("INSERT INTO bounds (job, memory) VALUES (?1, ?2)", params![job, bytes.cast_signed()]);
    memory_most.map_or(Ok(()), |bytes| insert(bytes).map(drop))
}

fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let state: String = row.get(2)?;
    Ok(Entry {
        job: row.get(0)?,
        definition: row.get(1)?,
        state: State::of(&state).unwrap_or(State::Failed),
        reason: row.get(3)?,
        tell_final: row.get(4)?,
        submitted_ms: row.get::<_, i64>(5)?.cast_unsigned(),
        memory_most: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
    })
}
