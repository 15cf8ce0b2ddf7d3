//! What cameras report: every vehicle in view projected into pixels, then spoilt the way real equipment spoils it, then delivered
//! the way real lines deliver it.

use crate::camera::Camera;
use crate::incidents::body;
use crate::passages::{DEVICE_M, POINTS_LEAST, ms};
use crate::random::Random;
use crate::records::{Class, Object, Observation, Plate};
use crate::traffic::{STEP_S, Track, size_m};
use crate::truth::{Outage, Vehicle};
use crate::{EPOCH_MS, Noise, Plan};

/// Between these places, metres from the stop line, a plate is legible.
const LEGIBLE_M: (f64, f64) = (-25.0, 4.0);
/// From here on a vehicle's colour can be told.
const COLOUR_FROM_M: f64 = -30.0;

/// How one passage is spoilt: the same characters misread again and again, no read at all, hidden for a while.
struct Spoilt {
    misread: Vec<(usize, char)>,
    unread: bool,
    hidden: (f64, f64),
}

/// A camera's line to the centre: how wrong its clock is, and when its line stalls, seconds.
struct Line {
    clock_ms: i64,
    stall: Option<(f64, f64)>,
}

/// When in the first frame period each camera takes its first frame, seconds.
pub(crate) fn phases(plan: &Plan, cameras: usize, random: &mut Random) -> Vec<f64> {
    (0..cameras).map(|_| random.unit() / f64::from(plan.fps)).collect()
}

/// All frames of all cameras in order of arrival.
pub(crate) fn observe(
    plan: &Plan,
    cameras: &mut [Camera],
    tracks: &[Track],
    vehicles: &[Vehicle],
    phases: &[f64],
    outages: &[Outage],
) -> Vec<Observation> {
    let lines = lines(plan, cameras, &mut Random::of(plan.seed, 7));
    let mut of_camera: Vec<Vec<&Track>> = vec![Vec::new(); cameras.len()];
    tracks.iter().filter(|t| t.points.len() >= POINTS_LEAST).for_each(|t| of_camera[t.camera].push(t));
    let mut all = Vec::new();
    for (number, camera) in cameras.iter().enumerate() {
        let random = Random::of(plan.seed, 1_000 + number as u64);
        let mut eye = Eye { noise: &plan.noise, camera, vehicles, random };
        let tracks = &of_camera[number];
        let spoilt: Vec<Spoilt> = tracks.iter().map(|t| eye.spoil(t)).collect();
        let frames = frames(plan, tracks, phases[number]);
        let mut next = 0;
        let mut last_ms = 0;
        for frame in 0..plan.seconds * plan.fps {
            let t = phases[number] + f64::from(frame) / f64::from(plan.fps);
            let mut objects = Vec::new();
            while next < frames.len() && frames[next].0 == frame {
                let track = frames[next].1;
                objects.extend(eye.see(tracks[track], &spoilt[track], t));
                next += 1;
            }
            objects.extend(eye.imagine());
            eye.random.shuffle(&mut objects);
            let (received, again) = eye.deliver(t, &lines[number], &mut last_ms);
            let taken = EPOCH_MS + ms(t);
            if outages.iter().any(|o| o.camera == camera.id && (o.from_ms..o.to_ms).contains(&taken)) {
                continue;
            }
            let at_ms = taken + lines[number].clock_ms;
            let received_ms = EPOCH_MS + received;
            let record = Observation { camera: camera.id.clone(), frame: u64::from(frame), at_ms, objects, received_ms };
            all.extend(again.map(|later| Observation { received_ms: received_ms + later, ..record.clone() }));
            all.push(record);
        }
    }
    all.sort_by(|a, b| (a.received_ms, &a.camera, a.frame).cmp(&(b.received_ms, &b.camera, b.frame)));
    all
}

/// Which tracks each frame of a camera sees: (frame, track), in order.
fn frames(plan: &Plan, tracks: &[&Track], phase: f64) -> Vec<(u32, usize)> {
    let fps = f64::from(plan.fps);
    let of = |(number, track): (usize, &&Track)| {
        let first = f64::from(track.first_step) * STEP_S;
        let last = first + (track.points.len() - 1) as f64 * STEP_S;
        let (first, last) = (((first - phase) * fps).ceil().max(0.0) as u32, ((last - phase) * fps).floor());
        let after = if last < 0.0 { first } else { (last as u32 + 1).min(plan.seconds * plan.fps) };
        (first..after).map(move |frame| (frame, number))
    };
    let mut all: Vec<(u32, usize)> = tracks.iter().enumerate().flat_map(of).collect();
    all.sort_unstable();
    all
}

