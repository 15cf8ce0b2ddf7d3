//! `section_speed`: a vehicle's mean speed between two cameras was above the limit.
//!
//! ```text
//!  from ├──────────────────────── length ────────────────────────┤ to
//!
//!           length − error of the survey − 2 × half-width of the trigger
//!  lower = ──────────────────────────────────────────────────────────────
//!                took + error of both cameras' clocks
//! ```
//!
//! `length` is the shortest drivable way: whoever drove another way drove faster than this says. So `lower` never
//! exceeds the true mean speed. Certain if `lower` reaches the limit plus the tolerance and both sightings are surely one
//! vehicle; a suspicion if only `length / took` reaches it, or if they may be two.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{Alert, Camera, City, Evidence, Id, Journey, Length, Name, Plate, PlateText, Quantities, Section, Sighting, Speed};
use serde::{Deserialize, Serialize};

use super::map::{Map, stop_crossing};
use super::raise::{kmh, raise, seconds, vehicle};
use crate::Changes;
use crate::city::Itinerary;
use crate::city::confusion::confused_with;

const RULE: &str = "section_speed";

/// So certain must it be that two plates which were read differently are one.
const BEYOND_DOUBT_PERMILLE: u16 = 995;

/// How `section_speed` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SectionSpeedParameters {
    /// How far above the limit a violation begins, km/h. Default 5: decree 168/2024 begins at 5 km/h over.
    pub tolerance_kmh: u32,
    /// How far from a stop line a vehicle's front may be when its crossing is timed. Default `2 m`: the box of a detector
    /// jitters by decimetres, and a vehicle may start or brake between the two frames that a crossing is interpolated from.
    pub half_width: Length,
    /// By how much of its length a section may be shorter than the map says, permille. Default 0: the map gives the
    /// shortest drivable way. A survey that only guarantees 0.2 % needs 2.
    pub length_error_permille: u32,
    /// Mean speeds above this are two vehicles taken for one, not one speeding. Default `160 km/h`.
    pub absurd: Speed,
    /// How certain it must be that both sightings are one vehicle where one camera could not read its plate, permille.
    /// Default 930: of bonds as certain as that, more than 99 in 100 were right in cities with known truth, and an officer
    /// confirms. Where a measurement is evidence by itself, take 995. Where both read a plate they must have read it alike, or
    /// be one vehicle with 995: dirt may spoil two symbols of a plate that all other cameras read alike.
    pub identity_permille: u16,
    /// The alerts' priority, 0 to 100. Default 40.
    pub priority: u8,
}

impl Default for SectionSpeedParameters {
    fn default() -> Self {
        Self {
            tolerance_kmh: 5,
            half_width: Length::from_cm(200),
            length_error_permille: 0,
            absurd: Speed::from_cms(4_444),
            identity_permille: 930,
            priority: 40,
        }
    }
}

/// Raises an alert for every pass of a section above its limit.
///
/// Evidence: the sighting at the section's start, then the one at its end, each at its stop line. Measured:
/// `speed_cms` (the estimate), `lower_cms` (what the true mean speed was at least; 0 where it may have been two vehicles), `length_cm`, `took_ms`,
/// `clock_error_ms` (of both clocks together). Limit: `limit_kmh`. The plate is the journey's, or the one that both ends read where that is
/// another.
#[must_use]
pub fn section_speed<'scope>(
    journeys: Changes<'scope, Arc<Itinerary>>,
    city: Arc<City>,
    parameters: SectionSpeedParameters,
) -> Changes<'scope, Alert> {
    let sections = Sections::new(city);
    raise(journeys.flat_map(move |itinerary| alerts(&itinerary, &sections, &parameters)), RULE)
}

/// The sections of a city by the camera they start at.
#[derive(Clone, Debug)]
pub struct Sections {
    map: Map,
    from: FxHashMap<Name, Vec<Section>>,
}

