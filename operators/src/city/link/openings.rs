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

use super::evidence::Stretch;
use super::platoons::Arrivals;
use super::seen::Seen;
use super::timeline::Timeline;
use crate::city::road::Road;

/// Where a sighting without a plate could belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Opening {
    /// Behind this sighting.
    After(Id),
    /// Before this sighting.
    Before(Id),
    /// Between this sighting and the next one by plate.
    Gap(Id),
}

impl Opening {
    /// The sighting it is named for.
    pub(super) fn id(self) -> Id {
        let (Self::After(id) | Self::Before(id) | Self::Gap(id)) = self;
        id
    }
}

/// A sighting without a plate in an opening.
pub(super) type Placing = (Opening, Id);

/// Where and when a sighting was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    id: Id,
    camera: u16,
    at_ms: u64,
}

impl Spot {
    fn of(seen: &Seen) -> Self {
        Self { id: seen.id, camera: seen.camera, at_ms: seen.at_ms }
    }
}

/// All openings, and all sightings without a plate.
#[derive(Debug)]
pub(super) struct Openings {
    nearby_ms: u64,
    after: Vec<Timeline<()>>,
    before: Vec<Timeline<()>>,
    /// By the sighting a gap begins with: that and the one which ends it.
    open: FxHashMap<Id, [Spot; 2]>,
    /// By each camera a gap could be filled at; with the moment it ends and the cameras on its both sides.
    gaps: Vec<Timeline<(u64, Stretch)>>,
    /// By the camera where gaps end, and the moment they do: the sighting they begin with, and when.
    ends: Vec<Timeline<u64>>,
    plateless: Vec<Timeline<()>>,
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

    /// Whether others may follow a sighting.
    pub(super) fn is_after(&self, at: &Seen) -> bool {
        self.after[usize::from(at.camera)].contains(at.at_ms, at.id)
    }

    /// Whether others may precede a sighting.
    pub(super) fn is_before(&self, at: &Seen) -> bool {
        self.before[usize::from(at.camera)].contains(at.at_ms, at.id)
    }

    /// The sighting that ends the gap that begins with this one.
    pub(super) fn gap_end(&self, from: Id) -> Option<Id> {
        self.open.get(&from).map(|[_, end]| end.id)
    }

    /// Opens what was closed: behind a sighting, or before it.
    pub(super) fn open(&mut self, opening: Opening, at: &Seen) {
        match opening {
            Opening::After(id) => self.after[usize::from(at.camera)].insert(at.at_ms, id, ()),
            Opening::Before(id) => self.before[usize::from(at.camera)].insert(at.at_ms, id, ()),
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
        let [at, end] = [from, to].map(Spot::of);
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
        self.plateless[usize::from(seen.camera)].insert(seen.at_ms, seen.id, ());
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
        let mut add = |camera: u16, from_ms: u64, until_ms: u64| {
            let there = self.plateless[usize::from(camera)].within(from_ms..until_ms);
            placings.extend(there.map(|(_, id, ())| (opening, *id)));
        };
        match opening {
            Opening::After(_) => {
                road.onward(at.camera).iter().for_each(|camera| add(*camera, at.at_ms + 1, at.at_ms + self.nearby_ms));
            }
            Opening::Before(_) => {
                road.backward(at.camera).iter().for_each(|camera| add(*camera, (at.at_ms + 1).saturating_sub(self.nearby_ms), at.at_ms));
            }
            Opening::Gap(id) => {
                if let Some([at, end]) = self.open.get(&id) {
                    gap_cameras(road, *at, *end).for_each(|camera| add(camera, at.at_ms + 1, end.at_ms));
                }
            }
        }
    }

    /// Where a sighting without a plate could go; behind it, others have an opening of their own.
    pub(super) fn placings(&self, road: &Road, seen: &Seen, placings: &mut Vec<Placing>) {
        for camera in road.backward(seen.camera) {
            self.behind(*camera, seen, placings);
        }
        for camera in road.onward(seen.camera) {
            let heads = self.before[usize::from(*camera)].within(seen.at_ms + 1..seen.at_ms + self.nearby_ms);
            placings.extend(heads.map(|(_, id, ())| (Opening::Before(*id), seen.id)));
        }
        self.within_gaps(seen, None, placings);
    }

    /// What must be weighed anew when the platoon that arrives over `stretch` within a span of time is another.
    pub(super) fn arrivals(
        &self,
        ((from, to), from_ms, until_ms): Arrivals,
        seen: impl Fn(Id) -> Option<Seen>,
        placings: &mut Vec<Placing>,
    ) {
        let span = from_ms..until_ms + 1;
        for (_, id, ()) in self.plateless[usize::from(to)].within(span.clone()) {
            if let Some(arrived) = seen(*id) {
                self.behind(from, &arrived, placings);
                self.within_gaps(&arrived, Some(from), placings);
            }
        }
        for (at_ms, id, ()) in self.before[usize::from(to)].within(span.clone()) {
            let left = self.plateless[usize::from(from)].within((at_ms + 1).saturating_sub(self.nearby_ms)..*at_ms);
            placings.extend(left.map(|(_, passed, ())| (Opening::Before(*id), *passed)));
        }
        for (at_ms, id, began_ms) in self.ends[usize::from(to)].within(span) {
            let left = self.plateless[usize::from(from)].within(*began_ms + 1..*at_ms);
            placings.extend(left.map(|(_, passed, ())| (Opening::Gap(*id), *passed)));
        }
    }

    /// Behind those who left `camera` not long before.
    fn behind(&self, camera: u16, seen: &Seen, placings: &mut Vec<Placing>) {
        let left = self.after[usize::from(camera)].within((seen.at_ms + 1).saturating_sub(self.nearby_ms)..seen.at_ms);
        placings.extend(left.map(|(_, id, ())| (Opening::After(*id), seen.id)));
    }

    /// Into gaps that span its moment, those that begin at one camera or all.
    fn within_gaps(&self, seen: &Seen, beginning: Option<u16>, placings: &mut Vec<Placing>) {
        let began = self.gaps[usize::from(seen.camera)].within(seen.at_ms.saturating_sub(2 * self.nearby_ms)..seen.at_ms);
        let spanning =
            began.filter(|(_, _, (until_ms, (from, _)))| *until_ms > seen.at_ms && beginning.is_none_or(|camera| camera == *from));
        placings.extend(spanning.map(|(_, id, _)| (Opening::Gap(*id), seen.id)));
    }
}

/// The cameras a vehicle may have passed unread between two sightings: next to either.
fn gap_cameras(road: &Road, from: Spot, to: Spot) -> impl Iterator<Item = u16> {
    let (onward, backward) = (road.onward(from.camera), road.backward(to.camera));
    onward.iter().chain(backward.iter().filter(|camera| onward.binary_search(camera).is_err())).copied()
}
