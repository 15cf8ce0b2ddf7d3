//! Where the tables of a view are: in a file of this machine, or in a PostgreSQL database.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

#[cfg(feature = "postgres")]
use crate::following::{self, Owned, PostgresError, Server};
use crate::following::{FileError, Shape, Sql, SqlError, StateFile, positions};

/// How long a question waits for a file that is locked.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the tables of a view are.
#[derive(Clone, Debug)]
pub enum Place {
    /// In an SQLite file; one is made if there is none.
    File(PathBuf),
    /// In a PostgreSQL database.
    #[cfg(feature = "postgres")]
    Postgres(Server),
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

/// The tables of a view cannot be kept there.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The database cannot be used.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The thread that keeps them cannot be started.
    #[error("the thread that keeps the view cannot be started: {0}")]
    Thread(std::io::Error),
}

impl PlaceError {
    /// What to do about it, if we can tell.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::File(error) => error.hint(),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.hint(),
            Self::Thread(_) => None,
        }
    }

    /// Whether the same may succeed later.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::File(error) => error.passes(),
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => matches!(error, PostgresError::State(_)),
            Self::Thread(_) => false,
        }
    }
}

/// The tables, for who keeps them.
pub(super) enum Keep {
    File(StateFile),
    #[cfg(feature = "postgres")]
    Postgres(Box<Owned>),
}

impl Keep {
    /// Opens the tables, making them if there are none, as their one owner.
    pub(super) fn own(place: &Place, shape: &Shape) -> Result<Self, PlaceError> {
        match place {
            Place::File(path) => {
                let file = StateFile::own(path, shape, "")?;
                // What was deleted is overwritten.
                file.connection().pragma_update(None, "secure_delete", "ON").map_err(FileError::from)?;
                Ok(Self::File(file))
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => Ok(Self::Postgres(Box::new(Owned::own(server, shape)?))),
        }
    }

    /// Makes changes in one transaction, as long as the tables are still ours.
    pub(super) fn change<T>(&mut self, changes: impl FnOnce(&dyn Sql) -> Result<T, SqlError>) -> Result<T, PlaceError> {
        match self {
            Self::File(file) => Ok(file.change(|transaction| changes(&**transaction))?),
            #[cfg(feature = "postgres")]
            Self::Postgres(tables) => Ok(tables.change(changes)?),
        }
    }

    /// Where reading of a topic goes on, by partition.
    pub(super) fn positions(&mut self, topic: &str) -> Result<BTreeMap<u32, u64>, PlaceError> {
        self.change(|sql| positions(sql, topic))
    }
}

/// A connection for questions.
pub(super) enum Session {
    File(Connection),
    /// None while it is dropped.
    #[cfg(feature = "postgres")]
    Postgres(Option<Box<following::Session>>),
}

impl Session {
    pub(super) fn open(place: &Place) -> Result<Self, SqlError> {
        match place {
            Place::File(path) => {
                let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
                connection.busy_timeout(PATIENCE)?;
                Ok(Self::File(connection))
            }
            #[cfg(feature = "postgres")]
            Place::Postgres(server) => Ok(Self::Postgres(Some(Box::new(server.connect()?)))),
        }
    }

    pub(super) fn is_alive(&mut self) -> bool {
        match self {
            Self::File(_) => true,
            #[cfg(feature = "postgres")]
            Self::Postgres(session) => session.as_mut().is_some_and(|session| session.is_alive()),
        }
    }

    /// Answers a question from one snapshot.
    pub(super) fn ask<R>(&mut self, question: impl FnOnce(&dyn Sql) -> Result<R, SqlError>) -> Result<R, SqlError> {
        match self {
            Self::File(connection) => question(&*connection.transaction()?),
            #[cfg(feature = "postgres")]
            Self::Postgres(Some(session)) => session.ask(question),
            #[cfg(feature = "postgres")]
            Self::Postgres(None) => unreachable!("only while it is dropped"),
        }
    }
}

/// A connection to a server ends by waiting, which the thread that drops it may not be allowed to.
#[cfg(feature = "postgres")]
impl Drop for Session {
    fn drop(&mut self) {
        if let Self::Postgres(session) = self {
            let session = session.take();
            std::thread::spawn(move || drop(session));
        }
    }
}
