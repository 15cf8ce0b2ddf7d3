//! The state file of a follower: its tables, how far it has read, and who owns it.
//!
//! Taking the file over raises its generation; a predecessor that still runs finds itself replaced at its next change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::sql::{Shape, SqlError, TABLES};

/// How long another program's transaction is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A state file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be made.
    #[error("the state file {path:?} cannot be made")]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It cannot be opened.
    #[error("the state file {path:?} cannot be opened")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It is someone else's.
    #[error("{path:?} is no state file of this program, or of another version of it")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// Another process uses it now.
    #[error("another process has taken over the state file {path:?}")]
    TakenOver {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written now.
    #[error("the state file cannot be used: {0}")]
    State(#[from] SqlError),
}

impl From<rusqlite::Error> for FileError {
    fn from(error: rusqlite::Error) -> Self {
        Self::State(error.into())
    }
}

impl FileError {
    /// What to do about it, if we can tell.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Create { .. } | Self::Open { .. } => Some("does its folder exist, and may this user write to it?"),
            Self::NotOurs { .. } => Some("name another file; a new one is made if there is none"),
            Self::TakenOver { .. } => Some("one process works with one state file; stop the other, or use another file"),
            Self::State(_) => None,
        }
    }

    /// Whether the same may succeed later.
    pub(crate) fn passes(&self) -> bool {
        matches!(self, Self::State(_))
    }
}

/// A state file.
pub(crate) struct StateFile {
    connection: Connection,
    path: PathBuf,
    /// Our generation; `None` for who only looks.
    generation: Option<i64>,
}

impl StateFile {
    /// Opens the file, making it if there is none, as its one owner, with one more change when it is.
    pub(crate) fn own(path: &Path, shape: &Shape, also: &str) -> Result<Self, FileError> {
        make_private(path).map_err(|source| FileError::Create { path: path.to_owned(), source })?;
        let mut file = Self::open(path, shape, true)?;
        file.generation = Some(file.change(|transaction| {
            transaction.execute("UPDATE owner SET generation = generation + 1", [])?;
            transaction.execute_batch(also)?;
            Ok(transaction.query_one("SELECT generation FROM owner", [], |row| row.get(0))?)
        })?);
        Ok(file)
    }

    /// Opens the file, which must be there, to look at it and to put things right; whoever owns it goes on.
    pub(crate) fn look(path: &Path, shape: &Shape) -> Result<Self, FileError> {
        Self::open(path, shape, false)
    }

    fn open(path: &Path, shape: &Shape, create: bool) -> Result<Self, FileError> {
        let place = |source| FileError::Open { path: path.to_owned(), source };
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let mut file = Self { connection: connection.map_err(place)?, path: path.to_owned(), generation: None };
        file.connection.busy_timeout(PATIENCE).map_err(place)?;
        let number = |sql| file.connection.query_one(sql, [], |row| row.get::<_, i32>(0)).map_err(place);
        match (number("PRAGMA application_id")?, number("PRAGMA user_version")?, number("SELECT count(*) FROM sqlite_schema")?) {
            (application, version, _) if (application, version) == (shape.application, shape.version) => {}
            (0, 0, 0) if create => file.make_tables(shape).map_err(place)?,
            _ => return Err(FileError::NotOurs { path: path.to_owned() }),
        }
        file.connection.pragma_update(None, "synchronous", shape.synchronous).map_err(place)?;
        Ok(file)
    }

    fn make_tables(&mut self, shape: &Shape) -> rusqlite::Result<()> {
        self.connection.pragma_update(None, "journal_mode", "WAL")?;
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another program may have been first.
        if transaction.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i32>(0))? == 0 {
            transaction.execute_batch(TABLES)?;
            transaction.execute_batch(shape.tables)?;
            transaction.pragma_update(None, "application_id", shape.application)?;
            transaction.pragma_update(None, "user_version", shape.version)?;
        }
        transaction.commit()
    }

    /// What is in it.
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Makes changes in one transaction, as long as the file is still ours.
    pub(crate) fn change<T>(&mut self, changes: impl FnOnce(&Transaction<'_>) -> Result<T, SqlError>) -> Result<T, FileError> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(ours) = self.generation {
            let current: i64 = transaction.query_one("SELECT generation FROM owner", [], |row| row.get(0))?;
            if current != ours {
                return Err(FileError::TakenOver { path: self.path.clone() });
            }
        }
        let result = changes(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }
}

/// Makes the file, for this user alone: what is in it is for nobody else.
fn make_private(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}
