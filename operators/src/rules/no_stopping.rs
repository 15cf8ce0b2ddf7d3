//! `no_stopping`: a vehicle stood in a zone where stopping is forbidden for longer than the zone allows.
//!
//! Raised while it still stands there; both ends of a stay are frames in which it was seen standing, so the stay was at
//! least that long. Who then passes the stop line in a lane may have waited there in a queue: a suspicion.

use std::sync::Arc;

use schemars::JsonSchema;
use schemas::{Alert, Camera, City, Duration, Evidence, Id, Name, Quantities, Sighting, Stay, Zone, ZoneKind};
use serde::{Deserialize, Serialize};

use super::map::{Map, stop_crossing, zone};
use super::raise::{raise, subject, vehicle};
use crate::Changes;

const RULE: &str = "no_stopping";

/// How `no_stopping` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NoStoppingParameters {
    /// The kinds of zone that are watched. Default: `no_stopping`.
    pub zones: Vec<ZoneKind>,
    /// While a vehicle stands, its alert is revised each time this much more has passed. Default `30 s`: patrols are told
    /// that it still stands there, not every frame.
    pub step: Duration,
    /// The alerts' priority, 0 to 100. Default 30.
    pub priority: u8,
}

impl Default for NoStoppingParameters {
    fn default() -> Self {
        Self { zones: vec![ZoneKind::NoStopping], step: Duration::from_ms(30_000), priority: 30 }
    }
}

/// Raises an alert for every stay beyond its zone's limit.
///
/// Evidence: the sighting, at the moment it came to a stop. Measured: `stay_ms`, the limit plus whole steps, never
/// more than the true stay. Limit: `stay_ms`.
#[must_use]
pub fn no_stopping<'scope>(
    sightings: Changes<'scope, Arc<Sighting>>,
    city: Arc<City>,
    parameters: NoStoppingParameters,
) -> Changes<'scope, Alert> {
    let map = Map::new(city);
    raise(sightings.flat_map(move |sighting| alerts(&sighting, &map, &parameters)), RULE)
}

/// How long a stay is at least, in steps beyond the limit; `None` if it is within the limit.
///
/// ```
/// use operators::rules::no_stopping::stay_ms;
/// use schemas::{Name, Stay};
///
/// let stay = |until_ms| Stay { zone: Name::of("shoulder"), from_ms: 1_000, until_ms };
/// assert_eq!(stay_ms(&stay(60_999), 60_000, 30_000), None);
/// assert_eq!(stay_ms(&stay(61_000), 60_000, 30_000), Some(60_000));
/// assert_eq!(stay_ms(&stay(127_000), 60_000, 30_000), Some(120_000));
/// ```
#[must_use]
pub fn stay_ms(stay: &Stay, limit_ms: u64, step_ms: u64) -> Option<u64> {
    let beyond = stay.until_ms.saturating_sub(stay.from_ms).checked_sub(limit_ms)?;
    Some(limit_ms + beyond - beyond % step_ms.max(1))
}

fn alerts(sighting: &Sighting, map: &Map, parameters: &NoStoppingParameters) -> Vec<Alert> {
    if sighting.stays.is_empty() {
        return Vec::new();
    }
    let Some(camera) = map.camera(sighting.camera) else { return Vec::new() };
    sighting.stays.iter().filter_map(|stay| alert(sighting, stay, camera, zone(camera, stay.zone)?, parameters)).collect()
}

#[expect(clippy::cast_possible_wrap, reason = "spans of hours")]
fn alert(sighting: &Sighting, stay: &Stay, camera: &Camera, zone: &Zone, parameters: &NoStoppingParameters) -> Option<Alert> {
    if !parameters.zones.contains(&zone.kind) {
        return None;
    }
    let stay_ms = stay_ms(stay, zone.limit_ms, parameters.step.ms())?;
    let queued = stop_crossing(camera, sighting).is_some_and(|stop| stop.lane.is_some() && stop.at_ms >= stay.until_ms);
    Some(Alert {
        id: Id::of(RULE).number(sighting.id.0).with(zone.id.as_str().as_bytes()).number(stay.from_ms).finish(),
        rule: Name::of(RULE),
        certain: !queued,
        priority: parameters.priority,
        at_ms: stay.from_ms,
        centre: camera.centre,
        plate: subject(sighting.plate),
        journey: None,
        evidence: vec![Evidence { sighting: Some(sighting.id), camera: camera.id, at_ms: stay.from_ms }],
        measured: Quantities::of([("stay_ms", stay_ms as i64)]),
        limit: Quantities::of([("stay_ms", zone.limit_ms as i64)]),
        text: format!(
            "{} stood in {} at {} for at least {} s, where {} s are allowed.",
            vehicle(sighting.plate.as_ref()),
            zone.id,
            camera.id,
            stay_ms / 1_000,
            zone.limit_ms / 1_000,
        ),
    })
}
