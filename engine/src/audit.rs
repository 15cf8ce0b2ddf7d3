//! The audit log: who did what, why and when. Rows are added and never changed, and each holds a hash over the one before.
//!
//! ```text
//! hash(n) = SHA-256( hash(n-1) ‖ n ‖ at ‖ who ‖ role ‖ what ‖ subject ‖ reason ‖ case ‖ outcome )     each with its length
//! ```
//!
//! **What that proves.** A row that was altered, removed from within, put in or put elsewhere does not fit its neighbours.
//! Rows removed at the end, or a whole chain computed anew by who can write the file, are seen only against a *head*
//! (number and hash of a row) kept where that one cannot write. A server tells its head in its log, every hour and at the
//! end, and `verify` takes one.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ring::digest::{Context, SHA256};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, params};
use serde::Serialize;

use crate::state_file;
use crate::time::wall_ms;

/// Triggers keep a mistake from changing a row; who means to can drop them, and the chain shows it.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS audit (
        seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, who TEXT NOT NULL, role TEXT, what TEXT NOT NULL, subject TEXT NOT NULL,
        reason TEXT, case_number TEXT, outcome TEXT NOT NULL, hash BLOB NOT NULL
    ) STRICT;
    CREATE TRIGGER IF NOT EXISTS audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    CREATE TRIGGER IF NOT EXISTS audit_is BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
";
const COLUMNS: &str = "seq, at_ms, who, role, what, subject, reason, case_number, outcome, hash";

/// Something that was done, or refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deed<'a> {
    /// By whom.
    pub who: &'a str,
    /// In which role, where there are roles.
    pub role: Option<&'a str>,
    /// What: a route, or a command.
    pub what: &'a str,
    /// To what.
    pub subject: &'a str,
    /// Why, if it was said.
    pub reason: Option<&'a str>,
    /// For which case, if it was said.
    pub case: Option<&'a str>,
    /// What came of it.
    pub outcome: &'a str,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// 1, 2, 3 … without gap.
    pub seq: u64,
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
    /// By whom.
    pub who: String,
    /// In which role.
    pub role: Option<String>,
    /// What: a route, or a command.
    pub what: String,
    /// To what.
    pub subject: String,
    /// Why.
    pub reason: Option<String>,
    /// For which case.
    pub case: Option<String>,
    /// What came of it.
    pub outcome: String,
    /// SHA-256 over the row before and this one, hexadecimal.
    pub hash: String,
}

/// A row's number and hash: what the log was up to there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The number; 0 before the first row.
    pub seq: u64,
    /// The hash, hexadecimal.
    pub hash: String,
}

impl std::fmt::Display for Head {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl std::str::FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (seq, hash) = text.trim().split_once(':')?;
            let shaped = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            Some(Self { seq: seq.parse().ok()?, hash: hash.to_owned() }).filter(|_| shaped)
        };
        read().ok_or_else(|| "a head is NUMBER:HASH, as `giaolo audit verify` and the server's log tell it".to_owned())
    }
}

/// What is wrong with a log.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A row does not fit the one before: it, or one before it, was altered, or rows are missing between.
    #[error("row {0} does not fit the row before it: a row was altered, put in or removed there")]
    Broken(u64),
    /// It does not reach the head that was kept.
    #[error("the log ends at row {last}, and the head that was kept is row {kept}: rows were removed at the end")]
    Short {
        /// The last row.
        last: u64,
        /// The head's.
        kept: u64,
    },
    /// It is another than it was.
    #[error("row {0} is another than the head that was kept: the log was written anew")]
    Rewritten(u64),
    /// It cannot be read or written.
    #[error("the audit log cannot be used: {0}")]
    State(#[from] rusqlite::Error),
}

/// The audit log of a server, in its state file.
pub struct Audit {
    connection: Mutex<Connection>,
}

