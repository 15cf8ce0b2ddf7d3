//! Who drives where and when: vehicles that follow each other (the intelligent driver model), queue at red, and turn slowly.
//!
//! Each lane is a queue in order of distance; a vehicle looks at the one ahead (on its own road, else at the tail of the lane it
//! goes to) and at the signal. Treiber, Hennecke, Helbing: Congested traffic states in empirical observations and microscopic
//! simulations, Phys. Rev. E 62 (2000). What the cameras see is kept: one [`Track`] per vehicle and camera, a point per step.

use std::collections::VecDeque;

use crate::lights::Lights;
use crate::random::Random;
use crate::records::{Class, State};
use crate::roads::{HALF_APPROACH_M, LANE_M, Movement, Roads};

/// Length of a simulated step.
pub(crate) const STEP_S: f64 = 0.2;
/// Vehicles drive this long before the recording begins, so that it does not begin in an empty city.
pub(crate) const WARM_STEPS: u32 = 450;
/// How far before the stop line a camera sees.
pub(crate) const BEFORE_M: f64 = 45.0;
/// A red runner passes a light that has been red for less than this.
const RUNS_RED_MS: i64 = 12_000;
/// The hardest braking for a yellow light.
const BRAKING_MS2: f64 = 3.5;

/// A vehicle's way and manner, fixed before it starts.
pub(crate) struct Driver {
    pub(crate) class: Class,
    /// Step in which it wants to enter.
    pub(crate) departs: u32,
    pub(crate) route: Vec<usize>,
    /// Desired speed over the limit.
    pub(crate) eagerness: f64,
    pub(crate) runs_red: bool,
    /// From the middle of its lane to the right, metres.
    pub(crate) drift_m: f64,
}

/// Length and width of a class, metres.
pub(crate) fn size_m(class: Class) -> (f64, f64) {
    match class {
        Class::Car => (4.6, 1.8),
        Class::Truck => (7.5, 2.4),
        Class::Bus => (12.0, 2.5),
        Class::Motorbike => (1.9, 0.8),
    }
}

/// Where a camera looks and how far beyond the stop line.
#[derive(Clone, Copy)]
pub(crate) struct View {
    pub(crate) camera: usize,
    pub(crate) after_m: f64,
}

/// One vehicle through one camera's view; a point per step from `first_step` of the recording on.
pub(crate) struct Track {
    pub(crate) driver: usize,
    pub(crate) camera: usize,
    pub(crate) lane: usize,
    pub(crate) first_step: u32,
    pub(crate) points: Vec<Point>,
}

/// Along and across the approach (metres from the stop line and its middle), speed, and what the odometer shows.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    pub(crate) s: f64,
    pub(crate) d: f64,
    pub(crate) speed: f64,
    pub(crate) odometer: f64,
}

#[derive(Clone)]
struct Vehicle {
    leg: usize,
    lane: usize,
    x: f64,
    speed: f64,
    odometer: f64,
    track: Option<usize>,
}

/// The moving city.
pub(crate) struct Traffic<'a> {
    roads: &'a Roads,
    lights: &'a Lights,
    drivers: &'a [Driver],
    /// Which view, if any, a road's approach is seen in.
    views: &'a [Option<View>],
    vehicles: Vec<Option<Vehicle>>,
    lanes: Vec<VecDeque<usize>>,
    waiting: Vec<VecDeque<usize>>,
    tracks: Vec<Track>,
}

/// Drives everybody until the recording ends and returns what the cameras' views held.
pub(crate) fn drive(roads: &Roads, lights: &Lights, drivers: &[Driver], views: &[Option<View>], steps: u32) -> Vec<Track> {
    let mut traffic = Traffic {
        roads,
        lights,
        drivers,
        views,
        vehicles: vec![None; drivers.len()],
        lanes: vec![VecDeque::new(); roads.roads.len() * 2],
        waiting: vec![VecDeque::new(); roads.roads.len()],
        tracks: Vec::new(),
    };
    let mut next = 0;
    for step in 0..WARM_STEPS + steps {
        while next < drivers.len() && drivers[next].departs <= step {
            traffic.waiting[drivers[next].route[0]].push_back(next);
            next += 1;
        }
        traffic.enter();
        traffic.advance((i64::from(step) - i64::from(WARM_STEPS)) * 200);
        if let Some(recorded) = (step + 1).checked_sub(WARM_STEPS) {
            traffic.watch(recorded);
        }
    }
    traffic.tracks
}

