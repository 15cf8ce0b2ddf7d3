//! Bytes ↔ records: the public wire, versioned.
//!
//! ```text
//! bytes ─▶ json    ─┐
//!          bincode ─┴▶ Record::check ─▶ record         what fails on the way ─▶ Refusal { unreadable | invalid, detail }
//! ```
//!
//! **JSON** is one object a record. Fields we do not know are skipped, so that cameras of many makes may send more than we
//! read; that is also how a record grows: by optional fields. The shapes are published as JSON Schemas beside the crate,
//! in `schemas/wire/`.
//!
//! **Bincode** is for links where bytes and time count: two bytes of header ([`Record::SCHEMA`], [`Record::VERSION`]), then
//! the fields in order of declaration in bincode 2's standard layout (little endian, variable-length integers). Fields have
//! no names there, so *any* change of a record's fields is a new version.
//!
//! A **recording** in bincode (`observations.bin`) is a plain sequence of frames, to the end of the file:
//!
//! ```text
//! ┌──────────────────────┬──────────────────────────────┬───────────────────────────────────────┐
//! │ length: u32, little  │ arrival_ms: u64, little      │ payload: `length` bytes, one record   │
//! │ endian, of payload   │ endian, since the epoch      │ as above, header first                │
//! └──────────────────────┴──────────────────────────────┴───────────────────────────────────────┘
//! ```
//!
//! `arrival_ms` is when the record reached the centre, as `received_ms` says in JSON recordings; frames stand in its order.

mod bincode;
mod json;
mod quick;
mod record;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Reason;
pub use record::Record;

/// How records are written as bytes; definitions name it `json` or `bincode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One JSON object a record.
    #[default]
    Json,
    /// A two-byte header and the fields in order.
    Bincode,
}

impl Format {
    /// The format of some bytes: a JSON object begins with a brace, a bincode header never does.
    ///
    /// ```
    /// use schemas::wire::Format;
    /// assert_eq!((Format::of(b" {}"), Format::of(&[2, 1])), (Format::Json, Format::Bincode));
    /// ```
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match bytes.trim_ascii_start().first() {
            Some(0..=31 | 128..) => Self::Bincode,
            _ => Self::Json,
        }
    }

    /// Reads one record and checks that its values can be true.
    ///
    /// ```
    /// use schemas::{wire::Format, Patrol, Reason};
    /// let bytes = br#"{"unit":"p7","lon_e7":1055981344,"lat_e7":213071417,"at_ms":1767250800000,"on_duty":true,"radio":5}"#;
    /// let patrol: Patrol = Format::Json.decode(bytes).unwrap();
    /// assert_eq!(patrol.unit.as_str(), "p7");
    /// assert_eq!(Format::Json.decode::<Patrol>(b"p7 is here").unwrap_err().reason, Reason::Unreadable);
    /// assert_eq!(Format::Json.decode::<Patrol>(br#"{"unit":7}"#).unwrap_err().reason, Reason::Invalid);
    /// ```
    ///
    /// # Errors
    /// *Unreadable* when the bytes are not in this format at all, *invalid* when they are, but with fields or values that
    /// cannot be.
    pub fn decode<T: Record>(self, bytes: &[u8]) -> Result<T, Refusal> {
        let record: T = match self {
            Self::Json => json::decode(bytes),
            Self::Bincode => bincode::decode(bytes),
        }?;
        record.check().map_err(Refusal::invalid)?;
        Ok(record)
    }

    /// Appends one record's bytes.
    ///
    /// # Panics
    /// Never for the records of this crate: they are made of integers, text and sequences, which both formats can hold.
    pub fn encode<T: Record>(self, record: &T, into: &mut Vec<u8>) {
        match self {
            Self::Json => json::encode(record, into),
            Self::Bincode => bincode::encode(record, into),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Json => "json",
            Self::Bincode => "bincode",
        })
    }
}

/// Why bytes were not taken as a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// [`Reason::Unreadable`] or [`Reason::Invalid`].
    pub reason: Reason,
    /// What is wrong, naming the field or the place where that is known.
    pub detail: String,
}

impl Refusal {
    /// Not in the format at all.
    fn unreadable(detail: impl fmt::Display) -> Self {
        Self { reason: Reason::Unreadable, detail: detail.to_string() }
    }

    /// In the format, but it cannot be.
    fn invalid(detail: impl fmt::Display) -> Self {
        Self { reason: Reason::Invalid, detail: detail.to_string() }
    }
}
