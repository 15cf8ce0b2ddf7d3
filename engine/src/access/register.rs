//! The register: who may use a server, kept in its state file. Every change of it is in the audit log, in the same transaction.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use serde::Serialize;

use super::token::Token;
use super::{Grant, Scopes};
use crate::audit::{self, Deed};
use crate::state_file;
use crate::time::wall_ms;

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS access (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, scopes TEXT, hash TEXT, added_ms INTEGER NOT NULL, revoked_ms INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX IF NOT EXISTS access_name ON access (name) WHERE revoked_ms IS NULL;
";

/// The register cannot do that.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The state file cannot be opened.
    #[error("the state file {path:?} cannot be opened: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// There is one of that name.
    #[error("{0:?} has access already")]
    Taken(String),
    /// The state file cannot be used.
    #[error("the state file cannot be used: {0}")]
    State(#[from] rusqlite::Error),
    /// The machine gives no random bytes.
    #[error("this machine gave no random bytes")]
    NotRandom,
}

/// Who is to have access.
#[derive(Clone, Copy, Debug)]
pub struct Addition<'a> {
    /// The name; of a certificate, a DNS name in it.
    pub name: &'a str,
    /// The role.
    pub role: &'a str,
    /// The parts of the data.
    pub scopes: &'a Scopes,
    /// By a certificate of that name, without a token.
    pub certificate: bool,
}

/// Who has or had access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The public part of the token.
    pub id: String,
    /// The name.
    pub name: String,
    /// The role.
    pub role: String,
    /// The parts of the data; `None` is all of it.
    pub scopes: Option<Vec<String>>,
    /// Whether it is a certificate's, not a token's.
    pub certificate: bool,
    /// Since when, milliseconds since the epoch.
    pub added_ms: u64,
    /// Until when, if it was revoked.
    pub revoked_ms: Option<u64>,
}

/// Who may use a server.
pub struct Register {
    connection: Mutex<Connection>,
}

impl Register {
    /// Opens the register in a server's state file, making it if there is none.
    ///
    /// # Errors
    /// The file cannot be opened or is none.
    pub fn open(path: &Path) -> Result<Self, AccessError> {
        let open = || {
            let connection = state_file::open(path, TABLES)?;
            audit::prepare(&connection)?;
            Ok(Self { connection: Mutex::new(connection) })
        };
        open().map_err(|source| AccessError::Open { path: path.to_owned(), source })
    }

    /// Gives access, and returns the token, which is not kept. `by` is who does it, for the audit log.
    ///
    /// # Errors
    /// Somebody of that name has access, or the file cannot be written.
    pub fn add(&self, addition: Addition<'_>, by: &str) -> Result<Option<Token>, AccessError> {
        let Addition { name, role, scopes, certificate } = addition;
        let (token, id, hash) = Token::make().ok_or(AccessError::NotRandom)?;
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let taken = "SELECT EXISTS (SELECT 1 FROM access WHERE name = ?1 AND revoked_ms IS NULL)";
        if transaction.query_row(taken, [name], |row| row.get(0))? {
            return Err(AccessError::Taken(name.to_owned()));
        }
        let listed = match scopes {
            Scopes::All => None,
            Scopes::Of(scopes) => Some(serde_json::json!(scopes).to_string()),
        };
        let hash = (!certificate).then_some(hash);
        transaction.execute(
            "INSERT INTO access (id, name, role, scopes, hash, added_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![id, name, role, listed, hash, wall_ms().cast_signed()],
        )?;
        let subject = format!("{name} as {role}, scopes {}", listed.as_deref().unwrap_or("all"));
        audit::append(&transaction, &Deed { who: by, what: "access add", subject: &subject, outcome: "done", ..Deed::default() })?;
        transaction.commit()?;
        Ok((!certificate).then_some(token))
    }

    /// Takes access away, at once; returns whether there was any.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn revoke(&self, name: &str, by: &str) -> Result<bool, AccessError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "UPDATE access SET revoked_ms = ?2 WHERE name = ?1 AND revoked_ms IS NULL";
        let revoked = transaction.execute(sql, params![name, wall_ms().cast_signed()])? > 0;
        let outcome = if revoked { "done" } else { "there is none" };
        audit::append(&transaction, &Deed { who: by, what: "access revoke", subject: name, outcome, ..Deed::default() })?;
        transaction.commit()?;
        Ok(revoked)
    }

    /// Everybody who has or had access, by name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<Entry>, AccessError> {
        let connection = self.lock();
        let sql = "SELECT id, name, role, scopes, hash IS NULL, added_ms, revoked_ms FROM access ORDER BY name, added_ms";
        let mut statement = connection.prepare_cached(sql)?;
        let entries = statement.query_map([], |row| {
            Ok(Entry {
                id: row.get(0)?,
                name: row.get(1)?,
                role: row.get(2)?,
                scopes: listed(row.get(3)?),
                certificate: row.get(4)?,
                added_ms: row.get::<_, i64>(5)?.cast_unsigned(),
                revoked_ms: row.get::<_, Option<i64>>(6)?.map(i64::cast_unsigned),
            })
        })?;
        Ok(entries.collect::<Result<_, _>>()?)
    }

    /// Whether anybody was ever given access. Where the last token was revoked, nobody has any: it does not open the door again.
    pub(crate) fn is_in_use(&self) -> rusqlite::Result<bool> {
        self.lock().query_row("SELECT EXISTS (SELECT 1 FROM access)", [], |row| row.get(0))
    }

    /// Whose token has this public part, and the hash of the token.
    pub(crate) fn by_token(&self, id: &str) -> rusqlite::Result<Option<(Grant, String)>> {
        let sql = "SELECT name, role, scopes, hash FROM access WHERE id = ?1 AND hash IS NOT NULL AND revoked_ms IS NULL";
        let connection = self.lock();
        connection.prepare_cached(sql)?.query_row([id], |row| Ok((grant(row)?, row.get(3)?))).optional()
    }

    /// Who is known by a certificate of this name.
    pub(crate) fn by_certificate(&self, name: &str) -> rusqlite::Result<Option<Grant>> {
        let sql = "SELECT name, role, scopes FROM access WHERE name = ?1 AND hash IS NULL AND revoked_ms IS NULL";
        self.lock().prepare_cached(sql)?.query_row([name], grant).optional()
    }

    /// What access somebody of this name has now.
    pub(crate) fn by_name(&self, name: &str) -> rusqlite::Result<Option<Grant>> {
        let sql = "SELECT name, role, scopes FROM access WHERE name = ?1 AND revoked_ms IS NULL";
        self.lock().prepare_cached(sql)?.query_row([name], grant).optional()
    }

    /// Whether somebody has this access, unchanged.
    pub(crate) fn holds(&self, grant: &Grant) -> rusqlite::Result<bool> {
        Ok(self.by_name(&grant.name)?.as_ref() == Some(grant))
    }

    /// Nothing is left half-done by a panic: changes are transactions.
    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn grant(row: &rusqlite::Row<'_>) -> rusqlite::Result<Grant> {
    let scopes = listed(row.get(2)?).map_or(Scopes::All, Scopes::Of);
    Ok(Grant { name: row.get(0)?, role: Some(row.get(1)?), scopes })
}

/// Scopes as they are written; what cannot be read allows nothing.
fn listed(text: Option<String>) -> Option<Vec<String>> {
    text.map(|text| serde_json::from_str(&text).unwrap_or_default())
}