/// Draws each line's faults; the camera with the skewed clock is marked in the map as known to be bad.
fn lines(plan: &Plan, cameras: &mut [Camera], random: &mut Random) -> Vec<Line> {
    let noise = &plan.noise;
    let length = f64::from(plan.seconds);
    let skewed = random.range(0, cameras.len() as i64) as usize;
    let slow = (cameras.len() as f64 * noise.slow_lines).ceil() as usize;
    let slow = random.sample(cameras.len(), slow);
    let mut line = |number: usize| {
        let clock_ms = random.range(0, noise.clock_ms) * random.pick(&[-1, 1]);
        let (from, most) = (random.between(0.1, 0.9) * length, noise.slow_most_ms as f64 / 1_000.0);
        let until = from + random.between(most / 4.0, most);
        let fast = noise.skewed && number == skewed;
        Line { clock_ms: if fast { 900 } else { clock_ms }, stall: slow.contains(&number).then_some((from, until)) }
    };
    let lines: Vec<Line> = (0..cameras.len()).map(&mut line).collect();
    if noise.skewed {
        cameras[skewed].clock_error_ms = 1_000;
    }
    lines
}

/// One camera with its detector and its plate reader.
struct Eye<'a> {
    noise: &'a Noise,
    camera: &'a Camera,
    vehicles: &'a [Vehicle],
    random: Random,
}

