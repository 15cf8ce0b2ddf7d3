//! How much speaks for two sightings being one vehicle: plate, looks, and the time the way took.
//!
//! All figures are natural logarithms of likelihood ratios. Travel time is judged twice: by what the road allows (free
//! flow, then a red light or two), and by the *platoon*, the vehicles just before and after that are known to have
//! driven the same link. At signals they bunch, so a neighbour's travel time tells ten times more than the road does.

use schemas::{Body, Class};

use super::LinkParameters;
use super::pace::{Unimpeded, unimpeded};
use super::seen::{Looks, Seen, SeenPlate, may_be_laid_out_alike};
use crate::city::road::{CameraNumber, Road, UsualWay};
use crate::city::similarity::{Millinats, Similarity};

/// Plates whose reads (with looks) say less than this are two plates: five nats, 150 to 1.
const SAME_PLATE: Millinats = 5_000;

/// More than this plates cannot say: beyond it, the likelier travel time decides.
const PLATE_MOST: Millinats = 12_000;

/// Looks that differ: a wrong vote about class or colour, one in fifty.
const DIFFERENT: f64 = -4.0;

/// A plate's background taken for another colour.
const OTHER_COLOUR: Millinats = -2_000;

/// A camera on the way that did not see the vehicle: occluded, unplugged, or merged with its neighbour; `ln 0.06`.
const MISSED: f64 = -2.8;

/// Drivers at a camera take one of its usual links or leave the city's cameras; `ln 0.6`.
const TURNED: f64 = -0.5;

/// A way nobody commonly drives.
const UNUSUAL: f64 = -12.0;

/// Of two that fit as well the sooner one, per millisecond: as little as decides.
const LATER: f64 = -1e-6;

/// Back at the same camera: round the block.
const RETURNED: f64 = -9.0;

/// Seen again in the queue, or beyond the stop line: the same passage, in two pieces.
const RESUMED: f64 = 0.0;

/// How many vehicles without a readable plate pass a camera by chance, per second; `ln 0.01`.
const STRANGERS: f64 = -4.6;

/// A vehicle whose plate other cameras read is rarely unread at the next; a vehicle unread once is unread again.
const UNREAD_ONCE: f64 = -1.8;

/// Where a chain jumps a camera, the vehicle was either there unread or not seen at all.
const JUMPED: f64 = -2.0;

/// Of vehicles that drive a link in a platoon, how many keep their neighbours' travel time.
const IN_PLATOON: f64 = 0.8;

/// Neighbours further off than this, in time, say nothing.
pub(super) const PLATOON_MS: u64 = 30_000;

/// When a neighbour in the platoon left and when it arrived.
pub(super) type Neighbour = (u64, u64);

/// Who in the platoon arrived just before and just after.
pub(super) type Neighbours = [Option<Neighbour>; 2];

/// What the scores need to know.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) road: Road,
    pub(super) parameters: LinkParameters,
    similarity: Similarity,
}

impl Evidence {
    pub(super) fn new(road: Road, parameters: LinkParameters) -> Self {
        Self { road, parameters, similarity: Similarity::default() }
    }

    /// For `b` being the next sighting of the vehicle of `a`, by their plates; `None` if it cannot be or too little speaks for it.
    pub(super) fn same_plate(&self, a: &Seen, b: &Seen) -> Option<Millinats> {
        let plates = self.plates(a.plate.as_ref()?, b.plate.as_ref()?)?;
        let looks = millinats(looks(a.looks(), b.looks()).min(0.0));
        if plates + looks < SAME_PLATE {
            return None;
        }
        Some(plates.min(PLATE_MOST) + looks / 2 + millinats(self.chained(a, b)?))
    }

    /// For `b` being the next sighting after `a`, at least one of them without a plate, at neighbouring cameras; the platoon
    /// is that of the link between them.
    pub(super) fn next(&self, a: &Seen, b: &Seen, platoon: impl Fn(&Seen, &Seen) -> Neighbours) -> Option<Millinats> {
        if !self.road.adjacent(a.camera, b.camera) || b.at_ms >= a.at_ms + self.parameters.nearby.ms() {
            return None;
        }
        Some(millinats(self.drive(a, b, platoon(a, b))? + unread(a.looks(), b.looks())))
    }

    /// For `u`, without a plate, lying between `b` and `c`, which are one vehicle by their plates.
    pub(super) fn between(&self, [b, u, c]: [&Seen; 3], platoon: impl Fn(&Seen, &Seen) -> Neighbours) -> Option<Millinats> {
        if !self.road.adjacent(b.camera, u.camera) && !self.road.adjacent(u.camera, c.camera) {
            return None;
        }
        let there = self.drive(b, u, platoon(b, u))? + self.drive(u, c, platoon(u, c))?;
        let looks = (looks(b.looks(), u.looks()) + looks(u.looks(), c.looks())) / 2.0;
        Some(millinats(there - self.travel(b, c)? + looks - STRANGERS + JUMPED))
    }

