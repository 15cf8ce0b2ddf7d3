//! Who is to go where an alert tells of something.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Alert, Id, Name};

/// The patrol unit that is to go to what an alert tells of, with the alert as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    /// The alert's id: an alert has one unit, and is revised where another is to go.
    pub id: Id,
    /// The unit. None once every unit that is near enough was asked and none answered: then it is the centre's.
    pub unit: Option<Name>,
    /// The units that are nearest, the nearest first.
    pub units: Vec<NearUnit>,
    /// The units that were asked before and did not answer in time, in that order.
    #[serde(default)]
    pub unanswered: Vec<Name>,
    /// What it is to know.
    pub alert: Alert,
}

/// A patrol unit near enough to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct NearUnit {
    /// How far it has to go, cm.
    pub distance_cm: u64,
    /// The unit.
    pub unit: Name,
    /// Whether that is the way along the roads of the map; else it is a straight line.
    pub by_road: bool,
    /// When the unit told where it is, milliseconds since the epoch.
    pub seen_ms: u64,
}
