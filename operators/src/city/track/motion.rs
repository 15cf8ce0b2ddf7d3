//! How a vehicle moves on the road: constant velocity, disturbed by acceleration (Kalman filter, one for each axis).
//!
//! Source: Bar-Shalom, Li and Kirubarajan, *Estimation with Applications to Tracking and Navigation*, 2001,
//! section 6.2 (continuous white-noise acceleration).

use super::lines::Waypoint;
use crate::city::ground::{Footing, Point};

/// How long a driver keeps an acceleration at least, seconds; makes of an acceleration a noise density. Of a vehicle that is
/// hidden it is not known to have ended: there it grows with the time it has been hidden.
const MANOEUVRE_S: f32 = 0.2;

/// A vehicle moves sideways only as it moves on: from this speed (cm/s) it can steer as hard as it can brake.
const STEERED: f32 = 500.0;
/// What is left of that for one that stands.
const STANDING: f32 = 0.2;
/// How fast a vehicle in its lanes is when first seen, cm/s along; anywhere else nothing is expected.
const FIRST_SPEED: f32 = 600.0;
/// How wrong that may be, cm/s (one standard deviation): standing and 100 km/h are both within three.
const FIRST_DOUBT: f32 = 800.0;

/// Position, velocity and what is not known of them, on one axis; cm and seconds.
#[derive(Clone, Copy, Debug)]
struct Axis {
    position: f32,
    velocity: f32,
    /// Variance of the position, covariance, variance of the velocity.
    doubt: [f32; 3],
}

impl Axis {
    fn first(position: f32, variance: f32, velocity: f32) -> Self {
        Self { position, velocity, doubt: [variance, 0.0, FIRST_DOUBT * FIRST_DOUBT] }
    }

    fn predict(&mut self, seconds: f32, noise: f32) {
        let [pp, pv, vv] = self.doubt;
        self.position += self.velocity * seconds;
        self.doubt = [
            pp + seconds * (2.0 * pv + seconds * vv) + noise * seconds * seconds * seconds / 3.0,
            pv + seconds * vv + noise * seconds * seconds / 2.0,
            vv + noise * seconds,
        ];
    }

    fn update(&mut self, measured: f32, variance: f32) {
        let [pp, pv, vv] = self.doubt;
        let all = pp + variance;
        let (gain, gain_velocity) = (pp / all, pv / all);
        let surprise = measured - self.position;
        self.position += gain * surprise;
        self.velocity += gain_velocity * surprise;
        self.doubt = [pp - gain * pp, pv - gain * pv, vv - gain_velocity * pv];
    }
}

/// A vehicle's motion as of the last frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    along: Axis,
    across: Axis,
    /// How long it has not been seen, seconds.
    hidden: f32,
}

impl Motion {
    /// Of a vehicle seen for the first time, in its lanes or elsewhere.
    pub(super) fn first(seen: Footing, in_lanes: bool) -> Self {
        let speed = if in_lanes { FIRST_SPEED } else { 0.0 };
        Self {
            along: Axis::first(seen.at[0], seen.variance[0], speed),
            across: Axis::first(seen.at[1], seen.variance[1], 0.0),
            hidden: 0.0,
        }
    }

    /// Moves on to the next frame. `acceleration` is one standard deviation, cm/s².
    pub(super) fn predict(&mut self, seconds: f32, acceleration: f32) {
        let noise = acceleration * acceleration * (MANOEUVRE_S + self.hidden);
        self.hidden += seconds;
        let sideways = (self.along.velocity.hypot(self.across.velocity) / STEERED).clamp(STANDING, 1.0);
        self.along.predict(seconds, noise);
        self.across.predict(seconds, noise * sideways * sideways);
    }

    /// Takes in where it was seen.
    pub(super) fn update(&mut self, seen: Footing) {
        self.hidden = 0.0;
        self.along.update(seen.at[0], seen.variance[0]);
        self.across.update(seen.at[1], seen.variance[1]);
    }

    /// Takes in that it is where it was not expected: it swerved. Its speed stays.
    pub(super) fn swerve(&mut self, seen: Footing) {
        self.hidden = 0.0;
        for (axis, i) in [(&mut self.along, 0), (&mut self.across, 1)] {
            axis.position = seen.at[i];
            axis.doubt = [seen.variance[i], 0.0, axis.doubt[2]];
        }
    }

    /// Where it is.
    pub(super) fn position(&self) -> Point {
        [self.along.position, self.across.position]
    }

    /// Where and how fast it is, at the time of the frame.
    pub(super) fn waypoint(&self, at_ms: u64) -> Waypoint {
        let Self { along, across, .. } = self;
        Waypoint {
            at_ms,
            position: self.position(),
            velocity: [along.velocity, across.velocity],
            variance: [along.doubt[0], across.doubt[0]],
            hidden: false,
        }
    }

    /// How unlikely it is to be seen there: the squared Mahalanobis distance, and the determinant of the innovation's
    /// covariance (cm⁴).
    pub(super) fn surprise(&self, seen: &Footing) -> (f32, f32) {
        let axis = |axis: &Axis, at: f32, variance: f32| {
            let (off, all) = (at - axis.position, axis.doubt[0] + variance);
            (off * off / all, all)
        };
        let (a, of_a) = axis(&self.along, seen.at[0], seen.variance[0]);
        let (b, of_b) = axis(&self.across, seen.at[1], seen.variance[1]);
        (a + b, of_a * of_b)
    }
}
