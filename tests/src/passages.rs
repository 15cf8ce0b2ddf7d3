//! From what drove through the views to the truth: passages, crossings at red, sections and how fast they were driven.

use std::collections::{BTreeMap, BTreeSet};

use crate::camera::{BEYOND_M, Camera};
use crate::lights::Lights;
use crate::records::{Link, Section, State};
use crate::roads::Roads;
use crate::traffic::{Driver, STEP_S, Track};
use crate::truth::{Passage, PointSpeed, RedLight, SectionDrive, Vehicle};
use crate::{EPOCH_MS, Plan};

/// A drive too short to be called a passage has fewer points than this.
pub(crate) const POINTS_LEAST: usize = 5;
/// A violation begins this much above the limit, by law.
const TOLERANCE_KMH: i64 = 5;

/// A passage before it is written down: who, where, when its front crossed which line.
#[derive(Clone, Copy)]
pub(crate) struct Passed {
    pub(crate) driver: usize,
    pub(crate) camera: usize,
    pub(crate) lane: usize,
    pub(crate) entered_ms: i64,
    pub(crate) left_ms: i64,
    /// Stop line: when (milliseconds of the recording) and at which odometer (centimetres).
    pub(crate) stop: Option<(i64, i64)>,
    pub(crate) beyond: bool,
    /// The fastest within reach of a speed device, cm/s.
    pub(crate) fastest_cms: i64,
}

/// Milliseconds of the recording at a moment of it, seconds.
pub(crate) fn ms(seconds: f64) -> i64 {
    (seconds * 1_000.0).round() as i64
}

/// Where a speed device measures, metres from the stop line.
pub(crate) const DEVICE_M: (f64, f64) = (-12.0, 2.0);

/// The passages among the tracks; a crossing counts only if frames before and after it exist.
pub(crate) fn passed(tracks: &[Track], plan: &Plan, phases: &[f64]) -> Vec<Passed> {
    let one = |track: &Track| {
        let at = |i: f64| (f64::from(track.first_step) + i) * STEP_S;
        let crossing = |line: f64| {
            let i = track.points.windows(2).position(|w| w[0].s < line && line <= w[1].s)?;
            let (a, b) = (track.points[i], track.points[i + 1]);
            let part = (line - a.s) / (b.s - a.s);
            Some((at(i as f64 + part), a.odometer + part * (b.odometer - a.odometer)))
        };
        let phase = phases[track.camera];
        let frames = phase..=phase + f64::from(plan.seconds * plan.fps - 1) / f64::from(plan.fps);
        let stop = crossing(0.0).filter(|(t, _)| frames.contains(t));
        let device = track.points.iter().filter(|p| (DEVICE_M.0..DEVICE_M.1).contains(&p.s));
        Passed {
            driver: track.driver,
            camera: track.camera,
            lane: track.lane,
            entered_ms: ms(at(0.0)),
            left_ms: ms(at(track.points.len() as f64 - 1.0)),
            stop: stop.map(|(t, odometer)| (ms(t), (odometer * 100.0).round() as i64)),
            beyond: crossing(BEYOND_M).is_some_and(|(t, _)| frames.contains(&t)),
            fastest_cms: device.map(|p| (p.speed * 100.0).round() as i64).max().unwrap_or(0),
        }
    };
    let mut all: Vec<Passed> = tracks.iter().filter(|t| t.points.len() >= POINTS_LEAST).map(one).collect();
    all.sort_by_key(|p| (p.entered_ms, p.driver));
    all
}

/// The passages with a crossing, per driver in order of time.
pub(crate) fn by_driver(passed: &[Passed], drivers: usize) -> Vec<Vec<Passed>> {
    let mut of = vec![Vec::new(); drivers];
    passed.iter().filter(|p| p.stop.is_some()).for_each(|p| of[p.driver].push(*p));
    of.iter_mut().for_each(|list: &mut Vec<Passed>| list.sort_by_key(|p| p.stop));
    of
}

/// Passages as the judge reads them.
pub(crate) fn records(passed: &[Passed], cameras: &[Camera], vehicles: &[Vehicle]) -> Vec<Passage> {
    let one = |p: &Passed| Passage {
        vehicle: vehicles[p.driver].vehicle.clone(),
        camera: cameras[p.camera].id.clone(),
        entered_ms: EPOCH_MS + p.entered_ms,
        left_ms: EPOCH_MS + p.left_ms,
        plate: vehicles[p.driver].plate.clone(),
        stop_ms: p.stop.map(|(at, _)| EPOCH_MS + at),
        lane: p.stop.map(|_| p.lane),
        odometer_cm: p.stop.map(|(_, odometer)| odometer),
    };
    passed.iter().map(one).collect()
}

/// Who crossed the stop line at red and went on into the crossing, in a lane that one head governs.
pub(crate) fn red_light(passed: &[Passed], cameras: &[Camera], lights: &Lights, vehicles: &[Vehicle]) -> Vec<RedLight> {
    let one = |p: &Passed| {
        let camera = &cameras[p.camera];
        camera.head(p.lane)?;
        let (at, _) = p.stop.filter(|_| p.beyond)?;
        let (State::Red, into_red_ms) = lights.head(camera.crossing, camera.heading, p.lane).at(at) else { return None };
        let Vehicle { vehicle, plate, .. } = vehicles[p.driver].clone();
        Some(RedLight { vehicle, camera: camera.id.clone(), plate, at_ms: EPOCH_MS + at, into_red_ms })
    };
    passed.iter().filter_map(one).collect()
}

