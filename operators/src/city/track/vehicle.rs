//! What is known of one vehicle while it is in view, and when there is something to tell of it.
//!
//! ```text
//! box ─▶ place on the road ─▶ crossings, stays, distance against the lanes ─┐
//!    └─▶ class, colour, plate reads, device speeds ─▶ votes ────────────────┴─▶ Sighting
//! ```

use std::sync::Arc;

use schemas::{Body, Class, Crossing, Id, Name, Object, PixelBox, Plate, PlateText, Sighting, Stay};
use smallvec::SmallVec;

use super::lines::{GroundLine, Passed, View, Waypoint};
use super::{RETELL_MS, TrackParameters};
use crate::city::ground::{Footing, Point};
use crate::city::vote::{Majority, Vote, certainty};

const CLASSES: [Class; 5] = [Class::Car, Class::Motorbike, Class::Bus, Class::Truck, Class::Bicycle];
const BODIES: [Body; 10] =
    [Body::White, Body::Black, Body::Silver, Body::Red, Body::Grey, Body::Blue, Body::Brown, Body::Green, Body::Yellow, Body::Other];

/// A vehicle that circles over a line all day crosses it no more often than this, as far as we tell.
const CROSSINGS_MOST: usize = 32;
/// Stays told of one vehicle.
const STAYS_MOST: usize = 32;
/// Device readings that the median is taken of.
const SPEEDS_MOST: usize = 255;
/// A vehicle faster than this drives, cm/s; one that stands seems to move a little, too.
const DRIVING: f32 = 200.0;
/// A vehicle that is back by this much no longer sways, cm.
const TURNED: f32 = 100.0;
/// How far behind where it was a box may put a vehicle that drives, cm, on top of one standard deviation.
const BACK: f32 = 100.0;
/// A vehicle that has stood in a zone this long may be going to stay.
const STOOD_MS: u64 = 2_000;
/// How much of a new box's size is taken over.
const SIZE_GAIN: f32 = 0.2;

/// On which side of a line a vehicle is known to be, and where it last passed it since.
#[derive(Clone, Copy, Debug)]
struct Side {
    beyond: bool,
    passed: Option<Passed>,
}

/// Where a vehicle has been standing.
#[derive(Clone, Copy, Debug)]
struct Standing {
    /// The mean of where its front was seen.
    at: Point,
    frames: f32,
    from_ms: u64,
    until_ms: u64,
    /// Its stays so far that belong to this standing start here; `None` until it has stood for the whole window.
    stays_from: Option<usize>,
    /// How long it must stand until there is something to tell.
    due_ms: u64,
}

impl Standing {
    fn at(now: &Waypoint) -> Self {
        Self { at: now.position, frames: 0.0, from_ms: now.at_ms, until_ms: now.at_ms, stays_from: None, due_ms: u64::MAX }
    }

    fn hold(&mut self, now: &Waypoint) {
        self.frames += 1.0;
        self.at = [0, 1].map(|i| self.at[i] + (now.position[i] - self.at[i]) / self.frames);
        self.until_ms = now.at_ms;
    }
}

/// A vehicle in view.
#[derive(Debug)]
pub(super) struct Vehicle {
    id: Id,
    from_ms: u64,
    boxes: u32,
    last: Waypoint,
    /// Width and height of its box, smoothed, pixels.
    size: [f32; 2],
    class: Majority<5>,
    body: Majority<10>,
    sides: SmallVec<[Side; 2]>,
    crossings: Vec<Crossing>,
    standing: Standing,
    /// Where it stood before, for as long as that may have been a mistaken box.
    stood: Option<Standing>,
    stays: Vec<Stay>,
    /// It came into view backwards, over the stop line and in a lane: the approach may bend, it is in its lanes.
    entered_by_stop: bool,
    /// How far it drove with its lane, net; the furthest that ever was; and the most it came back from there.
    along_cm: f32,
    furthest_cm: f32,
    back_cm: f32,
    /// When it was last about as far as it ever was, and when it left there for the way back that was the longest.
    turned_ms: u64,
    back_from_ms: u64,
    against: bool,
    speeds: Vec<u32>,
    plate: Option<Box<Vote>>,
    /// At how many reads the plate is looked at next.
    look_at: u32,
    confident: Option<PlateText>,
    news: bool,
    told: Option<Arc<Sighting>>,
}

