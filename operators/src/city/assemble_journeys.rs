//! `assemble_journeys`: bonds joined into chains, chains cut where they cannot be one vehicle, and what a chain's cameras read together.
//!
//! ```text
//! bonds      a ─▶ b ─▶ u ─▶ c ─▶ d
//! conflict        b ─ ─ ─ ─ ─▶ d       two plates, or too far apart for the time
//! cut        a ─▶ b ─▶ u │ c ─▶ d      at the weakest bond between them, until there is no conflict
//! ```
//!
//! An itinerary is a pure function of its chain, and a chain of the bonds; only chains that something touched are made anew.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{City, Duration, Id, Journey, Plate, Sighting, Speed};
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
    nodes: FxHashMap<Id, Node>,
    /// By the first sighting of each journey.
    itineraries: FxHashMap<Id, Arc<Itinerary>>,
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
            nodes: FxHashMap::default(),
            itineraries: FxHashMap::default(),
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

    /// How many sightings are remembered, or at least bonds with them.
    #[must_use]
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    /// The same in bytes, with their itineraries.
    fn footprint(&self) -> Footprint {
        Footprint::of::<(Id, Node, u64, Id)>(self.size()) + Footprint::of::<(Id, Arc<Itinerary>)>(self.itineraries.len())
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
                        let (id, looked) = (sighting.id, self.look(&sighting));
                        touched.insert(id);
                        self.node(id).known = Some(Known { sighting, looked });
                    }
                }
                Part::Sighting(sighting) => {
                    let known = self.less(sighting.id, |node| node.known.take());
                    touched.extend(known.map(|_| sighting.id));
                }
                Part::Bond(bond) if diff > 0 => {
                    touched.extend([bond.from, bond.to]);
                    self.node(bond.from).onward = Some(bond);
                    self.node(bond.to).backward = Some(bond.from);
                }
                Part::Bond(bond) => {
                    touched.extend([bond.from, bond.to]);
                    self.less(bond.from, |node| node.onward.take_if(|onward| *onward == bond));
                    self.less(bond.to, |node| node.backward.take_if(|from| *from == bond.from));
                }
            }
        }
        touched
    }

    fn node(&mut self, id: Id) -> &mut Node {
        self.nodes.entry(id).or_default()
    }

    /// Takes something of what is known around a sighting, and all of it where nothing is left.
    fn less<T>(&mut self, id: Id, take: impl FnOnce(&mut Node) -> Option<T>) -> Option<T> {
        let Entry::Occupied(mut node) = self.nodes.entry(id) else { return None };
        let taken = take(node.get_mut());
        if node.get().is_empty() {
            node.remove();
        }
        taken
    }

    /// Takes out every journey that holds one of these, and returns all who were part of them or are chained to them now.
    fn take_apart(&mut self, touched: BTreeSet<Id>, fallen: &mut BTreeMap<Id, Arc<Itinerary>>) -> BTreeSet<Id> {
        let (mut members, mut waiting) = (BTreeSet::new(), Vec::from_iter(touched));
        while let Some(id) = waiting.pop() {
            if !members.insert(id) {
                continue;
            }
            let first = self.nodes.get(&id).and_then(|node| node.first);
            if let Some((first, itinerary)) = first.and_then(|first| self.itineraries.remove_entry(&first)) {
                for sighting in &itinerary.sightings {
                    self.less(sighting.id, |node| node.first.take());
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
        let starts = members.iter().filter(|id| self.known(**id).is_some() && self.previous(**id).is_none());
        starts
            .map(|start| {
                let mut chain = Chain::default();
                let mut at = *start;
                while let Some(Known { sighting, looked }) = self.known(at) {
                    chain.sightings.push(Arc::clone(sighting));
                    chain.looked.push(*looked);
                    let Some(bond) = self.next(at) else { break };
                    chain.certainties.push(bond.certainty);
                    at = bond.to;
                }
                chain
            })
            .collect()
    }

    /// The parts of a chain that are one vehicle each.
    fn whole(&self, chain: &Chain) -> Vec<(usize, usize)> {
        let mut whole = Vec::new();
        self.cut(chain, 0, chain.looked.len(), &mut whole);
        whole
    }

    /// Cuts `from..until` of a chain at the weakest bond within its first conflict, and so on with both halves.
    fn cut(&self, chain: &Chain, from: usize, until: usize, whole: &mut Vec<(usize, usize)>) {
        let conflict = |i: usize, j: usize| self.conflict(&chain.looked[i], &chain.looked[j]);
        let conflict = (from + 1..until).find_map(|j| (from..j).rev().find(|i| conflict(*i, j)).map(|i| (i, j)));
        let Some((i, j)) = conflict else { return whole.push((from, until)) };
        let weakest = (i..j).min_by_key(|bond| chain.certainties[*bond]).unwrap_or(i);
        self.cut(chain, from, weakest + 1, whole);
        self.cut(chain, weakest + 1, until, whole);
    }

    /// Whether two sightings cannot be one vehicle: plates that contradict each other, or no time for the way.
    fn conflict(&self, a: &Looked, b: &Looked) -> bool {
        let plates = a.read.zip(b.read).is_some_and(|(a, b)| a.text() != b.text() && self.similarity.of(&a, &b) < 0);
        let cameras = a.camera.zip(b.camera).filter(|(a, b)| a != b);
        plates || cameras.is_some_and(|(from, to)| !self.road.possible(from, to, b.at_ms.saturating_sub(a.at_ms), self.parameters.fastest))
    }

    fn look(&self, sighting: &Sighting) -> Looked {
        let camera = self.road.number(sighting.camera);
        let crossed_ms = camera.and_then(|camera| self.road.crossed_ms(camera, sighting));
        Looked { camera, at_ms: crossed_ms.unwrap_or(sighting.from_ms), read: sighting.plate.as_ref().and_then(Read::of) }
    }

    fn keep(&mut self, first: Id, itinerary: Arc<Itinerary>) {
        for sighting in &itinerary.sightings {
            self.node(sighting.id).first = Some(first);
        }
        self.by_age.insert(age(&itinerary));
        self.itineraries.insert(first, itinerary);
    }

    /// The bond to the next sighting, if that is known.
    fn next(&self, id: Id) -> Option<Bond> {
        let onward = self.nodes.get(&id).filter(|node| node.known.is_some())?.onward?;
        self.known(onward.to).map(|_| onward)
    }

    fn previous(&self, id: Id) -> Option<Id> {
        self.nodes.get(&id)?.backward.filter(|from| self.next(*from).is_some_and(|bond| bond.to == id))
    }

    fn known(&self, id: Id) -> Option<&Known> {
        self.nodes.get(&id)?.known.as_ref()
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
                self.nodes.remove(&sighting.id);
            }
        }
    }
}

/// All that is known around a sighting: it may come before its bonds or after them.
#[derive(Debug, Default)]
struct Node {
    known: Option<Known>,
    onward: Option<Bond>,
    /// The sighting it follows.
    backward: Option<Id>,
    /// The first sighting of the journey it is part of.
    first: Option<Id>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.known.is_none() && self.onward.is_none() && self.backward.is_none() && self.first.is_none()
    }
}

/// A sighting that is remembered.
#[derive(Debug)]
struct Known {
    sighting: Arc<Sighting>,
    looked: Looked,
}

/// Sightings bound to each other, and how surely: one certainty less than sightings.
#[derive(Default)]
struct Chain {
    sightings: Vec<Arc<Sighting>>,
    looked: Vec<Looked>,
    certainties: Vec<u16>,
}

/// What makes two sightings conflict.
#[derive(Clone, Copy, Debug)]
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
