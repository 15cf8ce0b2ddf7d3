//! The synthetic city filmed: what its cameras would see, drawn frame by frame.
//!
//! ```text
//!   city lives ─▶ tracks ─┐
//!   map: homography ─▶ Pinhole ─┴▶ road ▸ shadows ▸ vehicles with plates ▸ noise ─▶ Canvas ─▶ ffmpeg ─▶ c001.mp4
//! ```
//!
//! The drawing follows the map to the pixel: where the map says that a place of the ground is, there it is drawn. It is a drawing
//! all the same, and what sees vehicles on it has not thereby seen a road.

mod body;
mod canvas;
mod lessons;
mod light;
mod pinhole;
mod road;
mod scene;
mod video;

pub use canvas::Canvas;
pub use lessons::{Lesson, Lessons, Shown};
pub use light::Light;
pub(crate) use pinhole::Pinhole;
use scene::{Model, Placed, draw};

use crate::plates::{Colour, Corner, Face, Issue, Kind, Lettering};
use crate::random::Random;
use crate::records;
use crate::simulate::{Lived, live};
use crate::traffic::{STEP_S, Track};
use crate::{EPOCH_MS, Plan, Recording};

/// How much the sensor's noise deviates.
const NOISE: f64 = 1.6;
/// Pictures of the empty road, each with other noise: frames take turns.
const ROADS: usize = 3;

/// A city that was filmed.
pub struct Film {
    lived: Lived,
    plan: Plan,
    light: Light,
    models: Vec<Model>,
}

/// One camera's pictures, to be drawn one after the other.
pub struct Reel<'a> {
    film: &'a Film,
    number: usize,
    camera: Pinhole,
    roads: Vec<Canvas>,
    tracks: Vec<&'a Track>,
}

impl Film {
    /// Lets a city live. What is seen follows from the plan and the light alone.
    #[must_use]
    pub fn of(plan: &Plan, light: Light) -> Self {
        let lived = live(plan);
        let mut random = Random::of(plan.seed, 30);
        let lettering = Lettering::drawn(Corner::Round, &mut random);
        let model = |vehicle: &crate::truth::Vehicle, random: &mut Random| {
            let face = vehicle.readable.then(|| Face::of(&issue(vehicle), &lettering, random));
            Model::new(vehicle.class, vehicle.body, face, random)
        };
        let models = lived.vehicles.iter().map(|vehicle| model(vehicle, &mut random)).collect();
        Self { lived, plan: plan.clone(), light, models }
    }

    /// What the equipment delivered and what is true.
    #[must_use]
    pub fn recording(&self) -> &Recording {
        &self.lived.recording
    }

    /// How many frames each camera takes.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.plan.seconds * self.plan.fps
    }

    /// When a camera takes its first frame, milliseconds since the epoch.
    #[must_use]
    pub fn begins_ms(&self, number: usize) -> i64 {
        EPOCH_MS + (self.lived.phases[number] * 1_000.0).round() as i64
    }

    /// The pictures of a camera, by its place in the map.
    #[must_use]
    pub fn reel(&self, number: usize) -> Reel<'_> {
        let (camera, [width, height]) = self.lived.cameras[number].pinhole();
        let road = road::road(&camera, width as usize, height as usize, self.light, self.plan.seed ^ number as u64);
        let roads = (0..ROADS).map(|n| noisy(&road, &mut Random::of(self.plan.seed, 40 + n as u64))).collect();
        let tracks = self.lived.tracks.iter().filter(|track| track.camera == number).collect();
        Reel { film: self, number, camera, roads, tracks }
    }
}

impl Reel<'_> {
    /// Width and height of the pictures.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.roads[0].width, self.roads[0].height)
    }

    /// A frame's moment, seconds of the recording.
    fn seconds(&self, frame: u32) -> f64 {
        self.film.lived.phases[self.number] + f64::from(frame) / f64::from(self.film.plan.fps)
    }

    /// Draws a frame.
    #[must_use]
    pub fn draw(&self, frame: u32) -> Canvas {
        let at = self.seconds(frame) / STEP_S;
        let placed: Vec<Placed<'_>> = self.tracks.iter().filter_map(|track| place(track, at, &self.film.models[track.driver])).collect();
        let mut canvas = self.roads[frame as usize % ROADS].clone();
        draw(&mut canvas, &self.camera, self.film.light, &placed, u64::from(frame) << 16);
        canvas
    }
}

/// Where a vehicle of a track is at a moment, in steps of the recording; none if it is not in view then.
fn place<'a>(track: &Track, at: f64, model: &'a Model) -> Option<Placed<'a>> {
    let place = at - f64::from(track.first_step);
    let i = place.floor();
    if i < 0.0 || i as usize + 1 >= track.points.len() {
        return None;
    }
    let (i, part) = (i as usize, place - i);
    let (a, b) = (track.points[i], track.points[i + 1]);
    let front = [a.s + part * (b.s - a.s), a.d + part * (b.d - a.d)];
    // The direction of the way it drove last: a vehicle that stands looks where it looked when it came.
    let moved = (0..=i).rev().map(|j| (track.points[j], track.points[j + 1])).map(|(a, b)| [b.s - a.s, b.d - a.d]);
    let way = moved.map(|[x, y]| ([x, y], x.hypot(y))).find(|(_, length)| *length > 0.02);
    Some(Placed { model, front, way: way.map_or([1.0, 0.0], |([x, y], length)| [x / length, y / length]) })
}

/// A plate as it is issued for a vehicle; on cars it has one line, on motorbikes two.
fn issue(vehicle: &crate::truth::Vehicle) -> Issue {
    let text = &vehicle.plate;
    let (kind, lines) = match vehicle.kind {
        records::Kind::Car => (Kind::Car, vec![format!("{}-{}.{}", &text[..3], &text[3..6], &text[6..])]),
        records::Kind::Bike => (Kind::Bike, vec![format!("{}-{}", &text[..2], &text[2..4]), format!("{}.{}", &text[4..7], &text[7..])]),
    };
    let colour = match vehicle.colour {
        records::Colour::White => Colour::White,
        records::Colour::Yellow => Colour::Yellow,
    };
    Issue { kind, colour, lines }
}

/// A picture of an image with the noise of a sensor.
fn noisy(image: &crate::plates::Image, random: &mut Random) -> Canvas {
    let mut image = image.clone();
    // Few deviates are drawn, and picked from.
    let deviates: Vec<f32> = (0..4_096).map(|_| random.normal(NOISE) as f32).collect();
    for pixel in &mut image.pixels {
        let bits = random.bits();
        pixel.iter_mut().enumerate().for_each(|(k, v)| *v += deviates[(bits >> (16 * k)) as usize & 4_095]);
    }
    Canvas::of(&image)
}