impl Traffic<'_> {
    fn movement(&self, driver: usize, leg: usize) -> Option<Movement> {
        let route = &self.drivers[driver].route;
        Movement::between(self.roads.roads[route[leg]].heading, self.roads.roads[*route.get(leg + 1)?].heading)
    }

    /// The lane for the next turn; where both will do, the emptier.
    fn choose_lane(&self, driver: usize, leg: usize) -> usize {
        let road = self.drivers[driver].route[leg] * 2;
        let emptier = usize::from(self.lanes[road].len() > self.lanes[road + 1].len());
        self.movement(driver, leg).and_then(Movement::lane).unwrap_or(emptier)
    }

    /// Lets in who waits outside, one per road and step, if there is room.
    fn enter(&mut self) {
        for &road in &self.roads.entries {
            let Some(&driver) = self.waiting[road].front() else { continue };
            let lane = self.choose_lane(driver, 0);
            let tail = self.lanes[road * 2 + lane].back().and_then(|v| self.vehicles[*v].as_ref().map(|ahead| (*v, ahead)));
            let room = tail.map_or(100.0, |(v, ahead)| ahead.x - size_m(self.drivers[v].class).0);
            if room < 8.0 {
                continue;
            }
            let speed = (room / 2.0).min(11.0).min(tail.map_or(11.0, |(_, ahead)| ahead.speed + 3.0));
            self.vehicles[driver] = Some(Vehicle { leg: 0, lane, x: 0.0, speed, odometer: 0.0, track: None });
            self.lanes[road * 2 + lane].push_back(driver);
            self.waiting[road].pop_front();
        }
    }

    /// Moves everybody by one step, each lane from its front.
    fn advance(&mut self, now_ms: i64) {
        let mut over = Vec::new();
        for lane in 0..self.lanes.len() {
            let mut ahead = None;
            for place in 0..self.lanes[lane].len() {
                let driver = self.lanes[lane][place];
                let Some(me) = self.vehicles[driver].clone() else { continue };
                let acceleration = self.acceleration(driver, &me, ahead, lane / 2, now_ms);
                let speed = (me.speed + acceleration * STEP_S).max(0.0);
                let moved = (me.speed + speed) / 2.0 * STEP_S;
                ahead = Some((driver, me.x + moved, speed));
                if me.x + moved >= self.roads.roads[lane / 2].length_m {
                    over.push(driver);
                }
                self.vehicles[driver] = Some(Vehicle { x: me.x + moved, speed, odometer: me.odometer + moved, ..me });
            }
        }
        over.into_iter().for_each(|driver| self.cross(driver));
    }

    /// How hard one brakes or speeds up, given who is ahead on this road: the strictest of road, vehicle ahead and signal.
    fn acceleration(&self, driver: usize, me: &Vehicle, ahead: Option<(usize, f64, f64)>, road: usize, now_ms: i64) -> f64 {
        let (who, road) = (&self.drivers[driver], &self.roads.roads[road]);
        let to_line = road.length_m - me.x;
        let movement = self.movement(driver, me.leg);
        let mut desired = road.limit_ms * who.eagerness;
        if me.x < 0.0 && me.leg > 0 {
            desired = desired.min(self.movement(driver, me.leg - 1).map_or(desired, Movement::speed_ms));
        }
        if let Some(turn) = movement.map(Movement::speed_ms).filter(|s| s.is_finite()) {
            desired = desired.min((turn * turn + 4.0 * to_line).sqrt());
        }
        let mut least = follow(who.class, me.speed, desired, f64::INFINITY, 0.0);
        if let Some((other, x, speed)) = ahead {
            let gap = x - size_m(self.drivers[other].class).0 - me.x;
            return least.min(follow(who.class, me.speed, desired, gap, me.speed - speed));
        }
        let (Some(crossing), Some(movement)) = (road.to, movement) else { return least };
        let (state, since_ms) = self.lights.head(crossing, road.heading, me.lane).at(now_ms);
        let can_stop = me.speed * me.speed / (2.0 * BRAKING_MS2) <= to_line;
        let runs = who.runs_red && state == State::Red && since_ms < RUNS_RED_MS;
        if state != State::Green && can_stop && !runs {
            return least.min(follow(who.class, me.speed, desired, to_line + 1.0, me.speed));
        }
        if let Some((x, speed)) = self.tail(driver, me.leg + 1) {
            least = least.min(follow(who.class, me.speed, desired, to_line + movement.length_m() + x, me.speed - speed));
        }
        least
    }

    /// Where the last vehicle of the lane one will turn into ends, and its speed.
    fn tail(&self, driver: usize, leg: usize) -> Option<(f64, f64)> {
        let road = *self.drivers[driver].route.get(leg)?;
        let last = *self.lanes[road * 2 + self.choose_lane(driver, leg)].back()?;
        let other = self.vehicles[last].as_ref()?;
        Some((other.x - size_m(self.drivers[last].class).0, other.speed))
    }

    /// Takes a vehicle over a stop line into the lane it goes on in, or out of the city.
    fn cross(&mut self, driver: usize) {
        let Some(mut me) = self.vehicles[driver].take() else { return };
        let road = self.drivers[driver].route[me.leg];
        self.lanes[road * 2 + me.lane].retain(|v| *v != driver);
        let Some(movement) = self.movement(driver, me.leg) else { return };
        let next = self.drivers[driver].route[me.leg + 1];
        me.x -= self.roads.roads[road].length_m + movement.length_m();
        me.leg += 1;
        me.lane = self.choose_lane(driver, me.leg);
        let queue = &self.lanes[next * 2 + me.lane];
        let place = queue.iter().rposition(|v| self.vehicles[*v].as_ref().is_some_and(|other| other.x >= me.x)).map_or(0, |p| p + 1);
        self.lanes[next * 2 + me.lane].insert(place, driver);
        self.vehicles[driver] = Some(me);
    }

    /// Notes a point for everybody in a camera's view.
    fn watch(&mut self, step: u32) {
        for lane in 0..self.lanes.len() {
            for place in 0..self.lanes[lane].len() {
                let driver = self.lanes[lane][place];
                let Some(mut me) = self.vehicles[driver].take() else { continue };
                let to_line = self.roads.roads[lane / 2].length_m - me.x;
                if let Some(open) = me.track {
                    let approaching = self.tracks[open].points.last().is_some_and(|p| p.s < 0.0) && self.views[lane / 2].is_some();
                    me.track = self.see(open, driver, &me, approaching && to_line <= BEFORE_M, to_line).then_some(open);
                } else if let Some(view) = self.views[lane / 2].filter(|_| to_line <= BEFORE_M) {
                    let points = Vec::with_capacity(64);
                    self.tracks.push(Track { driver, camera: view.camera, lane: me.lane, first_step: step, points });
                    me.track = Some(self.tracks.len() - 1);
                    self.see(self.tracks.len() - 1, driver, &me, true, to_line);
                }
                self.vehicles[driver] = Some(me);
            }
        }
    }

    /// Adds a point to an open track; false if the vehicle has left the view.
    fn see(&mut self, open: usize, driver: usize, me: &Vehicle, approaching: bool, to_line: f64) -> bool {
        let d = LANE_M[self.tracks[open].lane] + self.drivers[driver].drift_m;
        let (s, d) = if approaching {
            (-to_line, d)
        } else {
            let Some(movement) = me.leg.checked_sub(1).and_then(|leg| self.movement(driver, leg)) else { return false };
            movement.place(d, me.x + movement.length_m())
        };
        let road = self.drivers[driver].route[if approaching { me.leg } else { me.leg - 1 }];
        let after_m = self.views[road].map_or(0.0, |view| view.after_m);
        self.tracks[open].points.push(Point { s, d, speed: me.speed, odometer: me.odometer });
        s <= after_m && d.abs() < HALF_APPROACH_M + 14.0
    }
}

