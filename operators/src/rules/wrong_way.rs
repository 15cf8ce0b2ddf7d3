//! `wrong_way`: a vehicle drove against the direction of its lane.
//!
//! From a distance that nobody reverses by accident, or over two lines of a crossing, one after the other. If both were
//! crossed between the same two frames, it is a suspicion: two vehicles may have been taken for one.

use std::sync::Arc;

use schemars::JsonSchema;
use schemas::{Alert, City, Crossing, Evidence, Id, Length, Name, Quantities, Sighting};
use serde::{Deserialize, Serialize};

use super::map::{Map, interpolation_error_ms};
use super::raise::{raise, subject, vehicle};
use crate::Changes;

const RULE: &str = "wrong_way";

/// How `wrong_way` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrongWayParameters {
    /// How far against its lane a vehicle must drive, net. Default `8 m`: who reverses into a gap stays below.
    pub distance: Length,
    /// The alerts' priority, 0 to 100. Default 90: oncoming traffic is in danger now.
    pub priority: u8,
}

impl Default for WrongWayParameters {
    fn default() -> Self {
        Self { distance: Length::from_cm(800), priority: 90 }
    }
}

/// Raises an alert for every vehicle that drove against its lane.
///
/// Evidence: the sighting, at its first backward crossing (else when it began to drive back). Measured: `distance_cm`, whole metres, so that an alert is
/// not revised with every frame; 0 if only lines tell it. Limit: `distance_cm`.
#[must_use]
pub fn wrong_way<'scope>(
    sightings: Changes<'scope, Arc<Sighting>>,
    city: Arc<City>,
    parameters: WrongWayParameters,
) -> Changes<'scope, Alert> {
    let map = Map::new(city);
    raise(sightings.flat_map(move |sighting| alert(&sighting, &map, &parameters)), RULE)
}

/// How a vehicle drove against its lane, if it did: how far at least, in whole metres, and whether that is certain.
///
/// ```
/// use operators::rules::wrong_way::against;
/// use schemas::{Crossing, Length, Name};
///
/// let crossing = |line: &str, at_ms, forward| Crossing { line: Name::of(line), at_ms, lane: None, forward };
/// let back = [crossing("beyond", 0, false), crossing("stop", 500, false)];
/// let against = |cm, crossings: &[Crossing]| against(cm, crossings, Length::from_cm(800), 200);
/// assert_eq!(against(Some(2_345), &[]), Some((2_300, true)));
/// assert_eq!(against(None, &back), Some((0, true)));
/// assert_eq!(against(None, &[back[0], crossing("stop", 100, false)]), Some((0, false)));
/// assert_eq!(against(Some(799), &[back[0], crossing("beyond", 900, true)]), None);
/// ```
#[must_use]
pub fn against(against_cm: Option<u32>, crossings: &[Crossing], least: Length, frame_ms: u64) -> Option<(u64, bool)> {
    let distance_cm = u64::from(against_cm.unwrap_or(0));
    let took_ms = |pair: &[Crossing]| match pair {
        [a, b] if !a.forward && !b.forward && a.line != b.line => Some(b.at_ms.saturating_sub(a.at_ms)),
        _ => None,
    };
    let backward_ms = crossings.windows(2).filter_map(took_ms).max();
    let certain = distance_cm >= least.cm() || backward_ms.is_some_and(|took_ms| took_ms > frame_ms);
    (certain || backward_ms.is_some()).then_some((distance_cm / 100 * 100, certain))
}

#[expect(clippy::cast_possible_wrap, reason = "distances in a camera's view")]
fn alert(sighting: &Sighting, map: &Map, parameters: &WrongWayParameters) -> Option<Alert> {
    if sighting.against_cm.is_none() && sighting.crossings.iter().all(|crossing| crossing.forward) {
        return None;
    }
    let camera = map.camera(sighting.camera)?;
    let frame_ms = 2 * interpolation_error_ms(camera);
    let (distance_cm, certain) = against(sighting.against_cm, &sighting.crossings, parameters.distance, frame_ms)?;
    let how = match distance_cm {
        0 => "over two lines".to_owned(),
        _ => format!("at least {} m", distance_cm / 100),
    };
    // Where it also crossed a line forward, two vehicles may have been taken for one: whose the plate is, is not sure.
    let plate = sighting.plate.filter(|_| sighting.crossings.iter().all(|crossing| !crossing.forward));
    let backward_ms = sighting.crossings.iter().find(|crossing| !crossing.forward).map(|crossing| crossing.at_ms);
    let at_ms = backward_ms.or(sighting.against_from_ms).unwrap_or(sighting.from_ms);
    Some(Alert {
        id: Id::of(RULE).number(sighting.id.0).finish(),
        rule: Name::of(RULE),
        certain,
        priority: parameters.priority,
        at_ms,
        centre: camera.centre,
        plate: subject(plate),
        journey: None,
        evidence: vec![Evidence { sighting: Some(sighting.id), camera: camera.id, at_ms }],
        measured: Quantities::of([("distance_cm", distance_cm as i64)]),
        limit: Quantities::of([("distance_cm", parameters.distance.cm() as i64)]),
        text: format!("{} drove {how} against the direction of its lane at {}.", vehicle(plate.as_ref()), camera.id,),
    })
}
