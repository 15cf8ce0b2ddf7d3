//! One camera: frame by frame, which box continues which vehicle.
//!
//! ```text
//! frame ─▶ end what was last seen too long ago ─▶ predict ─▶ match clear boxes ─▶ match faint boxes with what is left
//!                     ─▶ match what is left over on both sides, one lane apart ─▶ begin new vehicles ─▶ tell what is new
//! ```
//!
//! After ByteTrack (Zhang et al., 2022: faint boxes continue tracks but never begin them), on the ground plane as in
//! UCMCTrack (Yi et al., 2024), where a vehicle's motion is simple and a queue's boxes are metres apart.

use std::sync::Arc;

use schemas::{Camera, Class, Id, Object, Observation, PixelBox, Reason, Sighting};

use super::TrackParameters;
use super::assign::Assignment;
use super::lines::{View, Waypoint};
use super::motion::Motion;
use super::vehicle::{Vehicle, distance};
use crate::city::ground::{Footing, Point};
use crate::stream::Footprint;

/// A pair further apart than this squared Mahalanobis distance is no pair: four standard deviations.
const GATE: f32 = 16.0;
/// No pair costs more.
const COST_MOST: f32 = 40.0;
/// The covariance's determinant at which its size costs nothing, cm⁴: a vehicle in plain view.
const SURE: f32 = 1e6;
/// Frames remembered to tell a repeated one from a late one.
const RECENT: usize = 32;
/// Two boxes that overlap more than this are one vehicle, detected twice.
const SAME: f32 = 0.7;

/// What a box is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Not a vehicle, not on the road, or already taken.
    None,
    /// May continue a track.
    Faint,
    /// May continue or begin one.
    Clear,
}

/// A box of the current frame.
#[derive(Clone, Copy, Debug)]
struct Spot {
    footing: Footing,
    of: Use,
}

/// The vehicles in one camera's view.
///
/// Feed it the camera's frames in order; it tells each sighting when there is something to tell of it.
#[derive(Debug)]
pub struct Tracker {
    view: View,
    parameters: TrackParameters,
    /// Parallel: the same vehicle has the same place in both. Motions are small, for they are walked for every box.
    motions: Vec<Motion>,
    vehicles: Vec<Vehicle>,
    last_ms: Option<u64>,
    recent: [u64; RECENT],
    accepted: usize,
    spots: Vec<Spot>,
    taken: Vec<bool>,
    assignment: Assignment,
}

impl Tracker {
    /// A tracker for this camera.
    ///
    /// # Errors
    /// The camera's ground points do not fix where things stand; says why.
    pub fn new(camera: &Camera, parameters: &TrackParameters) -> Result<Self, String> {
        Ok(Self {
            view: View::of(camera)?,
            parameters: parameters.clone(),
            motions: Vec::new(),
            vehicles: Vec::new(),
            last_ms: None,
            recent: [0; RECENT],
            accepted: 0,
            spots: Vec::new(),
            taken: Vec::new(),
            assignment: Assignment::default(),
        })
    }

    /// How many vehicles are in view.
    pub(super) fn vehicles(&self) -> usize {
        self.vehicles.len()
    }

    /// What so many vehicles in view take.
    pub(super) fn footprint(vehicles: usize) -> Footprint {
        Footprint::of::<(Motion, Vehicle)>(vehicles)
    }

    /// When the last accepted frame was taken.
    #[must_use]
    pub fn last_ms(&self) -> Option<u64> {
        self.last_ms
    }

    /// Since when the vehicle in view that has been there the longest is there, and a fingerprint of all that are: which, and
    /// from how many boxes. `None` if nothing is in view.
    #[must_use]
    pub fn in_view(&self) -> Option<(u64, u64)> {
        let since_ms = self.vehicles.iter().map(Vehicle::since_ms).min()?;
        let print =
            self.vehicles.iter().fold(Id::of("in view"), |print, vehicle| print.number(vehicle.id().0).number(u64::from(vehicle.boxes())));
        Some((since_ms, print.finish().0))
    }

