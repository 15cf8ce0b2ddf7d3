//! Following: reading committed topics on one's own account, beside the dataflow, into one SQLite file.
//!
//! ```text
//!                          one transaction
//! topic ─▶ partitions ─▶ what is made of the records + positions        dispatch: an outbox      view: tables to be asked
//!          committed
//! ```
//!
//! What was read is in the file before the position says so, and with it: killed at any moment, a follower neither loses a
//! record nor takes one twice.

mod file;
mod partitions;

pub use self::file::FileError;
pub(crate) use self::file::{Shape, StateFile, signed};
pub(crate) use self::partitions::{Found, Partitions};
