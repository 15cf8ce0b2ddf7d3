//! `nearest_patrol`: which patrol unit is to go where an alert tells of something.
//!
//! ```text
//! p7   ──●───────●─────────●──────         places as units tell them, each good for a while
//! p9   ─────●──────────────────off duty
//! alert ───────────▲                       the unit nearest to its camera at its moment: p7, then p9 if p7's place was wrong
//! ```
//!
//! A place that comes late, or is taken back, corrects what was told of every alert that it bears on. Two places of one unit at
//! one moment contradict each other: then it is nowhere until its next.
//!
//! How far a unit has to go: to the camera that is nearest to it in a straight line, and from there by the shortest way of the
//! map. Where the map has no such way, and where the nearest camera is the alert's own, the straight line counts.

use std::collections::BTreeMap;

use differential_dataflow::consolidation::consolidate;
use schemars::JsonSchema;
use schemas::{Alert, Assignment, Camera, City, Duration, Name, NearUnit, Patrol};
use serde::{Deserialize, Serialize};

use crate::city::road::{CameraNumber, Road};
use crate::stream::{Footprint, InForce, fold};
use crate::{Changes, Clock};

const NAME: &str = "nearest_patrol";

/// The earth's mean radius, cm.
const RADIUS_CM: f64 = 637_100_880.0;

/// How `nearest_patrol` chooses.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NearestPatrolParameters {
    /// For how long a unit's place is believed. Default `2 min`: within that a car has gone a kilometre.
    pub stale: Duration,
    /// The furthest a unit is sent, metres. Default 10 000.
    pub furthest_m: u32,
    /// The most units that are named: the first is to go, the others are next should it not answer (`escalate`). Default 3.
    pub units_most: u8,
    /// How long after its time a record may still come, or be taken back. Default `15 min`, a job's own.
    pub lateness: Duration,
}

impl Default for NearestPatrolParameters {
    fn default() -> Self {
        Self { stale: Duration::from_ms(120_000), furthest_m: 10_000, units_most: 3, lateness: Duration::from_ms(900_000) }
    }
}

/// Gives every alert the units on duty that are nearest to its last camera at its moment, of which the first is to go; of two as
/// near, the first by name.
///
/// An alert that no unit is near enough to, or whose camera the map does not know, has none. Units are few and so are alerts:
/// one worker has all of them. What is older than `lateness` is forgotten, silently.
#[must_use]
pub fn nearest_patrol<'scope>(
    alerts: Changes<'scope, Alert>,
    patrols: Changes<'scope, Patrol>,
    city: &City,
    parameters: NearestPatrolParameters,
) -> Changes<'scope, Assignment> {
    let mut desk = Desk { ways: Ways::of(city), parameters, units: BTreeMap::new(), alerts: BTreeMap::new(), swept_ms: 0 };
    let news = alerts.map(News::Alert).concat(patrols.map(News::Patrol));
    fold(
        news,
        NAME,
        |_| 0,
        move |now, changes, out| {
            desk.advance(now, changes, out);
            // Two alerts seldom happen in the same millisecond.
            let places = desk.units.values().map(InForce::len).sum();
            Footprint::of::<(Alert, Option<Assignment>)>(desk.alerts.len()) + Footprint::of::<Patrol>(places)
        },
    )
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum News {
    Patrol(Patrol),
    Alert(Alert),
}

/// Where each unit was.
type Places = BTreeMap<Name, InForce<Patrol>>;

/// What is known.
struct Desk {
    ways: Ways,
    parameters: NearestPatrolParameters,
    units: Places,
    /// By time, how often each alert is there, and what was told of it.
    alerts: BTreeMap<u64, BTreeMap<Alert, (isize, Option<Assignment>)>>,
    swept_ms: Clock,
}

impl Desk {
    /// Takes the changes of one moment: first where units are, then what happened.
    fn advance(&mut self, now: Clock, changes: &mut Vec<(News, isize)>, out: &mut Vec<(Assignment, isize)>) {
        let since_ms = now.saturating_sub(self.parameters.lateness.ms());
        // Sorted: patrols come before alerts.
        consolidate(changes);
        let mut moved: Vec<u64> = Vec::new();
        for (news, diff) in changes.drain(..) {
            match news {
                News::Patrol(patrol) => {
                    moved.push(patrol.at_ms);
                    self.units.entry(patrol.unit).or_default().change(patrol.at_ms, patrol, diff);
                }
                News::Alert(alert) => {
                    moved.drain(..).for_each(|at_ms| self.judge_again(at_ms, since_ms, out));
                    if alert.at_ms >= since_ms {
                        self.take(alert, diff, out);
                    }
                }
            }
        }
        moved.into_iter().for_each(|at_ms| self.judge_again(at_ms, since_ms, out));
        consolidate(out);
        if now.saturating_sub(self.swept_ms) > self.parameters.lateness.ms() / 8 {
            self.swept_ms = now;
            self.forget(since_ms);
        }
    }

