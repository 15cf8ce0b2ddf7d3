//! The state behind `link`: sightings by plate, by camera and time, and two matchings over them.
//!
//! ```text
//! changes ─▶ admit ─▶ plates.settle ─▶ openings, platoons ─▶ weigh placings ─▶ fills.settle ─▶ bonds
//! ```
//!
//! Every step marks what the next must look at again; nothing else is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemas::{City, Id, Sighting};
use smallvec::{SmallVec, smallvec};

use super::evidence::Evidence;
use super::matching::{Claims, Matching};
use super::openings::{Open, Opening, Openings, Placing};
use super::platoons::Platoons;
use super::seen::{Seen, SeenPlate};
use super::timeline::Timeline;
use super::{Bond, LinkParameters};
use crate::city::road::Road;
use crate::city::similarity::Millinats;
use crate::stream::Clock;

/// Reads with more wrong symbols than this are found only if they are the same text.
const DIFFERENCES_MOST: u32 = 3;

/// What only one bond can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Claim {
    Out(Id),
    In(Id),
    Gap(Id),
}

/// Links sightings; see [`link`](super::link).
#[derive(Debug)]
pub struct Linker {
    evidence: Evidence,
    seen: FxHashMap<Id, Seen>,
    by_age: BTreeSet<(u64, Id)>,
    by_text: FxHashMap<[u8; 16], SmallVec<[Id; 2]>>,
    read: Vec<Timeline<SeenPlate>>,
    plates: Matching<(Id, Id), Claim>,
    openings: Openings,
    platoons: Platoons,
    fills: Matching<Placing, Claim>,
    bonds: FxHashMap<Id, Bond>,
}

/// What one moment has touched.
#[derive(Default)]
struct Touched {
    sightings: BTreeSet<Id>,
    placings: BTreeSet<Placing>,
    origins: BTreeSet<Id>,
}

