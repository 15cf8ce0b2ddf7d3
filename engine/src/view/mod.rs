//! `view`: what committed topics say, kept in tables of one SQLite file or of a PostgreSQL database so that it can be asked. What
//! the tables are is told by who knows what the records mean.
//!
//! ```text
//! topics ─▶ follow ─▶ tables + positions ◀── ask: a snapshot, any number at once
//!  committed   one transaction a batch       forget: what is too old, a bounded batch at a time
//! ```
//!
//! A view can be thrown away: it is made anew from the topics, as far back as they are kept. So its file is not flushed at every
//! change: when the machine dies it may go back a few changes, positions and rows together, and reads them again.

mod follow;
mod place;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

pub use self::follow::Following;
use self::place::{Keep, Session};
pub use self::place::{Place, PlaceError};
use crate::following::Shape;
#[cfg(feature = "postgres")]
pub use crate::following::{BadServer, PostgresError, Server};
pub use crate::following::{Column, Row, Sql, SqlError, Value};
use crate::time::wall_ms;
use crate::transport::TopicStore;

/// Connections for questions that are kept open; more are opened when more is asked at once.
const IDLE_MOST: usize = 8;

/// What the tables of a view are, and how records become rows of them.
pub trait Tables: Send + Sync + 'static {
    /// Four letters that mark them.
    const APPLICATION: [u8; 4];
    /// Version of the tables: those of another are refused.
    const VERSION: i32;
    /// The tables, as SQL: see [`Sql`].
    const SQL: &'static str;

    /// The topics it is made of. One that is not there yet is waited for.
    fn topics(&self) -> Vec<String>;

    /// Takes a record, in the transaction that holds its position; returns whether who waits for news is to look.
    ///
    /// # Errors
    /// The record cannot be read, which is told and passed over; or the tables cannot be changed, and the record comes again.
    fn take(&self, transaction: &dyn Sql, record: &Committed<'_>) -> Result<bool, Refused>;

    /// Deletes some of what is too old, so little that nobody waits for it; returns whether there may be more.
    ///
    /// # Errors
    /// The tables cannot be changed.
    fn forget(&self, transaction: &dyn Sql, now_ms: u64) -> Result<bool, SqlError>;
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
    /// The tables cannot be changed.
    #[error("{0}")]
    State(#[from] SqlError),
}

/// A view that can be asked. Clones are the same view.
#[derive(Clone)]
pub struct View(Arc<Inner>);

struct Inner {
    place: Place,
    idle: Mutex<Vec<Session>>,
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
    /// Its tables cannot be read.
    #[error("the view cannot be read: {0}")]
    State(#[from] SqlError),
}

impl View {
    /// Opens a view where its tables are, making them if there are none, as their one owner, and follows the topics until what it
    /// returns beside it is dropped.
    ///
    /// # Errors
    /// The file cannot be opened or the database not reached, or the tables are someone else's.
    pub fn begin<T: Tables>(place: &Place, tables: T, store: Arc<dyn TopicStore>) -> Result<(Self, Following), PlaceError> {
        let shape = Shape { application: i32::from_be_bytes(T::APPLICATION), version: T::VERSION, tables: T::SQL, synchronous: "NORMAL" };
        let keep = Keep::own(place, &shape)?;
        let view = Self(Arc::new(Inner {
            place: place.clone(),
            idle: Mutex::default(),
            news: watch::Sender::new(0),
            behind: Mutex::new(tables.topics().into_iter().map(|topic| (topic, 0)).collect()),
            fault: Mutex::default(),
            over: AtomicBool::new(false),
        }));
        let following = Following::begin(view.clone(), keep, tables, store).map_err(PlaceError::Thread)?;
        Ok((view, following))
    }

    /// Answers a question from one snapshot. Not to be called where waiting is not allowed.
    ///
    /// # Errors
    /// The view is kept no longer, or its tables cannot be read.
    pub fn ask<R>(&self, question: impl FnOnce(&dyn Sql) -> Result<R, SqlError>) -> Result<R, ViewError> {
        if let Some(fault) = lock(&self.0.fault).clone() {
            return Err(ViewError::Fault(fault));
        }
        let idle = || lock(&self.0.idle).pop();
        // A server that was started anew has let go of all of them.
        let alive = std::iter::from_fn(idle).find_map(|mut session| session.is_alive().then_some(session));
        let mut session = alive.map_or_else(|| Session::open(&self.0.place), Ok)?;
        let answer = session.ask(question)?;
        let mut idle = lock(&self.0.idle);
        if idle.len() < IDLE_MOST {
            idle.push(session);
        }
        Ok(answer)
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
