//! What the city hands over, in the formats the product reads. Written down a second time on purpose: the judge and the judged
//! share no code, so a mistake in the product's own records shows.

use serde::{Deserialize, Serialize};

/// The map: `city.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct City {
    /// The city's name.
    pub name: String,
    /// The monitoring centres.
    pub centres: Vec<String>,
    /// The cameras.
    pub cameras: Vec<Camera>,
    /// The shortest ways between cameras.
    pub links: Vec<Link>,
    /// Stretches with section control.
    pub sections: Vec<Section>,
}

/// A camera over one approach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Camera {
    /// Its id.
    pub id: String,
    /// The centre that looks after it.
    pub centre: String,
    /// Longitude, 1e-7 degrees.
    pub lon_e7: i64,
    /// Latitude, 1e-7 degrees.
    pub lat_e7: i64,
    /// The direction of travel it watches, degrees clockwise from north.
    pub heading_deg: u32,
    /// Frames a second.
    pub fps: u32,
    /// Its clock may be wrong by up to this much.
    pub clock_error_ms: i64,
    /// Four points that fix the way from pixels to ground.
    pub ground: Vec<Ground>,
    /// Lanes at the stop line.
    pub lanes: Vec<Lane>,
    /// Lines vehicles cross.
    pub lines: Vec<Line>,
    /// Areas vehicles may stand in.
    pub zones: Vec<Zone>,
}

/// A point of the road in the picture and on the ground (along the direction of travel, then to the right).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ground {
    /// In the picture.
    pub pixel: [i64; 2],
    /// On the ground.
    pub cm: [i64; 2],
}

/// A lane where it meets the stop line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// Its number, 0 is the rightmost.
    pub id: usize,
    /// Left edge, pixels.
    pub from_x: i64,
    /// Right edge, pixels.
    pub to_x: i64,
    /// The signal head that governs it.
    pub head: Option<String>,
}

/// A line across the road.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// What it means.
    pub kind: String,
    /// One end, pixels.
    pub from: [i64; 2],
    /// The other end, pixels.
    pub to: [i64; 2],
}

/// An area of the road.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Zone {
    /// Its id.
    pub id: String,
    /// What it means.
    pub kind: String,
    /// How long one may stand in it.
    pub limit_ms: i64,
    /// Its corners, pixels.
    pub polygon: Vec<[i64; 2]>,
}

/// The shortest drivable way from one camera's stop line to another's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Camera it starts at.
    pub from: String,
    /// Camera it ends at.
    pub to: String,
    /// How long it is.
    pub length_cm: i64,
    /// Drivers commonly go from one to the other with no camera between.
    pub adjacent: bool,
}

/// A stretch with section control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Its id.
    pub id: String,
    /// Camera it starts at.
    pub from: String,
    /// Camera it ends at.
    pub to: String,
    /// How long it is.
    pub length_cm: i64,
    /// The limit along it.
    pub limit_kmh: i64,
}

/// One frame of one camera after detection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The camera.
    pub camera: String,
    /// The camera's frame number.
    pub frame: u64,
    /// When, by the camera's clock.
    pub at_ms: i64,
    /// What was detected.
    pub objects: Vec<Object>,
    /// When it reached the centre.
    pub received_ms: i64,
}

/// One detected vehicle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// What it was taken for.
    pub class: Class,
    /// The detector's confidence, permille.
    pub confidence: u16,
    /// Left, top, width, height in pixels.
    #[serde(rename = "box")]
    pub bounds: [i32; 4],
    /// What was read on its plate.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub plate: Option<Box<Plate>>,
    /// Its colour.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub body: Option<Body>,
    /// A calibrated device's reading, cm/s.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub speed_cms: Option<u32>,
}

/// A plate as read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plate {
    /// Its text.
    pub text: String,
    /// The kind its layout tells.
    pub kind: Kind,
    /// Its colour.
    pub colour: Colour,
    /// One figure per character, permille.
    pub confidence: Vec<u16>,
}

/// Kinds of vehicle that drive here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "vehicles explain themselves")]
pub enum Class {
    Car,
    Truck,
    Bus,
    Motorbike,
}

/// Kinds of plate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "vehicles explain themselves")]
pub enum Kind {
    Car,
    Bike,
}

/// Colours of plates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "colours explain themselves")]
pub enum Colour {
    White,
    Yellow,
}

/// Colours of vehicles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "colours explain themselves")]
pub enum Body {
    White,
    Black,
    Silver,
    Red,
    Grey,
    Blue,
    Brown,
}

/// A change of a signal head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The head.
    pub head: String,
    /// What it shows from then on.
    pub state: State,
    /// When it changed.
    pub at_ms: i64,
    /// The controller's clock may be wrong by up to this much.
    pub error_ms: i64,
}

/// What a signal head shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "colours explain themselves")]
pub enum State {
    Green,
    Yellow,
    Red,
}

/// A plate somebody looks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HotlistEntry {
    /// The list it stands on.
    pub list: String,
    /// The plate.
    pub plate: String,
    /// Its kind.
    pub kind: Kind,
    /// 0 to 100.
    pub priority: u8,
    /// Why.
    pub reason: String,
    /// From when it holds.
    pub from_ms: i64,
    /// Until when it holds, exclusive.
    pub until_ms: i64,
}