    /// Takes the camera's next frame; puts into `out` the sightings that change.
    ///
    /// # Errors
    /// The frame is not newer than the last one: [`Reason::Duplicate`] if it was taken before, else [`Reason::Late`].
    pub fn observe(&mut self, frame: &Observation, out: &mut Vec<(Arc<Sighting>, isize)>) -> Result<(), Reason> {
        let last_ms = self.last_ms.unwrap_or(frame.at_ms);
        if self.last_ms.is_some_and(|last| frame.at_ms <= last) {
            let known = self.recent[..self.accepted.min(RECENT)].contains(&frame.frame);
            return Err(if known { Reason::Duplicate } else { Reason::Late });
        }
        self.last_ms = Some(frame.at_ms);
        self.recent[self.accepted % RECENT] = frame.frame;
        self.accepted += 1;
        self.end_lost(frame.at_ms, out);
        let seconds = (frame.at_ms - last_ms) as f32 / 1_000.0;
        let acceleration = self.parameters.acceleration_cm_s2 as f32;
        self.motions.iter_mut().for_each(|motion| motion.predict(seconds, acceleration));
        self.look(&frame.objects);
        self.taken.clear();
        self.taken.resize(self.motions.len(), false);
        self.match_near(frame, Use::Clear);
        self.continue_tracks(frame, Motion::update, out);
        self.match_near(frame, Use::Faint);
        self.continue_tracks(frame, Motion::update, out);
        self.match_swerved(frame.at_ms);
        self.continue_tracks(frame, Motion::swerve, out);
        self.begin_tracks(frame, out);
        Ok(())
    }

    /// Ends the tracks that were last seen longer ago than a vehicle is hidden.
    fn end_lost(&mut self, now_ms: u64, out: &mut Vec<(Arc<Sighting>, isize)>) {
        let mut i = 0;
        while i < self.vehicles.len() {
            let vehicle = &self.vehicles[i];
            let unseen_ms = now_ms - vehicle.last().at_ms;
            let age_ms = match self.parameters.age.ms() {
                _ if !vehicle.confirmed(&self.parameters) => self.parameters.unconfirmed_age.ms().max(3 * self.view.period_ms),
                age_ms if unseen_ms > age_ms && vehicle.stands_in_zone(&self.view) => self.parameters.standing_age.ms(),
                age_ms => age_ms,
            };
            if unseen_ms > age_ms {
                // The others stay in the order in which they came: how ties are broken is up to those in view alone.
                self.motions.remove(i);
                self.vehicles.remove(i).tell_end(&self.view, &self.parameters, out);
            } else {
                i += 1;
            }
        }
    }

    /// Finds where each box stands on the road.
    fn look(&mut self, objects: &[Object]) {
        let (view, parameters) = (&self.view, &self.parameters);
        self.spots.clear();
        self.spots.extend(objects.iter().map(|object| {
            let b = object.bounds;
            let jitter = parameters.jitter_px as f32 + parameters.jitter_permille as f32 / 1_000.0 * b.height as f32;
            let footing = view.ground.footing(b.x as f32 + b.width as f32 / 2.0, (b.y + b.height) as f32, [jitter, jitter]);
            let of = match object.confidence {
                _ if object.class == Class::Other || footing.is_none() => Use::None,
                c if c >= parameters.clear_confidence => Use::Clear,
                c if c >= parameters.faint_confidence => Use::Faint,
                _ => Use::None,
            };
            Spot { footing: footing.unwrap_or(Footing { at: [0.0; 2], variance: [1.0; 2] }), of }
        }));
    }

    /// Offers the boxes of one kind to the tracks that have none yet, where they are about where the track should be.
    fn match_near(&mut self, frame: &Observation, of: Use) {
        self.assignment.begin(self.motions.len(), self.spots.len());
        if self.spots.iter().all(|spot| spot.of != of) {
            return;
        }
        let reach = self.parameters.reach.cm() as f32;
        // A faint box may be nothing at all: it tells something only of a vehicle that was there a moment ago.
        let since_ms = if of == Use::Faint { frame.at_ms.saturating_sub(5 * self.view.period_ms / 2) } else { 0 };
        for (t, motion) in self.motions.iter().enumerate() {
            let vehicle = &self.vehicles[t];
            if self.taken[t] || vehicle.last().at_ms < since_ms {
                continue;
            }
            let believed = vehicle.confirmed(&self.parameters);
            let [along, across] = motion.position();
            for (s, spot) in self.spots.iter().enumerate() {
                let [a, b] = spot.footing.at;
                if (a - along).abs() > reach || (b - across).abs() > reach || spot.of != of {
                    continue;
                }
                let (distance, determinant) = motion.surprise(&spot.footing);
                if distance < GATE && !(believed && vehicle.turned_back(&spot.footing)) {
                    let unlike = vehicle.unlike(&frame.objects[s].bounds).min(10.0) / 2.0;
                    let cost = distance + (determinant / SURE).max(1.0).ln() + unlike;
                    self.assignment.offer(t, s, cost.min(COST_MOST - 1.0));
                }
            }
        }
    }