    fn plates(&self, a: &SeenPlate, b: &SeenPlate) -> Option<Millinats> {
        let colour = if a.colour == b.colour { 0 } else { OTHER_COLOUR };
        may_be_laid_out_alike(a.kind, b.kind).then(|| self.similarity.of(&a.read, &b.read) + colour)
    }

    /// As `travel`, for two reads of one plate. Where the way jumps a camera, the speeds at both ends say nothing: they would speak as
    /// loudly for the jump as for both drives by way of that camera, and these are weighed one by one.
    fn chained(&self, a: &Seen, b: &Seen) -> Option<f64> {
        let jumps = self.road.usual(a.camera, b.camera).is_some_and(|way| way.hops > 1);
        let travel = self.travel(&Seen { speed_cms: a.speed_cms.filter(|_| !jumps), ..*a }, b)?;
        Some(travel + LATER * (b.at_ms - a.at_ms) as f64)
    }

    /// The likelihood of the way and its time, per second; `None` if no vehicle can do it.
    fn travel(&self, a: &Seen, b: &Seen) -> Option<f64> {
        let took_ms = self.possible(a, b)?;
        if a.camera == b.camera {
            return Some(if self.resumed(a, b) { RESUMED } else { RETURNED });
        }
        let usual = self.road.usual(a.camera, b.camera).map_or(UNUSUAL, |way| {
            let hops = f64::from(way.hops);
            self.paced(self.duration(way, took_ms), a, b, way) + (hops - 1.0) * MISSED + hops * TURNED
        });
        Some(usual.max(UNUSUAL))
    }

    /// How long the way took, ms; `None` if no vehicle can do it in that time.
    fn possible(&self, a: &Seen, b: &Seen) -> Option<u64> {
        let took_ms = b.at_ms.checked_sub(a.at_ms).filter(|took| *took > 0)?;
        let possible = if a.camera == b.camera {
            self.resumed(a, b) || took_ms >= self.parameters.same_camera_gap.ms()
        } else {
            self.road.possible(a.camera, b.camera, took_ms, self.parameters.fastest)
        };
        possible.then_some(took_ms)
    }

    /// Whether two sightings of a camera are pieces of one passage, the later after the earlier: a vehicle crosses the stop line once,
    /// and waits before it for longer than it takes to leave the view.
    fn resumed(&self, a: &Seen, b: &Seen) -> bool {
        let Self { parameters: LinkParameters { nearby, same_camera_gap, .. }, .. } = self;
        match (a.crossed, b.crossed) {
            (true, true) => false,
            (true, false) => b.at_ms < a.at_ms + same_camera_gap.ms(),
            (false, _) => b.at_ms < a.at_ms + nearby.ms(),
        }
    }

    /// The density of a travel time where something stopped the vehicle or may have, put right by how fast it left and arrived.
    fn paced(&self, impeded: f64, a: &Seen, b: &Seen, way: UsualWay) -> f64 {
        let Some((left, arrived)) = a.speed_cms.zip(b.speed_cms) else { return impeded };
        let Unimpeded { share, density } = unimpeded([left, arrived], way, b.at_ms - a.at_ms, self.parameters.free_flow);
        ((1.0 - share) * impeded.exp() + share * density).ln()
    }

    /// As `travel`, with the platoon's word where there is one.
    fn drive(&self, a: &Seen, b: &Seen, platoon: Neighbours) -> Option<f64> {
        let near = |neighbour: Option<Neighbour>| neighbour.filter(|(_, arrived)| arrived.abs_diff(b.at_ms) < PLATOON_MS);
        let platoon = platoon.map(near);
        let way = self.road.usual(a.camera, b.camera).filter(|_| platoon != [None; 2] && self.road.adjacent(a.camera, b.camera));
        let Some(way) = way else { return self.travel(a, b) };
        let anyone = self.duration(way, self.possible(a, b)?);
        let neighbours = platoon.iter().flatten();
        let (sum, count) = neighbours.fold((0.0, 0u32), |(sum, count), neighbour| (sum + like(a, b, *neighbour, anyone), count + 1));
        Some(self.paced((sum / f64::from(count)).ln(), a, b, way) + TURNED)
    }

    /// The density of a travel time: nothing is faster than free flow by much, up to one red light a link is as likely as
    /// none, more than that hardly.
    fn duration(&self, way: UsualWay, took_ms: u64) -> f64 {
        const RED_S: f64 = 90.0;
        const BEYOND_S: f64 = 30.0;
        let free_s = f64::from(way.length_cm) / self.parameters.free_flow.cms().max(1) as f64;
        let (delay_s, red_s) = (took_ms as f64 / 1_000.0 - free_s, RED_S * f64::from(way.hops));
        let fade = if delay_s < 0.0 { delay_s / (0.12 * free_s + 1.0) } else { (red_s - delay_s).min(0.0) / BEYOND_S };
        fade - red_s.ln()
    }
}

/// Whether anything can speak for `b` being the next sighting after `a`, so long after it, at least one of them without a plate. Most
/// who pass do not look alike, and no travel time makes up for that: those in a platoon [narrow](like) it to four seconds, the
/// speeds at both ends to a tenth of [it](unimpeded).
pub(super) fn may_follow(took_ms: u64, a: Looks, b: Looks) -> bool {
    // The likeliest there is, per second, as `ln`.
    let drive = match took_ms {
        0..1_000 => return true,
        1_000..10_000 => 2.31,
        10_000..40_000 => 0.0,
        _ => -1.38,
    };
    drive + TURNED + unread(a, b) > 0.0
}

