//! A record that could not be taken, kept with its place and the reason.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// Where a record stood in its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The topic, or the file's stem.
    pub topic: Name,
    /// The partition; 0 for a file.
    pub partition: u32,
    /// The offset in the partition; the line, from 0, for a file.
    pub offset: u64,
}

/// A record that could not be taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// The topic it stood in, or the file's stem.
    pub topic: Name,
    /// The partition; 0 for a file.
    pub partition: u32,
    /// The offset in the partition; the line, from 0, for a file.
    pub offset: u64,
    /// Why, in one word.
    pub reason: Reason,
    /// Why, in a sentence.
    pub detail: String,
    /// The record's text, if it was UTF-8.
    #[serde(default)]
    pub record: Option<String>,
    /// The record's bytes in base64, if they were not.
    #[serde(default)]
    pub record_base64: Option<String>,
}

/// Why a record could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Not in the topic's format at all.
    Unreadable,
    /// In the format, but with fields or values that cannot be.
    Invalid,
    /// Older than the job still accepts.
    Late,
    /// Further ahead of its arrival than clocks may be wrong.
    Future,
    /// Taken before.
    Duplicate,
}

impl Reason {
    /// The reason as a row says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Invalid => "invalid",
            Self::Late => "late",
            Self::Future => "future",
            Self::Duplicate => "duplicate",
        }
    }
}