impl Eye<'_> {
    fn spoil(&mut self, track: &Track) -> Spoilt {
        let (random, noise) = (&mut self.random, self.noise);
        let text: Vec<char> = self.vehicles[track.driver].plate.chars().collect();
        let (dirty, twice) = (random.chance(noise.misread), random.chance(0.15));
        let mut misread = Vec::new();
        if dirty {
            let legible: Vec<usize> = (0..text.len()).filter(|i| !confusions(text[*i]).is_empty()).collect();
            let places = random.sample(legible.len(), if twice { 2 } else { 1 });
            misread = places.into_iter().map(|p| (legible[p], confuse(text[legible[p]], random))).collect();
        }
        let unread = random.chance(noise.unread);
        let first = f64::from(track.first_step) * STEP_S;
        let from = first + random.unit() * (track.points.len() as f64 * STEP_S - 1.0).max(0.0);
        let until = from + random.between(0.5, 1.6);
        let hidden = if random.chance(noise.hidden) { (from, until) } else { (0.0, 0.0) };
        Spoilt { misread, unread, hidden }
    }

    /// The box of a vehicle at a moment, if the detector finds it.
    fn see(&mut self, track: &Track, spoilt: &Spoilt, t: f64) -> Option<Object> {
        let place = t / STEP_S - f64::from(track.first_step);
        let i = (place.max(0.0) as usize).min(track.points.len() - 2);
        let (a, b, part) = (track.points[i], track.points[i + 1], place - i as f64);
        let (s, d, speed) = (a.s + part * (b.s - a.s), a.d + part * (b.d - a.d), a.speed + part * (b.speed - a.speed));
        let vehicle = &self.vehicles[track.driver];
        let exact = self.camera.bounds(s, d, size_m(vehicle.class))?;
        let missed = self.random.chance(self.noise.missed) || (spoilt.hidden.0..spoilt.hidden.1).contains(&t);
        if missed {
            return None;
        }
        let noise = self.noise;
        let bounds = self.jitter(exact);
        let random = &mut self.random;
        let (wrong_class, wrong_body) = (random.chance(noise.class_wrong), random.chance(noise.body_wrong));
        let class = if wrong_class { random.pick(&[Class::Car, Class::Truck, Class::Bus]) } else { vehicle.class };
        let body = if wrong_body { body(random) } else { vehicle.body };
        let spread = random.normal(noise.confidence);
        let confidence = if noise.confidence > 0.0 { (870.0 + spread).clamp(300.0, 999.0) as u16 } else { 990 };
        let legible = vehicle.readable && (LEGIBLE_M.0..LEGIBLE_M.1).contains(&s) && !spoilt.unread;
        let plate = if legible { self.read(vehicle, spoilt) } else { None };
        let measured = self.camera.has_device && (DEVICE_M.0..DEVICE_M.1).contains(&s);
        let error = if noise.box_px > 0.0 { self.random.normal(0.01) } else { 0.0 };
        let speed_cms = measured.then(|| (speed * (1.0 + error) * 100.0).round() as u32);
        Some(Object { class, confidence, bounds, plate, body: (s > COLOUR_FROM_M).then_some(body), speed_cms })
    }

    /// Whole pixels, each figure with its own error.
    fn jitter(&mut self, [left, top, width, height]: [f64; 4]) -> [i32; 4] {
        let deviation = self.noise.box_px;
        let mut error = |share: f64| self.random.normal(deviation * share);
        let (x, y) = ((left + error(0.7)).round() as i32, (top + error(0.8)).round());
        let (width, bottom) = ((width + error(0.5)).round() as i32, (top + height + error(1.0)).round());
        [x, y as i32, width.max(4), ((bottom - y) as i32).max(4)]
    }

    fn read(&mut self, vehicle: &Vehicle, spoilt: &Spoilt) -> Option<Box<Plate>> {
        let (random, noise) = (&mut self.random, self.noise);
        if random.chance(noise.blurred) {
            return None;
        }
        let perfect = noise.slips == 0.0;
        let mut text = String::with_capacity(vehicle.plate.len());
        let mut confidence = Vec::with_capacity(vehicle.plate.len());
        for (i, symbol) in vehicle.plate.chars().enumerate() {
            let dirt = spoilt.misread.iter().find(|(place, _)| *place == i).filter(|_| random.chance(0.85));
            let slip = random.chance(noise.slips) && !confusions(symbol).is_empty();
            let (read, sure) = match dirt {
                Some((_, wrong)) => (*wrong, random.range(520, 900)),
                None if slip => (confuse(symbol, random), random.range(350, 800)),
                None if !perfect && random.chance(0.06) => (symbol, random.range(450, 880)),
                None => (symbol, random.range(880, 999)),
            };
            text.push(read);
            confidence.push(sure as u16);
        }
        if random.chance(noise.dropped) {
            let place = random.range(0, confidence.len() as i64) as usize;
            text.remove(place);
            confidence.remove(place);
        }
        Some(Box::new(Plate { text, kind: vehicle.kind, colour: vehicle.colour, confidence }))
    }

    /// A box where nothing is.
    fn imagine(&mut self) -> Option<Object> {
        let random = &mut self.random;
        if !random.chance(self.noise.false_boxes) {
            return None;
        }
        let (s, d) = (random.between(-40.0, 12.0), random.between(-8.0, 8.0));
        let (length, width) = (random.between(1.0, 5.0), random.between(0.8, 2.5));
        let confidence = random.range(300, 500) as u16;
        let exact = self.camera.bounds(s, d, (length, width))?;
        Some(Object { class: Class::Car, confidence, bounds: self.jitter(exact), plate: None, body: None, speed_cms: None })
    }

    /// When a frame arrives (in the line's order), and after how long once more.
    fn deliver(&mut self, t: f64, line: &Line, last_ms: &mut i64) -> (i64, Option<i64>) {
        let (random, noise) = (&mut self.random, self.noise);
        let usual = random.lognormal(noise.delay_ms, 0.6).min(8_000.0);
        let stalled = line.stall.filter(|(from, until)| (*from..*until).contains(&t)).map_or(0.0, |(_, until)| (until - t) * 1_000.0);
        let arrived = (ms(t) + (usual + stalled).round() as i64).max(*last_ms);
        *last_ms = arrived;
        let (again, later) = (random.chance(noise.duplicates), random.range(1, 400));
        (arrived, again.then_some(later))
    }
}

/// What a symbol is mistaken for.
fn confusions(symbol: char) -> &'static str {
    match symbol {
        '0' => "D86",
        '1' => "7T",
        '2' => "Z7",
        '3' => "8",
        '4' => "A",
        '5' => "S6",
        '6' => "G8",
        '7' => "1",
        '8' => "B3",
        '9' | 'A' => "4",
        'B' => "8",
        'C' => "G",
        'D' => "0",
        'E' => "F",
        'F' => "E",
        'G' => "6C",
        'H' => "KN",
        _ => "",
    }
}

fn confuse(symbol: char, random: &mut Random) -> char {
    let others: Vec<char> = confusions(symbol).chars().collect();
    if others.is_empty() { symbol } else { random.pick(&others) }
}
