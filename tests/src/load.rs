//! A steady load for hours: as many cameras, boxes and sightings a second as asked for, one frame at a time and no memory of it.
//!
//! Vehicles here only pass: each comes down its lane at its own speed, is read on the way, and is gone. What matters is that the
//! load never changes, so that memory that grows is memory that leaks.

use crate::camera::Camera;
use crate::incidents::body;
use crate::lights::Lights;
use crate::plan::Lens;
use crate::records::{City, Class, Colour, Kind, Object, Observation, Plate, Signal};
use crate::roads::{LANE_M, Roads};
use crate::{EPOCH_MS, Random};

/// How much of what, for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Everything random follows from it.
    pub seed: u64,
    /// Cameras.
    pub cameras: usize,
    /// Frames a second of each.
    pub fps: u32,
    /// Boxes a second, all cameras together.
    pub boxes_per_second: f64,
    /// Vehicles a second that cross a stop line, all cameras together.
    pub sightings_per_second: f64,
    /// How long, hours of the cameras' clocks.
    pub hours: f64,
}

impl Load {
    /// The map of the load's cameras: no links but those between neighbours in number, no sections.
    #[must_use]
    pub fn city(&self) -> City {
        let cameras = self.cameras();
        let links = cameras.windows(2).map(|w| crate::records::Link {
            from: w[0].id.clone(),
            to: w[1].id.clone(),
            length_cm: 40_000,
            adjacent: true,
        });
        let records = cameras.iter().map(|c| c.record("middle", self.fps)).collect();
        City { name: "load".into(), centres: vec!["middle".into()], cameras: records, links: links.collect(), sections: Vec::new() }
    }

    /// Every change of every signal head for as long as the load lasts, in order of time.
    #[must_use]
    pub fn signals(&self) -> Vec<Signal> {
        let mut random = Random::of(self.seed, 202);
        let cameras = self.cameras();
        let crossings = cameras.iter().map(|c| c.crossing + 1).max().unwrap_or(0);
        let lights = Lights::new(crossings, &mut random);
        let heads = cameras.iter().flat_map(|c| (0..2).filter_map(move |lane| Some((c.head(lane)?, c.crossing, c.heading, lane))));
        let until_ms = (self.hours * 3_600_000.0) as i64;
        let changes = heads.map(|(name, crossing, heading, lane)| lights.head(crossing, heading, lane).changes(&name, EPOCH_MS, until_ms));
        let mut all: Vec<Signal> = changes.flatten().collect();
        all.sort_by(|a, b| (a.at_ms, &a.head).cmp(&(b.at_ms, &b.head)));
        all
    }

    /// The frames, in order of arrival: each 100 ms after it was taken.
    ///
    /// ```
    /// use city::Load;
    /// let load = Load { seed: 1, cameras: 10, fps: 10, boxes_per_second: 500.0, sightings_per_second: 10.0, hours: 0.05 };
    /// let boxes: usize = load.observations().map(|o| o.objects.len()).sum();
    /// assert!((80_000..100_000).contains(&boxes), "{boxes}");
    /// ```
    pub fn observations(&self) -> impl Iterator<Item = Observation> + use<> {
        let cameras = self.cameras();
        let frames = (self.hours * 3_600.0 * f64::from(self.fps)) as u64;
        let (fps, number, count) = (f64::from(self.fps), cameras.len(), cameras.len() as f64);
        // A vehicle is in view for so long that the boxes and the sightings asked for agree.
        let stay_s = (self.boxes_per_second / fps / self.sightings_per_second).max(1.0 / fps);
        let arrival = self.sightings_per_second / count / fps;
        let seed = self.seed;
        let mut eyes: Vec<Passing> = (0..cameras.len()).map(|n| Passing::new(Random::of(seed, 300 + n as u64))).collect();
        (0..frames).flat_map(move |frame| (0..number).map(move |n| (frame, n))).map(move |(frame, n)| {
            let at_ms = EPOCH_MS + ((frame as f64 + n as f64 / count) * 1_000.0 / fps) as i64;
            let objects = eyes[n].frame(&cameras[n], arrival, 1.0 / (fps * stay_s));
            Observation { camera: cameras[n].id.clone(), frame, at_ms, objects, received_ms: at_ms + 100 }
        })
    }

    fn cameras(&self) -> Vec<Camera> {
        let mut random = Random::of(self.seed, 201);
        let roads = Roads::grid(self.cameras.div_ceil(4), &mut random);
        let approaches = (0..roads.roads.len()).filter(|r| roads.roads[*r].to.is_some()).take(self.cameras);
        let cameras = approaches.enumerate().map(|(n, road)| Camera::over(n, road, &roads.roads[road], Lens::Wide, &mut random));
        cameras.collect()
    }
}

/// The vehicles before one camera.
struct Passing {
    random: Random,
    vehicles: Vec<Vehicle>,
}

struct Vehicle {
    /// Part of the way through the view, 0 to 1.
    done: f64,
    pace: f64,
    lane: usize,
    body: crate::records::Body,
    plate: String,
}

impl Passing {
    fn new(random: Random) -> Self {
        Self { random, vehicles: Vec::new() }
    }

    /// Moves everybody by one frame, `step` of the whole way on average, and returns the boxes.
    fn frame(&mut self, camera: &Camera, arrival: f64, step: f64) -> Vec<Object> {
        self.vehicles.iter_mut().for_each(|v| v.done += step * v.pace);
        self.vehicles.retain(|v| v.done < 1.0);
        let (random, vehicles) = (&mut self.random, &mut self.vehicles);
        let mut due = arrival;
        while random.chance(due) {
            let (letter, serial) = (char::from(random.pick(b"ABCDEFGHKLMNPSTUVXYZ")), random.range(0, 100_000));
            let plate = format!("{}{letter}{serial:05}", random.range(11, 99));
            let (pace, lane) = (random.between(0.9, 1.1), random.range(0, 2) as usize);
            vehicles.push(Vehicle { done: 0.0, pace, lane, body: body(random), plate });
            due -= 1.0;
        }
        let see = |v: &Vehicle| {
            let s = -44.0 + v.done * 57.0;
            let bounds = camera.bounds(s, LANE_M[v.lane], (4.6, 1.8))?.map(|edge| edge.round() as i32);
            let legible = (-25.0..4.0).contains(&s) && random.chance(0.5);
            let plate = legible.then(|| {
                let confidence = v.plate.bytes().map(|_| random.range(880, 999) as u16).collect();
                Box::new(Plate { text: v.plate.clone(), kind: Kind::Car, colour: Colour::White, confidence })
            });
            Some(Object { class: Class::Car, confidence: 900, bounds, plate, body: Some(v.body), speed_cms: None })
        };
        vehicles.iter().filter_map(see).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Load;

    #[test]
    fn the_load_is_what_was_asked_for_and_steady() {
        let load = Load { seed: 4, cameras: 20, fps: 10, boxes_per_second: 1_000.0, sightings_per_second: 20.0, hours: 0.5 };
        let mut per_minute = vec![0.0; 30];
        let mut last = 0;
        for o in load.observations() {
            per_minute[((o.at_ms - crate::EPOCH_MS) / 60_000) as usize] += o.objects.len() as f64 / 60.0;
            assert!(o.received_ms >= last);
            last = o.received_ms;
        }
        assert!(per_minute[1..].iter().all(|boxes| (850.0..1_150.0).contains(boxes)), "{per_minute:?}");
        assert_eq!(load.city().cameras.len(), 20);
        assert!(load.signals().len() > 1_000);
    }
}