/// The density of having driven like this neighbour, or, for one in ten, like anyone.
fn like(a: &Seen, b: &Seen, (left, arrived): Neighbour, anyone: f64) -> f64 {
    let gap_s = arrived.abs_diff(b.at_ms) as f64 / 1_000.0;
    let off_s = ((b.at_ms as f64 - a.at_ms as f64) - (arrived as f64 - left as f64)).abs() / 1_000.0;
    let width_s = 2.0 + 0.3 * gap_s;
    let alike = IN_PLATOON * (1.0 - gap_s / (2.0 * PLATOON_MS as f64 / 1_000.0));
    alike * (-off_s / width_s).exp() / (2.0 * width_s) + (1.0 - alike) * anyone.exp()
}

/// What speaks for two sightings being one vehicle, at least one of them without a plate, but for the way.
fn unread(a: Looks, b: Looks) -> f64 {
    looks(a, b) - STRANGERS + if a.is_read || b.is_read { UNREAD_ONCE } else { 0.0 }
}

/// How much class and colour say: the rarer what they share, the more.
fn looks(a: Looks, b: Looks) -> f64 {
    let class = if a.class == b.class { class_rarity(a.class) } else { DIFFERENT };
    let body = match (a.body, b.body) {
        (Some(one), Some(other)) if one == other => body_rarity(one),
        (Some(_), Some(_)) => DIFFERENT,
        _ => 0.0,
    };
    class + body
}

/// `-ln` of a class's share of traffic, roughly.
fn class_rarity(class: Class) -> f64 {
    match class {
        Class::Car => 0.1,
        Class::Motorbike => 0.5,
        Class::Bus | Class::Truck => 3.0,
        Class::Bicycle => 3.5,
        Class::Other => 1.0,
    }
}

/// `-ln` of a colour's share of vehicles, roughly.
fn body_rarity(body: Body) -> f64 {
    match body {
        Body::White => 1.0,
        Body::Black => 1.6,
        Body::Silver => 1.8,
        Body::Red => 2.0,
        Body::Grey => 2.3,
        Body::Blue => 2.5,
        Body::Brown | Body::Green | Body::Yellow => 3.0,
        Body::Other => 1.0,
    }
}

fn millinats(nats: f64) -> Millinats {
    (nats * 1_000.0).round() as Millinats
}

/// The link between two cameras, for looking up its platoon.
pub(super) type Stretch = (CameraNumber, CameraNumber);

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;
    use schemas::{City, Id};

    use super::*;

    /// One street of 300 m between two cameras.
    static STREET: LazyLock<Evidence> = LazyLock::new(|| {
        let camera = |id: &str| {
            serde_json::json!({"id": id, "centre": "x", "lon_e7": 0, "lat_e7": 0, "heading_deg": 0, "fps": 5,
                "clock_error_ms": 50, "ground": [], "lanes": [], "lines": [], "zones": []})
        };
        let city = serde_json::json!({"name": "t", "centres": ["x"], "cameras": [camera("a"), camera("b")],
            "links": [{"from": "a", "to": "b", "length_cm": 30_000, "adjacent": true}], "sections": []});
        Evidence::new(Road::of(&serde_json::from_value::<City>(city).unwrap()), LinkParameters::default())
    });

    proptest! {
        #[test]
        fn nothing_speaks_for_what_may_not_follow(
            took_ms in prop_oneof![1u64..12_000, 1u64..240_000],
            speeds in prop::option::of((1u16..4_000, 1u16..4_000)),
            neighbours in prop::array::uniform2(prop::option::of((-200_000i64..200_000, -35_000i64..35_000))),
            classes in prop::array::uniform2(prop::sample::select(vec![Class::Car, Class::Motorbike, Class::Truck])),
            bodies in prop::array::uniform2(prop::sample::select(vec![None, Some(Body::White), Some(Body::Brown)])),
        ) {
            let (left_ms, arrived_ms) = (1_000_000, 1_000_000 + took_ms);
            let seen = |camera: CameraNumber, at_ms, speed_cms| {
                let (class, body) = (classes[usize::from(camera)], bodies[usize::from(camera)]);
                Seen { id: Id(u64::from(camera)), camera, at_ms, crossed: true, class, body, speed_cms, plate: None }
            };
            let (a, b) = (seen(0, left_ms, speeds.map(|(left, _)| left)), seen(1, arrived_ms, speeds.map(|(_, arrived)| arrived)));
            let platoon = neighbours.map(|off| off.map(|(left, arrived)| {
                (left_ms.saturating_add_signed(left), arrived_ms.saturating_add_signed(arrived))
            }));
            if !may_follow(took_ms, a.looks(), b.looks()) {
                prop_assert!(STREET.next(&a, &b, |_, _| platoon).is_none_or(|score| score <= 0));
            }
        }
    }
}
