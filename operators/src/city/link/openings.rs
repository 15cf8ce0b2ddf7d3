//! Where a sighting without a plate could belong, and which sightings could go there.
//!
//! ```text
//! After(a)    a has no next sighting yet       a ─▶ u        a: the end of a chain by plate, or without a plate itself
//! Before(h)   h begins a chain by plate        u ─▶ h
//! Gap(b)      b ══▶ c jumps a camera           b ─▶ u ─▶ c
//! ```
//!
//! Kept per camera and in order of time, so that both questions (which openings for `u`, which `u` for an opening) are short
//! walks over neighbouring cameras.

use rustc_hash::FxHashMap;
use schemas::Id;

use super::evidence::{Stretch, may_follow};
use super::placing::{Opening, Placing};
use super::platoons::Arrivals;
use super::seen::{Looks, Seen, Spot};
use super::timeline::{Entry, Timeline};
use crate::city::road::{CameraNumber, Road};

/// All openings, and all sightings without a plate; with what tells at a glance who cannot go where.
#[derive(Debug)]
pub(super) struct Openings {
    nearby_ms: u64,
    after: Vec<Timeline<Looks>>,
    before: Vec<Timeline<Looks>>,
    /// By the sighting a gap begins with: that and the one which ends it.
    open: FxHashMap<Id, [Spot; 2]>,
    /// By each camera a gap could be filled at; with the moment it ends and the cameras on its both sides.
    gaps: Vec<Timeline<(u64, Stretch)>>,
    /// By the camera where gaps end, and the moment they do: the sighting they begin with, and when.
    ends: Vec<Timeline<u64>>,
    plateless: Vec<Timeline<Looks>>,
}

impl Openings {
    pub(super) fn new(cameras: usize, nearby_ms: u64) -> Self {
        fn empty<T>(cameras: usize) -> Vec<Timeline<T>> {
            (0..cameras).map(|_| Timeline::default()).collect()
        }
        Self {
            nearby_ms,
            after: empty(cameras),
            before: empty(cameras),
            open: FxHashMap::default(),
            gaps: empty(cameras),
            ends: empty(cameras),
            plateless: empty(cameras),
        }
    }

    /// The sighting that ends the gap that begins with this one.
    pub(super) fn gap_end(&self, from: Id) -> Option<Id> {
        self.open.get(&from).map(|[_, end]| end.id)
    }

    /// Opens what was closed: behind a sighting, or before it.
    pub(super) fn open(&mut self, opening: Opening, at: &Seen) {
        match opening {
            Opening::After(id) => self.after[usize::from(at.camera)].insert(at.at_ms, id, at.looks()),
            Opening::Before(id) => self.before[usize::from(at.camera)].insert(at.at_ms, id, at.looks()),
            Opening::Gap(_) => {}
        }
    }

    /// Closes what may be open: behind a sighting, or before it.
    pub(super) fn close(&mut self, opening: Opening, at: &Seen) {
        match opening {
            Opening::After(id) => self.after[usize::from(at.camera)].remove(at.at_ms, id),
            Opening::Before(id) => self.before[usize::from(at.camera)].remove(at.at_ms, id),
            Opening::Gap(_) => {}
        }
    }

    /// Opens a gap.
    pub(super) fn open_gap(&mut self, road: &Road, from: &Seen, to: &Seen) {
        let [at, end] = [from, to].map(Seen::spot);
        for camera in gap_cameras(road, at, end) {
            self.gaps[usize::from(camera)].insert(at.at_ms, at.id, (end.at_ms, (at.camera, end.camera)));
        }
        self.ends[usize::from(end.camera)].insert(end.at_ms, at.id, at.at_ms);
        self.open.insert(at.id, [at, end]);
    }

    /// Closes the gap that begins with a sighting, if there is one.
    pub(super) fn close_gap(&mut self, road: &Road, from: Id) {
        let Some([at, end]) = self.open.remove(&from) else { return };
        for camera in gap_cameras(road, at, end) {
            self.gaps[usize::from(camera)].remove(at.at_ms, at.id);
        }
        self.ends[usize::from(end.camera)].remove(end.at_ms, at.id);
    }

    /// Adds a sighting without a plate.
    pub(super) fn insert(&mut self, seen: &Seen) {
        self.plateless[usize::from(seen.camera)].insert(seen.at_ms, seen.id, seen.looks());
    }

    /// Takes a sighting without a plate out.
    pub(super) fn remove(&mut self, seen: &Seen) {
        self.plateless[usize::from(seen.camera)].remove(seen.at_ms, seen.id);
    }

    /// Whether a gap is worth filling: it jumps a camera, and not for long.
    pub(super) fn is_gap(&self, road: &Road, from: &Seen, to: &Seen) -> bool {
        from.camera != to.camera && !road.adjacent(from.camera, to.camera) && to.at_ms - from.at_ms <= 2 * self.nearby_ms
    }

