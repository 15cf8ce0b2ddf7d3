//! `assemble_journeys`: bonds joined into chains, chains cut where they cannot be one vehicle, and what a chain's cameras read together.
//!
//! ```text
//! bonds      a ─▶ b ─▶ u ─▶ c ─▶ d
//! conflict        b ─ ─ ─ ─ ─▶ d       two plates, or too far apart for the time
//! cut        a ─▶ b ─▶ u │ c ─▶ d      at the weakest bond between them, until there is no conflict
//! ```
//!
//! An itinerary is a pure function of its chain, and a chain of the bonds; only chains that something touched are made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{City, Duration, Id, Journey, Name, Plate, Sighting, Speed};
use serde::{Deserialize, Serialize};

use super::itinerary::certainty;
use super::journey_plate::journey_plate;
use super::road::Road;
use super::similarity::{Read, Similarity};
use super::{Bond, Itinerary};
use crate::stream::{Changes, Clock, Footprint, fold};

/// How journeys are made of bonds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JourneyParameters {
    /// A journey goes on for at most this long unseen. Default 30 min, as sightings are linked.
    pub window: Duration,
    /// How late a sighting or a bond may still come or change. Default 15 min, the job's own.
    pub lateness: Duration,
    /// Nobody drives faster: two sightings that would need it are two vehicles. Default 160 km/h.
    pub fastest: Speed,
}

impl Default for JourneyParameters {
    fn default() -> Self {
        let minutes = |count: u64| Duration::from_ms(count * 60_000);
        Self { window: minutes(30), lateness: minutes(15), fastest: Speed::from_cms(4_444) }
    }
}

/// Joins sightings into itineraries, one for each vehicle on its way; a sighting without bonds is an itinerary of one.
///
/// `bonds` come from [`link`](super::link): at most one leaves a sighting and at most one reaches it.
///
/// ```
/// use std::sync::Arc;
/// use differential_dataflow::input::Input;
/// use operators::city::{Bond, JourneyParameters, assemble_journeys};
/// use schemas::{City, Id, Sighting};
///
/// let seen = |id: &str, at_ms: u64| -> Arc<Sighting> {
///     Arc::new(serde_json::from_value(serde_json::json!({"id": id, "camera": "a", "class": "car", "body": null, "from_ms": at_ms,
///         "until_ms": at_ms, "plate": null, "crossings": [], "stays": [], "speed_cms": null, "boxes": 9})).unwrap())
/// };
/// timely::example(move |scope| {
///     let (_, sightings) = scope.new_collection_from(vec![seen("01", 0), seen("02", 90_000)]);
///     let (_, bonds) = scope.new_collection_from(vec![Bond { from: Id(1), to: Id(2), certainty: 990 }]);
///     assemble_journeys(sightings, bonds, Arc::new(City::default()), JourneyParameters::default())
///         .inspect(|(itinerary, _, _)| assert_eq!(itinerary.journey.sightings, [Id(1), Id(2)]));
/// });
/// ```
pub fn assemble_journeys<'scope>(
    sightings: Changes<'scope, Arc<Sighting>>,
    bonds: Changes<'scope, Bond>,
    city: Arc<City>,
    parameters: JourneyParameters,
) -> Changes<'scope, Arc<Itinerary>> {
    let mut assembler = Assembler::new(&city, parameters);
    let parts = sightings.map(Part::Sighting).concat(bonds.map(Part::Bond));
    fold(
        parts,
        "Assemble journeys",
        |_| ASSEMBLING,
        move |now, changes, out| {
            assembler.apply(now, changes, out);
            assembler.footprint()
        },
    )
}

/// The worker that assembles, counted round: neither the one that links nor, where there are three, the one that publishes.
const ASSEMBLING: u64 = 2;

/// What journeys are made of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Part {
    /// A sighting.
    Sighting(Arc<Sighting>),
    /// That another follows it.
    Bond(Bond),
}

/// The state behind [`assemble_journeys`].
#[derive(Debug)]
pub struct Assembler {
    road: Road,
    parameters: JourneyParameters,
    similarity: Similarity,
    sightings: FxHashMap<Id, Arc<Sighting>>,
    onward: FxHashMap<Id, Bond>,
    backward: FxHashMap<Id, Id>,
    /// By the first sighting of each journey.
    itineraries: FxHashMap<Id, Arc<Itinerary>>,
    /// The first sighting of the journey that each sighting is part of.
    first: FxHashMap<Id, Id>,
    by_age: BTreeSet<(u64, Id)>,
}

impl Assembler {
    /// Nothing known yet.
    #[must_use]
    pub fn new(city: &City, parameters: JourneyParameters) -> Self {
        Self {
            road: Road::of(city),
            parameters,
            similarity: Similarity::default(),
            sightings: FxHashMap::default(),
            onward: FxHashMap::default(),
            backward: FxHashMap::default(),
            itineraries: FxHashMap::default(),
            first: FxHashMap::default(),
            by_age: BTreeSet::new(),
        }
    }