    fn take(&mut self, alert: Alert, diff: isize, out: &mut Vec<(Assignment, isize)>) {
        let at_once = self.alerts.entry(alert.at_ms).or_default();
        let (count, told) = match at_once.get_mut(&alert) {
            Some(known) => known,
            None => {
                let told = nearest(&self.units, &self.ways, &self.parameters, &alert);
                at_once.entry(alert.clone()).or_insert((0, told))
            }
        };
        *count += diff;
        out.extend(told.iter().map(|told| (told.clone(), diff)));
        if *count == 0 {
            at_once.remove(&alert);
        }
    }

    /// Judges again what a unit's place of this moment may bear on.
    fn judge_again(&mut self, at_ms: u64, since_ms: u64, out: &mut Vec<(Assignment, isize)>) {
        let until_ms = at_ms.saturating_add(self.parameters.stale.ms());
        for (alert, (count, told)) in
            self.alerts.range_mut(at_ms.max(since_ms)..).take_while(|(at_ms, _)| **at_ms <= until_ms).flat_map(|(_, at_once)| at_once)
        {
            let says = nearest(&self.units, &self.ways, &self.parameters, alert);
            if *told != says {
                out.extend(told.take().map(|old| (old, -*count)));
                out.extend(says.iter().map(|new| (new.clone(), *count)));
                *told = says;
            }
        }
    }

    /// Forgets alerts from before a moment, and places too old for those since.
    fn forget(&mut self, since_ms: u64) {
        self.alerts = self.alerts.split_off(&since_ms);
        let believed_since_ms = since_ms.saturating_sub(self.parameters.stale.ms());
        self.units.retain(|_, places| {
            places.forget(believed_since_ms);
            places.last_ms().is_some_and(|last_ms| last_ms >= believed_since_ms)
        });
    }
}

/// The units that are nearest, if there is one.
fn nearest(units: &Places, ways: &Ways, parameters: &NearestPatrolParameters, alert: &Alert) -> Option<Assignment> {
    let there = alert.evidence.iter().max_by_key(|evidence| evidence.at_ms)?.camera;
    let since_ms = alert.at_ms.saturating_sub(parameters.stale.ms());
    let places = units.values().filter_map(|places| places.at(alert.at_ms));
    let near = places.filter(|place| place.at_ms >= since_ms && place.on_duty).filter_map(|place| {
        let (distance_cm, by_road) = ways.from(place, there)?;
        let near = NearUnit { distance_cm, unit: place.unit, by_road, seen_ms: place.at_ms };
        (distance_cm <= u64::from(parameters.furthest_m) * 100).then_some(near)
    });
    let mut units: Vec<NearUnit> = near.collect();
    units.sort_unstable();
    units.truncate(usize::from(parameters.units_most.max(1)));
    let unit = Some(units.first()?.unit);
    Some(Assignment { id: alert.id, unit, units, unanswered: Vec::new(), alert: alert.clone() })
}

/// The map, as far as it tells how units get to cameras.
struct Ways {
    road: Road,
    cameras: Vec<Camera>,
}

impl Ways {
    fn of(city: &City) -> Self {
        Self { road: Road::of(city), cameras: city.cameras.clone() }
    }

    /// How far a unit has to go to a camera, cm, and whether that is by the roads of the map.
    fn from(&self, place: &Patrol, there: Name) -> Option<(u64, bool)> {
        let there = self.road.number(there)?;
        let straight_cm = |number: CameraNumber| {
            let camera = &self.cameras[usize::from(number)];
            straight_cm([place.lon_e7, place.lat_e7], [camera.lon_e7, camera.lat_e7])
        };
        let first = (0..).take(self.cameras.len()).min_by_key(|number| straight_cm(*number))?;
        let way = (first != there).then(|| self.road.shortest_cm(first, there)).flatten();
        Some(match way {
            Some(way_cm) => (straight_cm(first) + u64::from(way_cm), true),
            None => (straight_cm(there), false),
        })
    }
}

/// The length of the great circle between two points, given as longitude and latitude in 1e-7 degrees; by the haversine
/// formula, which is exact for near points too.
///
/// ```
/// use operators::rules::nearest_patrol::straight_cm;
///
/// // A degree of the equator, and the same degree in the latitude of Hanoi.
/// assert_eq!(straight_cm([0, 0], [10_000_000, 0]) / 100_000, 111);
/// assert_eq!(straight_cm([1_050_000_000, 210_000_000], [1_060_000_000, 210_000_000]) / 100_000, 103);
/// ```
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most half the way round the earth")]
pub fn straight_cm(from: [i32; 2], to: [i32; 2]) -> u64 {
    let [from, to] = [from, to].map(|point| point.map(|e7| (f64::from(e7) / 1e7).to_radians()));
    let square = |angle: f64| (angle / 2.0).sin().powi(2);
    let part = square(to[1] - from[1]) + from[1].cos() * to[1].cos() * square(to[0] - from[0]);
    (2.0 * RADIUS_CM * part.sqrt().min(1.0).asin()).round() as u64
}
