//! One vehicle through one camera's view.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Body, Class, Id, Name, Plate};

/// One vehicle through one camera's view; revised while the vehicle stays in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Sighting {
    /// Derived from the camera and the first box.
    pub id: Id,
    /// The camera.
    pub camera: Name,
    /// What it is, by vote.
    pub class: Class,
    /// The colour of its body, by vote.
    pub body: Option<Body>,
    /// First frame it was seen in, milliseconds since the epoch.
    pub from_ms: u64,
    /// Last frame it was seen in so far.
    pub until_ms: u64,
    /// What all its reads together say.
    pub plate: Option<Plate>,
    /// The lines it crossed, in order of time.
    pub crossings: Vec<Crossing>,
    /// Where it stood still in a zone.
    pub stays: Vec<Stay>,
    /// The calibrated device's own reading, cm/s: the median of those given.
    pub speed_cms: Option<u32>,
    /// Boxes it rests on.
    pub boxes: u32,
    /// How far it drove against its lane's direction, net, cm; `null` when it did not.
    #[serde(default)]
    pub against_cm: Option<u32>,
    /// When it began to, milliseconds since the epoch; `null` when it did not.
    #[serde(default)]
    pub against_from_ms: Option<u64>,
}

impl Sighting {
    /// The first crossing of the line with this id, if any.
    #[must_use]
    pub fn crossing(&self, line: Name) -> Option<&Crossing> {
        self.crossings.iter().find(|c| c.line == line)
    }
}

/// The vehicle's front crossed a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Crossing {
    /// The line, as the city names it.
    pub line: Name,
    /// When, interpolated between frames.
    pub at_ms: u64,
    /// The lane it was in there, if it was in one.
    pub lane: Option<u32>,
    /// In the direction of growing image y.
    pub forward: bool,
}

/// The vehicle stood still inside a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Stay {
    /// The zone, as the city names it.
    pub zone: Name,
    /// When it came to a stop.
    pub from_ms: u64,
    /// When it last stood there, so far.
    pub until_ms: u64,
}