impl Linker {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(city: &City, parameters: LinkParameters) -> Self {
        let road = Road::of(city);
        let (cameras, nearby_ms) = (road.cameras(), parameters.nearby.ms());
        Self {
            evidence: Evidence::new(road, parameters),
            seen: FxHashMap::default(),
            by_age: BTreeSet::new(),
            by_text: FxHashMap::default(),
            read: (0..cameras).map(|_| Timeline::default()).collect(),
            plates: Matching::default(),
            openings: Openings::new(cameras, nearby_ms),
            platoons: Platoons::default(),
            fills: Matching::default(),
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
        for ((from, to), _) in self.plates.settle() {
            touched.sightings.extend([from, to]);
        }
        self.reopen(&mut touched);
        let mut moved = self.weigh(&touched);
        moved.extend(self.fills.settle().into_iter().map(|(placing, _)| placing));
        self.contested(moved, &mut touched);
        for origin in touched.origins {
            let bond = self.bond(origin);
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
        (self.seen.len(), self.plates.len() + self.fills.len())
    }

    /// Replaces what changed; a revision that says nothing new for linking ends here.
    fn admit(&mut self, now: Clock, changes: &mut Vec<(Arc<Sighting>, isize)>, touched: &mut Touched) {
        consolidate(changes);
        let mut after: BTreeMap<Id, Option<Arc<Sighting>>> = BTreeMap::new();
        for (sighting, diff) in changes.drain(..) {
            let standing = after.entry(sighting.id).or_default();
            if diff > 0 {
                *standing = Some(sighting);
            }
        }
        for (id, sighting) in after {
            let seen = sighting.and_then(|sighting| Seen::of(&sighting, &self.evidence.road)).filter(|seen| !self.expired(seen.at_ms, now));
            let before = self.seen.get(&id).copied();
            if before == seen {
                continue;
            }
            before.iter().for_each(|before| self.remove(before, touched));
            seen.iter().for_each(|seen| self.insert(seen, touched));
        }
    }

    fn insert(&mut self, seen: &Seen, touched: &mut Touched) {
        touched.sightings.insert(seen.id);
        self.seen.insert(seen.id, *seen);
        self.by_age.insert((seen.at_ms, seen.id));
        let Some(plate) = seen.plate else { return self.openings.insert(seen) };
        for other in self.with_similar_plates(seen, &plate) {
            let (a, b) = if (other.at_ms, other.id) < (seen.at_ms, seen.id) { (&other, seen) } else { (seen, &other) };
            if let Some(score) = self.evidence.same_plate(a, b) {
                self.plates.set((a.id, b.id), score, smallvec![Claim::Out(a.id), Claim::In(b.id)]);
            }
        }
        self.by_text.entry(plate.read.text()).or_default().push(seen.id);
        self.read[usize::from(seen.camera)].insert(seen.at_ms, seen.id, plate);
    }

    /// Those with the same text anywhere within the window, and those with a similar one where it could have driven to or from.
    fn with_similar_plates(&self, seen: &Seen, plate: &SeenPlate) -> Vec<Seen> {
        let (window_ms, nearby_ms) = (self.evidence.parameters.window.ms(), self.evidence.parameters.nearby.ms());
        let (road, text) = (&self.evidence.road, plate.read.text());
        let same = self.by_text.get(&text).into_iter().flatten().map(|id| self.seen[id]);
        let mut found: Vec<_> = same.filter(|other| other.at_ms.abs_diff(seen.at_ms) <= window_ms).collect();
        let mut look = |camera: u16, span| {
            for (_, id, other) in self.read[usize::from(camera)].within(span) {
                let close =
                    other.read.symbols() != plate.read.symbols() || (1..=DIFFERENCES_MOST).contains(&other.read.differences(&plate.read));
                if close {
                    found.push(self.seen[id]);
                }
            }
        };
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
        touched.sightings.insert(id);
        for claim in [Claim::Out(id), Claim::In(id)] {
            for (from, to) in self.plates.wanting(claim).collect::<Vec<_>>() {
                self.plates.remove((from, to));
            }
            touched.placings.extend(self.fills.wanting(claim));
        }
        self.put_away(seen);
    }

    /// Takes a sighting out of every index.
    fn put_away(&mut self, seen: &Seen) {
        self.seen.remove(&seen.id);
        self.by_age.remove(&(seen.at_ms, seen.id));
        let Some(plate) = seen.plate else { return self.openings.remove(seen) };
        self.read[usize::from(seen.camera)].remove(seen.at_ms, seen.id);
        if let Some(same) = self.by_text.get_mut(&plate.read.text()) {
            same.retain(|id| *id != seen.id);
            if same.is_empty() {
                self.by_text.remove(&plate.read.text());
            }
        }
    }

    /// After the chains by plate have settled: where they are open now, and who drove in a platoon.
    fn reopen(&mut self, touched: &mut Touched) {
        let neighbours: Vec<_> = touched.sightings.iter().flat_map(|id| [self.previous(*id), self.next(*id)]).flatten().collect();
        touched.sightings.extend(neighbours);
        for id in &touched.sightings {
            let seen = self.seen.get(id).copied();
            let (previous, next) = (self.previous(*id), self.next(*id));
            let after = seen.filter(|seen| seen.plate.is_none() || next.is_none()).map(|at| Open { at, until: None });
            let before = seen.filter(|seen| seen.plate.is_some() && previous.is_none()).map(|at| Open { at, until: None });
            let end = next.and_then(|next| self.seen.get(&next).copied());
            let gap = seen.zip(end).filter(|(at, end)| self.openings.is_gap(&self.evidence.road, at, end));
            let gap = gap.map(|(at, end)| Open { at, until: Some(end) });
            for (opening, open) in [(Opening::After(*id), after), (Opening::Before(*id), before), (Opening::Gap(*id), gap)] {
                if self.openings.get(opening) != open.as_ref() {
                    touched.placings.extend(self.fills.wanting(claim(opening)).filter(|(other, _)| *other == opening));
                    self.openings.close(&self.evidence.road, opening);
                    open.into_iter().for_each(|open| self.openings.open(&self.evidence.road, opening, open));
                    self.openings.takers(&self.evidence.road, opening, &mut touched.placings);
                }
            }
            if let Some(seen) = seen.filter(|seen| seen.plate.is_none()) {
                self.openings.placings(&self.evidence.road, &seen, &mut touched.placings);
            }
        }
        for id in &touched.sightings {
            let from = self.previous(*id).and_then(|from| self.seen.get(&from).copied());
            let drive = from.zip(self.seen.get(id).copied()).filter(|(from, to)| self.evidence.road.adjacent(from.camera, to.camera));
            for change in self.platoons.set(*id, drive) {
                self.openings.arrivals(change, |id| self.seen.get(&id).copied(), &mut touched.placings);
            }
        }
        touched.origins.extend(&touched.sightings);
    }

    /// Weighs anew every placing that something was touched of; returns those that weigh more or less than before.
    fn weigh(&mut self, touched: &Touched) -> BTreeSet<Placing> {
        let mut moved = BTreeSet::new();
        for placing in &touched.placings {
            let before = self.fills.score(*placing);
            let score = self.placing(*placing).filter(|score| *score > 0);
            match score {
                Some(score) => self.fills.set(*placing, score, claims(*placing)),
                None => self.fills.remove(*placing),
            }
            // One that stands may lead elsewhere without weighing more or less: its gap may end at another sighting.
            if before != score || self.fills.stands(*placing) {
                moved.insert(*placing);
            }
        }
        moved
    }

    /// Whose bonds may be another, or otherwise certain, when these placings weigh or stand otherwise: their own, those of
    /// whoever holds what they claim, and those of whoever competes with someone who does.
    fn contested(&self, moved: BTreeSet<Placing>, touched: &mut Touched) {
        let holders = |placing: Placing| claims(placing).into_iter().filter_map(|claim| self.fills.holder(claim));
        for placing in moved {
            touched.origins.extend(origins(placing));
            let rivals = claims(placing).into_iter().flat_map(|claim| self.fills.wanting(claim));
            for holder in holders(placing).chain(rivals.flat_map(holders)) {
                touched.origins.extend(origins(holder));
            }
        }
    }

    /// How much speaks for a sighting without a plate being where an opening is.
    fn placing(&self, (opening, id): Placing) -> Option<Millinats> {
        let Open { at, until } = self.openings.get(opening)?;
        let seen = self.seen.get(&id).filter(|seen| seen.plate.is_none())?;
        let platoon = |from, to| self.platoons.around(from, to);
        match (opening, until) {
            (Opening::After(_), _) => self.evidence.next(at, seen, platoon(at, seen)),
            (Opening::Before(_), _) => self.evidence.next(seen, at, platoon(seen, at)),
            (Opening::Gap(_), Some(end)) => self.evidence.between([at, seen, end], [platoon(at, seen), platoon(seen, end)]),
            (Opening::Gap(_), None) => None,
        }
    }

    /// The bond that leaves a sighting.
    fn bond(&self, from: Id) -> Option<Bond> {
        self.seen.get(&from)?;
        if let Some(placing) = self.fills.holder(Claim::Out(from)) {
            let to = match placing {
                (Opening::After(_), filling) => Some(filling),
                (Opening::Before(head), _) => Some(head),
                (Opening::Gap(begin), _) => self.next(begin),
            };
            return to.map(|to| Bond { from, to, certainty: self.surety(placing) });
        }
        let to = self.next(from)?;
        if let Some(placing) = self.fills.holder(Claim::Gap(from)) {
            return Some(Bond { from, to: placing.1, certainty: self.surety(placing) });
        }
        // Of plates that agree, the way and the time hardly matter: twelve nats of way are what an unusual one costs.
        let nats = f64::from(self.plates.score((from, to)).unwrap_or_default()) / 1_000.0 + 12.0;
        Some(Bond { from, to, certainty: permille(nats.exp()) })
    }

    /// How sure a placing that stands is, permille: its odds against nobody, and against every rival for what it claims.
    fn surety(&self, placing: Placing) -> u16 {
        let mut rivals: Vec<Placing> = claims(placing).into_iter().flat_map(|claim| self.fills.wanting(claim)).collect();
        rivals.sort_unstable();
        rivals.dedup();
        let odds = |nats: Millinats| (f64::from(nats) / 1_000.0).exp();
        let against: f64 = rivals.into_iter().filter(|rival| *rival != placing).map(|rival| odds(self.in_its_place(placing, rival))).sum();
        permille(odds(self.weight(placing)) / (1.0 + against))
    }

    /// What speaks for a rival in the place of a placing that stands: its own weight, less what is lost where those who stand in
    /// the rival's way must change places with it.
    fn in_its_place(&self, placing: Placing, rival: Placing) -> Millinats {
        let claimed = claims(placing);
        let elsewhere = claims(rival).into_iter().filter(|claim| !claimed.contains(claim));
        let holders: BTreeSet<Placing> = elsewhere.filter_map(|claim| self.fills.holder(claim)).collect();
        let lost = |holder: Placing| (self.weight(holder) - self.weight(exchanged(holder, placing, rival))).max(0);
        self.weight(rival) - holders.into_iter().map(lost).sum::<Millinats>()
    }

    /// What speaks for a placing; nothing if it is none.
    fn weight(&self, placing: Placing) -> Millinats {
        self.fills.score(placing).unwrap_or_default()
    }

    fn next(&self, id: Id) -> Option<Id> {
        self.plates.holder(Claim::Out(id)).map(|(_, to)| to)
    }

    fn previous(&self, id: Id) -> Option<Id> {
        self.plates.holder(Claim::In(id)).map(|(from, _)| from)
    }

    fn expired(&self, at_ms: u64, now: Clock) -> bool {
        let parameters = &self.evidence.parameters;
        at_ms + parameters.window.ms() + parameters.lateness.ms() < now
    }

    fn expire(&mut self, now: Clock) {
        while let Some((_, id)) = self.by_age.first().copied().filter(|(at_ms, _)| self.expired(*at_ms, now)) {
            if let Some(seen) = self.seen.get(&id).copied() {
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
        let claims = [Claim::Out(id), Claim::In(id), Claim::Gap(id)];
        for (from, to) in claims.iter().flat_map(|claim| self.plates.wanting(*claim)).collect::<Vec<_>>() {
            if !self.plates.stands((from, to)) || ![from, to].iter().any(|other| self.seen.contains_key(other)) {
                self.plates.forget((from, to));
            }
        }
        for placing in claims.iter().flat_map(|claim| self.fills.wanting(*claim)).collect::<Vec<_>>() {
            if !self.fills.stands(placing) || ![placing.0.id(), placing.1].iter().any(|other| self.seen.contains_key(other)) {
                self.fills.forget(placing);
            }
        }
        for opening in [Opening::After(id), Opening::Before(id), Opening::Gap(id)] {
            self.openings.close(&self.evidence.road, opening);
        }
    }
}

/// What an opening offers.
fn claim(opening: Opening) -> Claim {
    match opening {
        Opening::After(id) => Claim::Out(id),
        Opening::Before(id) => Claim::In(id),
        Opening::Gap(id) => Claim::Gap(id),
    }
}

/// What a placing takes: the opening, and one side or both of the sighting placed there.
fn claims((opening, id): Placing) -> Claims<Claim> {
    match opening {
        Opening::After(_) => smallvec![claim(opening), Claim::In(id)],
        Opening::Before(_) => smallvec![claim(opening), Claim::Out(id)],
        Opening::Gap(_) => smallvec![claim(opening), Claim::In(id), Claim::Out(id)],
    }
}

/// The sightings whose next one a placing decides.
fn origins((opening, id): Placing) -> SmallVec<[Id; 2]> {
    match opening {
        Opening::After(before) => smallvec![before],
        Opening::Before(_) => smallvec![id],
        Opening::Gap(before) => smallvec![before, id],
    }
}

/// A placing after a rival took another's place: what the rival gains there, the other gets here.
fn exchanged(holder: Placing, other: Placing, rival: Placing) -> Placing {
    let instead = |id| if id == rival.1 { other.1 } else { id };
    match holder.0 {
        opening if opening == rival.0 && rival.1 == other.1 => (other.0, holder.1),
        Opening::After(id) => (Opening::After(instead(id)), instead(holder.1)),
        Opening::Before(id) => (Opening::Before(instead(id)), instead(holder.1)),
        Opening::Gap(id) => (Opening::Gap(id), instead(holder.1)),
    }
}

/// Odds as a probability, permille; nothing is ever quite certain, nor quite impossible.
fn permille(odds: f64) -> u16 {
    (1_000.0 * odds / (1.0 + odds)).round().clamp(1.0, 999.0) as u16
}