impl Vehicle {
    /// A vehicle seen for the first time, at a place given by `first`.
    pub(super) fn first(view: &View, object: &Object, first: Waypoint) -> Self {
        let b = object.bounds;
        let corners = [b.x, b.y, b.width, b.height].map(i32::to_le_bytes);
        let id = Id::of("sighting").with(view.camera.as_str().as_bytes()).number(first.at_ms).with(corners.as_flattened()).finish();
        Self {
            id,
            from_ms: first.at_ms,
            boxes: 0,
            last: first,
            size: [b.width as f32, b.height as f32],
            class: Majority::default(),
            body: Majority::default(),
            sides: view.lines.iter().map(|line| Side { beyond: line.ahead(first.position) >= 0.0, passed: None }).collect(),
            crossings: Vec::new(),
            standing: Standing::at(&first),
            stood: None,
            stays: Vec::new(),
            entered_by_stop: false,
            along_cm: 0.0,
            furthest_cm: 0.0,
            back_cm: 0.0,
            turned_ms: first.at_ms,
            back_from_ms: first.at_ms,
            against: false,
            speeds: Vec::new(),
            plate: None,
            look_at: 1,
            confident: None,
            news: false,
            told: None,
        }
    }

    /// Takes in a box that is this vehicle, and where that puts it on the road.
    pub(super) fn see(&mut self, view: &View, parameters: &TrackParameters, object: &Object, now: Waypoint) {
        self.boxes += 1;
        self.class.add(object.class as usize, u32::from(object.confidence.max(1)));
        if let Some(body) = object.body {
            self.body.add(body as usize, u32::from(object.confidence.max(1)));
        }
        if let Some(speed) = object.speed_cms.filter(|_| self.speeds.len() < SPEEDS_MOST) {
            self.speeds.push(speed);
        }
        let b = object.bounds;
        self.size[0] += SIZE_GAIN * (b.width as f32 - self.size[0]);
        self.size[1] += SIZE_GAIN * (b.height as f32 - self.size[1]);
        if let Some(read) = &object.plate {
            self.read(read, parameters);
        }
        self.cross_lines(view, parameters, &now);
        if !view.zones.is_empty() {
            self.stand(view, parameters, &b, &now);
        }
        self.drive_back(view, parameters, &now);
        self.last = now;
    }

    /// How unlike its own size a box is; 0 is equal.
    pub(super) fn unlike(&self, b: &PixelBox) -> f32 {
        let off = |seen: i32, known: f32| {
            let off = (seen as f32 - known) / (0.1 * known + 2.0);
            off * off
        };
        off(b.width, self.size[0]) + off(b.height, self.size[1])
    }

    /// Which it is.
    pub(super) fn id(&self) -> Id {
        self.id
    }

    /// When it was first seen.
    pub(super) fn since_ms(&self) -> u64 {
        self.from_ms
    }

    /// In how many boxes it was seen.
    pub(super) fn boxes(&self) -> u32 {
        self.boxes
    }

    /// Where it was last seen.
    pub(super) fn last(&self) -> &Waypoint {
        &self.last
    }

    /// Whether it would have turned back to be there: one that was driving may have stopped while it was hidden, no more.
    pub(super) fn turned_back(&self, seen: &Footing) -> bool {
        let Waypoint { position, velocity, variance, .. } = &self.last;
        let speed = velocity[0].hypot(velocity[1]);
        let [mut onwards, mut doubt] = [0.0; 2];
        for i in [0, 1] {
            onwards += (seen.at[i] - position[i]) * velocity[i];
            doubt += (seen.variance[i] + variance[i]) * velocity[i] * velocity[i];
        }
        // Both as far as they point along its way, times its speed.
        speed > DRIVING && onwards < -BACK * speed - doubt.sqrt()
    }

    /// Whether it has been seen often enough to be believed.
    pub(super) fn confirmed(&self, parameters: &TrackParameters) -> bool {
        self.boxes >= parameters.confirm_boxes
    }

    /// Whether it was standing in a zone when it was last seen.
    pub(super) fn stands_in_zone(&self, view: &View) -> bool {
        let stood_ms = self.standing.until_ms - self.standing.from_ms;
        stood_ms >= STOOD_MS && view.zones.iter().any(|zone| zone.contains(self.standing.at))
    }

    /// Tells what is new, if anything is: the sighting so far in place of what was told before. Of one that stays in view
    /// something is new again and again, or what was told of it would count as final while it still stands there.
    pub(super) fn tell_news(&mut self, view: &View, parameters: &TrackParameters, out: &mut Vec<(Arc<Sighting>, isize)>) {
        let still_there = self.told.as_ref().is_some_and(|told| self.last.at_ms - told.until_ms >= RETELL_MS);
        if (self.news || still_there) && self.confirmed(parameters) {
            self.tell(view, parameters, out);
        }
    }

