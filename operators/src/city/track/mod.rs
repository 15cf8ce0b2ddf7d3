//! `track`: what one camera sees, frame by frame, becomes the vehicles that pass through its view.
//!
//! ```text
//! tracker   one camera's frames in order ─▶ which box continues which vehicle
//!   motion    where a vehicle will be                  lines    lines, lanes and zones on the road
//!   assign    boxes ─▶ vehicles, at least total cost   vehicle  what is known of one vehicle ─▶ Sighting
//! ```

mod assign;
mod lines;
mod motion;
mod tracker;
mod vehicle;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHasher};
use schemars::JsonSchema;
use schemas::{City, Duration, Length, Name, Observation, Reason, Rejected, Sighting};
use serde::{Deserialize, Serialize};

pub use tracker::Tracker;

use crate::Arrived;
use crate::stream::{Changes, Clock, Footprint, fold};

/// How vehicles are followed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrackParameters {
    /// Detector confidence, permille, from which a box may begin a track. Default 550: spurious boxes are mostly fainter.
    pub clear_confidence: u16,
    /// Detector confidence, permille, from which a box may continue a track. Default 100: a half-hidden vehicle is faint.
    pub faint_confidence: u16,
    /// Boxes after which a vehicle is believed. Default 3: spurious boxes do not come three times in one place.
    pub confirm_boxes: u32,
    /// How long a vehicle not yet believed may be missed. Default 600 ms, but at least three frames.
    pub unconfirmed_age: Duration,
    /// How long a vehicle may be hidden. Default 3 s: a bus that passes hides it for up to 2 s.
    pub age: Duration,
    /// How long a vehicle that stands in a zone may be hidden. Default 30 s: a queue that passes hides it for long, and
    /// its clock must not begin anew.
    pub standing_age: Duration,
    /// How much a vehicle's speed changes, cm/s² (one standard deviation). Default 300: a brisk start, a firm brake.
    pub acceleration_cm_s2: u32,
    /// How hard a vehicle can brake, cm/s². Default 900: full braking on a dry road. One that vanishes from view too fast to stop
    /// before the next line has crossed it; and one that comes into view where it would have had to brake harder is another.
    pub braking_cm_s2: u32,
    /// How far a box's edge jitters, pixels (one standard deviation). Default 2.
    pub jitter_px: u32,
    /// What the jitter grows by with the box, permille of its height. Default 25.
    pub jitter_permille: u32,
    /// How far from where it should be a vehicle is looked for. Default 10 m: one that brakes or pulls away while it is hidden.
    pub reach: Length,
    /// How far from where it should be a vehicle is still taken for one that swerved, if no other is near. Default 3.5 m:
    /// one lane.
    pub swerve: Length,
    /// How far beyond a line the front must be for the line to be crossed, on top of three standard deviations of where it
    /// is. Default 30 cm: a vehicle that waits on the line sways over it with the jitter of its box.
    pub clear: Length,
    /// How far outside its edges a lane still counts as driven in. Default 75 cm: the gutter, and the jitter of a box.
    pub lane_margin: Length,
    /// How little the front moves while a vehicle stands. Default 1 m, or a quarter of its width if that is more.
    pub still: Length,
    /// How long it must have stood. Default 10 s; the stay then counts from its first moment.
    pub still_for: Duration,
    /// Net distance against the lanes from which a vehicle drives the wrong way. Default 8 m: less is manoeuvring.
    pub against: Length,
    /// How long a vehicle must have been seen before it can drive the wrong way. Default 1 s: a pair of boxes can be mixed up.
    pub against_for: Duration,
    /// Probability, permille, that a whole plate is right, from which it is told at once. Default 900.
    pub plate_certainty: u16,
    /// How long the job waits for late records: a camera silent for longer is forgotten. Default 15 min.
    pub lateness: Duration,
}

impl Default for TrackParameters {
    fn default() -> Self {
        Self {
            clear_confidence: 550,
            faint_confidence: 100,
            confirm_boxes: 3,
            unconfirmed_age: Duration::from_ms(600),
            age: Duration::from_ms(3_000),
            standing_age: Duration::from_ms(30_000),
            acceleration_cm_s2: 300,
            braking_cm_s2: 900,
            jitter_px: 2,
            jitter_permille: 25,
            reach: Length::from_cm(1_000),
            swerve: Length::from_cm(350),
            clear: Length::from_cm(30),
            lane_margin: Length::from_cm(75),
            still: Length::from_cm(100),
            still_for: Duration::from_ms(10_000),
            against: Length::from_cm(800),
            against_for: Duration::from_ms(1_000),
            plate_certainty: 900,
            lateness: Duration::from_ms(900_000),
        }
    }
}

