//! What traffic on its own never does: driving against the direction, and stopping on the shoulder.

use crate::camera::{Camera, MARGIN_M};
use crate::passages::ms;
use crate::random::Random;
use crate::records::{Body, Class, Colour, Kind};
use crate::roads::{HALF_APPROACH_M, LANE_M};
use crate::traffic::{Point, STEP_S, Track};
use crate::truth::{Outage, Stopping, Vehicle, WrongWay};
use crate::{EPOCH_MS, Plan};

/// How long people stop, seconds: some below the limit of a minute, some above.
const STAYS_S: [f64; 6] = [20.0, 75.0, 45.0, 120.0, 180.0, 240.0];

/// What was staged.
#[derive(Default)]
pub(crate) struct Staged {
    pub(crate) vehicles: Vec<Vehicle>,
    pub(crate) tracks: Vec<Track>,
    pub(crate) wrong_way: Vec<WrongWay>,
    pub(crate) stopping: Vec<Stopping>,
}

/// Stages as many wrong ways and stops as the plan asks for and the time allows; `first` is the number of the next vehicle.
pub(crate) fn stage(plan: &Plan, cameras: &mut [Camera], outages: &[Outage], first: usize, random: &mut Random) -> Staged {
    let mut staged = Staged::default();
    for number in 0..plan.behaviour.wrong_way {
        let camera = random.range(0, cameras.len() as i64) as usize;
        let path = against(random);
        if let Some(step) = free_step(plan, &cameras[camera].id, outages, path.len(), random) {
            let moment = |i: usize| EPOCH_MS + ms(f64::from(step) * STEP_S + i as f64 * STEP_S);
            let vehicle = vehicle(format!("wrong-{number}"), format!("88B{:05}", 70_000 + number));
            let (id, plate) = (vehicle.vehicle.clone(), vehicle.plate.clone());
            let camera_id = cameras[camera].id.clone();
            let (from_ms, to_ms) = (moment(0), moment(path.len() - 1));
            staged.wrong_way.push(WrongWay { vehicle: id, camera: camera_id, plate, from_ms, to_ms });
            staged.add(vehicle, first, camera, step, path);
        }
    }
    let fits: Vec<f64> = STAYS_S.into_iter().filter(|stay| stay + 12.0 < f64::from(plan.seconds)).collect();
    for (number, camera) in random.sample(cameras.len(), plan.behaviour.stopping).into_iter().enumerate().filter(|_| !fits.is_empty()) {
        let stay = fits[number % fits.len()];
        let path = stop(stay);
        if let Some(step) = free_step(plan, &cameras[camera].id, outages, path.len(), random) {
            cameras[camera].add_shoulder();
            let vehicle = vehicle(format!("stop-{number}"), format!("88C{:05}", 80_000 + number));
            let (id, plate) = (vehicle.vehicle.clone(), vehicle.plate.clone());
            let (from_ms, stay_ms) = (EPOCH_MS + ms(f64::from(step) * STEP_S + 5.0), ms(stay));
            staged.stopping.push(Stopping { vehicle: id, camera: cameras[camera].id.clone(), plate, from_ms, stay_ms });
            staged.add(vehicle, first, camera, step, path);
        }
    }
    staged
}

impl Staged {
    fn add(&mut self, vehicle: Vehicle, first: usize, camera: usize, first_step: u32, points: Vec<Point>) {
        self.tracks.push(Track { driver: first + self.vehicles.len(), camera, lane: 0, first_step, points });
        self.vehicles.push(vehicle);
    }
}

fn vehicle(vehicle: String, plate: String) -> Vehicle {
    Vehicle { vehicle, plate, kind: Kind::Car, colour: Colour::White, body: Body::White, class: Class::Car, readable: true }
}

/// A step at which something that takes so many steps can begin and end within the recording, while the camera lives.
fn free_step(plan: &Plan, camera: &str, outages: &[Outage], steps: usize, random: &mut Random) -> Option<u32> {
    let last = i64::from(plan.seconds * 5) - steps as i64 - 10;
    let free = |step: i64| {
        let (from, to) = (EPOCH_MS + step * 200 - 10_000, EPOCH_MS + (step + steps as i64) * 200 + 10_000);
        outages.iter().all(|o| o.camera != camera || to < o.from_ms || o.to_ms < from)
    };
    (0..20).map(|_| random.range(10, last.max(11))).find(|step| *step < last && free(*step)).map(|step| step as u32)
}

/// Along the kerb, from behind the crossing against the traffic.
fn against(random: &mut Random) -> Vec<Point> {
    let (speed, d) = (random.between(5.0, 9.0), LANE_M[0] + 2.0);
    let steps = (56.0 / (speed * STEP_S)) as u32;
    (0..steps).map(|i| Point { s: 13.0 - speed * STEP_S * f64::from(i), d, speed, odometer: 0.0 }).collect()
}

/// Onto the shoulder, a stay, and off into a yard beside the road.
fn stop(stay_s: f64) -> Vec<Point> {
    let d = HALF_APPROACH_M + 2.5;
    let point = |s: f64, d: f64, speed: f64| Point { s, d, speed, odometer: 0.0 };
    let arrive = (0..25).map(|i| point(-40.0 + 4.0 * STEP_S * f64::from(i), d, 4.0));
    let stay = (0..(stay_s / STEP_S).round() as u32).map(|_| point(-20.0, d, 0.0));
    let steps = ((HALF_APPROACH_M + MARGIN_M - d) / (3.0 * STEP_S)) as u32;
    let leave = (1..=steps).map(|i| f64::from(i) * STEP_S).map(|t| point(-20.0 + 2.0 * t, d + 3.0 * t, 3.6));
    arrive.chain(stay).chain(leave).collect()
}
