//! What really happened, which only the judge may see: one file of `truth/` per list.

use serde::{Deserialize, Serialize};

use crate::records::{Body, Class, Colour, Kind};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Who drove.
    pub vehicles: Vec<Vehicle>,
    /// Who passed which camera.
    pub passages: Vec<Passage>,
    /// Who drove a whole section, and how fast.
    pub sections: Vec<SectionDrive>,
    /// Who crossed at red.
    pub red_light: Vec<RedLight>,
    /// Who drove against the direction.
    pub wrong_way: Vec<WrongWay>,
    /// Who stood where it is forbidden.
    pub stopping: Vec<Stopping>,
    /// Which plates are on two vehicles.
    pub cloned: Vec<Cloned>,
    /// Where wanted vehicles passed.
    pub hotlist_hits: Vec<HotlistHit>,
    /// Which cameras were dead, and when.
    pub outages: Vec<Outage>,
    /// How fast vehicles were that a calibrated device measured.
    pub point_speed: Vec<PointSpeed>,
}

/// A vehicle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Vehicle {
    /// Its name in all lists.
    pub vehicle: String,
    /// What its plate says.
    pub plate: String,
    /// The plate's kind.
    pub kind: Kind,
    /// The plate's colour.
    pub colour: Colour,
    /// Its own colour.
    pub body: Body,
    /// What it is.
    pub class: Class,
    /// Whether any camera can read its plate at all.
    pub readable: bool,
}

/// One vehicle through one camera's view.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// The vehicle.
    pub vehicle: String,
    /// The camera.
    pub camera: String,
    /// When it came into view.
    pub entered_ms: i64,
    /// When it left.
    pub left_ms: i64,
    /// Its plate.
    pub plate: String,
    /// When its front crossed the stop line, if it did.
    pub stop_ms: Option<i64>,
    /// In which lane.
    pub lane: Option<usize>,
    /// What its odometer showed then.
    pub odometer_cm: Option<i64>,
}

/// One vehicle along one section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SectionDrive {
    /// The vehicle.
    pub vehicle: String,
    /// Its plate.
    pub plate: String,
    /// The section.
    pub section: String,
    /// When it crossed the first stop line.
    pub from_ms: i64,
    /// When it crossed the second.
    pub to_ms: i64,
    /// The section's length.
    pub length_cm: i64,
    /// The section's limit.
    pub limit_kmh: i64,
    /// Length through time.
    pub speed_cms: i64,
    /// What it really drove.
    pub driven_cm: i64,
    /// Whether that is a violation: the limit and 5 km/h.
    pub over: bool,
}

/// A crossing at red.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RedLight {
    /// The vehicle.
    pub vehicle: String,
    /// The camera.
    pub camera: String,
    /// Its plate.
    pub plate: String,
    /// When it crossed the stop line.
    pub at_ms: i64,
    /// How long the light had been red.
    pub into_red_ms: i64,
}

/// A drive against the direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WrongWay {
    /// The vehicle.
    pub vehicle: String,
    /// The camera.
    pub camera: String,
    /// Its plate.
    pub plate: String,
    /// When it came into view.
    pub from_ms: i64,
    /// When it left.
    pub to_ms: i64,
}

/// A stop in a zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stopping {
    /// The vehicle.
    pub vehicle: String,
    /// The camera.
    pub camera: String,
    /// Its plate.
    pub plate: String,
    /// When it came to a stand.
    pub from_ms: i64,
    /// How long it stood.
    pub stay_ms: i64,
}

/// One plate on two vehicles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cloned {
    /// The plate.
    pub plate: String,
    /// The two.
    pub vehicles: Vec<String>,
    /// How many pairs of their passages one vehicle could not have driven.
    pub impossible_pairs: usize,
}

/// A wanted vehicle at a camera while its entry held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HotlistHit {
    /// The plate.
    pub plate: String,
    /// The camera.
    pub camera: String,
    /// When it crossed the stop line.
    pub at_ms: i64,
    /// The vehicle.
    pub vehicle: String,
}

/// A camera that sent nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outage {
    /// The camera.
    pub camera: String,
    /// From when.
    pub from_ms: i64,
    /// Until when.
    pub to_ms: i64,
}

/// A vehicle in front of a calibrated speed device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointSpeed {
    /// The vehicle.
    pub vehicle: String,
    /// The camera.
    pub camera: String,
    /// Its plate.
    pub plate: String,
    /// When it crossed the stop line.
    pub at_ms: i64,
    /// The fastest it was within the device's reach.
    pub speed_cms: i64,
}
