//! From a plan to a recording: who meets whom, in order.

use std::collections::BTreeMap;

use crate::camera::Camera;
use crate::lights::Lights;
use crate::random::Random;
use crate::records::{City, Signal};
use crate::roads::Roads;
use crate::traffic::{Driver, Track, View};
use crate::truth::{Truth, Vehicle};
use crate::{EPOCH_MS, Plan, Recording, incidents, passages, perceive, staged, traffic};

/// Lets a city live for as long as the plan says and records it. The same plan gives the same recording, always.
///
/// # Panics
/// If the plan has no camera.
#[must_use]
pub fn simulate(plan: &Plan) -> Recording {
    live(plan).recording
}

/// A city that has lived: the recording of it, and what drove where before whose eyes.
pub(crate) struct Lived {
    pub(crate) recording: Recording,
    pub(crate) cameras: Vec<Camera>,
    /// When in the first frame period each camera takes its first frame, seconds.
    pub(crate) phases: Vec<f64>,
    pub(crate) tracks: Vec<Track>,
    /// The vehicle of each driver, by the number that tracks call it.
    pub(crate) vehicles: Vec<Vehicle>,
}

pub(crate) fn live(plan: &Plan) -> Lived {
    assert!(plan.cameras > 0, "a city without cameras has nothing to record");
    let stream = |number| Random::of(plan.seed, number);
    let roads = Roads::grid(plan.cameras.div_ceil(2), &mut stream(1));
    let lights = Lights::new(roads.crossings(), &mut stream(2));
    let drivers = traffic::drivers(plan, &roads, &mut stream(3));
    let mut cameras = place(plan, &roads, &drivers, &mut stream(4));
    let phases = perceive::phases(plan, cameras.len(), &mut stream(5));

    let mut views: Vec<Option<View>> = roads.roads.iter().map(|_| None).collect();
    cameras.iter().enumerate().for_each(|(number, camera)| views[camera.road] = Some(camera.view(number)));
    let mut tracks = traffic::drive(&roads, &lights, &drivers, &views, plan.seconds * 5);

    let passed = passages::passed(&tracks, plan, &phases);
    let of_driver = passages::by_driver(&passed, drivers.len());
    let distances = passages::distances(&roads, &cameras);
    let outages = incidents::outages(plan, &cameras, &mut stream(6));
    let mut vehicles = incidents::register(plan, &drivers, &mut stream(8));
    let cloned = incidents::clone_plates(plan, &of_driver, &distances, &mut vehicles, &mut stream(9));
    let (hotlist, hotlist_hits) = incidents::want(plan, &of_driver, &cameras, &vehicles, &mut stream(10));
    let staged = staged::stage(plan, &mut cameras, &outages, vehicles.len(), &mut stream(11));
    vehicles.extend(staged.vehicles);
    tracks.extend(staged.tracks);

    let observations = perceive::observe(plan, &mut cameras, &tracks, &vehicles, &phases, &outages);
    let (sections, section_drives) = passages::sections(&of_driver, &distances, &cameras, &vehicles, plan);
    let seen = passages::seen(&passed);
    let truth = Truth {
        passages: passages::records(&passed, &cameras, &vehicles),
        sections: section_drives,
        red_light: passages::red_light(&passed, &cameras, &lights, &vehicles),
        point_speed: passages::point_speed(&passed, &cameras, &vehicles),
        vehicles: vehicles.iter().cloned().enumerate().filter(|(n, _)| *n >= drivers.len() || seen.contains(n)).map(|(_, v)| v).collect(),
        wrong_way: staged.wrong_way,
        stopping: staged.stopping,
        cloned,
        hotlist_hits,
        outages,
    };
    let links = passages::links(&distances, &cameras, &drivers, plan);
    let city = City {
        name: format!("city-{}", plan.seed),
        centres: CENTRES.map(String::from).to_vec(),
        cameras: map(plan, &cameras),
        links,
        sections,
    };
    let recording = Recording { city, observations, signals: signals(plan, &cameras, &lights), hotlist, truth };
    Lived { recording, cameras, phases, tracks, vehicles }
}

/// Monitoring centres, from west to east.
const CENTRES: [&str; 3] = ["west", "middle", "east"];

/// Cameras over the busiest approaches, in the order of their roads.
fn place(plan: &Plan, roads: &Roads, drivers: &[Driver], random: &mut Random) -> Vec<Camera> {
    let mut used = vec![0; roads.roads.len()];
    drivers.iter().flat_map(|d| &d.route).for_each(|road| used[*road] += 1);
    let mut approaches: Vec<usize> = (0..roads.roads.len()).filter(|r| roads.roads[*r].to.is_some()).collect();
    approaches.sort_by_key(|r| (std::cmp::Reverse(used[*r]), *r));
    approaches.truncate(plan.cameras);
    approaches.sort_unstable();
    let mut cameras: Vec<Camera> = approaches
        .into_iter()
        .enumerate()
        .map(|(number, road)| Camera::over(number, road, &roads.roads[road], plan.lens, random))
        .collect();
    let devices = random.sample(cameras.len(), plan.behaviour.speed_devices);
    devices.into_iter().for_each(|number| cameras[number].has_device = true);
    cameras
}

/// The map's cameras, shared out among the centres by thirds from west to east.
fn map(plan: &Plan, cameras: &[Camera]) -> Vec<crate::records::Camera> {
    let mut east: Vec<i64> = cameras.iter().map(Camera::east).collect();
    east.sort_unstable();
    let thirds = [east[east.len() / 3], east[2 * east.len() / 3]];
    let centre = |camera: &Camera| CENTRES[thirds.iter().filter(|t| **t <= camera.east()).count()];
    cameras.iter().map(|camera| camera.record(centre(camera), plan.fps)).collect()
}

/// Every change of every head that governs a lane in view, in order of time.
fn signals(plan: &Plan, cameras: &[Camera], lights: &Lights) -> Vec<Signal> {
    let until_ms = i64::from(plan.seconds) * 1_000;
    let lanes = cameras.iter().flat_map(|c| (0..2).filter_map(move |lane| Some((c.head(lane)?, (c.crossing, c.heading, lane)))));
    let heads: BTreeMap<String, (usize, usize, usize)> = lanes.collect();
    let changes = |(name, (crossing, heading, lane)): (&String, &(usize, usize, usize))| {
        lights.head(*crossing, *heading, *lane).changes(name, EPOCH_MS, until_ms)
    };
    let mut all: Vec<Signal> = heads.iter().flat_map(changes).collect();
    all.sort_by(|a, b| (a.at_ms, &a.head).cmp(&(b.at_ms, &b.head)));
    all
}
