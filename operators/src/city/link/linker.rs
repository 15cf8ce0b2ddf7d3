//! The state behind `link`: sightings by plate, by camera and time, and what is weighed between them.
//!
//! ```text
//! changes ─▶ admit ─▶ plates.settle ─▶ openings, platoons ─▶ weigh placings ─▶ fills.settle ─▶ bonds
//! ```
//!
//! Every step marks what the next must look at again; nothing else is touched.

use std::collections::BTreeSet;
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemas::{City, Id, Sighting};
use smallvec::{SmallVec, smallvec};

use super::evidence::Evidence;
use super::hypotheses::Hypotheses;
use super::openings::Openings;
use super::pace::Paces;
use super::placing::{Claim, Opening, Placing, claim, claims};
use super::platoons::Platoons;
use super::reads::Reads;
use super::seen::{Seen, SeenPlate};
use super::{Bond, LinkParameters};
use crate::city::road::Road;
use crate::city::similarity::Millinats;
use crate::stream::{Clock, Footprint};

/// A sighting that is remembered.
#[derive(Clone, Copy, Debug)]
struct Known {
    seen: Seen,
    /// Whether others may follow it.
    is_after: bool,
    /// Whether others may precede it.
    is_before: bool,
}

/// Links sightings; see [`link`](super::link).
#[derive(Debug)]
pub struct Linker {
    evidence: Evidence,
    paces: Paces,
    sightings: FxHashMap<Id, Known>,
    by_age: BTreeSet<(u64, Id)>,
    by_text: FxHashMap<[u8; 16], SmallVec<[Id; 2]>>,
    read: Vec<Reads>,
    openings: Openings,
    platoons: Platoons,
    hypotheses: Hypotheses,
    bonds: FxHashMap<Id, Bond>,
}

/// What one moment has touched; in no order, and some of it twice, until it is [`sorted`].
#[derive(Default)]
struct Touched {
    sightings: Vec<Id>,
    placings: Vec<Placing>,
    origins: Vec<Id>,
}

/// Each once and in order.
fn sorted<T: Ord>(things: &mut Vec<T>) {
    things.sort_unstable();
    things.dedup();
}

impl Linker {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(city: &City, parameters: LinkParameters) -> Self {
        let road = Road::of(city);
        let (cameras, nearby_ms) = (road.cameras(), parameters.nearby.ms());
        Self {
            evidence: Evidence::new(road, parameters),
            paces: Paces::of(city),
            sightings: FxHashMap::default(),
            by_age: BTreeSet::new(),
            by_text: FxHashMap::default(),
            read: (0..cameras).map(|_| Reads::default()).collect(),
            openings: Openings::new(cameras, nearby_ms),
            platoons: Platoons::default(),
            hypotheses: Hypotheses::default(),
            bonds: FxHashMap::default(),
        }
    }

    /// Takes in all changes of one moment, and tells which bonds come and go.
    pub fn apply(&mut self, now: Clock, changes: &mut Vec<(Arc<Sighting>, isize)>, out: &mut Vec<(Bond, isize)>) {
        self.expire(now);
        let mut touched = Touched::default();
        self.admit(now, changes, &mut touched);
        if touched.sightings.is_empty() {
            return;
        }
        sorted(&mut touched.sightings);
        let changed = touched.sightings.clone();
        touched.sightings.extend(self.hypotheses.plates.settle().into_iter().flat_map(|((from, to), _)| [from, to]));
        self.reopen(&changed, &mut touched);
        let mut moved = self.weigh(&mut touched);
        moved.extend(self.hypotheses.fills.settle().into_iter().map(|(placing, _)| placing));
        sorted(&mut moved);
        touched.origins.extend(self.hypotheses.contested(&moved));
        sorted(&mut touched.origins);
        for origin in touched.origins {
            let bond = self.seen(origin).and_then(|_| self.hypotheses.bond(origin));
            let before = match bond {
                Some(bond) => self.bonds.insert(origin, bond),
                None => self.bonds.remove(&origin),
            };
            if before != bond {
                out.extend(before.map(|bond| (bond, -1)));
                out.extend(bond.map(|bond| (bond, 1)));
            }
        }
    }

