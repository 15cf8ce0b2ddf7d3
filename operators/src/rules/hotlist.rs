//! `hotlist`: a vehicle somebody looks for was seen.
//!
//! ```text
//! journeys ──by plate──▶ ┐
//!                        ├─ same text, or one symbol taken for another ─▶ one alert per entry and journey
//! entries ──to everyone─▶┘
//! ```
//!
//! Certain if the journey's plate is the entry's and was read well. Where exactly one doubtful symbol is one that readers
//! take for the entry's, it is a suspicion: *verify before stopping anyone*. Anything further apart is not told: with
//! 5,000 entries any one wrong symbol would stop 17 % of the innocent.
//!
//! The table of entries is small, so every worker has all of it; journeys are remembered for as long as an entry may still
//! come that concerns them.

use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{Alert, City, Duration, Evidence, HotlistEntry, Id, Name, Plate, PlateText, Quantities};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::map::{Map, stop_crossing};
use super::raise::posterior_permille;
use crate::city::Itinerary;
use crate::city::confusion::confused_with;
use crate::stream::{Footprint, fold};
use crate::{Changes, Clock};

const RULE: &str = "hotlist";

/// How `hotlist` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HotlistParameters {
    /// How probable all symbols of a plate together must be for a certain hit, permille. Default 900.
    pub certain_permille: u16,
    /// A symbol less probable than this may be another one, permille. Default 900.
    pub doubt_permille: u16,
    /// For how long after it was last seen a journey is still held against new entries. Default `2 h`.
    pub window: Duration,
    /// How late a record may come, or be taken back. Default `15 min`, a job's own.
    pub lateness: Duration,
}

impl Default for HotlistParameters {
    fn default() -> Self {
        Self { certain_permille: 900, doubt_permille: 900, window: Duration::from_ms(2 * 3_600_000), lateness: Duration::from_ms(900_000) }
    }
}

/// Raises one alert for every entry and journey that match, revised at each new sighting.
///
/// Evidence: every sighting of the journey for which the entry holds (`from_ms ≤ at < until_ms`), at its stop line (where
/// it did not cross it: when it was first seen). The alert's plate is the entry's, its priority too. Measured:
/// `differences`, 0 if the plates are equal. A journey is forgotten, silently, `window + lateness` after it was last seen.
#[must_use]
pub fn hotlist<'scope>(
    journeys: Changes<'scope, Arc<Itinerary>>,
    entries: Changes<'scope, HotlistEntry>,
    city: Arc<City>,
    parameters: HotlistParameters,
) -> Changes<'scope, Alert> {
    let map = Map::new(city);
    let workers = journeys.inner.scope().peers() as u64;
    let trips = journeys.flat_map({
        let map = map.clone();
        move |itinerary| Trip::of(&itinerary, &map).map(News::Trip)
    });
    let entries = entries.filter(|entry| !entry.deleted);
    let to_everyone = entries.flat_map(move |entry| (0..workers).map(move |worker| News::Entry(worker, entry.clone())));
    let mut watch = Watch { keep_ms: parameters.window.ms() + parameters.lateness.ms(), map, parameters, ..Watch::default() };
    let route = |news: &News| match news {
        News::Entry(worker, _) => *worker,
        News::Trip(trip) => trip.journey.0,
    };
    fold(trips.concat(to_everyone), RULE, route, move |now, changes, out| {
        watch.advance(now, changes, out);
        // Of most plates there is one.
        Footprint::of::<(PlateText, Trip, isize)>(watch.trips.len())
            + Footprint::of::<(PlateText, HotlistEntry, isize)>(watch.entries.len())
    })
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum News {
    Trip(Trip),
    Entry(u64, HotlistEntry),
}

/// What of a journey bears on the list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct Trip {
    journey: Id,
    plate: Plate,
    seen: Vec<Evidence>,
}