    /// Takes in all changes of one moment, and tells which itineraries come and go.
    pub fn apply(&mut self, now: Clock, changes: &mut Vec<(Part, isize)>, out: &mut Vec<(Arc<Itinerary>, isize)>) {
        self.expire(now);
        let touched = self.admit(now, changes);
        if touched.is_empty() {
            return;
        }
        let mut fallen = BTreeMap::new();
        let members = self.take_apart(touched, &mut fallen);
        for chain in self.chains(&members) {
            for (from, until) in self.whole(&chain) {
                let first = chain.sightings[from].id;
                let before = fallen.get(&first).map(Arc::as_ref);
                let itinerary = itinerary(&chain.sightings[from..until], &chain.certainties[from..until - 1], before);
                match fallen.remove(&first) {
                    Some(same) if *same == itinerary => self.keep(first, same),
                    before => {
                        let itinerary = Arc::new(itinerary);
                        out.extend(before.map(|before| (before, -1)));
                        out.push((Arc::clone(&itinerary), 1));
                        self.keep(first, itinerary);
                    }
                }
            }
        }
        out.extend(fallen.into_values().map(|itinerary| (itinerary, -1)));
    }

    /// How many sightings are remembered.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sightings.len()
    }

    /// The same with all that is known of each, and their itineraries.
    fn footprint(&self) -> Footprint {
        let sightings = Footprint::of::<(Id, Arc<Sighting>, Id, Id, u64, Id)>(self.size());
        sightings + Footprint::of::<(Id, Bond, Id, Id)>(self.onward.len()) + Footprint::of::<(Id, Arc<Itinerary>)>(self.itineraries.len())
    }

    /// Replaces sightings and bonds; returns whom that touches.
    fn admit(&mut self, now: Clock, changes: &mut Vec<(Part, isize)>) -> BTreeSet<Id> {
        consolidate(changes);
        // What goes before what comes: one bond may take the place of another.
        changes.sort_by_key(|(_, diff)| *diff > 0);
        let mut touched = BTreeSet::new();
        for (part, diff) in changes.drain(..) {
            match part {
                Part::Sighting(sighting) if diff > 0 => {
                    if !self.expired(sighting.until_ms, now) {
                        touched.insert(sighting.id);
                        self.sightings.insert(sighting.id, sighting);
                    }
                }
                Part::Sighting(sighting) => {
                    if self.sightings.remove(&sighting.id).is_some() {
                        touched.insert(sighting.id);
                    }
                }
                Part::Bond(bond) if diff > 0 => {
                    touched.extend([bond.from, bond.to]);
                    self.onward.insert(bond.from, bond);
                    self.backward.insert(bond.to, bond.from);
                }
                Part::Bond(bond) => {
                    touched.extend([bond.from, bond.to]);
                    if self.onward.get(&bond.from) == Some(&bond) {
                        self.onward.remove(&bond.from);
                    }
                    if self.backward.get(&bond.to) == Some(&bond.from) {
                        self.backward.remove(&bond.to);
                    }
                }
            }
        }
        touched
    }

    /// Takes out every journey that holds one of these, and returns all who were part of them or are chained to them now.
    fn take_apart(&mut self, touched: BTreeSet<Id>, fallen: &mut BTreeMap<Id, Arc<Itinerary>>) -> BTreeSet<Id> {
        let (mut members, mut waiting) = (BTreeSet::new(), Vec::from_iter(touched));
        while let Some(id) = waiting.pop() {
            if !members.insert(id) {
                continue;
            }
            let first = self.first.get(&id).copied();
            if let Some((first, itinerary)) = first.and_then(|first| self.itineraries.remove_entry(&first)) {
                for sighting in &itinerary.sightings {
                    self.first.remove(&sighting.id);
                    waiting.push(sighting.id);
                }
                self.by_age.remove(&age(&itinerary));
                fallen.insert(first, itinerary);
            }
            waiting.extend(self.next(id).map(|bond| bond.to));
            waiting.extend(self.previous(id));
        }
        members
    }

    /// The chains among these, each from its first sighting to its last, with the bonds between.
    fn chains(&self, members: &BTreeSet<Id>) -> Vec<Chain> {
        let starts = members.iter().filter(|id| self.sightings.contains_key(id) && self.previous(**id).is_none());
        starts
            .map(|start| {
                let mut chain = Chain { sightings: vec![Arc::clone(&self.sightings[start])], certainties: Vec::new() };
                let mut at = *start;
                while let Some(bond) = self.next(at) {
                    chain.sightings.push(Arc::clone(&self.sightings[&bond.to]));
                    chain.certainties.push(bond.certainty);
                    at = bond.to;
                }
                chain
            })
            .collect()
    }

    /// The parts of a chain that are one vehicle each.
    fn whole(&self, chain: &Chain) -> Vec<(usize, usize)> {
        let looked = chain.sightings.iter().map(|sighting| self.look(sighting)).collect::<Vec<_>>();
        let mut whole = Vec::new();
        self.cut(chain, &looked, 0, looked.len(), &mut whole);
        whole
    }

    /// Cuts `from..until` of a chain at the weakest bond within its first conflict, and so on with both halves.
    fn cut(&self, chain: &Chain, looked: &[Looked], from: usize, until: usize, whole: &mut Vec<(usize, usize)>) {
        let conflict = (from + 1..until).find_map(|j| (from..j).rev().find(|i| self.conflict(&looked[*i], &looked[j])).map(|i| (i, j)));
        let Some((i, j)) = conflict else { return whole.push((from, until)) };
        let weakest = (i..j).min_by_key(|bond| chain.certainties[*bond]).unwrap_or(i);
        self.cut(chain, looked, from, weakest + 1, whole);
        self.cut(chain, looked, weakest + 1, until, whole);
    }

    /// Whether two sightings cannot be one vehicle: plates that contradict each other, or no time for the way.
    fn conflict(&self, a: &Looked, b: &Looked) -> bool {
        let plates = a.read.zip(b.read).is_some_and(|(a, b)| a.text() != b.text() && self.similarity.of(&a, &b) < 0);
        let cameras = a.camera.zip(b.camera).filter(|(a, b)| a != b);
        plates || cameras.is_some_and(|(from, to)| !self.road.possible(from, to, b.at_ms.saturating_sub(a.at_ms), self.parameters.fastest))
    }

    fn look(&self, sighting: &Sighting) -> Looked {
        Looked {
            camera: self.road.number(sighting.camera),
            at_ms: sighting.crossing(Name::of("stop")).map_or(sighting.from_ms, |crossing| crossing.at_ms),
            read: sighting.plate.as_ref().and_then(Read::of),
        }
    }

    fn keep(&mut self, first: Id, itinerary: Arc<Itinerary>) {
        for sighting in &itinerary.sightings {
            self.first.insert(sighting.id, first);
        }
        self.by_age.insert(age(&itinerary));
        self.itineraries.insert(first, itinerary);
    }

    /// The bond to the next sighting, if that is known.
    fn next(&self, id: Id) -> Option<Bond> {
        self.onward.get(&id).copied().filter(|bond| self.sightings.contains_key(&id) && self.sightings.contains_key(&bond.to))
    }

    fn previous(&self, id: Id) -> Option<Id> {
        self.backward.get(&id).copied().filter(|from| self.next(*from).is_some_and(|bond| bond.to == id))
    }

    fn expired(&self, until_ms: u64, now: Clock) -> bool {
        until_ms + self.parameters.window.ms() + self.parameters.lateness.ms() < now
    }

    /// Forgets journeys, silently and whole: a journey is remembered as long as its last sighting is.
    fn expire(&mut self, now: Clock) {
        while let Some(oldest) = self.by_age.first().copied().filter(|(until_ms, _)| self.expired(*until_ms, now)) {
            self.by_age.remove(&oldest);
            let Some(itinerary) = self.itineraries.remove(&oldest.1) else { continue };
            for sighting in &itinerary.sightings {
                self.first.remove(&sighting.id);
                self.sightings.remove(&sighting.id);
                self.backward.remove(&sighting.id);
                self.onward.remove(&sighting.id);
            }
        }
    }
}