/// Follows vehicles through each camera's view.
///
/// Gives the sightings; what is in view of each camera, shown or not, for whoever must be able to rebuild it; and the
/// observations that could not be taken: not newer than the camera's last one (`duplicate`
/// if it was taken before, else `late`), or of a camera the city does not know or has not surveyed (`invalid`).
///
/// A camera's observations are taken in the order of its partition; observations are never retracted. A sighting comes
/// out when the vehicle is believed (a few boxes) and there is something to tell: its plate is read with certainty, it
/// crossed a line, stood in a zone as long as the zone allows, or drove against its lane. At each further such event and
/// at its end it is replaced by a newer version of itself, −1 and +1 at one moment; that is a handful of changes for a
/// vehicle, and none for one that nothing can be told of.
///
/// A track ends by its camera's own time. A camera that falls silent ends none: all that matters was told when it
/// happened, and after `lateness` of the job clock the rest is forgotten silently.
///
/// ```
/// use std::sync::Arc;
///
/// use differential_dataflow::input::Input;
/// use operators::city::{TrackParameters, track};
/// use operators::Arrived;
/// use schemas::{City, Observation, Place};
///
/// let city: City = serde_json::from_str(r#"{
///     "name": "one street", "centres": ["west"], "links": [], "sections": [],
///     "cameras": [{
///         "id": "c1", "centre": "west", "lon_e7": 0, "lat_e7": 0, "heading_deg": 0, "fps": 5, "clock_error_ms": 50,
///         "ground": [{"pixel": [540, 100], "cm": [-4000, -1000]}, {"pixel": [740, 100], "cm": [-4000, 1000]},
///                    {"pixel": [540, 700], "cm": [2000, -1000]}, {"pixel": [740, 700], "cm": [2000, 1000]}],
///         "lanes": [{"id": 0, "from_x": 640, "to_x": 672, "head": null}],
///         "lines": [{"id": "stop", "kind": "stop_line", "from": [500, 500], "to": [780, 500]}],
///         "zones": []
///     }]
/// }"#).unwrap();
///
/// timely::example(move |scope| {
///     // A car drives ten metres a second over the stop line at y = 500: 20 pixels in each of ten frames.
///     let frames = (0..10u64).map(|n| Arrived {
///         place: Place { topic: "observations".parse().unwrap(), partition: 0, offset: n },
///         record: serde_json::from_str::<Observation>(&format!(
///             r#"{{"camera": "c1", "frame": {n}, "at_ms": {}, "objects":
///                 [{{"class": "car", "confidence": 900, "box": [647, {}, 18, 46]}}]}}"#, 200 * n, 364 + 20 * n)).unwrap(),
///     });
///     let (_, observations) = scope.new_collection_from(frames.collect::<Vec<_>>());
///     let (sightings, _in_view, rejected) = track(observations, Arc::new(city), TrackParameters::default());
///     sightings.inspect(|(sighting, _, _)| {
///         assert_eq!((sighting.crossings[0].at_ms, sighting.crossings[0].lane), (900, Some(0)));
///     });
///     rejected.inspect(|_| unreachable!());
/// });
/// ```
#[must_use]
pub fn track<'scope>(
    observations: Changes<'scope, Arrived<Observation>>,
    city: Arc<City>,
    parameters: TrackParameters,
) -> (Changes<'scope, Arc<Sighting>>, Changes<'scope, InView>, Changes<'scope, Rejected>) {
    let mut cameras = Cameras::new(city, parameters);
    let told = fold(
        observations,
        "Track",
        |arrived| route(arrived.record.camera),
        move |now, frames, out| {
            frames.sort_unstable_by_key(|(arrived, _)| arrived.place);
            for (arrived, _) in frames.drain(..).filter(|(_, diff)| *diff > 0) {
                cameras.observe(now, arrived, out);
            }
            cameras.forget(now);
            cameras.footprint()
        },
    );
    let sightings = told.clone().flat_map(|told| match told {
        Told::Sighting(sighting) => Some(sighting),
        _ => None,
    });
    let in_view = told.clone().flat_map(|told| match told {
        Told::InView(in_view) => Some(in_view),
        _ => None,
    });
    let rejected = told.flat_map(|told| match told {
        Told::Rejected(rejected) => Some(*rejected),
        _ => None,
    });
    (sightings, in_view, rejected)
}

fn route(camera: Name) -> u64 {
    let mut hasher = FxHasher::default();
    camera.hash(&mut hasher);
    hasher.finish()
}

/// What comes out of the fold.
#[derive(Clone)]
enum Told {
    Sighting(Arc<Sighting>),
    InView(InView),
    Rejected(Box<Rejected>),
}

/// What a camera has in view, as of its first frame of a minute: it stands until the first frame of another, or until it is
/// forgotten. Meanwhile nothing older can come into view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InView {
    /// The camera.
    pub camera: Name,
    /// Since when the vehicle that has been there the longest is there; of an empty view, when the frame was taken.
    pub since_ms: u64,
    /// When on the job clock all of it is forgotten.
    pub until_ms: u64,
    /// What tells it from any other view: which vehicles, and from how many boxes.
    pub print: u64,
}

/// How often a vehicle that stays in view is told again though nothing else is new, by the camera's own time, milliseconds.
pub const RETELL_MS: u64 = 30_000;

/// How often what is in view is told, by the camera's own time.
const LOOK_MS: u64 = 60_000;

