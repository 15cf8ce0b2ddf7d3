//! The embedded log: a topic store in one SQLite file, with the guarantees of a broker and none of its machines.
//!
//! ```text
//!            one file (write-ahead log)
//! append ─▶ ┌ topics    name, partitions             ┐ ─▶ readers, each with its own
//! commit ─▶ │ records   (topic, partition, offset) ▸ │    read-only connection
//!           │           arrival, key, value, headers │
//!           │ progress  (job, epoch) ▸ record        │ ─▶ history
//!           └ writers   job ▸ generation             ┘
//! ```
//!
//! A commit is one SQLite transaction that checks the writer's generation, adds the rows of all outputs and the progress
//! record. Becoming a writer raises the generation, so a predecessor that still runs finds itself replaced at its next
//! commit. Inputs and outputs may lie in one file; readers never wait for the writer.
//!
//! **What survives.** `synchronous = FULL`: a commit returns after its pages are on the disk, so it survives the death of the
//! program *and* of the machine, as far as the disk keeps its word. `NORMAL` would be faster and never corrupt the file, but a
//! power cut could take back the last commits, and an alert that a patrol unit has been told must not be taken back.
//! The price is one flush a commit, and commits are at least some 20 ms apart.
//!
//! Records are never deleted: the file grows with what is written to it. Progress is, as far as no restart needs it any more.

mod database;
mod progress;
mod reader;
mod topics;
mod writer;

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::database::Database;
use self::reader::LocalReader;
use self::writer::LocalWriter;
use super::{Reader, Transport, TransportError, Writer};

/// A topic store in one SQLite file.
#[derive(Debug)]
pub struct LocalTransport {
    /// For topics and appends; readers and writers open their own.
    database: Mutex<Database>,
    path: PathBuf,
}

impl LocalTransport {
    /// Opens a store, making it if there is none.
    ///
    /// # Errors
    /// The file cannot be opened, is not a database, or is someone else's.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, TransportError> {
        let path = path.into();
        Ok(Self { database: Mutex::new(Database::open(&path)?), path })
    }

    /// The connection. Every change is a transaction, so one left behind by a panic is whole.
    fn database(&self) -> MutexGuard<'_, Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transport for LocalTransport {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        let (_, partitions) = topics::find(&self.database(), topic)?;
        Ok((0..partitions).collect())
    }

    fn reader(&self, topic: &str, partition: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        let database = Database::open_to_read(&self.path)?;
        Ok(Box::new(LocalReader::begin(database, topic, partition, offset)?))
    }

    fn writer(&self, job: &str, outputs: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(LocalWriter::become_writer(Database::open(&self.path)?, job, outputs)?))
    }
}
