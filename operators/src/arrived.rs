//! A record together with where it stood in its source.

use schemas::Place;
use serde::{Deserialize, Serialize};

/// A record as it arrived. Operators that need the order of a partition (the tracker) find it in `place`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Arrived<T> {
    /// Where it stood.
    pub place: Place,
    /// The record.
    pub record: T,
}

/// How far a partition has been observed: nothing earlier is still to be expected from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Observed {
    /// The topic's partition; offsets say nothing here.
    pub place: Place,
    /// Arrival time of the record last read, or the wall clock where all was read: milliseconds since the epoch.
    pub until_ms: u64,
}