/// The cameras of one worker.
struct Cameras {
    city: Arc<City>,
    parameters: TrackParameters,
    /// Place of each camera in the city.
    known: FxHashMap<Name, usize>,
    /// Trackers at work, or why there can be none.
    trackers: FxHashMap<Name, Result<Tracker, String>>,
    /// What was last told to be in view, and in which minute.
    in_view: FxHashMap<Name, (u64, InView)>,
    changes: Vec<(Arc<Sighting>, isize)>,
    /// The vehicles in view of all cameras.
    vehicles: usize,
    /// When the job clock last was looked at for silent cameras.
    swept: Clock,
}

impl Cameras {
    fn new(city: Arc<City>, parameters: TrackParameters) -> Self {
        let known = city.cameras.iter().enumerate().map(|(i, camera)| (camera.id, i)).collect();
        let (trackers, in_view) = (FxHashMap::default(), FxHashMap::default());
        Self { city, parameters, known, trackers, in_view, changes: Vec::new(), vehicles: 0, swept: 0 }
    }

    fn observe(&mut self, now: Clock, arrived: Arrived<Observation>, out: &mut Vec<(Told, isize)>) {
        let Self { city, parameters, known, trackers, changes, vehicles, .. } = self;
        let name = arrived.record.camera;
        let Some(camera) = known.get(&name).map(|i| &city.cameras[*i]) else {
            return out.push(reject(&arrived, Reason::Invalid, format!("camera {name} is not in the city")));
        };
        let new = || Tracker::new(camera, parameters);
        let tracker = trackers.entry(name).or_insert_with(new);
        *vehicles -= in_view(tracker);
        if tracker.as_ref().is_ok_and(|t| forgotten(t, now, parameters)) {
            *tracker = new();
        }
        match tracker {
            Err(why) => out.push(reject(&arrived, Reason::Invalid, why.clone())),
            Ok(tracker) => {
                if let Err(reason) = tracker.observe(&arrived.record, changes) {
                    let last_ms = tracker.last_ms().unwrap_or_default();
                    let detail = format!("taken at {} ms, not after the camera's last frame at {last_ms} ms", arrived.record.at_ms);
                    out.push(reject(&arrived, reason, detail));
                }
            }
        }
        *vehicles += in_view(tracker);
        out.extend(changes.drain(..).map(|(sighting, diff)| (Told::Sighting(sighting), diff)));
        self.look(name, arrived.record.at_ms, out);
    }

    /// Tells what a camera has in view, if this is its first frame of a minute.
    fn look(&mut self, camera: Name, at_ms: u64, out: &mut Vec<(Told, isize)>) {
        let Some(tracker) = self.trackers.get(&camera).and_then(|tracker| tracker.as_ref().ok()) else { return };
        let (minute, before) = (at_ms / LOOK_MS, self.in_view.get(&camera).copied());
        if tracker.last_ms() != Some(at_ms) || before.is_some_and(|(told, _)| told == minute) {
            return;
        }
        let (since_ms, print) = tracker.in_view().unwrap_or((at_ms, 0));
        let until_ms = at_ms.saturating_add(memory_ms(&self.parameters)).saturating_add(LOOK_MS);
        let in_view = InView { camera, since_ms, until_ms, print };
        out.extend(before.map(|(_, before)| (Told::InView(before), -1)));
        out.push((Told::InView(in_view), 1));
        self.in_view.insert(camera, (minute, in_view));
    }

    /// The vehicles in view.
    fn footprint(&self) -> Footprint {
        Tracker::footprint(self.vehicles)
    }

    /// Gives back the memory of cameras that fell silent; once a minute is enough.
    fn forget(&mut self, now: Clock) {
        if now.saturating_sub(self.swept) >= 60_000 {
            self.swept = now;
            self.trackers.retain(|_, tracker| tracker.as_ref().is_ok_and(|tracker| !forgotten(tracker, now, &self.parameters)));
            self.vehicles = self.trackers.values().map(in_view).sum();
        }
    }
}

/// How many vehicles a camera has in view.
fn in_view(tracker: &Result<Tracker, String>) -> usize {
    tracker.as_ref().map_or(0, Tracker::vehicles)
}

/// Whether the clock has passed all that could still bear on a camera's vehicles. Judged for each camera by its own time
/// and the clock alone, so that it does not matter with which others it shares a worker.
fn forgotten(tracker: &Tracker, now: Clock, parameters: &TrackParameters) -> bool {
    tracker.last_ms().is_some_and(|last_ms| now > last_ms.saturating_add(memory_ms(parameters)))
}

/// For how long after its last frame a camera's vehicles are remembered.
fn memory_ms(parameters: &TrackParameters) -> u64 {
    parameters.age.ms().max(parameters.standing_age.ms()).saturating_add(parameters.lateness.ms())
}

fn reject(arrived: &Arrived<Observation>, reason: Reason, detail: String) -> (Told, isize) {
    let schemas::Place { topic, partition, offset } = arrived.place;
    let record = serde_json::to_string(&arrived.record).ok();
    (Told::Rejected(Box::new(Rejected { topic, partition, offset, reason, detail, record, record_base64: None })), 1)
}