    /// Tells how it ended, if there ever was something to tell of it.
    ///
    /// A vehicle that was never read, crossed nothing, stood nowhere and drove against no one is of no use to any rule or
    /// journey: of it nothing is told.
    pub(super) fn tell_end(mut self, view: &View, parameters: &TrackParameters, out: &mut Vec<(Arc<Sighting>, isize)>) {
        self.cross_unseen(view, parameters);
        let anything = self.plate.is_some() || !self.crossings.is_empty() || !self.stays.is_empty() || self.against;
        if anything && self.confirmed(parameters) {
            self.tell(view, parameters, out);
        }
    }

    fn tell(&mut self, view: &View, parameters: &TrackParameters, out: &mut Vec<(Arc<Sighting>, isize)>) {
        self.news = false;
        let sighting = self.sighting(view.camera, parameters);
        if self.told.as_ref().is_some_and(|told| **told == sighting) {
            return;
        }
        if let Some(plate) = sighting.plate.filter(|plate| certainty(plate) >= parameters.plate_certainty) {
            self.confident = Some(plate.text);
        }
        let sighting = Arc::new(sighting);
        out.extend(self.told.replace(Arc::clone(&sighting)).map(|old| (old, -1)));
        out.push((sighting, 1));
    }

    fn sighting(&self, camera: Name, parameters: &TrackParameters) -> Sighting {
        let mut speeds = self.speeds.clone();
        speeds.sort_unstable();
        Sighting {
            id: self.id,
            camera,
            class: self.class.leader().map_or(Class::Other, |class| CLASSES[class]),
            body: self.body.leader().map(|body| BODIES[body]),
            from_ms: self.from_ms,
            until_ms: self.last.at_ms,
            plate: self.plate.as_ref().and_then(|vote| vote.posterior()),
            crossings: self.crossings.clone(),
            stays: self.stays.clone(),
            speed_cms: speeds.get(speeds.len().saturating_sub(1) / 2).copied(),
            boxes: self.boxes,
            against_cm: self.against_cm(parameters),
            against_from_ms: self.against_cm(parameters).map(|_| self.back_from_ms),
        }
    }

    fn against_cm(&self, parameters: &TrackParameters) -> Option<u32> {
        let seen_ms = self.last.at_ms - self.from_ms;
        (seen_ms >= parameters.against_for.ms() && self.back_cm >= parameters.against.cm() as f32).then_some(self.back_cm.round() as u32)
    }

    /// Takes a read of the plate. The vote is looked at after 1, 2, 3, 4, 6, 9 … reads: what it says settles soon.
    fn read(&mut self, read: &Plate, parameters: &TrackParameters) {
        let vote = self.plate.get_or_insert_default();
        vote.add(read);
        if vote.reads() < self.look_at {
            return;
        }
        self.look_at = vote.reads() + vote.reads().div_ceil(2).min(16);
        if self.confident.is_some_and(|known| vote.leads(&known)) {
            return;
        }
        let sure = vote.posterior().filter(|plate| certainty(plate) >= parameters.plate_certainty);
        self.news |= sure.is_some_and(|plate| self.confident != Some(plate.text));
    }

    /// Measures how far it drives against its lane. What happens between boxes far apart does not count: there a vehicle may
    /// have been taken for the one behind. While its front is hidden it does not drive back: in a queue the box of one that is driven up
    /// to shrinks from below, and its front seems to go back for metres, and forward again when the other drives off.
    fn drive_back(&mut self, view: &View, parameters: &TrackParameters, now: &Waypoint) {
        let seen_through = now.at_ms - self.last.at_ms <= 3 * view.period_ms;
        let in_lanes = view.in_lanes(self.last.position) && view.in_lanes(now.position);
        if !seen_through || !view.before_stop(now.position) || !(self.entered_by_stop || in_lanes) {
            return;
        }
        let seen_whole = !now.hidden && !self.last.hidden;
        let driven_cm = now.position[0] - self.last.position[0];
        self.along_cm += if seen_whole { driven_cm } else { driven_cm.max(0.0) };
        self.furthest_cm = self.furthest_cm.max(self.along_cm);
        if seen_whole {
            let back_cm = self.furthest_cm - self.along_cm;
            if back_cm < TURNED {
                self.turned_ms = now.at_ms;
            } else if back_cm > self.back_cm {
                (self.back_cm, self.back_from_ms) = (back_cm, self.turned_ms);
            }
            let against = self.against_cm(parameters).is_some();
            self.news |= against && !self.against;
            self.against |= against;
        }
    }

