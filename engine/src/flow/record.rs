//! A record as it is taken in, and one that is not.

/// A record as it lies in its topic.
#[derive(Clone, Copy, Debug)]
pub struct Raw<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// Its key; empty if it has none.
    pub key: &'a [u8],
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
}

/// Why a record is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The kind of reason.
    pub reason: RefusalReason,
    /// The reason in a sentence.
    pub detail: String,
}

/// Kinds of reasons not to take a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefusalReason {
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

/// A record that was not taken, with its place and its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Rejection {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// Why.
    pub reason: RefusalReason,
    /// Why, in a sentence.
    pub detail: String,
    /// The record.
    pub record: Vec<u8>,
}
