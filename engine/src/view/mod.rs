//! `view`: what committed topics say, kept in tables of one SQLite file so that it can be asked. What the tables are is told by
//! who knows what the records mean.
//!
//! ```text
//! topics ─▶ follow ─▶ tables + positions ◀── ask: a snapshot, any number at once
//!  committed   one transaction a batch       forget: what is too old, a bounded batch at a time
//! ```
//!
//! A view can be thrown away: it is made anew from the topics, as far back as they are kept. So its file is not flushed at every
//! change: when the machine dies it may go back a few changes, positions and rows together, and reads them again.

mod follow;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction};
use tokio::sync::watch;

pub use self::follow::Following;
use crate::following::{FileError, Shape, StateFile};
use crate::time::wall_ms;
use crate::transport::TopicStore;

/// Connections for questions that are kept open; more are opened when more is asked at once.
const IDLE_MOST: usize = 8;
/// How long a question waits for a file that is locked.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the tables of a view are, and how records become rows of them.
pub trait Tables: Send + Sync + 'static {
    /// Four letters that mark the file.
    const APPLICATION: [u8; 4];
    /// Version of the tables: a file of another is refused.
    const VERSION: i32;
    /// The tables, as SQL.
    const SQL: &'static str;

    /// The topics it is made of. One that is not there yet is waited for.
    fn topics(&self) -> Vec<String>;

    /// Takes a record, in the transaction that holds its position; returns whether who waits for news is to look.
    ///
    /// # Errors
    /// The record cannot be read, which is told and passed over; or the file cannot be written, and the record comes again.
    fn take(&self, transaction: &Transaction<'_>, record: &Committed<'_>) -> Result<bool, Refused>;

    /// Deletes some of what is too old, so little that nobody waits for it; returns whether there may be more.
    ///
    /// # Errors
    /// The file cannot be written.
    fn forget(&self, transaction: &Transaction<'_>, now_ms: u64) -> rusqlite::Result<bool>;
}

/// A record of a topic, and its place there.
#[derive(Clone, Copy, Debug)]
pub struct Committed<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// Its offset in the partition.
    pub offset: u64,
    /// The log's own time of it, milliseconds since the epoch; where the log keeps none, when it was read.
    pub arrival_ms: u64,
    /// What it says.
    pub value: &'a [u8],
}

/// A record was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be read; the reason does not quote it.
    #[error("{0}")]
    Unreadable(String),
    /// The file cannot be written.
    #[error("{0}")]
    State(#[from] rusqlite::Error),
}

/// A view that can be asked. Clones are the same view.
#[derive(Clone)]
pub struct View(Arc<Inner>);

struct Inner {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    news: watch::Sender<u64>,
    /// The topics of which there is more to be read, each with the arrival of what was read last; 0: nothing was.
    behind: Mutex<BTreeMap<String, u64>>,
    /// Why it is kept no longer.
    fault: Mutex<Option<String>>,
    over: AtomicBool,
}

/// A view cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// It is kept no longer.
    #[error("the view is kept no longer: {0}")]
    Fault(String),
    /// Its file cannot be read.
    #[error("the view cannot be read: {0}")]
    State(#[from] rusqlite::Error),
}

impl View {
    /// Opens a view in a file, making it if there is none, as its one owner, and follows the topics until what it returns beside
    /// it is dropped.
    ///
    /// # Errors
    /// The file cannot be opened, or is someone else's.
    pub fn begin<T: Tables>(path: &Path, tables: T, store: Arc<dyn TopicStore>) -> Result<(Self, Following), FileError> {
        let shape = Shape { application: i32::from_be_bytes(T::APPLICATION), version: T::VERSION, tables: T::SQL, synchronous: "NORMAL" };
        let file = StateFile::own(path, &shape, "")?;
        // What was deleted is overwritten.
        file.connection().pragma_update(None, "secure_delete", "ON")?;
        let view = Self(Arc::new(Inner {
            path: path.to_owned(),
            idle: Mutex::default(),
            news: watch::Sender::new(0),
            behind: Mutex::new(tables.topics().into_iter().map(|topic| (topic, 0)).collect()),
            fault: Mutex::default(),
            over: AtomicBool::new(false),
        }));
        let following =
            Following::begin(view.clone(), file, tables, store).map_err(|source| FileError::Create { path: path.to_owned(), source })?;
        Ok((view, following))
    }

    /// Answers a question from one snapshot.
    ///
    /// # Errors
    /// The view is kept no longer, or its file cannot be read.
    pub fn ask<R>(&self, question: impl FnOnce(&Connection) -> rusqlite::Result<R>) -> Result<R, ViewError> {
        if let Some(fault) = lock(&self.0.fault).clone() {
            return Err(ViewError::Fault(fault));
        }
        let idle = lock(&self.0.idle).pop();
        let mut connection = idle.map_or_else(|| self.open(), Ok)?;
        let snapshot = connection.transaction()?;
        let answer = question(&snapshot)?;
        drop(snapshot);
        let mut idle = lock(&self.0.idle);
        if idle.len() < IDLE_MOST {
            idle.push(connection);
        }
        Ok(answer)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(&self.0.path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(PATIENCE)?;
        Ok(connection)
    }

    /// Tells when there is news.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    /// How old what was read last is where there is more to be read, milliseconds; `None` before anything was read.
    #[must_use]
    pub fn behind_ms(&self) -> Option<u64> {
        match lock(&self.0.behind).values().min() {
            None => Some(0),
            Some(0) => None,
            Some(arrival_ms) => Some(wall_ms().saturating_sub(*arrival_ms)),
        }
    }

    /// Whether it ends: who waits for news waits in vain.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed)
    }
}

/// Nothing is left half-done by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
