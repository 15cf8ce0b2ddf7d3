//! What a person asks of the state file: what became of what, once more, and that an endpoint be told again.

use rusqlite::params;
use serde::Serialize;

use super::{Outbox, signed};
use crate::dispatch::DispatchError;

/// Which deliveries are meant. What is not said is not asked.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// To this endpoint.
    pub endpoint: Option<String>,
    /// In this state: `pending`, `sending`, `delivered`, `superseded`, `expired` or `dead`.
    pub state: Option<String>,
    /// Of this id, or of this id and revision (`id.revision`).
    pub id: Option<String>,
}

/// A delivery, as people see it; without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The endpoint; `*` for a record that could not be read.
    pub endpoint: String,
    /// What it is about.
    pub id: String,
    /// Which revision of it.
    pub revision: u32,
    /// `raised`, `revised`, `final` or `withdrawn`.
    pub kind: String,
    /// `pending`, `sending`, `delivered`, `superseded`, `expired` or `dead`.
    pub state: String,
    /// Why it is in that state, or what its last attempt met with.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it arrived in the topic, or was replayed, milliseconds since the epoch.
    pub arrived_ms: u64,
    /// When it came into that state, milliseconds since the epoch.
    pub changed_ms: u64,
}

const SELECTED: &str =
    "(?1 IS NULL OR endpoint = ?1) AND (?2 IS NULL OR state = ?2) AND (?3 IS NULL OR id = ?3 OR id || '.' || revision = ?3)";

impl Outbox {
    /// The newest deliveries of a selection, newest first.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self, selection: &Selection, most: u32) -> Result<Vec<Listed>, DispatchError> {
        let sql = format!(
            "SELECT endpoint, id, revision, kind, state, reason, attempts, arrived_ms, changed_ms FROM deliveries
            WHERE {SELECTED} ORDER BY sequence DESC LIMIT ?4"
        );
        let mut statement = self.connection().prepare(&sql)?;
        let rows = statement.query_map(params![selection.endpoint, selection.state, selection.id, most], |row| {
            let moment = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            Ok(Listed {
                endpoint: row.get(0)?,
                id: row.get(1)?,
                revision: row.get(2)?,
                kind: row.get(3)?,
                state: row.get(4)?,
                reason: row.get(5)?,
                attempts: row.get(6)?,
                arrived_ms: moment(7)?,
                changed_ms: moment(8)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Sends what is dead or expired once more, with as much time as it had; returns how many that are. What a newer revision
    /// was told of or waits for, and what is for a disabled endpoint, stays where it is.
    ///
    /// # Errors
    /// The file cannot be changed.
    pub fn replay(&mut self, selection: &Selection, now_ms: u64) -> Result<usize, DispatchError> {
        let sql = format!(
            "UPDATE deliveries AS d SET state = 'pending', next_ms = 0, reason = NULL, changed_ms = ?4,
                arrived_ms = ?4, deadline_ms = ?4 + deadline_ms - arrived_ms
            WHERE {SELECTED} AND state IN ('dead', 'expired') AND body IS NOT NULL
              AND endpoint NOT IN (SELECT name FROM endpoints)
              AND NOT EXISTS (SELECT 1 FROM told AS t WHERE t.endpoint = d.endpoint AND t.id = d.id AND t.revision > d.revision)
              AND NOT EXISTS (SELECT 1 FROM deliveries AS n WHERE n.endpoint = d.endpoint AND n.id = d.id AND n.revision > d.revision)"
        );
        let Selection { endpoint, state, id } = selection;
        self.change(|transaction| Ok(transaction.execute(&sql, params![endpoint, state, id, signed(now_ms)])?))
    }

    /// Endpoints that are disabled: name, since when, and why.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn disabled_endpoints(&self) -> Result<Vec<(String, u64, String)>, DispatchError> {
        let mut statement = self.connection().prepare("SELECT name, disabled_ms, reason FROM endpoints ORDER BY name")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned(), row.get(2)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Lets a disabled endpoint be told again; returns whether it was disabled.
    ///
    /// # Errors
    /// The file cannot be changed.
    pub fn enable(&mut self, endpoint: &str) -> Result<bool, DispatchError> {
        Ok(self.change(|transaction| Ok(transaction.execute("DELETE FROM endpoints WHERE name = ?1", [endpoint])?))? > 0)
    }
}
