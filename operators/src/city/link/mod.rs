//! `link`: which sighting is the next one of the same vehicle.
//!
//! ```text
//! 1 plates      reads of one plate, possible way            a ══▶ c ══▶ d        chains by plate
//! 2 openings    sightings without a plate go where they     a ──▶ u ──▶ c        into a gap that jumps a camera,
//!               fit best: way, platoon, class, colour       d ──▶ v ──▶ w        behind or before a chain, or after each other
//! ```
//!
//! Both steps weigh hypotheses against each other and let the best stand ([`matching`]): what comes out is a pure function
//! of the set of sightings, whatever the order in which they arrived and were revised. The second step takes the first's outcome as
//! given, and nothing flows back.
//!
//! One worker does it for the whole city: a camera sees a vehicle every other second, and vehicles do not keep to shards.

mod evidence;
mod hypotheses;
mod linker;
mod matching;
mod openings;
mod pace;
mod placing;
mod platoons;
mod reads;
mod seen;
mod timeline;

use std::sync::Arc;

use schemars::JsonSchema;
use schemas::{City, Duration, Id, Sighting, Speed};
use serde::{Deserialize, Serialize};

pub use linker::Linker;

use crate::stream::{Changes, fold};

/// `to` is the next sighting of the vehicle of `from`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bond {
    /// A sighting; at most one bond leaves it.
    pub from: Id,
    /// The next one; at most one bond reaches it.
    pub to: Id,
    /// How sure it is, permille.
    pub certainty: u16,
}

/// How sightings are linked.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LinkParameters {
    /// Sightings further apart than this are never linked. Default 30 min: longer than any drive between two neighbouring cameras.
    pub window: Duration,
    /// How late a sighting may still come or change. Default 15 min, the job's own.
    pub lateness: Duration,
    /// Nobody drives faster, not even where it is forbidden. Default 160 km/h.
    pub fastest: Speed,
    /// How fast one drives where nothing is in the way. Default 50 km/h, the limit in towns.
    pub free_flow: Speed,
    /// Without a plate, two sightings at neighbouring cameras further apart than this are not linked. Default 4 min: two red lights and a queue.
    pub nearby: Duration,
    /// A vehicle is not back at the same camera sooner: two sightings there of which one did not cross the stop line are one passage in
    /// two pieces. Default 60 s: once round the block.
    pub same_camera_gap: Duration,
}

impl Default for LinkParameters {
    fn default() -> Self {
        Self {
            window: Duration::from_ms(30 * 60_000),
            lateness: Duration::from_ms(15 * 60_000),
            fastest: Speed::from_cms(4_444),
            free_flow: Speed::from_cms(1_389),
            nearby: Duration::from_ms(4 * 60_000),
            same_camera_gap: Duration::from_ms(60_000),
        }
    }
}

/// The worker that links, counted round: not the one that publishes, where there are two.
const LINKING: u64 = 1;

/// Links every sighting to the next one of the same vehicle, if there is one.
///
/// Sightings from cameras that `city` does not know are not linked.
///
/// ```
/// use std::sync::Arc;
/// use differential_dataflow::input::Input;
/// use operators::city::{LinkParameters, link};
/// use schemas::{City, Sighting};
///
/// let camera = |id: &str| serde_json::json!({"id": id, "centre": "x", "lon_e7": 0, "lat_e7": 0, "heading_deg": 0, "fps": 5,
///     "clock_error_ms": 50, "ground": [], "lanes": [], "lines": [], "zones": []});
/// let city: City = serde_json::from_value(serde_json::json!({"name": "t", "centres": ["x"], "cameras": [camera("a"), camera("b")],
///     "links": [{"from": "a", "to": "b", "length_cm": 30_000, "adjacent": true}], "sections": []})).unwrap();
/// let seen = |id: &str, camera: &str, at_ms: u64| -> Arc<Sighting> {
///     Arc::new(serde_json::from_value(serde_json::json!({"id": id, "camera": camera, "class": "car", "body": "red", "from_ms": at_ms,
///         "until_ms": at_ms, "plate": {"text": "88A12345", "kind": "car", "colour": "white", "confidence": [980, 980, 980, 980, 980, 980, 980, 980]},
///         "crossings": [], "stays": [], "speed_cms": null, "boxes": 9})).unwrap())
/// };
/// timely::example(move |scope| {
///     let (_, sightings) = scope.new_collection_from(vec![seen("01", "a", 0), seen("02", "b", 25_000)]);
///     link(sightings, Arc::new(city), LinkParameters::default())
///         .inspect(|(bond, _, diff)| assert_eq!((bond.from.0, bond.to.0, *diff), (1, 2, 1)));
/// });
/// ```
pub fn link<'scope>(sightings: Changes<'scope, Arc<Sighting>>, city: Arc<City>, parameters: LinkParameters) -> Changes<'scope, Bond> {
    let mut linker = Linker::new(&city, parameters);
    fold(
        sightings,
        "Link",
        |_| LINKING,
        move |now, changes, bonds| {
            linker.apply(now, changes, bonds);
            linker.footprint()
        },
    )
}