/// How fast everybody was in front of the speed devices.
pub(crate) fn point_speed(passed: &[Passed], cameras: &[Camera], vehicles: &[Vehicle]) -> Vec<PointSpeed> {
    let one = |p: &Passed| {
        let (at, _) = p.stop.filter(|_| cameras[p.camera].has_device)?;
        let Vehicle { vehicle, plate, .. } = vehicles[p.driver].clone();
        Some(PointSpeed { vehicle, camera: cameras[p.camera].id.clone(), plate, at_ms: EPOCH_MS + at, speed_cms: p.fastest_cms })
    };
    passed.iter().filter_map(one).collect()
}

/// The shortest way from each camera to each other, centimetres, rounded down: never more than anybody drove.
pub(crate) fn distances(roads: &Roads, cameras: &[Camera]) -> Vec<Vec<Option<i64>>> {
    let from = |a: &Camera| {
        let metres = roads.distances(a.road);
        cameras.iter().map(|b| Some(metres[b.road]).filter(|m| a.road != b.road && m.is_finite()).map(|m| (m * 100.0) as i64)).collect()
    };
    cameras.iter().map(from).collect()
}

/// The links of the map; adjacent where drivers planned to go that way with no camera between.
pub(crate) fn links(distances: &[Vec<Option<i64>>], cameras: &[Camera], drivers: &[Driver], plan: &Plan) -> Vec<Link> {
    let on_road: BTreeMap<usize, usize> = cameras.iter().enumerate().map(|(i, c)| (c.road, i)).collect();
    let mut driven = BTreeMap::<(usize, usize), u32>::new();
    for driver in drivers {
        let seen: Vec<usize> = driver.route.iter().filter_map(|road| on_road.get(road).copied()).collect();
        seen.windows(2).for_each(|w| *driven.entry((w[0], w[1])).or_default() += 1);
    }
    let commonly = (plan.seconds / 720).max(1);
    let mut links = Vec::new();
    for (a, row) in distances.iter().enumerate() {
        for (b, length) in row.iter().enumerate() {
            let Some(length_cm) = *length else { continue };
            let adjacent = driven.get(&(a, b)).is_some_and(|n| *n >= commonly);
            links.push(Link { from: cameras[a].id.clone(), to: cameras[b].id.clone(), length_cm, adjacent });
        }
    }
    links
}

/// Section control on every often-driven pair of neighbouring cameras, with a limit that one driver in seven or so exceeds.
pub(crate) fn sections(
    of_driver: &[Vec<Passed>],
    distances: &[Vec<Option<i64>>],
    cameras: &[Camera],
    vehicles: &[Vehicle],
    plan: &Plan,
) -> (Vec<Section>, Vec<SectionDrive>) {
    let mut driven = BTreeMap::<(usize, usize), Vec<(Passed, Passed)>>::new();
    for list in of_driver {
        list.windows(2).for_each(|w| driven.entry((w[0].camera, w[1].camera)).or_default().push((w[0], w[1])));
    }
    let enough = (plan.seconds as usize / 180).clamp(3, 20);
    let (mut sections, mut drives) = (Vec::new(), Vec::new());
    for ((a, b), pairs) in driven {
        let Some(length_cm) = distances[a][b].filter(|cm| *cm >= 20_000 && pairs.len() >= enough) else { continue };
        let took = |pair: &(Passed, Passed)| pair.1.stop.map_or(1, |s| s.0) - pair.0.stop.map_or(0, |s| s.0);
        let mut speeds: Vec<i64> = pairs.iter().map(|pair| length_cm * 1_000 / took(pair).max(1)).collect();
        speeds.sort_unstable();
        let limit_kmh = (speeds[speeds.len() * 17 / 20] * 36 / 1_000 / 5 * 5).max(20);
        let (from, to) = (cameras[a].id.clone(), cameras[b].id.clone());
        let id = format!("{from}-{to}");
        let mut drive = |pair: &(Passed, Passed)| {
            let (Some((from, first)), Some((to, last))) = (pair.0.stop, pair.1.stop) else { return };
            let Vehicle { vehicle, plate, .. } = vehicles[pair.0.driver].clone();
            drives.push(SectionDrive {
                vehicle,
                plate,
                section: id.clone(),
                from_ms: EPOCH_MS + from,
                to_ms: EPOCH_MS + to,
                length_cm,
                limit_kmh,
                speed_cms: (length_cm as f64 * 1_000.0 / (to - from) as f64).round() as i64,
                driven_cm: last - first,
                over: length_cm * 36 >= (limit_kmh + TOLERANCE_KMH) * (to - from),
            });
        };
        pairs.iter().for_each(&mut drive);
        sections.push(Section { id, from, to, length_cm, limit_kmh });
    }
    (sections, drives)
}

/// The drivers that any camera saw.
pub(crate) fn seen(passed: &[Passed]) -> BTreeSet<usize> {
    passed.iter().map(|p| p.driver).collect()
}