/// The intelligent driver model: acceleration at a speed, towards a desired speed, with a gap ahead that closes at a speed.
fn follow(class: Class, speed: f64, desired: f64, gap: f64, closing: f64) -> f64 {
    const STANDING_GAP_M: f64 = 2.0;
    const HEADWAY_S: f64 = 1.2;
    let (most, comfortable) = match class {
        Class::Car => (2.0_f64, 2.5_f64),
        Class::Motorbike => (2.4, 2.5),
        Class::Truck | Class::Bus => (1.1, 2.0),
    };
    let ratio = speed / desired;
    let wish = STANDING_GAP_M + (speed * HEADWAY_S + speed * closing / (2.0 * (most * comfortable).sqrt())).max(0.0);
    let press = wish / gap.max(0.3);
    (most * (1.0 - ratio * ratio * ratio * ratio - press * press)).max(-8.0)
}

/// Who will drive: arrivals at every entry, each with a route and a manner.
pub(crate) fn drivers(plan: &crate::Plan, roads: &Roads, random: &mut Random) -> Vec<Driver> {
    let steps = WARM_STEPS + plan.seconds * 5;
    let arrival = f64::from(plan.arrivals_per_hour) * STEP_S / 3_600.0;
    let mut drivers = Vec::new();
    for departs in 0..steps {
        for &entry in &roads.entries {
            if random.chance(arrival) {
                drivers.push(driver(plan, departs, roads.route(entry, random), random));
            }
        }
    }
    drivers
}