impl Trip {
    fn of(itinerary: &Itinerary, map: &Map) -> Option<Self> {
        let seen = itinerary.sightings.iter().map(|sighting| {
            let crossing = map.camera(sighting.camera).and_then(|camera| stop_crossing(camera, sighting));
            Evidence { sighting: Some(sighting.id), camera: sighting.camera, at_ms: crossing.map_or(sighting.from_ms, |c| c.at_ms) }
        });
        Some(Self { journey: itinerary.journey.id, plate: itinerary.journey.plate?, seen: seen.collect() })
    }

    fn last_ms(&self) -> u64 {
        self.seen.iter().map(|e| e.at_ms).max().unwrap_or(0)
    }
}

/// How well a plate matches an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// Symbols that differ: 0 or 1.
    pub differences: u8,
    /// Whether the plates are surely the same.
    pub certain: bool,
}

/// Whether this plate is, or may be, the one looked for.
///
/// ```
/// use operators::rules::hotlist::{HotlistParameters, Match, matches};
/// use schemas::{Confidence, Plate, PlateColour, PlateKind};
///
/// let read = |text: &str, confidence: [u16; 8]| Plate {
///     text: text.parse().unwrap(), kind: PlateKind::Car, colour: PlateColour::White, confidence: Confidence::of(&confidence).unwrap(),
/// };
/// let wanted = ("88A12345".parse().unwrap(), PlateKind::Car);
/// let matches = |plate| matches(wanted, &plate, &HotlistParameters::default());
/// assert_eq!(matches(read("88A12345", [995; 8])), Some(Match { differences: 0, certain: true }));
/// assert_eq!(matches(read("88A12345", [950; 8])), Some(Match { differences: 0, certain: false }));
/// let doubtful = [995, 700, 995, 995, 995, 995, 995, 995];
/// assert_eq!(matches(read("8BA12345", doubtful)), Some(Match { differences: 1, certain: false }));
/// assert_eq!(matches(read("8BA12345", [995; 8])), None);       // surely a B
/// assert_eq!(matches(read("87A12345", doubtful)), None);       // nobody takes an 8 for a 7
/// ```
#[must_use]
pub fn matches(wanted: (PlateText, schemas::PlateKind), plate: &Plate, parameters: &HotlistParameters) -> Option<Match> {
    let (text, kind) = wanted;
    if plate.kind != kind || plate.text.len() != text.len() {
        return None;
    }
    let mut different = (0..text.len()).filter(|slot| text.symbols()[*slot] != plate.text.symbols()[*slot]);
    match (different.next(), different.next()) {
        (None, _) => Some(Match { differences: 0, certain: posterior_permille(plate) >= u64::from(parameters.certain_permille) }),
        (Some(slot), None) => {
            let confused = confused_with(text.symbols()[slot]).contains(&plate.text.symbols()[slot]);
            (confused && doubtful(plate, slot, parameters)).then_some(Match { differences: 1, certain: false })
        }
        _ => None,
    }
}

fn doubtful(plate: &Plate, slot: usize, parameters: &HotlistParameters) -> bool {
    plate.confidence.values().get(slot).copied().unwrap_or(0) < parameters.doubt_permille
}

/// A plate and all that readers may take for it, at one symbol of `slots`.
fn variants(text: PlateText, slots: impl Iterator<Item = usize>) -> impl Iterator<Item = PlateText> {
    let other = move |slot: usize, symbol: &u8| {
        let mut symbols = text.symbols().to_vec();
        symbols[slot] = *symbol;
        PlateText::of_symbols(&symbols)
    };
    let others = slots.flat_map(move |slot| confused_with(text.symbols()[slot]).iter().filter_map(move |symbol| other(slot, symbol)));
    std::iter::once(text).chain(others)
}

/// Counted records by plate: nearly always one or a few.
type ByPlate<T> = FxHashMap<PlateText, SmallVec<[(T, isize); 1]>>;