impl Audit {
    /// Opens the log in a server's state file, making it if there is none.
    ///
    /// # Errors
    /// The file cannot be opened or is none.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        Ok(Self { connection: Mutex::new(state_file::open(path, TABLES)?) })
    }

    /// Adds a row; it is safe when this returns.
    ///
    /// # Errors
    /// It could not be written. Then what it tells of must not happen.
    pub fn append(&self, deed: &Deed<'_>) -> Result<(), AuditError> {
        let mut connection = self.lock();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        append(&transaction, deed)?;
        Ok(transaction.commit()?)
    }

    /// Rows after a number, at most so many.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn list(&self, after: u64, most: u32) -> Result<Vec<Record>, AuditError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2"))?;
        Ok(statement.query_map(params![after.cast_signed(), most], record)?.collect::<Result<_, _>>()?)
    }

    /// Where the log ends.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn head(&self) -> Result<Head, AuditError> {
        let (seq, hash) = last(&self.lock())?;
        Ok(Head { seq, hash: hex(&hash) })
    }

    /// Computes every hash again, and holds the log to a head that was kept; returns where it ends.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, kept: Option<&Head>) -> Result<Head, AuditError> {
        let connection = self.lock();
        let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY seq"))?;
        let mut rows = statement.query([])?;
        let mut head = Head { seq: 0, hash: hex(&BEGINNING) };
        let mut before = BEGINNING;
        let holds = |head: &Head| kept.is_none_or(|kept| kept.seq != head.seq || kept.hash == head.hash);
        while let Some(row) = rows.next()? {
            let record = record(row)?;
            before = hash(&before, record.seq, record.at_ms, &record.deed());
            if record.seq != head.seq + 1 || hex(&before) != record.hash {
                return Err(AuditError::Broken(record.seq));
            }
            head = Head { seq: record.seq, hash: record.hash };
            if !holds(&head) {
                return Err(AuditError::Rewritten(head.seq));
            }
        }
        match kept {
            Some(kept) if kept.seq > head.seq => Err(AuditError::Short { last: head.seq, kept: kept.seq }),
            _ => Ok(head),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn deed(&self) -> Deed<'_> {
        Deed {
            who: &self.who,
            role: self.role.as_deref(),
            what: &self.what,
            subject: &self.subject,
            reason: self.reason.as_deref(),
            case: self.case.as_deref(),
            outcome: &self.outcome,
        }
    }
}

/// What stands before the first row.
const BEGINNING: [u8; 32] = [0; 32];

/// Makes the table where it is not there.
pub(crate) fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)
}

/// Adds a row within a transaction that has begun to write, so that nobody else adds one meanwhile.
pub(crate) fn append(connection: &Connection, deed: &Deed<'_>) -> rusqlite::Result<()> {
    let (seq, before) = last(connection)?;
    let (seq, at_ms) = (seq + 1, wall_ms());
    let Deed { who, role, what, subject, reason, case, outcome } = deed;
    let sql = format!("INSERT INTO audit ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
    let hash = hash(&before, seq, at_ms, deed);
    let values = params![seq.cast_signed(), at_ms.cast_signed(), who, role, what, subject, reason, case, outcome, hash];
    connection.prepare_cached(&sql)?.execute(values)?;
    Ok(())
}

fn last(connection: &Connection) -> rusqlite::Result<(u64, [u8; 32])> {
    let mut statement = connection.prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?;
    let row = statement.query_row([], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?))).optional()?;
    Ok(row.unwrap_or((0, BEGINNING)))
}