/// Sightings bound to each other, and how surely: one certainty less than sightings.
struct Chain {
    sightings: Vec<Arc<Sighting>>,
    certainties: Vec<u16>,
}

/// What makes two sightings conflict.
struct Looked {
    camera: Option<u16>,
    at_ms: u64,
    read: Option<Read>,
}

/// Where a journey stands among those to be forgotten.
fn age(itinerary: &Itinerary) -> (u64, Id) {
    (itinerary.journey.until_ms, itinerary.sightings.first().map_or(itinerary.journey.id, |sighting| sighting.id))
}

/// A journey of these sightings, which are in order of time. What was known before spares reading the same plates again.
fn itinerary(sightings: &[Arc<Sighting>], certainties: &[u16], before: Option<&Itinerary>) -> Itinerary {
    let named = sightings.iter().find(|sighting| sighting.plate.is_some()).unwrap_or(&sightings[0]);
    let plates: Vec<&Plate> = sightings.iter().filter_map(|sighting| sighting.plate.as_ref()).collect();
    let same_reads =
        |before: &&Itinerary| before.sightings.iter().filter_map(|sighting| sighting.plate.as_ref()).eq(plates.iter().copied());
    let mut journey = Journey {
        id: Id::of("journey").number(named.id.0).finish(),
        plate: before.filter(same_reads).map_or_else(|| journey_plate(&plates), |before| before.journey.plate),
        sightings: sightings.iter().map(|sighting| sighting.id).collect(),
        cameras: sightings.iter().map(|sighting| sighting.camera).collect(),
        from_ms: sightings.iter().map(|sighting| sighting.from_ms).min().unwrap_or_default(),
        until_ms: sightings.iter().map(|sighting| sighting.until_ms).max().unwrap_or_default(),
        certainty: 1_000,
    };
    journey.certainty = certainty(certainties);
    Itinerary { journey: Arc::new(journey), sightings: sightings.to_vec(), certainties: certainties.to_vec() }
}
