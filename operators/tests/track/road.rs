//! A road with two lanes, the vehicles on it, and the picture a camera has of it. Shares no code with what it judges.
//!
//! Along the road in metres, 0 at the stop line; across in metres to the right. Lane 0 is the right one, from 0 to 3.2 m.

use operators::Arrived;
use schemas::{City, Observation, Place};
use serde_json::{Value, json};

pub(crate) const FRAME_MS: u64 = 200;

/// How the camera sees the road.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lens {
    /// From straight above: ten pixels a metre.
    Above,
    /// From a mast 8 m high and 30 m ahead of the stop line, looking back and 15 degrees down.
    Mast,
}

impl Lens {
    /// The pixel at which a point of the road is seen.
    pub(crate) fn pixel(self, along: f64, across: f64) -> [f64; 2] {
        match self {
            Self::Above => [640.0 + 10.0 * across, 500.0 + 10.0 * along],
            Self::Mast => {
                let (sin, cos) = 15f64.to_radians().sin_cos();
                let (distance, height) = (30.0 - along, 8.0);
                let (depth, below) = (distance * cos + height * sin, height * cos - distance * sin);
                [960.0 + 1_800.0 * across / depth, 540.0 + 1_800.0 * below / depth]
            }
        }
    }

    /// The box around a car whose front is there.
    fn bounds(self, along: f64, across: f64) -> [f64; 4] {
        let [left, bottom] = self.pixel(along, across - 0.9);
        let [right, _] = self.pixel(along, across + 0.9);
        let height = match self {
            Self::Above => 46.0,
            Self::Mast => (right - left) * 0.9,
        };
        [left, bottom - height, right - left, height]
    }
}

/// A vehicle: where it is at which second, and what hides it.
#[derive(Clone, Debug)]
pub(crate) struct Vehicle {
    pub(crate) class: String,
    pub(crate) plate: Option<String>,
    /// The reader's confidence in every symbol, permille.
    pub(crate) confidence: u16,
    /// Seconds, metres along, metres across; straight and even in between.
    pub(crate) path: Vec<[f64; 3]>,
    pub(crate) hidden: (f64, f64),
}

impl Vehicle {
    pub(crate) fn at(&self, second: f64) -> Option<[f64; 2]> {
        let leg = self.path.windows(2).find(|leg| leg[0][0] <= second && second < leg[1][0])?;
        let share = (second - leg[0][0]) / (leg[1][0] - leg[0][0]);
        Some([1, 2].map(|i| leg[0][i] + share * (leg[1][i] - leg[0][i])))
    }

    /// The second at which its front passes the stop line forwards for the first time.
    pub(crate) fn crosses(&self) -> Option<f64> {
        let leg = self.path.windows(2).find(|leg| leg[0][1] < 0.0 && leg[1][1] >= 0.0)?;
        Some(leg[0][0] + (leg[1][0] - leg[0][0]) * -leg[0][1] / (leg[1][1] - leg[0][1]))
    }
}

/// What goes wrong between road and record; every part is given how often or how far by a number from 0 to 1.
pub(crate) trait Fault {
    /// Whether a box is missed.
    fn missed(&mut self) -> bool;
    /// How far an edge of a box is off, pixels.
    fn jitter(&mut self) -> f64;
    /// A box where nothing is.
    fn spurious(&mut self) -> Option<[i64; 4]>;
}

/// A camera without fault.
pub(crate) struct Faultless;

impl Fault for Faultless {
    fn missed(&mut self) -> bool {
        false
    }
    fn jitter(&mut self) -> f64 {
        0.0
    }
    fn spurious(&mut self) -> Option<[i64; 4]> {
        None
    }
}

/// The frame a camera takes at a moment.
pub(crate) fn frame(camera: &str, lens: Lens, vehicles: &[Vehicle], number: u64, fault: &mut impl Fault) -> Observation {
    let second = (number * FRAME_MS) as f64 / 1_000.0;
    let mut objects: Vec<Value> = Vec::new();
    for vehicle in vehicles {
        let Some([along, across]) = vehicle.at(second) else { continue };
        if (vehicle.hidden.0..vehicle.hidden.1).contains(&second) || fault.missed() {
            continue;
        }
        let bounds = lens.bounds(along, across).map(|edge| (edge + fault.jitter()).round() as i64);
        let mut object = json!({"class": vehicle.class, "confidence": 900, "box": bounds, "body": "white"});
        if let Some(plate) = vehicle.plate.as_ref().filter(|_| along > -25.0 && number.is_multiple_of(2)) {
            let confidence = vec![vehicle.confidence; plate.len()];
            object["plate"] = json!({"text": plate, "kind": "car", "colour": "white", "confidence": confidence});
        }
        objects.push(object);
    }
    objects.extend(fault.spurious().map(|bounds| json!({"class": "car", "confidence": 400, "box": bounds})));
    serde_json::from_value(json!({"camera": camera, "frame": number, "at_ms": number * FRAME_MS, "objects": objects})).unwrap()
}

/// A frame as it arrived: one partition for each camera.
pub(crate) fn arrived(record: Observation, offset: u64) -> Arrived<Observation> {
    let partition = u32::from(record.camera.as_str().bytes().last().unwrap_or(0));
    Arrived { place: Place { topic: "observations".parse().unwrap(), partition, offset }, record }
}

/// A city of these cameras, each over a road of its own; a shoulder 4 to 8 m to the right may not be stood on for 15 s.
pub(crate) fn city(cameras: &[(&str, Lens)]) -> City {
    let camera = |(id, lens): &(&str, Lens)| {
        let pixel = |along: f64, across: f64| lens.pixel(along, across).map(|p| p.round() as i64);
        let ground = [(-40, -10), (-40, 10), (15, -10), (15, 10)];
        let ground = ground.map(|(s, d)| json!({"pixel": pixel(f64::from(s), f64::from(d)), "cm": [s * 100, d * 100]}));
        let lane = |id: u32, from: f64, to: f64| json!({"id": id, "from_x": pixel(0.0, from)[0], "to_x": pixel(0.0, to)[0], "head": null});
        let line = |id: &str, kind: &str, at: f64| json!({"id": id, "kind": kind, "from": pixel(at, -12.0), "to": pixel(at, 12.0)});
        let shoulder = [pixel(-30.0, 4.0), pixel(-30.0, 8.0), pixel(-2.0, 8.0), pixel(-2.0, 4.0)];
        json!({
            "id": id, "centre": "west", "lon_e7": 0, "lat_e7": 0, "heading_deg": 0, "fps": 5, "clock_error_ms": 50, "ground": ground,
            "lanes": [lane(0, 0.0, 3.2), lane(1, -3.2, 0.0)],
            "lines": [line("stop", "stop_line", 0.0), line("beyond", "conflict_line", 6.0)],
            "zones": [{"id": "shoulder", "kind": "no_stopping", "limit_ms": 15_000, "polygon": shoulder}],
        })
    };
    let cameras: Vec<Value> = cameras.iter().map(camera).collect();
    serde_json::from_value(json!({"name": "roads", "centres": ["west"], "cameras": cameras, "links": [], "sections": []})).unwrap()
}
