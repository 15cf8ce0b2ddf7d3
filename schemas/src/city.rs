//! The slow-changing map: cameras, what they see of the road, and the ways between them.
//!
//! The JSON file is strict: an unknown field is an error.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, Pixel};

/// The map of a city's cameras.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct City {
    /// The city's name.
    pub name: String,
    /// The monitoring centres.
    pub centres: Vec<Name>,
    /// The cameras.
    pub cameras: Vec<Camera>,
    /// Ways between cameras.
    pub links: Vec<Link>,
    /// Stretches with section control.
    pub sections: Vec<Section>,
}

/// A fixed camera over an approach.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// Its id.
    pub id: Name,
    /// The centre that looks after it.
    pub centre: Name,
    /// Longitude, 1e-7 degrees.
    pub lon_e7: i32,
    /// Latitude, 1e-7 degrees.
    pub lat_e7: i32,
    /// Where it looks, degrees clockwise from north.
    pub heading_deg: u16,
    /// Frames a second.
    pub fps: u16,
    /// Its clock may be wrong by up to this much.
    pub clock_error_ms: u32,
    /// Four points that fix the way from pixels to ground (a homography).
    pub ground: Vec<Ground>,
    /// Lanes at the stop line.
    pub lanes: Vec<Lane>,
    /// Lines vehicles cross.
    pub lines: Vec<Line>,
    /// Areas vehicles may stand in.
    pub zones: Vec<Zone>,
}

/// A point of the road as the picture shows it and as it lies: centimetres along and across the lane's direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    /// In the picture.
    pub pixel: Pixel,
    /// On the ground: along the direction of travel (0 at the stop line), and to the right.
    pub cm: [i32; 2],
}

/// A lane at the stop line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// Its number, 0 is the rightmost.
    pub id: u32,
    /// Left edge at the stop line, pixels.
    pub from_x: i32,
    /// Right edge at the stop line, pixels.
    pub to_x: i32,
    /// The signal head that governs it, if one alone does.
    pub head: Option<Name>,
}

/// A line across the road; *forward* is the direction of growing image y.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Its id.
    pub id: Name,
    /// What it means.
    pub kind: LineKind,
    /// One end.
    pub from: Pixel,
    /// The other.
    pub to: Pixel,
}

/// What a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// Where vehicles wait at red.
    StopLine,
    /// Where the conflict with crossing traffic begins.
    ConflictLine,
    /// Only counted.
    Count,
}

/// An area of the road.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its id.
    pub id: Name,
    /// What it means.
    pub kind: ZoneKind,
    /// How long one may stand in it.
    pub limit_ms: u64,
    /// Its corners.
    pub polygon: Vec<Pixel>,
}

/// What an area means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ZoneKind {
    /// No stopping beyond the limit.
    NoStopping,
    /// No parking beyond the limit.
    NoParking,
    /// Only watched.
    Watch,
}

/// A way from one camera to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Camera it starts at.
    pub from: Name,
    /// Camera it ends at.
    pub to: Name,
    /// The shortest drivable way between their stop lines.
    pub length_cm: u64,
    /// Drivers commonly go from one to the other with no camera between.
    pub adjacent: bool,
}

/// A stretch with section control.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Its id.
    pub id: Name,
    /// Camera it starts at.
    pub from: Name,
    /// Camera it ends at.
    pub to: Name,
    /// The shortest drivable way between their stop lines.
    pub length_cm: u64,
    /// The limit along it.
    pub limit_kmh: u32,
}
