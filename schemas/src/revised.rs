//! A row of an output table as its changelog tells it.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A row of an output table: the last revision of an id is what stands.
///
/// Written flat, with the row's own fields beside `revision` and `status`, in formats people read; as a tuple of the
/// three in binary formats, whose fields have no names to be flattened by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(rename = "Revised{T}")]
pub struct Revised<T> {
    /// 1, 2, 3 … without gap.
    pub revision: u32,
    /// Whether it may still change.
    pub status: Status,
    /// The row; its `id` is the key.
    #[schemars(flatten)]
    pub row: T,
}

/// Whether a row may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// More evidence may still change it.
    Provisional,
    /// It will not change again.
    Final,
    /// Better evidence took it back.
    Withdrawn,
}

/// What people read: the row's fields beside the others.
#[derive(Serialize, Deserialize)]
struct Flat<T> {
    revision: u32,
    status: Status,
    #[serde(flatten)]
    row: T,
}

impl<T: Serialize> Serialize for Revised<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let Self { revision, status, row } = self;
        if s.is_human_readable() {
            Flat { revision: *revision, status: *status, row }.serialize(s)
        } else {
            (revision, status, row).serialize(s)
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Revised<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let (revision, status, row) = if d.is_human_readable() {
            let Flat { revision, status, row } = Flat::deserialize(d)?;
            (revision, status, row)
        } else {
            Deserialize::deserialize(d)?
        };
        Ok(Self { revision, status, row })
    }
}
