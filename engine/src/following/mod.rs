//! Following: reading committed topics on one's own account, beside the dataflow, into tables of one's own.
//!
//! ```text
//!                          one transaction
//! topic ─▶ partitions ─▶ what is made of the records + positions        dispatch: an outbox      view: tables to be asked
//!          committed       in a file, or in PostgreSQL
//! ```
//!
//! What was read is in the tables before the position says so, and with it: killed at any moment, a follower neither loses a
//! record nor takes one twice.

mod file;
mod partitions;
#[cfg(feature = "postgres")]
mod postgres;
mod sql;

pub use self::file::FileError;
pub(crate) use self::file::StateFile;
pub(crate) use self::partitions::{Found, Partitions};
#[cfg(feature = "postgres")]
pub use self::postgres::{BadServer, PostgresError, Server};
#[cfg(feature = "postgres")]
pub(crate) use self::postgres::{Owned, Session};
pub use self::sql::{Column, Row, Sql, SqlError, Value};
pub(crate) use self::sql::{Shape, advance, positions, signed};