fn driver(plan: &crate::Plan, departs: u32, route: Vec<usize>, random: &mut Random) -> Driver {
    let how = &plan.behaviour;
    let kind = random.unit();
    let class = match kind {
        _ if kind < how.trucks => Class::Truck,
        _ if kind < how.trucks + how.buses => Class::Bus,
        _ if kind < how.trucks + how.buses + how.motorbikes => Class::Motorbike,
        _ => Class::Car,
    };
    let (usual, fast) = (random.between(0.8, 1.08), random.between(1.5, 1.8));
    let eagerness = if random.chance(how.speeders) && class != Class::Bus { fast } else { usual };
    let runs_red = random.chance(how.red_runners) && class != Class::Bus;
    let spread = if class == Class::Motorbike { 0.5 } else { 0.2 };
    let drift_m = random.normal(spread).clamp(-0.9, 0.9);
    Driver { class, departs, route, eagerness, runs_red, drift_m }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{View, drive, drivers, size_m};
    use crate::Plan;
    use crate::lights::Lights;
    use crate::random::Random;
    use crate::roads::Roads;

    #[test]
    fn vehicles_queue_at_red_and_never_drive_into_each_other() {
        let plan = Plan { arrivals_per_hour: 600, ..Plan::new(2, 8, 600).lawful() };
        let roads = Roads::grid(4, &mut Random::of(1, 1));
        let lights = Lights::new(roads.crossings(), &mut Random::of(1, 2));
        let drivers = drivers(&plan, &roads, &mut Random::of(1, 3));
        let views: Vec<Option<View>> =
            roads.roads.iter().enumerate().map(|(camera, r)| r.to.map(|_| View { camera, after_m: 20.0 })).collect();
        let tracks = drive(&roads, &lights, &drivers, &views, plan.seconds * 5);
        let mut waited = 0;
        let mut rows = BTreeMap::<(usize, usize, u32), Vec<(f64, usize)>>::new();
        for track in &tracks {
            waited += usize::from(track.points.iter().any(|p| p.speed < 0.1));
            for (step, point) in (track.first_step..).zip(&track.points).filter(|(_, p)| p.s < 0.0) {
                rows.entry((track.camera, track.lane, step)).or_default().push((point.s, track.driver));
            }
        }
        assert!(tracks.len() > 1_000 && waited * 5 > tracks.len() && waited * 5 < tracks.len() * 4, "{waited} of {} waited", tracks.len());
        let mut closest = f64::INFINITY;
        for row in rows.values_mut() {
            row.sort_by(|a, b| a.0.total_cmp(&b.0));
            row.windows(2).for_each(|w| closest = closest.min(w[1].0 - size_m(drivers[w[1].1].class).0 - w[0].0));
        }
        assert!(closest > 0.5, "{closest} m");
    }
}
