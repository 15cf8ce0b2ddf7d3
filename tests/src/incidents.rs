//! What happens to plates, lists and cameras: registration, clones, wanted vehicles, outages.

use std::collections::BTreeSet;

use crate::camera::Camera;
use crate::passages::Passed;
use crate::random::Random;
use crate::records::{Body, Class, Colour, HotlistEntry, Kind};
use crate::traffic::Driver;
use crate::truth::{Cloned, HotlistHit, Outage, Vehicle};
use crate::{EPOCH_MS, Plan};

const LETTERS: &[u8] = b"ABCDEFGH";
const DAY_MS: i64 = 86_400_000;
/// Nobody drives faster than this, cm/s (160 km/h).
const FASTEST_CMS: i64 = 4_444;

/// Gives every driver a vehicle; plates are unique.
pub(crate) fn register(plan: &Plan, drivers: &[Driver], random: &mut Random) -> Vec<Vehicle> {
    let mut taken = BTreeSet::new();
    let mut plate = |kind: Kind, random: &mut Random| loop {
        let (province, letter) = (random.pick(&["88", "88", "88", "19", "29", "30"]), char::from(random.pick(LETTERS)));
        let (series, serial) = (random.range(1, 10), random.range(100, 69_999));
        let text = match kind {
            Kind::Car => format!("{province}{letter}{serial:05}"),
            Kind::Bike => format!("{province}{letter}{series}{serial:05}"),
        };
        if taken.insert(text.clone()) {
            return text;
        }
    };
    let one = |(number, driver): (usize, &Driver)| {
        let kind = if driver.class == Class::Motorbike { Kind::Bike } else { Kind::Car };
        let taxi = random.chance(0.06);
        let for_hire = matches!(driver.class, Class::Bus | Class::Truck) || (taxi && kind == Kind::Car);
        Vehicle {
            vehicle: format!("v{number}"),
            plate: plate(kind, random),
            kind,
            colour: if for_hire { Colour::Yellow } else { Colour::White },
            body: body(random),
            class: driver.class,
            readable: !random.chance(plan.noise.unreadable),
        }
    };
    drivers.iter().enumerate().map(one).collect()
}

/// A vehicle's colour, as common as it is on the road.
pub(crate) fn body(random: &mut Random) -> Body {
    let shares = [34, 18, 16, 12, 9, 7, 4];
    let bodies = [Body::White, Body::Black, Body::Silver, Body::Red, Body::Grey, Body::Blue, Body::Brown];
    let mut drawn = random.range(0, 100);
    let place = shares.iter().position(|share| {
        drawn -= share;
        drawn < 0
    });
    bodies[place.unwrap_or(0)]
}

/// Puts one plate on two vehicles that are in two places at once, at least twice; the plates change in `vehicles`.
pub(crate) fn clone_plates(
    plan: &Plan,
    of_driver: &[Vec<Passed>],
    distances: &[Vec<Option<i64>>],
    vehicles: &mut [Vehicle],
    random: &mut Random,
) -> Vec<Cloned> {
    let impossible = |a: &Passed, b: &Passed| {
        let (Some((from, _)), Some((to, _))) = (a.stop.min(b.stop), a.stop.max(b.stop)) else { return false };
        let way = if a.stop <= b.stop { distances[a.camera][b.camera] } else { distances[b.camera][a.camera] };
        way.is_some_and(|cm| cm > 30_000 && (to - from) * FASTEST_CMS < cm * 900)
    };
    let mut busy: Vec<usize> = (0..of_driver.len()).filter(|d| of_driver[*d].len() >= 2 && vehicles[*d].readable).collect();
    random.shuffle(&mut busy);
    let mut used = BTreeSet::new();
    let mut cloned = Vec::new();
    for (place, &a) in busy.iter().enumerate() {
        if cloned.len() >= plan.behaviour.cloned {
            break;
        }
        let pairs =
            |b: usize| of_driver[a].iter().flat_map(|p| of_driver[b].iter().map(move |q| (p, q))).filter(|(p, q)| impossible(p, q)).count();
        let free = |b: &&usize| !used.contains(*b) && vehicles[a].kind == vehicles[**b].kind && pairs(**b) >= 2;
        let Some(&b) = busy[place + 1..].iter().filter(|_| !used.contains(&a)).find(free) else { continue };
        let impossible_pairs = pairs(b);
        used.extend([a, b]);
        vehicles[b].plate = vehicles[a].plate.clone();
        let names = [a, b].map(|v| vehicles[v].vehicle.clone()).to_vec();
        cloned.push(Cloned { plate: vehicles[a].plate.clone(), vehicles: names, impossible_pairs });
    }
    cloned
}

/// Lists some vehicles that pass cameras; a third of the entries hold only in the middle of the recording.
pub(crate) fn want(
    plan: &Plan,
    of_driver: &[Vec<Passed>],
    cameras: &[Camera],
    vehicles: &[Vehicle],
    random: &mut Random,
) -> (Vec<HotlistEntry>, Vec<HotlistHit>) {
    let mut known: Vec<usize> = (0..of_driver.len()).filter(|d| !of_driver[*d].is_empty() && vehicles[*d].readable).collect();
    random.shuffle(&mut known);
    known.sort_by_key(|d| std::cmp::Reverse(of_driver[*d].len().min(3)));
    let (mut list, mut hits, mut plates) = (Vec::new(), Vec::new(), BTreeSet::new());
    let length = i64::from(plan.seconds) * 1_000;
    for driver in known {
        let number = list.len();
        if number >= plan.behaviour.hotlist {
            break;
        }
        let plate = &vehicles[driver].plate;
        if !plates.insert(plate) {
            continue;
        }
        let (from, until) = if number % 3 == 2 { (length * 3 / 10, length * 7 / 10) } else { (-DAY_MS, DAY_MS) };
        list.push(HotlistEntry {
            list: if number % 2 == 1 { "stolen" } else { "wanted" }.into(),
            plate: plate.clone(),
            kind: vehicles[driver].kind,
            priority: 90 - number.min(90) as u8,
            reason: format!("case {number:04}"),
            from_ms: EPOCH_MS + from,
            until_ms: EPOCH_MS + until,
        });
        for passages in (0..of_driver.len()).filter(|d| vehicles[*d].plate == *plate).map(|d| &of_driver[d]) {
            let held = |p: &&Passed| p.stop.is_some_and(|(at, _)| (from..until).contains(&at));
            hits.extend(passages.iter().filter(held).map(|p| HotlistHit {
                plate: plate.clone(),
                camera: cameras[p.camera].id.clone(),
                at_ms: EPOCH_MS + p.stop.map_or(0, |s| s.0),
                vehicle: vehicles[p.driver].vehicle.clone(),
            }));
        }
    }
    (list, hits)
}

/// Lets some cameras die for a while, somewhere in the middle of the recording.
pub(crate) fn outages(plan: &Plan, cameras: &[Camera], random: &mut Random) -> Vec<Outage> {
    let start = |random: &mut Random| EPOCH_MS + (random.between(0.2, 0.6) * f64::from(plan.seconds) * 1_000.0) as i64;
    let dead = random.sample(cameras.len(), plan.noise.outages.min(cameras.len().saturating_sub(1)));
    let one = |camera: usize| {
        let from_ms = start(random);
        Outage { camera: cameras[camera].id.clone(), from_ms, to_ms: from_ms + plan.noise.outage_ms }
    };
    dead.into_iter().map(one).collect()
}
