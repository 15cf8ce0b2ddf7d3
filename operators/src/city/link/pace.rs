//! How fast a vehicle crossed the stop line, and what that says of how long it drove from one camera to the next.
//!
//! ```text
//!   stop        beyond             speed = way between the lines on the ground / time between the crossings
//! ────┼────────────┼───▶
//!     t₁           t₂              from the speeds at both ends ─▶ the time the drive takes if nothing stops it
//! ```
//!
//! Whoever arrives fast was not stopped on the way, and people keep to their own speed: in a simulated city six in seven who
//! arrive at free flow took, within an eighth, the time that the speeds at both ends foretell; of those who crawl in, hardly one
//! in ten did.

use schemas::{Camera, City, LineKind, Name, Pixel, Sighting, Speed};

use crate::city::ground::Homography;
use crate::city::road::{CameraNumber, UsualWay};

/// Lines closer together than this time nothing: the jitter of a box is decimetres, cm.
const APART_LEAST: f64 = 300.0;

/// How briskly one gets up to speed or slows down, unhurried, cm/s².
const ACCELERATION: f64 = 150.0;

/// By how much the time of a drive that nothing stopped is off from what the speeds foretell: `e`-folding, of its logarithm.
const OFF: f64 = 0.05;

/// Of those who arrive at this share of free flow, half were not stopped on the way.
const HALF_AT: f64 = 0.85;

/// How fast that grows with the speed of arrival.
const STEEPNESS: f64 = 14.0;

/// The stop line of a camera, and the line by which speeds there are timed.
#[derive(Clone, Copy, Debug)]
struct Timing {
    stop: Name,
    other: Name,
    /// How far the other is behind the stop line; negative before it.
    apart_cm: f64,
}

/// How speeds are timed at each camera.
#[derive(Debug)]
pub(super) struct Paces {
    timed: Vec<Option<Timing>>,
}

impl Paces {
    pub(super) fn of(city: &City) -> Self {
        Self { timed: city.cameras.iter().map(timing).collect() }
    }

    /// How fast a vehicle crossed the stop line, cm/s; `None` if it did not cross a second line, or not the way one drives.
    pub(super) fn at(&self, camera: CameraNumber, sighting: &Sighting) -> Option<u16> {
        let timing = self.timed.get(usize::from(camera))?.as_ref()?;
        let crossed_ms = |line| sighting.crossing(line).filter(|crossing| crossing.forward).map(|crossing| crossing.at_ms as f64);
        let took_ms = crossed_ms(timing.other)? - crossed_ms(timing.stop)?;
        let speed_cms = timing.apart_cm * 1_000.0 / took_ms;
        (speed_cms.is_finite() && speed_cms > 0.0).then_some(speed_cms as u16)
    }
}

/// The line nearest to the stop line that is far enough from it.
fn timing(camera: &Camera) -> Option<Timing> {
    let ground = Homography::through(&camera.ground).ok()?;
    let along = |from: Pixel, to: Pixel| {
        let middle = |a: i32, b: i32| (a as f32 + b as f32) / 2.0;
        ground.point(middle(from.x, to.x), middle(from.y, to.y)).map(|[along, _]| along)
    };
    let stop = camera.lines.iter().find(|line| line.kind == LineKind::StopLine)?;
    let stop_cm = along(stop.from, stop.to)?;
    let apart = camera.lines.iter().filter_map(|line| Some((line.id, f64::from(along(line.from, line.to)? - stop_cm))));
    let (other, apart_cm) =
        apart.filter(|(_, apart_cm)| apart_cm.abs() >= APART_LEAST).min_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs()))?;
    Some(Timing { stop: stop.id, other, apart_cm })
}

/// What speeds at both ends say of a drive that nothing stopped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unimpeded {
    /// How likely it is that nothing did.
    pub(super) share: f64,
    /// If nothing did: how likely the time it took is, per second.
    pub(super) density: f64,
}

/// Speeds at both ends, cm/s, held against the time a way took.
pub(super) fn unimpeded([left, arrived]: [u16; 2], way: UsualWay, took_ms: u64, free_flow: Speed) -> Unimpeded {
    let (fast, slow) = (f64::from(left.max(arrived)).max(1.0), f64::from(left.min(arrived)));
    let expected_s = f64::from(way.length_cm) / fast + (fast - slow).powi(2) / (2.0 * ACCELERATION * fast);
    let took_s = took_ms.max(1) as f64 / 1_000.0;
    let off = (took_s / expected_s).ln().abs();
    let flow = f64::from(arrived) / free_flow.cms().max(1) as f64;
    let share = 1.0 / (1.0 + (-STEEPNESS * (flow - HALF_AT)).exp());
    Unimpeded { share: share.powi(i32::from(way.hops)), density: (-off / OFF).exp() / (2.0 * OFF * took_s) }
}