/// Each field with its length, and whether it is there, so that no two rows are written alike.
fn hash(before: &[u8; 32], seq: u64, at_ms: u64, deed: &Deed<'_>) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(&seq.to_le_bytes());
    context.update(&at_ms.to_le_bytes());
    let Deed { who, role, what, subject, reason, case, outcome } = *deed;
    for field in [Some(who), role, Some(what), Some(subject), reason, case, Some(outcome)] {
        context.update(&field.map_or(u64::MAX, |field| field.len() as u64).to_le_bytes());
        context.update(field.unwrap_or_default().as_bytes());
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        at_ms: row.get::<_, i64>(1)?.cast_unsigned(),
        who: row.get(2)?,
        role: row.get(3)?,
        what: row.get(4)?,
        subject: row.get(5)?,
        reason: row.get(6)?,
        case: row.get(7)?,
        outcome: row.get(8)?,
        hash: hex(&row.get::<_, Vec<u8>>(9)?),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of ten rows, and a way to write its file past the triggers.
    fn tampered(change: &str) -> (tempfile::TempDir, Audit, Head) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobs.db");
        let audit = Audit::open(&path).unwrap();
        for round in 0..10 {
            let subject = format!("subject {round}");
            let reason = (round % 2 == 0).then_some("why");
            audit.append(&Deed { who: "an", what: "GET /", subject: &subject, reason, outcome: "200", ..Deed::default() }).unwrap();
        }
        let head = audit.verify(None).unwrap();
        assert_eq!((head.seq, &head), (10, &audit.head().unwrap()));
        let intruder = Connection::open(&path).unwrap();
        assert!(change.is_empty() || intruder.execute_batch(change).is_err(), "the triggers hold");
        intruder.execute_batch(&format!("DROP TRIGGER audit_stays; DROP TRIGGER audit_is; {change}")).unwrap();
        (folder, audit, head)
    }

    #[test]
    fn a_row_that_was_altered_put_in_or_removed_is_found_where_it_is() {
        for (change, row) in [
            ("UPDATE audit SET who = 'binh' WHERE seq = 4", 4),
            ("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 1", 1),
            ("UPDATE audit SET reason = '' WHERE seq = 4", 4),
            ("UPDATE audit SET role = 'admin' WHERE seq = 7", 7),
            ("UPDATE audit SET what = 'GET', subject = ' /subject 2' WHERE seq = 3", 3),
            ("UPDATE audit SET outcome = '403' WHERE seq = 10", 10),
            ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 9", 9),
            ("DELETE FROM audit WHERE seq = 5", 6),
            ("DELETE FROM audit WHERE seq = 1", 2),
            ("DELETE FROM audit WHERE seq = 5; UPDATE audit SET seq = seq - 1 WHERE seq > 5", 5),
        ] {
            let (_folder, audit, _) = tampered(change);
            match audit.verify(None) {
                Err(AuditError::Broken(seq)) => assert_eq!(seq, row, "{change}"),
                other => panic!("{change}: {other:?}"),
            }
        }
    }

    #[test]
    fn rows_removed_at_the_end_are_seen_against_a_head_alone() {
        let (_folder, audit, head) = tampered("DELETE FROM audit WHERE seq > 7");
        assert_eq!(audit.verify(None).unwrap().seq, 7);
        assert!(matches!(audit.verify(Some(&head)), Err(AuditError::Short { last: 7, kept: 10 })));
    }

    #[test]
    fn a_log_that_was_written_anew_is_seen_against_a_head_alone() {
        let (_folder, audit, head) = tampered("DELETE FROM audit WHERE seq > 7");
        for _ in 0..5 {
            audit.append(&Deed { who: "an", what: "GET /", subject: "another", outcome: "200", ..Deed::default() }).unwrap();
        }
        assert_eq!(audit.verify(None).unwrap().seq, 12);
        assert!(matches!(audit.verify(Some(&head)), Err(AuditError::Rewritten(10))));
    }

    #[test]
    fn a_head_is_read_as_it_is_written_and_holds_as_the_log_grows() {
        let (_folder, audit, head) = tampered("");
        audit.append(&Deed { who: "an", what: "GET /", subject: "more", outcome: "200", ..Deed::default() }).unwrap();
        let read: Head = head.to_string().parse().unwrap();
        assert_eq!(audit.verify(Some(&read)).unwrap().seq, 11);
        for wrong in ["", "5", "5:abc", "x:00"] {
            assert!(wrong.parse::<Head>().is_err(), "{wrong}");
        }
    }
}
