//! One vehicle through the city.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Id, Name, Plate};

/// One vehicle through the city: its sightings in order of time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Journey {
    /// Derived from the earliest sighting with a plate, else the earliest sighting.
    pub id: Id,
    /// What all its cameras together read.
    pub plate: Option<Plate>,
    /// Sightings in order of time.
    pub sightings: Vec<Id>,
    /// The cameras of those sightings, in the same order.
    pub cameras: Vec<Name>,
    /// First moment seen, milliseconds since the epoch.
    pub from_ms: u64,
    /// Last moment seen so far.
    pub until_ms: u64,
    /// How sure it is that all these are one vehicle, permille.
    pub certainty: u16,
}
