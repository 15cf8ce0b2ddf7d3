//! Where a patrol unit is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// A patrol unit reported its place. Keyed by `unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Patrol {
    /// The unit.
    pub unit: Name,
    /// Longitude, 1e-7 degrees.
    pub lon_e7: i32,
    /// Latitude, 1e-7 degrees.
    pub lat_e7: i32,
    /// When it was there, milliseconds since the epoch.
    pub at_ms: u64,
    /// Whether it can be sent.
    pub on_duty: bool,
}