    /// Whom an opening of this sighting could take in.
    pub(super) fn takers(&self, road: &Road, opening: Opening, at: &Seen, placings: &mut Vec<Placing>) {
        match opening {
            Opening::After(_) => {
                for camera in road.onward(at.camera) {
                    let onward = self.after_it(&self.plateless[usize::from(*camera)], at.entry());
                    placings.extend(onward.map(|id| (opening, id)));
                }
            }
            Opening::Before(_) => road.backward(at.camera).iter().for_each(|camera| self.ahead(*camera, at.entry(), placings)),
            Opening::Gap(id) => {
                let Some([at, end]) = self.open.get(&id) else { return };
                for camera in gap_cameras(road, *at, *end) {
                    let there = self.plateless[usize::from(camera)].within(at.at_ms + 1..end.at_ms);
                    placings.extend(there.map(|(_, id, _)| (opening, *id)));
                }
            }
        }
    }

    /// Where a sighting without a plate could go; behind it, others have an opening of their own.
    pub(super) fn placings(&self, road: &Road, seen: &Seen, placings: &mut Vec<Placing>) {
        for camera in road.backward(seen.camera) {
            self.behind(*camera, seen.entry(), placings);
        }
        for camera in road.onward(seen.camera) {
            let heads = self.after_it(&self.before[usize::from(*camera)], seen.entry());
            placings.extend(heads.map(|head| (Opening::Before(head), seen.id)));
        }
        self.within_gaps(seen.spot(), None, placings);
    }

    /// What must be weighed anew when the platoon that arrives over `stretch` within a span of time is another.
    pub(super) fn arrivals(&self, ((from, to), from_ms, until_ms): Arrivals, placings: &mut Vec<Placing>) {
        let span = from_ms..until_ms + 1;
        for arrived in self.plateless[usize::from(to)].within(span.clone()) {
            let (at_ms, id, _) = *arrived;
            self.behind(from, *arrived, placings);
            self.within_gaps(Spot { id, camera: to, at_ms }, Some(from), placings);
        }
        for head in self.before[usize::from(to)].within(span.clone()) {
            self.ahead(from, *head, placings);
        }
        for (at_ms, id, began_ms) in self.ends[usize::from(to)].within(span) {
            let left = self.plateless[usize::from(from)].within(*began_ms + 1..*at_ms);
            placings.extend(left.map(|(_, passed, _)| (Opening::Gap(*id), *passed)));
        }
    }

    /// Behind those who left `camera` not long before.
    fn behind(&self, camera: CameraNumber, seen: Entry<Looks>, placings: &mut Vec<Placing>) {
        let left = self.before_it(&self.after[usize::from(camera)], seen);
        placings.extend(left.map(|left| (Opening::After(left), seen.1)));
    }

    /// Ahead of a head, those without a plate who left `camera` not long before.
    fn ahead(&self, camera: CameraNumber, head: Entry<Looks>, placings: &mut Vec<Placing>) {
        let left = self.before_it(&self.plateless[usize::from(camera)], head);
        placings.extend(left.map(|left| (Opening::Before(head.1), left)));
    }

    /// Those who were there not long before a sighting and whom it may follow.
    fn before_it(&self, there: &Timeline<Looks>, (at_ms, _, looks): Entry<Looks>) -> impl Iterator<Item = Id> {
        let left = there.within((at_ms + 1).saturating_sub(self.nearby_ms)..at_ms);
        left.filter(move |(left_ms, _, left)| may_follow(at_ms - *left_ms, *left, looks)).map(|(_, id, _)| *id)
    }

    /// Those who were there not long after a sighting and who may follow it.
    fn after_it(&self, there: &Timeline<Looks>, (at_ms, _, looks): Entry<Looks>) -> impl Iterator<Item = Id> {
        let arrived = there.within(at_ms + 1..at_ms + self.nearby_ms);
        arrived.filter(move |(arrived_ms, _, arrived)| may_follow(*arrived_ms - at_ms, looks, *arrived)).map(|(_, id, _)| *id)
    }

    /// Into gaps that span its moment, those that begin at one camera or all.
    fn within_gaps(&self, Spot { id, camera, at_ms }: Spot, beginning: Option<CameraNumber>, placings: &mut Vec<Placing>) {
        let began = self.gaps[usize::from(camera)].within(at_ms.saturating_sub(2 * self.nearby_ms)..at_ms);
        let spanning = began.filter(|(_, _, (until_ms, (from, _)))| *until_ms > at_ms && beginning.is_none_or(|camera| camera == *from));
        placings.extend(spanning.map(|(_, gap, _)| (Opening::Gap(*gap), id)));
    }
}

/// The cameras a vehicle may have passed unread between two sightings: next to either.
fn gap_cameras(road: &Road, from: Spot, to: Spot) -> impl Iterator<Item = u16> {
    let (onward, backward) = (road.onward(from.camera), road.backward(to.camera));
    onward.iter().chain(backward.iter().filter(|camera| onward.binary_search(camera).is_err())).copied()
}