impl Sections {
    /// Prepares the look-ups.
    #[must_use]
    pub fn new(city: Arc<City>) -> Self {
        let mut from: FxHashMap<Name, Vec<Section>> = FxHashMap::default();
        for section in &city.sections {
            from.entry(section.from).or_default().push(*section);
        }
        Self { map: Map::new(city), from }
    }
}

/// A pass of a section, as measured.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Its surveyed length.
    pub length_cm: u64,
    /// From one stop line to the other.
    pub took_ms: u64,
    /// By how much `took_ms` may be off.
    pub error_ms: u64,
}

/// What a pass says of the mean speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeanSpeed {
    /// The estimate, to the nearest.
    pub speed_cms: u64,
    /// What it was at least, rounded down.
    pub lower_cms: u64,
    /// Whether the estimate is at least the limit plus the tolerance.
    pub over: bool,
    /// Whether even the least speed is.
    pub surely_over: bool,
}

/// The mean speed of a pass, and whether it is a violation; `None` if it took no time.
///
/// ```
/// use operators::rules::section_speed::{Pass, SectionSpeedParameters, mean_speed};
///
/// let pass = Pass { length_cm: 100_000, took_ms: 60_000, error_ms: 300 };              // 1 km in a minute
/// let speed = mean_speed(pass, 50, &SectionSpeedParameters::default()).unwrap();
/// assert_eq!(speed.speed_cms, 1_667);                                                // 60.0 km/h
/// assert_eq!(speed.lower_cms, 1_651);                                                // (1000 − 4) m / 60.3 s
/// assert!(speed.over && speed.surely_over);
/// ```
#[must_use]
pub fn mean_speed(pass: Pass, limit_kmh: u32, parameters: &SectionSpeedParameters) -> Option<MeanSpeed> {
    let Pass { length_cm, took_ms, error_ms } = pass;
    if took_ms == 0 {
        return None;
    }
    let survey_cm = (length_cm * u64::from(parameters.length_error_permille)).div_ceil(1_000);
    let least_cm = length_cm.saturating_sub(survey_cm + 2 * parameters.half_width.cm());
    // cm/ms × 36 = km/h
    let violates = |cm: u64, ms: u64| cm * 36 >= (u64::from(limit_kmh) + u64::from(parameters.tolerance_kmh)) * ms;
    Some(MeanSpeed {
        speed_cms: (length_cm * 1_000 + took_ms / 2) / took_ms,
        lower_cms: least_cm * 1_000 / (took_ms + error_ms),
        over: violates(length_cm, took_ms),
        surely_over: violates(least_cm, took_ms + error_ms),
    })
}

/// The alerts of one journey.
#[must_use]
pub fn alerts(itinerary: &Itinerary, sections: &Sections, parameters: &SectionSpeedParameters) -> Vec<Alert> {
    // Of a passage in two pieces one has the stop line; a camera that missed it does not know when the vehicle passed.
    let crossed = |sighting: &Sighting, camera| {
        sighting.camera == camera && sections.map.camera(camera).is_some_and(|camera| stop_crossing(camera, sighting).is_some())
    };
    let mut alerts = Vec::new();
    for (i, from) in itinerary.sightings.iter().enumerate() {
        for section in sections.from.get(&from.camera).into_iter().flatten() {
            let after = itinerary.sightings.iter().enumerate().skip(i + 1);
            // A vehicle that came back to the start begins anew there.
            let to = after.take_while(|(_, s)| !crossed(s, section.from)).find(|(_, s)| crossed(s, section.to));
            alerts.extend(to.and_then(|(k, to)| {
                let same = surely_one_vehicle(from, to, itinerary.certainty(i, k), parameters.identity_permille);
                judge(&itinerary.journey, section, [from, to], same, &sections.map, parameters)
            }));
        }
    }
    alerts
}

