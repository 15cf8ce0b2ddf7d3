//! JSON: one object a record. What comes by the million is read by [`quick`](super::quick) first.
//!
//! Read with `serde_json`: `sonic-rs` is a quarter faster here (3.3 against 2.6 million boxes a second on one core), but
//! recurses without limit, so that one unknown field nested a million deep would end the process.

use serde::de::IgnoredAny;

use super::{Record, Refusal};

/// Reads one object. Fields the record does not know are skipped.
///
/// # Errors
/// *Unreadable* when it is not JSON, *invalid* when it is, but not an object of this record's fields.
pub(super) fn decode<T: Record>(bytes: &[u8]) -> Result<T, Refusal> {
    // Records could also be read from arrays of their fields in order; nobody should come to rely on that.
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(refuse(bytes, format_args!("a {} is an object", T::NAME)));
    }
    match T::quick(bytes) {
        Some(record) => Ok(record),
        None => serde_json::from_slice(bytes).map_err(|error| refuse(bytes, error)),
    }
}

/// Tells broken JSON from JSON that is not this record, whatever was found wrong first.
#[cold]
fn refuse(bytes: &[u8], found: impl std::fmt::Display) -> Refusal {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Refusal::unreadable(format_args!("is not JSON: {error}")),
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Refusal::invalid(found),
        Err(error) => Refusal::unreadable(format_args!("is not JSON: {error}")),
    }
}

/// Appends one object, without a line break.
pub(super) fn encode<T: Record>(record: &T, into: &mut Vec<u8>) {
    serde_json::to_writer(into, record).expect("records have no maps with odd keys, and memory takes every byte");
}