/// What one worker knows: all entries, and its share of the journeys.
#[derive(Default)]
struct Watch {
    map: Map,
    parameters: HotlistParameters,
    keep_ms: u64,
    entries: ByPlate<HotlistEntry>,
    trips: ByPlate<Trip>,
    swept_ms: Clock,
}

impl Watch {
    /// Takes the changes of one moment: new journeys meet the entries known so far, then new entries meet all journeys.
    fn advance(&mut self, now: Clock, changes: &mut Vec<(News, isize)>, out: &mut Vec<(Alert, isize)>) {
        consolidate(changes);
        let (mut trips, mut entries) = (Vec::new(), Vec::new());
        for (news, diff) in changes.drain(..) {
            match news {
                News::Trip(trip) => trips.push((trip, diff)),
                News::Entry(_, entry) => entries.push((entry, diff)),
            }
        }
        for (trip, diff) in trips {
            let doubtful = (0..trip.plate.text.len()).filter(|slot| doubtful(&trip.plate, *slot, &self.parameters));
            let near = variants(trip.plate.text, doubtful).filter_map(|text| self.entries.get(&text)).flatten();
            out.extend(near.filter_map(|(entry, count)| Some((self.alert(entry, &trip)?, count * diff))));
            add(&mut self.trips, trip.plate.text, trip, diff);
        }
        for (entry, diff) in entries {
            let near = variants(entry.plate, 0..entry.plate.len()).filter_map(|text| self.trips.get(&text)).flatten();
            out.extend(near.filter_map(|(trip, count)| Some((self.alert(&entry, trip)?, count * diff))));
            add(&mut self.entries, entry.plate, entry, diff);
        }
        consolidate(out);
        self.forget(now);
    }

    /// Forgets journeys that nothing can concern any more; looks through them eight times a window.
    fn forget(&mut self, now: Clock) {
        if now.saturating_sub(self.swept_ms) < self.keep_ms / 8 {
            return;
        }
        self.swept_ms = now;
        let keep_ms = self.keep_ms;
        self.trips.retain(|_, trips| {
            trips.retain(|(trip, _)| trip.last_ms() + keep_ms >= now);
            !trips.is_empty()
        });
    }

    fn alert(&self, entry: &HotlistEntry, trip: &Trip) -> Option<Alert> {
        let found = matches((entry.plate, entry.kind), &trip.plate, &self.parameters)?;
        let holds = |e: &&Evidence| (entry.from_ms..entry.until_ms).contains(&e.at_ms);
        let evidence: Vec<Evidence> = trip.seen.iter().filter(holds).copied().collect();
        let last = *evidence.last()?;
        let advice = if found.certain { "Verify the plate" } else { "Its plate may be another one: verify it" };
        Some(Alert {
            id: Id::of(RULE).with(entry.list.as_str().as_bytes()).with(entry.plate.symbols()).number(trip.journey.0).finish(),
            rule: Name::of(RULE),
            certain: found.certain,
            priority: entry.priority,
            at_ms: last.at_ms,
            centre: self.map.centre(last.camera),
            plate: Some(Plate { text: entry.plate, ..trip.plate }),
            journey: Some(trip.journey),
            measured: Quantities::of([("differences", i64::from(found.differences))]),
            limit: Quantities::default(),
            text: format!(
                "Vehicle {} of the list {} ({}) was last seen at {}; sightings so far: {}. {advice} before stopping anyone.",
                entry.plate,
                entry.list,
                entry.reason,
                last.camera,
                evidence.len(),
            ),
            evidence,
        })
    }
}

fn add<T: PartialEq>(table: &mut ByPlate<T>, plate: PlateText, record: T, diff: isize) {
    let records = table.entry(plate).or_default();
    match records.iter_mut().find(|(known, _)| *known == record) {
        Some((_, count)) => *count += diff,
        None => records.push((record, diff)),
    }
    records.retain(|(_, count)| *count != 0);
    if records.is_empty() {
        table.remove(&plate);
    }
}
