//! Who is to go where an alert tells of something.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Alert, Id, Name};

/// The patrol unit that is nearest to what an alert tells of, with the alert as it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Assignment {
    /// The alert's id: an alert has one unit, and is revised where another is nearer.
    pub id: Id,
    /// The unit.
    pub unit: Name,
    /// How far it has to go, cm.
    pub distance_cm: u64,
    /// Whether that is the way along the roads of the map; else it is a straight line.
    pub by_road: bool,
    /// When the unit told where it is, milliseconds since the epoch.
    pub seen_ms: u64,
    /// What it is to know.
    pub alert: Alert,
}
