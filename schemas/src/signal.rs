//! What a traffic signal shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// A signal head changed. Keyed by `head`; changes only, never samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// The signal head, as the city's lanes name it.
    pub head: Name,
    /// What it shows from `at_ms` on.
    pub state: SignalState,
    /// When it changed, milliseconds since the epoch.
    pub at_ms: u64,
    /// The controller's clock may be wrong by up to this much.
    #[serde(default)]
    pub error_ms: u32,
}

/// What a signal head shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SignalState {
    /// Stop.
    Red,
    /// About to turn red.
    Yellow,
    /// Go.
    Green,
    /// Dark or flashing: nobody violates it.
    Off,
    /// Not known: nobody violates it.
    Unknown,
}