    /// How many sightings are remembered, and how many hypotheses about them.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.sightings.len(), self.hypotheses.plates.len() + self.hypotheses.fills.len())
    }

    /// The same in bytes, with what has come of the hypotheses.
    pub(super) fn footprint(&self) -> Footprint {
        let (seen, hypotheses) = self.size();
        Footprint::of::<(Id, Seen, u64, Id)>(seen)
            + Footprint::of::<(Id, Id, Claim, Claim)>(hypotheses)
            + Footprint::of::<(Id, Bond)>(self.bonds.len())
    }

    /// Replaces what changed; a revision that says nothing new for linking ends here.
    fn admit(&mut self, now: Clock, changes: &mut Vec<(Arc<Sighting>, isize)>, touched: &mut Touched) {
        consolidate(changes);
        // By sighting, what comes after what goes.
        changes.sort_unstable_by_key(|(sighting, diff)| (sighting.id, *diff));
        for revisions in changes.chunk_by(|(a, _), (b, _)| a.id == b.id) {
            let Some((sighting, diff)) = revisions.last() else { continue };
            let (id, stands) = (sighting.id, *diff > 0);
            let seen = Some(sighting).filter(|_| stands).and_then(|sighting| Seen::of(sighting, &self.evidence.road, &self.paces));
            let seen = seen.filter(|seen| !self.expired(seen.at_ms, now));
            match (self.seen(id).copied(), seen) {
                (before, seen) if before == seen => {}
                (Some(before), Some(seen)) if before == (Seen { speed_cms: before.speed_cms, ..seen }) => self.drove(&seen, touched),
                (before, seen) => {
                    before.iter().for_each(|before| self.remove(before, touched));
                    seen.iter().for_each(|seen| self.insert(seen, touched));
                }
            }
        }
        changes.clear();
    }

    fn insert(&mut self, seen: &Seen, touched: &mut Touched) {
        touched.sightings.push(seen.id);
        self.sightings.insert(seen.id, Known { seen: *seen, is_after: false, is_before: false });
        self.by_age.insert((seen.at_ms, seen.id));
        let Some(plate) = seen.plate else { return self.openings.insert(seen) };
        for other in self.with_similar_plates(seen, &plate) {
            self.same_plate(seen, &other);
        }
        self.by_text.entry(plate.read.text()).or_default().push(seen.id);
        self.read[usize::from(seen.camera)].insert(seen.at_ms, seen.id, &plate);
    }

    /// Weighs whether two sightings are one vehicle by their plates.
    fn same_plate(&mut self, one: &Seen, other: &Seen) {
        let (a, b) = if (one.at_ms, one.id) < (other.at_ms, other.id) { (one, other) } else { (other, one) };
        if let Some(score) = self.evidence.same_plate(a, b) {
            self.hypotheses.plates.set((a.id, b.id), score, smallvec![Claim::Out(a.id), Claim::In(b.id)]);
        }
    }

    /// Takes in how fast a sighting drove, where nothing else is new of it: it stays where it is in every index and others are like
    /// it as before, but all it is part of may weigh more or less.
    fn drove(&mut self, seen: &Seen, touched: &mut Touched) {
        let id = seen.id;
        let Some(known) = self.sightings.get_mut(&id) else { return };
        known.seen = *seen;
        let Known { is_after, is_before, .. } = *known;
        touched.sightings.push(id);
        let pairs = [Claim::Out(id), Claim::In(id)].into_iter().flat_map(|claim| self.hypotheses.plates.wanting(claim));
        for (from, to) in pairs.collect::<SmallVec<[_; 8]>>() {
            if let Some(other) = self.seen(if from == id { to } else { from }).copied() {
                self.same_plate(seen, &other);
            }
        }
        let mut open = |opening| self.openings.takers(&self.evidence.road, opening, seen, &mut touched.placings);
        if is_after {
            open(Opening::After(id));
        }
        if is_before {
            open(Opening::Before(id));
        }
        open(Opening::Gap(id));
    }

    /// Those with the same text anywhere within the window, and those with a similar one where it could have driven to or from.
    fn with_similar_plates(&self, seen: &Seen, plate: &SeenPlate) -> Vec<Seen> {
        let (window_ms, nearby_ms) = (self.evidence.parameters.window.ms(), self.evidence.parameters.nearby.ms());
        let (road, text) = (&self.evidence.road, plate.read.text());
        let same = self.by_text.get(&text).into_iter().flatten().map(|id| self.sightings[id].seen);
        let mut found: Vec<_> = same.filter(|other| other.at_ms.abs_diff(seen.at_ms) <= window_ms).collect();
        let mut look =
            |camera: u16, span| found.extend(self.read[usize::from(camera)].alike(plate, span).map(|id| self.sightings[&id].seen));
        let hops = |from, to| road.usual(from, to).map_or(1, |way| u64::from(way.hops));
        for camera in road.reached_from(seen.camera) {
            look(*camera, seen.at_ms.saturating_sub(nearby_ms * hops(*camera, seen.camera))..seen.at_ms);
        }
        for camera in road.within_reach(seen.camera) {
            look(*camera, seen.at_ms + 1..seen.at_ms + 1 + nearby_ms * hops(seen.camera, *camera));
        }
        found
    }

    fn remove(&mut self, seen: &Seen, touched: &mut Touched) {
        let id = seen.id;
        touched.sightings.push(id);
        for claim in [Claim::Out(id), Claim::In(id), Claim::Gap(id)] {
            for (from, to) in self.hypotheses.plates.wanting(claim).collect::<SmallVec<[_; 8]>>() {
                self.hypotheses.plates.remove((from, to));
            }
            touched.placings.extend(self.hypotheses.fills.wanting(claim));
        }
        self.put_away(seen);
    }

    /// Takes a sighting out of every index.
    fn put_away(&mut self, seen: &Seen) {
        let Some(Known { is_after, is_before, .. }) = self.sightings.remove(&seen.id) else { return };
        self.by_age.remove(&(seen.at_ms, seen.id));
        if is_after {
            self.openings.close(Opening::After(seen.id), seen);
        }
        if is_before {
            self.openings.close(Opening::Before(seen.id), seen);
        }
        self.openings.close_gap(&self.evidence.road, seen.id);
        let Some(plate) = seen.plate else { return self.openings.remove(seen) };
        self.read[usize::from(seen.camera)].remove(seen.at_ms, seen.id);
        if let Some(same) = self.by_text.get_mut(&plate.read.text()) {
            same.retain(|id| *id != seen.id);
            if same.is_empty() {
                self.by_text.remove(&plate.read.text());
            }
        }
    }

    /// After the chains by plate have settled: where they are open now, and who drove in a platoon. `changed` are those that
    /// are new or otherwise now.
    fn reopen(&mut self, changed: &[Id], touched: &mut Touched) {
        let neighbours = touched.sightings.iter().flat_map(|id| [self.hypotheses.previous(*id), self.hypotheses.next(*id)]).flatten();
        let neighbours: SmallVec<[Id; 8]> = neighbours.collect();
        touched.sightings.extend(neighbours);
        sorted(&mut touched.sightings);
        for id in &touched.sightings {
            let (previous, next) = (self.hypotheses.previous(*id), self.hypotheses.next(*id));
            let Some(known) = self.sightings.get_mut(id) else { continue };
            let Known { seen, is_after, is_before } = *known;
            let (after, before) = (seen.plate.is_none() || next.is_none(), seen.plate.is_some() && previous.is_none());
            (known.is_after, known.is_before) = (after, before);
            if is_after != after {
                self.turn(Opening::After(*id), after, &seen, &mut touched.placings);
            }
            if is_before != before {
                self.turn(Opening::Before(*id), before, &seen, &mut touched.placings);
            }
            let end = next.and_then(|next| self.seen(next)).filter(|end| self.openings.is_gap(&self.evidence.road, &seen, end));
            let known = self.openings.gap_end(*id);
            if known != end.map(|end| end.id) || known.is_some_and(|end| changed.binary_search(&end).is_ok()) {
                let end = end.copied();
                touched.placings.extend(self.hypotheses.fills.wanting(Claim::Gap(*id)));
                self.openings.close_gap(&self.evidence.road, *id);
                if let Some(end) = end {
                    self.openings.open_gap(&self.evidence.road, &seen, &end);
                    self.openings.takers(&self.evidence.road, Opening::Gap(*id), &seen, &mut touched.placings);
                }
            }
            if seen.plate.is_none() {
                self.openings.placings(&self.evidence.road, &seen, &mut touched.placings);
            }
        }
        for id in &touched.sightings {
            let spot = |id: Id| self.seen(id).map(Seen::spot);
            let drive = self.hypotheses.previous(*id).and_then(spot).zip(spot(*id));
            let drive = drive.filter(|(from, to)| self.evidence.road.adjacent(from.camera, to.camera));
            for change in self.platoons.set(*id, drive) {
                self.openings.arrivals(change, &mut touched.placings);
            }
        }
        touched.origins.extend(&touched.sightings);
    }

    /// Opens or closes what is behind or before a sighting.
    fn turn(&mut self, opening: Opening, open: bool, at: &Seen, placings: &mut Vec<Placing>) {
        if open {
            self.openings.open(opening, at);
            self.openings.takers(&self.evidence.road, opening, at, placings);
        } else {
            placings.extend(self.hypotheses.fills.wanting(claim(opening)).filter(|(other, _)| *other == opening));
            self.openings.close(opening, at);
        }
    }

    /// Weighs anew every placing that something was touched of; returns those that weigh more or less than before.
    fn weigh(&mut self, touched: &mut Touched) -> Vec<Placing> {
        let mut moved = Vec::new();
        sorted(&mut touched.placings);
        for placing in &touched.placings {
            let before = self.hypotheses.fills.score(*placing);
            let score = self.placing(*placing).filter(|score| *score > 0);
            if score == before {
                // One that stands may lead elsewhere without weighing more or less: its gap may end at another sighting.
                if !self.hypotheses.fills.stands(*placing) {
                    continue;
                }
            } else if let Some(score) = score {
                self.hypotheses.fills.set(*placing, score, claims(*placing));
            } else {
                self.hypotheses.fills.remove(*placing);
            }
            moved.push(*placing);
        }
        moved
    }

    /// How much speaks for a sighting without a plate being where an opening is.
    fn placing(&self, (opening, id): Placing) -> Option<Millinats> {
        let Known { seen: at, is_after, is_before } = self.sightings.get(&opening.id())?;
        let seen = self.seen(id).filter(|seen| seen.plate.is_none())?;
        let platoon = |from: &Seen, to: &Seen| self.platoons.around(from, to);
        match opening {
            Opening::After(_) if *is_after => self.evidence.next(at, seen, platoon),
            Opening::Before(_) if *is_before => self.evidence.next(seen, at, platoon),
            Opening::After(_) | Opening::Before(_) => None,
            Opening::Gap(_) => {
                let end = self.seen(self.openings.gap_end(at.id)?)?;
                self.evidence.between([at, seen, end], platoon)
            }
        }
    }

    fn seen(&self, id: Id) -> Option<&Seen> {
        self.sightings.get(&id).map(|known| &known.seen)
    }

    fn expired(&self, at_ms: u64, now: Clock) -> bool {
        let parameters = &self.evidence.parameters;
        at_ms + parameters.window.ms() + parameters.lateness.ms() < now
    }

    fn expire(&mut self, now: Clock) {
        while let Some((_, id)) = self.by_age.first().copied().filter(|(at_ms, _)| self.expired(*at_ms, now)) {
            if let Some(seen) = self.seen(id).copied() {
                self.forget(&seen);
            }
        }
    }

    /// Forgets a sighting, silently: what stands goes on standing until all it joins are forgotten.
    fn forget(&mut self, seen: &Seen) {
        let id = seen.id;
        self.put_away(seen);
        self.bonds.remove(&id);
        self.platoons.forget(id);
        self.hypotheses.forget(id, |other| self.sightings.contains_key(&other));
    }
}