    /// Offers the clear boxes that are left to the believed tracks that are left, where they are no more than a lane beside
    /// the way from where the vehicle was last seen to where it should be, and no further from there than it can have braked or turned
    /// off since. Vehicles change lanes, and brake while they are hidden; they do not vanish where another appears from nowhere.
    fn match_swerved(&mut self, now_ms: u64) {
        self.assignment.begin(self.motions.len(), self.spots.len());
        let (swerve, braking) = (self.parameters.swerve.cm() as f32, self.parameters.braking_cm_s2 as f32);
        for (s, spot) in self.spots.iter().enumerate().filter(|(_, spot)| spot.of == Use::Clear) {
            for (t, motion) in self.motions.iter().enumerate() {
                let vehicle = &self.vehicles[t];
                if self.taken[t] || !vehicle.confirmed(&self.parameters) {
                    continue;
                }
                let (at, should_be, last) = (spot.footing.at, motion.position(), vehicle.last());
                let off = beside(at, last.position, should_be);
                let unseen = (now_ms - last.at_ms) as f32 / 1_000.0;
                let braked = distance(at, should_be) < swerve + braking * unseen * unseen / 2.0;
                if off < swerve && braked && !vehicle.turned_back(&spot.footing) {
                    self.assignment.offer(t, s, off / swerve);
                }
            }
        }
    }

    /// Settles what was offered: each track matched takes in its box.
    fn continue_tracks(&mut self, frame: &Observation, take: fn(&mut Motion, Footing), out: &mut Vec<(Arc<Sighting>, isize)>) {
        for (t, s) in self.assignment.settle(COST_MOST) {
            let (motion, vehicle, spot) = (&mut self.motions[*t], &mut self.vehicles[*t], &mut self.spots[*s]);
            take(motion, spot.footing);
            let hidden = is_hidden(&frame.objects[*s].bounds, &frame.objects);
            vehicle.see(&self.view, &self.parameters, &frame.objects[*s], Waypoint { hidden, ..motion.waypoint(frame.at_ms) });
            vehicle.tell_news(&self.view, &self.parameters, out);
            self.taken[*t] = true;
            spot.of = Use::None;
        }
    }

    /// Begins a track for every clear box that continues none and is not a second box around a vehicle that has one.
    fn begin_tracks(&mut self, frame: &Observation, out: &mut Vec<(Arc<Sighting>, isize)>) {
        for (s, object) in frame.objects.iter().enumerate() {
            let spot = self.spots[s];
            let taken =
                |(other, o): (usize, &Object)| other != s && self.spots[other].of == Use::None && overlap(&o.bounds, &object.bounds) > SAME;
            if spot.of != Use::Clear || frame.objects.iter().enumerate().any(taken) {
                continue;
            }
            let motion = Motion::first(spot.footing, self.view.in_lanes(spot.footing.at));
            let first = motion.waypoint(frame.at_ms);
            let mut vehicle = Vehicle::first(&self.view, object, first);
            vehicle.see(&self.view, &self.parameters, object, first);
            vehicle.tell_news(&self.view, &self.parameters, out);
            self.motions.push(motion);
            self.vehicles.push(vehicle);
            self.spots[s].of = Use::None;
        }
    }
}

/// How far a point is from the straight way between two others.
fn beside(point: Point, from: Point, to: Point) -> f32 {
    let way = [to[0] - from[0], to[1] - from[1]];
    let [along, across] = [point[0] - from[0], point[1] - from[1]];
    let share = (along * way[0] + across * way[1]) / (way[0] * way[0] + way[1] * way[1]).max(1.0);
    let share = share.clamp(0.0, 1.0);
    (along - share * way[0]).hypot(across - share * way[1])
}

/// Whether the lower edge of a box lies behind a nearer vehicle, or so close above it that it may. There a detector sees where the vehicle
/// ends that is in front.
fn is_hidden(bounds: &PixelBox, all: &[Object]) -> bool {
    let (x, bottom) = (bounds.x + bounds.width / 2, bounds.y.saturating_add(bounds.height));
    all.iter().any(|Object { bounds: other, .. }| {
        let nearer = other.y.saturating_add(other.height) > bottom.saturating_add(bounds.height / 8);
        let below = other.y.saturating_sub(bounds.height / 4) < bottom;
        nearer && below && (x - other.x - other.width / 2).abs() < other.width / 2 + bounds.width / 4
    })
}

/// Intersection over union.
fn overlap(a: &PixelBox, b: &PixelBox) -> f32 {
    let side = |a: i32, a_long: i32, b: i32, b_long: i32| (a + a_long).min(b + b_long).saturating_sub(a.max(b)).max(0) as f32;
    let common = side(a.x, a.width, b.x, b.width) * side(a.y, a.height, b.y, b.height);
    let area = |b: &PixelBox| b.width as f32 * b.height as f32;
    common / (area(a) + area(b) - common)
}
