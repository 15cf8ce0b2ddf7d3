//! `point_speed`: a calibrated device measured a vehicle above the limit.
//!
//! The device's reading is lowered by its own uncertainty before it is held against the limit: 3 km/h up to 100 km/h,
//! 3 % above, as is usual for verified speed meters.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use schemas::{Alert, City, Evidence, Id, Name, Quantities, Sighting};
use serde::{Deserialize, Serialize};

use super::map::{Map, stop_crossing};
use super::raise::{kmh, raise, subject, vehicle};
use crate::Changes;

const RULE: &str = "point_speed";

/// How `point_speed` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PointSpeedParameters {
    /// The limit where `limits` names none, km/h. Default 50: built-up areas, undivided roads.
    pub limit_kmh: u32,
    /// Other limits, km/h, by camera.
    pub limits: BTreeMap<Name, u32>,
    /// How far above the limit a violation begins, km/h. Default 5: decree 168/2024 begins at 5 km/h over.
    pub tolerance_kmh: u32,
    /// The device's uncertainty up to 100 km/h, km/h. Default 3.
    pub uncertainty_kmh: u32,
    /// The device's uncertainty above 100 km/h, permille of the reading. Default 30.
    pub uncertainty_permille: u32,
    /// The alerts' priority, 0 to 100. Default 40.
    pub priority: u8,
}

impl Default for PointSpeedParameters {
    fn default() -> Self {
        Self { limit_kmh: 50, limits: BTreeMap::new(), tolerance_kmh: 5, uncertainty_kmh: 3, uncertainty_permille: 30, priority: 40 }
    }
}

/// Raises an alert for every reading above the limit.
///
/// Evidence: the sighting, at the stop line (where it did not cross it: when it was last seen). Measured: `speed_cms`
/// (the device's reading) and `lower_cms`. Limit: `limit_kmh`.
#[must_use]
pub fn point_speed<'scope>(
    sightings: Changes<'scope, Arc<Sighting>>,
    city: Arc<City>,
    parameters: PointSpeedParameters,
) -> Changes<'scope, Alert> {
    let map = Map::new(city);
    raise(sightings.flat_map(move |sighting| alert(&sighting, &map, &parameters)), RULE)
}

/// What a reading says the speed was at least, in thousandths of km/h.
///
/// ```
/// use operators::rules::point_speed::{PointSpeedParameters, lower_mkmh};
/// let parameters = PointSpeedParameters::default();
/// assert_eq!(lower_mkmh(2_500, &parameters), 87_000);      // 90 km/h less 3 km/h
/// assert_eq!(lower_mkmh(4_000, &parameters), 139_680);     // 144 km/h less 3 %
/// ```
#[must_use]
pub fn lower_mkmh(speed_cms: u32, parameters: &PointSpeedParameters) -> u64 {
    let speed = u64::from(speed_cms) * 36;
    let uncertainty = if speed <= 100_000 {
        u64::from(parameters.uncertainty_kmh) * 1_000
    } else {
        (speed * u64::from(parameters.uncertainty_permille)).div_ceil(1_000)
    };
    speed.saturating_sub(uncertainty)
}

#[expect(clippy::cast_possible_wrap, reason = "a speed fits 32 bits")]
fn alert(sighting: &Sighting, map: &Map, parameters: &PointSpeedParameters) -> Option<Alert> {
    let speed_cms = sighting.speed_cms?;
    let limit_kmh = parameters.limits.get(&sighting.camera).copied().unwrap_or(parameters.limit_kmh);
    let violation = (u64::from(limit_kmh) + u64::from(parameters.tolerance_kmh)) * 1_000;
    if u64::from(speed_cms) * 36 < violation {
        return None;
    }
    let camera = map.camera(sighting.camera)?;
    let lower = lower_mkmh(speed_cms, parameters);
    let at_ms = stop_crossing(camera, sighting).map_or(sighting.until_ms, |c| c.at_ms);
    Some(Alert {
        id: Id::of(RULE).number(sighting.id.0).finish(),
        rule: Name::of(RULE),
        certain: lower >= violation,
        priority: parameters.priority,
        at_ms,
        centre: camera.centre,
        plate: subject(sighting.plate),
        journey: None,
        evidence: vec![Evidence { sighting: Some(sighting.id), camera: camera.id, at_ms }],
        measured: Quantities::of([("speed_cms", i64::from(speed_cms)), ("lower_cms", (lower / 36) as i64)]),
        limit: Quantities::of([("limit_kmh", i64::from(limit_kmh))]),
        text: format!(
            "{} was measured at {} at {}, at least {}, where {} km/h is allowed.",
            vehicle(sighting.plate.as_ref()),
            kmh(u64::from(speed_cms)),
            camera.id,
            kmh(lower / 36),
            limit_kmh,
        ),
    })
}
