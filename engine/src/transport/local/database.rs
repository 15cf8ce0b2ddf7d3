//! The file: how it is opened, what is in it, and what its errors mean to a person.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::super::TransportError;

/// Marks the file as ours: `GIAO`.
const APPLICATION: i32 = 0x4749_414f;

/// Version of the tables below.
const VERSION: i32 = 1;

/// How long one program waits for another's transaction before it says so.
const PATIENCE: Duration = Duration::from_secs(10);

const TABLES: &str = "
    CREATE TABLE topics (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, partitions INTEGER NOT NULL) STRICT;
    CREATE TABLE records (
        topic INTEGER NOT NULL, partition INTEGER NOT NULL, offset INTEGER NOT NULL,
        arrival_ms INTEGER NOT NULL, key BLOB NOT NULL, value BLOB, headers TEXT,
        PRIMARY KEY (topic, partition, offset)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE progress (job TEXT NOT NULL, epoch INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (job, epoch)) STRICT, WITHOUT ROWID;
    CREATE TABLE writers (job TEXT PRIMARY KEY, generation INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// A connection that knows its file.
#[derive(Debug)]
pub(super) struct Database {
    pub(super) connection: Connection,
    path: PathBuf,
}

impl Database {
    /// Opens the file for reading and writing; makes it and its tables if they are not there.
    pub(super) fn open(path: &Path) -> Result<Self, TransportError> {
        let began = Instant::now();
        // While another program turns a new file into a store, some locks are refused at once instead of being waited for.
        loop {
            match Self::open_once(path) {
                Err(error) if error.retry && began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(5)),
                result => return result,
            }
        }
    }

    fn open_once(path: &Path) -> Result<Self, TransportError> {
        let mut database = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE)?;
        if !database.is_ours()? {
            database.make_tables()?;
        }
        database.explained(|connection| {
            connection.pragma_update(None, "synchronous", "FULL")?;
            // A log that a long reader made large is cut back after it.
            connection.pragma_update(None, "journal_size_limit", 64 << 20)
        })?;
        Ok(database)
    }

    /// Opens the file, which must be there, for reading only.
    pub(super) fn open_to_read(path: &Path) -> Result<Self, TransportError> {
        let database = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if database.is_ours()? { Ok(database) } else { Err(TransportError::lasting(format!("{} is empty", path.display()))) }
    }

    fn connect(path: &Path, flags: OpenFlags) -> Result<Self, TransportError> {
        let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(|e| explain(path, e))?;
        let database = Self { connection, path: path.to_owned() };
        database.explained(|connection| connection.busy_timeout(PATIENCE))?;
        Ok(database)
    }

    /// Whether the tables are there. A file that is someone else's is an error.
    fn is_ours(&self) -> Result<bool, TransportError> {
        // All of it as of one moment: another program may be making the tables just now.
        let (tables, application, version) = self.explained(|connection| {
            let moment = connection.unchecked_transaction()?;
            let number = |sql| moment.query_one(sql, [], |row| row.get::<_, i32>(0));
            Ok((number("SELECT count(*) FROM sqlite_schema")?, number("PRAGMA application_id")?, number("PRAGMA user_version")?))
        })?;
        match (application, version) {
            (APPLICATION, VERSION) => Ok(true),
            (APPLICATION, version) => {
                Err(TransportError::lasting(format!("{} has tables of version {version}, this program knows {VERSION}", self.place())))
            }
            (0, _) if tables == 0 => Ok(false),
            _ => Err(TransportError::lasting(format!("{} is a database, but not a topic store", self.place()))
                .hint("Name another file; a new one is made if there is none.")),
        }
    }

    fn make_tables(&mut self) -> Result<(), TransportError> {
        self.explained(|connection| {
            // Larger than the default, because in a table without row ids a record that fills a quarter page is chained.
            connection.pragma_update(None, "page_size", 16_384)?;
            connection.pragma_update(None, "journal_mode", "WAL")
        })?;
        self.change(|transaction| {
            // Another program may have been first.
            if transaction.query_one("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i32>(0))? > 0 {
                return Ok(());
            }
            transaction.execute_batch(TABLES)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)
        })
    }

    /// Makes changes in one transaction: all of them, or none if any fails.
    pub(super) fn change<T, E: Into<Refusal>>(
        &mut self,
        changes: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, TransportError> {
        let path = &self.path;
        let failed = |error| explain(path, error);
        // Taking the write lock first: a transaction that reads before it writes could find that it must begin again.
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let result = changes(&transaction).map_err(|refusal| match refusal.into() {
            Refusal::Database(error) => failed(error),
            Refusal::Ours(error) => error,
        })?;
        transaction.commit().map_err(failed)?;
        Ok(result)
    }

    /// Does something whose errors are the database's.
    pub(super) fn explained<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, TransportError> {
        work(&self.connection).map_err(|error| explain(&self.path, error))
    }

    /// The file's name, for messages.
    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }
}

/// Why a change was not made.
pub(super) enum Refusal {
    /// The database failed.
    Database(rusqlite::Error),
    /// We do not want it.
    Ours(TransportError),
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<TransportError> for Refusal {
    fn from(error: TransportError) -> Self {
        Self::Ours(error)
    }
}

/// An offset or an epoch as SQLite counts. None comes near the end of its range.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What an error of SQLite means to the person who sees it, and whether it may pass.
fn explain(path: &Path, error: rusqlite::Error) -> TransportError {
    let file = path.display();
    let explained = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => TransportError::passing(format!("no room is left on the disk of {file}"))
            .hint("Free some space: nothing was lost, and work goes on by itself."),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            TransportError::passing(format!("{file} was being written by another program for {} s", PATIENCE.as_secs()))
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory) => {
            TransportError::passing(format!("{file} could not be read or written"))
        }
        Some(ErrorCode::NotADatabase) => {
            TransportError::lasting(format!("{file} is not a topic store")).hint("Name another file; a new one is made if there is none.")
        }
        Some(ErrorCode::DatabaseCorrupt) => TransportError::lasting(format!("{file} is damaged"))
            .hint("Restore it from a copy; `sqlite3 FILE .recover` may save most of it."),
        Some(ErrorCode::CannotOpen) => {
            TransportError::lasting(format!("{file} cannot be opened")).hint("Does its folder exist, and may this user write to it?")
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            TransportError::lasting(format!("{file} may not be written by this user")).hint("Its folder must be writable too.")
        }
        _ => TransportError::lasting(format!("{file} failed")),
    };
    explained.because(error)
}