    /// A line is crossed once the front is clear of it on the other side; when it was, is when it last passed it.
    fn cross_lines(&mut self, view: &View, parameters: &TrackParameters, now: &Waypoint) {
        for (n, (line, side)) in view.lines.iter().zip(&mut self.sides).enumerate() {
            if let Some(passed) = line.passed(&self.last, now) {
                side.passed = Some(passed);
            }
            let ahead = line.ahead(now.position);
            if (ahead > 0.0) == side.beyond || ahead.abs() < parameters.clear.cm() as f32 + 3.0 * line.doubt(now) {
                continue;
            }
            side.beyond = ahead > 0.0;
            if let Some(passed) = side.passed.take().filter(|_| self.crossings.len() < CROSSINGS_MOST) {
                let lane = view.lane_at(passed.position, parameters.lane_margin.cm() as f32);
                self.crossings.push(Crossing { line: line.id, at_ms: passed.at_ms, lane, forward: side.beyond });
                self.crossings.sort_by_key(|c| (c.at_ms, c.line));
                self.entered_by_stop |= view.stop == Some(n) && !side.beyond && lane.is_some();
                self.news = true;
            }
        }
    }

    /// Adds the lines that it must have crossed after it was last seen: it had passed another one before, and was too fast to
    /// stop before this one. The moment told is the latest possible, for whoever brakes as hard as anyone can.
    fn cross_unseen(&mut self, view: &View, parameters: &TrackParameters) {
        if self.crossings.last().is_none_or(|crossing| !crossing.forward) {
            return;
        }
        let ahead = view.lines.iter().zip(&self.sides).filter(|(_, side)| !side.beyond);
        let must = |(line, side): (&GroundLine, &Side)| {
            let just_over = side.passed.filter(|_| line.ahead(self.last.position) >= 0.0 && line.approach(&self.last) > DRIVING);
            let passed = just_over.or_else(|| line.unstoppable(&self.last, parameters.braking_cm_s2 as f32))?;
            // Outside the lanes it may be turning off before the line.
            let lane = view.lane_at(passed.position, parameters.lane_margin.cm() as f32)?;
            Some(Crossing { line: line.id, at_ms: passed.at_ms, lane: Some(lane), forward: true })
        };
        self.crossings.extend(ahead.filter_map(must).take(CROSSINGS_MOST.saturating_sub(self.crossings.len())));
        self.crossings.sort_by_key(|c| (c.at_ms, c.line));
    }

    fn stand(&mut self, view: &View, parameters: &TrackParameters, b: &PixelBox, now: &Waypoint) {
        let [from, to] = [b.x, b.x + b.width].map(|x| view.ground.point(x as f32, (b.y + b.height) as f32));
        let width = from.zip(to).map_or(0.0, |(from, to)| distance(from, to));
        let still = (parameters.still.cm() as f32).max(width / 4.0);
        if distance(self.standing.at, now.position) > still {
            let stood = self.stood.take().into_iter().chain([self.standing]).find(|s| s.stays_from.is_some());
            self.stood = stood;
            self.standing = Standing::at(now);
        }
        // It had not moved: a box or two were mistaken.
        let back = |s: &mut Standing| now.at_ms - s.until_ms <= parameters.age.ms() && distance(s.at, now.position) <= still;
        if self.standing.stays_from.is_none()
            && let Some(stood) = self.stood.take_if(back)
        {
            self.standing = stood;
        }
        self.standing.hold(now);
        let stood_ms = now.at_ms - self.standing.from_ms;
        if stood_ms < parameters.still_for.ms() {
            return;
        }
        let first = *self.standing.stays_from.get_or_insert_with(|| {
            self.standing.due_ms = 0;
            let zones = view.zones.iter().filter(|zone| zone.contains(now.position)).take(STAYS_MOST.saturating_sub(self.stays.len()));
            let first = self.stays.len();
            self.stays.extend(zones.map(|zone| Stay { zone: zone.id, from_ms: self.standing.from_ms, until_ms: now.at_ms }));
            first
        });
        let stays = &mut self.stays[first..];
        stays.iter_mut().for_each(|stay| stay.until_ms = now.at_ms);
        if stood_ms >= self.standing.due_ms {
            let limits = view.zones.iter().filter(|zone| stays.iter().any(|stay| stay.zone == zone.id)).map(|zone| zone.limit_ms);
            self.news |= limits.clone().any(|limit| (self.standing.due_ms..=stood_ms).contains(&limit));
            self.standing.due_ms = limits.filter(|limit| *limit > stood_ms).min().unwrap_or(u64::MAX);
        }
    }
}

/// How far two points of the road are from each other, cm.
pub(super) fn distance(a: Point, b: Point) -> f32 {
    let [x, y] = [0, 1].map(|i| a[i] - b[i]);
    (x * x + y * y).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_colours_stand_where_their_numbers_say() {
        assert!(CLASSES.iter().enumerate().all(|(i, class)| *class as usize == i));
        assert!(BODIES.iter().enumerate().all(|(i, body)| *body as usize == i));
    }
}
