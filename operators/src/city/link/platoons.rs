//! Who drove which link when: vehicles known by their plates, in order of arrival.

use rustc_hash::FxHashMap;
use schemas::Id;

use super::evidence::{Neighbours, PLATOON_MS, Stretch};
use super::seen::{Seen, Spot};
use super::timeline::Timeline;

/// Arrivals over a link, from one moment to another, both included.
pub(super) type Arrivals = (Stretch, u64, u64);

/// Arrivals over each link, with the time of departure.
#[derive(Debug, Default)]
pub(super) struct Platoons {
    stretches: FxHashMap<Stretch, Timeline<u64>>,
    /// By the sighting of arrival: where it came from and where it is.
    known: FxHashMap<Id, (Spot, Spot)>,
}

impl Platoons {
    /// Who arrived just before and just after.
    pub(super) fn around(&self, from: &Seen, to: &Seen) -> Neighbours {
        let Some(arrivals) = self.stretches.get(&(from.camera, to.camera)) else { return [None; 2] };
        arrivals.around(to.at_ms).map(|neighbour| neighbour.map(|(arrived, _, left)| (*left, *arrived)))
    }

    /// Makes known that the vehicle seen at `arrival` came straight from elsewhere, or that it did not. Returns the moments of
    /// arrival whose neighbours are others now, each a link and a span of time, both ends included.
    pub(super) fn set(&mut self, arrival: Id, drive: Option<(Spot, Spot)>) -> Vec<Arrivals> {
        if self.known.get(&arrival) == drive.as_ref() {
            return Vec::new();
        }
        let mut touched = Vec::new();
        if let Some((from, to)) = self.forget(arrival) {
            touched.push(self.neighbourhood((from.camera, to.camera), to.at_ms));
        }
        if let Some((from, to)) = drive {
            let stretch = (from.camera, to.camera);
            touched.push(self.neighbourhood(stretch, to.at_ms));
            self.stretches.entry(stretch).or_default().insert(to.at_ms, to.id, from.at_ms);
            self.known.insert(arrival, (from, to));
        }
        touched
    }

    /// Takes an arrival out and tells what was known of it.
    pub(super) fn forget(&mut self, arrival: Id) -> Option<(Spot, Spot)> {
        let (from, to) = self.known.remove(&arrival)?;
        if let Some(arrivals) = self.stretches.get_mut(&(from.camera, to.camera)) {
            arrivals.remove(to.at_ms, arrival);
        }
        Some((from, to))
    }

    /// Between the arrivals on either side of a moment, as far as neighbours count.
    fn neighbourhood(&self, stretch: Stretch, at_ms: u64) -> Arrivals {
        let (least, most) = (at_ms.saturating_sub(PLATOON_MS), at_ms + PLATOON_MS);
        let Some(arrivals) = self.stretches.get(&stretch) else { return (stretch, least, most) };
        let before = arrivals.around(at_ms)[0].map_or(least, |(at, _, _)| least.max(*at));
        let after = arrivals.around(at_ms + 1)[1].map_or(most, |(at, _, _)| most.min(*at));
        (stretch, before, after)
    }
}