fn judge(
    journey: &Journey,
    section: &Section,
    ends: [&Arc<Sighting>; 2],
    same: bool,
    map: &Map,
    parameters: &SectionSpeedParameters,
) -> Option<Alert> {
    let [from, to] = ends;
    let cameras: [&Camera; 2] = [map.camera(from.camera)?, map.camera(to.camera)?];
    let from_ms = stop_crossing(cameras[0], from)?.at_ms;
    let to_ms = stop_crossing(cameras[1], to)?.at_ms;
    let error_ms = cameras.into_iter().map(|camera| u64::from(camera.clock_error_ms)).sum();
    let pass = Pass { length_cm: section.length_cm, took_ms: to_ms.checked_sub(from_ms)?, error_ms };
    let mut speed = mean_speed(pass, section.limit_kmh, parameters)?;
    if !speed.over || speed.speed_cms > parameters.absurd.cms() {
        return None;
    }
    if !same {
        // Of two vehicles taken for one nothing is known.
        (speed.lower_cms, speed.surely_over) = (0, false);
    }
    let plate = driver(journey, ends);
    let bound = if same { format!("at least {}", kmh(speed.lower_cms)) } else { "if it was one vehicle".to_owned() };
    let evidence = |sighting: &Sighting, at_ms| Evidence { sighting: Some(sighting.id), camera: sighting.camera, at_ms };
    Some(Alert {
        id: Id::of(RULE).with(section.id.as_str().as_bytes()).number(from.id.0).number(to.id.0).finish(),
        rule: Name::of(RULE),
        certain: speed.surely_over,
        priority: parameters.priority,
        at_ms: to_ms,
        centre: cameras[1].centre,
        plate,
        journey: Some(journey.id),
        evidence: vec![evidence(from, from_ms), evidence(to, to_ms)],
        measured: measured(pass, &speed),
        limit: Quantities::of([("limit_kmh", i64::from(section.limit_kmh))]),
        text: format!(
            "{} drove {} m from {} to {} in {}: {}, {}, where {} km/h is allowed.",
            vehicle(plate.as_ref()),
            pass.length_cm / 100,
            section.from,
            section.to,
            seconds(pass.took_ms),
            kmh(speed.speed_cms),
            bound,
            section.limit_kmh,
        ),
    })
}

/// Whose plate an alert names: the journey's, which all cameras have read; but both ends', where both read one that is another. There
/// the journey may have gone on with somebody else.
fn driver(journey: &Journey, ends: [&Arc<Sighting>; 2]) -> Option<Plate> {
    let [from, to] = ends.map(|sighting| sighting.plate.as_ref());
    let another = |read: &Plate| journey.plate.is_some_and(|plate| !alike(plate.text, read.text));
    let both = from.zip(to).filter(|(from, to)| from.text == to.text && another(from));
    both.map_or(journey.plate, |(_, to)| Some(*to))
}

/// Both plates were read alike, or they are one vehicle's beyond doubt; or only one was read, and the way and the time leave little.
fn surely_one_vehicle(from: &Sighting, to: &Sighting, certainty: u16, enough: u16) -> bool {
    match (&from.plate, &to.plate) {
        (Some(a), Some(b)) => a.kind == b.kind && (alike(a.text, b.text) || certainty >= BEYOND_DOUBT_PERMILLE.max(enough)),
        (None, None) => false,
        _ => certainty >= enough,
    }
}

/// Equal, or all but one symbol that readers take for the other: of two vehicles on one road within minutes, hardly any two
/// have such plates.
fn alike(a: PlateText, b: PlateText) -> bool {
    let mut different = a.symbols().iter().zip(b.symbols()).filter(|(a, b)| a != b);
    let confused = different.next().is_none_or(|(a, b)| confused_with(*a).contains(b));
    a.len() == b.len() && confused && different.next().is_none()
}

#[expect(clippy::cast_possible_wrap, reason = "centimetres, milliseconds and cm/s of a city are far below 2^63")]
fn measured(pass: Pass, speed: &MeanSpeed) -> Quantities {
    Quantities::of([
        ("speed_cms", speed.speed_cms as i64),
        ("lower_cms", speed.lower_cms as i64),
        ("length_cm", pass.length_cm as i64),
        ("took_ms", pass.took_ms as i64),
        ("clock_error_ms", pass.error_ms as i64),
    ])
}
