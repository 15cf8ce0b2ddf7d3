//! Plates somebody looks for.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, PlateKind, PlateText};

/// One entry of a list of wanted plates. Keyed by `list` and `plate`; holds for sightings with `from_ms ≤ at < until_ms`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct HotlistEntry {
    /// The list it stands on.
    pub list: Name,
    /// The plate looked for.
    pub plate: PlateText,
    /// The kind of that plate.
    pub kind: PlateKind,
    /// 0 to 100, highest first.
    #[serde(default)]
    pub priority: u8,
    /// Why; a case number, not a story.
    #[serde(default)]
    pub reason: String,
    /// From when it holds, milliseconds since the epoch.
    #[serde(default)]
    pub from_ms: u64,
    /// Until when it holds, exclusive.
    #[serde(default)]
    pub until_ms: u64,
    /// Removes the entry.
    #[serde(default)]
    pub deleted: bool,
}

impl HotlistEntry {
    /// Whether the values can be true at all.
    ///
    /// # Errors
    /// The interval is empty or reversed, or the priority above 100.
    pub fn check(&self) -> Result<(), String> {
        if !self.deleted && self.until_ms <= self.from_ms {
            return Err(format!("until_ms {} is not after from_ms {}", self.until_ms, self.from_ms));
        }
        if self.priority > 100 {
            return Err(format!("priority is {}; at most 100 is allowed", self.priority));
        }
        Ok(())
    }
}
