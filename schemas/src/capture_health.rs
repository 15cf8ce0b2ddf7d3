//! How well a camera's stream is being captured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Name;

/// How well one camera's stream was captured since the record before it. Keyed by `camera`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CaptureHealth {
    /// The camera.
    pub camera: Name,
    /// When this was written, by the clock of the machine that captures: milliseconds since the epoch.
    pub at_ms: u64,
    /// How the connection stands.
    pub state: CaptureState,
    /// How long the record looks back, milliseconds.
    pub span_ms: u64,
    /// Pictures taken in that time.
    pub frames: u64,
    /// Bytes of them, in bits a second.
    pub bit_rate: u64,
    /// Times in that time when pictures were missing: lost on the way, or let go because the store took no more.
    pub gaps: u64,
    /// Pictures in that time that were let go because the store took no more.
    pub dropped: u64,
    /// Times the connection was made anew since capture began.
    pub reconnects: u64,
    /// Whether the times of its pictures come from the camera's own clock; else from their arrival.
    pub own_clock: bool,
    /// Why the last connection ended, if one did.
    #[serde(default)]
    pub error: Option<String>,
}

/// How a connection to a camera stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CaptureState {
    /// It is being made.
    Connecting,
    /// Pictures come.
    Streaming,
    /// It failed, and is tried again after a pause.
    Waiting,
    /// The recording is at its end.
    Ended,
}
