//! `cloned_plate`: one plate in two places that no vehicle could reach in the time between.
//!
//! ```text
//!  a ●───────── shortest way, at the speed no vehicle exceeds: least ─────────▶
//!  a ●──── took, plus the error of both clocks ────▶● b                         impossible: took + errors < least
//! ```
//!
//! Whose reads count: those of a journey whose plate leaves no doubt, and of them the ones that were read (nearly) as the
//! journey's plate. So one dirty symbol neither hides a clone nor, read the same wrong way elsewhere, makes one. Two
//! impossible pairs that share no sighting make it certain; one pair is a suspicion.

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{
    Alert, City, Confidence, Duration, Evidence, Id, Length, Name, Plate, PlateColour, PlateKind, PlateText, Quantities, Sighting, Speed,
};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::lengths::Lengths;
use super::map::{Map, crossing_error_ms, stop_crossing};
use super::raise::seconds;
use crate::city::Itinerary;
use crate::city::road::CameraNumber;
use crate::stream::{Footprint, fold};
use crate::{Changes, Clock};

const RULE: &str = "cloned_plate";

/// How `cloned_plate` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClonedPlateParameters {
    /// What no vehicle exceeds on the way between two cameras. Default `160 km/h`.
    pub speed: Speed,
    /// How far from a stop line a vehicle's front may be when its crossing is timed. Default `2 m`.
    pub half_width: Length,
    /// How probable every symbol of a journey's plate must be, permille. Default 950.
    pub symbol_permille: u16,
    /// How many symbols of a sighting's own read may differ from its journey's plate. Default 1.
    pub differences: usize,
    /// How far apart two sightings may be in time, and how long one alert speaks for a plate. Default `2 h`.
    pub window: Duration,
    /// How long after its time a read may still come, or be taken back. Default `15 min`, a job's own.
    pub lateness: Duration,
    /// The alerts' priority, 0 to 100. Default 70.
    pub priority: u8,
}

impl Default for ClonedPlateParameters {
    fn default() -> Self {
        Self {
            speed: Speed::from_cms(4_444),
            half_width: Length::from_cm(200),
            symbol_permille: 950,
            differences: 1,
            window: Duration::from_ms(2 * 3_600_000),
            lateness: Duration::from_ms(900_000),
            priority: 70,
        }
    }
}

/// Raises one alert for every plate, and window of the clock, that was in two places at once.
///
/// Evidence: the earliest impossible pair, the earlier sighting first. Measured: `length_cm` (the shortest way), `took_ms`
/// (at most this much passed, but for the clocks), `least_ms` (what the way takes at least). Limit: `speed_cms`. A sighting
/// is forgotten, silently, after two windows and `lateness`: until then it may still belong to a pair that can be told.
#[must_use]
pub fn cloned_plate<'scope>(
    journeys: Changes<'scope, Arc<Itinerary>>,
    city: Arc<City>,
    parameters: ClonedPlateParameters,
) -> Changes<'scope, Alert> {
    let map = Map::new(Arc::clone(&city));
    let mut lengths = Lengths::new(&city, &map);
    let reads = journeys.flat_map({
        let (map, parameters) = (map.clone(), parameters.clone());
        move |itinerary| reads(&itinerary, &map, &parameters)
    });
    let mut plates: FxHashMap<Plated, Seen> = FxHashMap::default();
    let window_ms = parameters.window.ms().max(1);
    let mut swept_ms: Clock = 0;
    let route = |(plate, _): &(Plated, Read)| Id::of(RULE).with(plate.1.symbols()).finish().0;
    fold(reads, RULE, route, move |now, changes, out| {
        consolidate(changes);
        let mut touched = Vec::new();
        for ((plate, read), diff) in changes.drain(..) {
            plates.entry(plate).or_default().add(read, diff, &mut lengths, &parameters);
            touched.push(plate);
        }
        touched.sort_unstable();
        touched.dedup();
        for plate in touched {
            if let Some(seen) = plates.get_mut(&plate) {
                seen.tell(plate, &map, &parameters, out);
            }
        }
        if now.saturating_sub(swept_ms) > window_ms / 4 {
            swept_ms = now;
            plates.retain(|_, seen| seen.forget(now.saturating_sub(parameters.lateness.ms()), window_ms));
        }
        // Most plates are read once or twice.
        Footprint::of::<(Plated, Seen)>(plates.len())
    })
}

/// What reads must share to be of one plate; a colour can be mistaken.
type Plated = (PlateKind, PlateText);

/// One sure read of a plate at a stop line. Small, for there is one for every sighting of two windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Read {
    /// When.
    pub at_ms: u64,
    /// The sighting.
    pub sighting: Id,
    /// By how much `at_ms` may be off.
    pub error_ms: u32,
    /// Where.
    pub camera: CameraNumber,
    /// The colour of the plate its journey has.
    pub colour: PlateColour,
}

/// The sure reads of a journey.
fn reads(itinerary: &Itinerary, map: &Map, parameters: &ClonedPlateParameters) -> Vec<(Plated, Read)> {
    let sure = |plate: &Plate| {
        let confidence = plate.confidence.values();
        confidence.len() >= plate.text.len() && confidence.iter().all(|permille| *permille >= parameters.symbol_permille)
    };
    let Some(plate) = itinerary.journey.plate.filter(sure) else { return Vec::new() };
    let read = |sighting: &Arc<Sighting>| {
        let own = sighting.plate?;
        if differences(own.text, plate.text) > parameters.differences {
            return None;
        }
        let number = map.number(sighting.camera)?;
        let camera = map.numbered(number);
        let at_ms = stop_crossing(camera, sighting)?.at_ms;
        let error_ms = u32::try_from(crossing_error_ms(camera)).unwrap_or(u32::MAX);
        Some(((plate.kind, plate.text), Read { at_ms, sighting: sighting.id, error_ms, camera: number, colour: plate.colour }))
    };
    itinerary.sightings.iter().filter_map(read).collect()
}

/// In how many symbols two texts differ; those of different length in all.
fn differences(a: PlateText, b: PlateText) -> usize {
    if a.len() != b.len() {
        return a.len().max(b.len());
    }
    a.symbols().iter().zip(b.symbols()).filter(|(a, b)| a != b).count()
}

/// What a pair of reads would take a vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// The shortest way.
    pub length_cm: u64,
    /// What passed between the reads.
    pub took_ms: u64,
    /// What the way takes at least.
    pub least_ms: u64,
}

/// The trip from `a` to `b` (`a` not later), if no vehicle could have made it.
///
/// `length` gives the shortest way between two cameras, if there is a known one. Where the clocks leave open which of the two came
/// first, both directions must be impossible.
///
/// ```
/// use operators::rules::cloned_plate::{ClonedPlateParameters, Read, impossible};
/// use schemas::{Id, PlateColour};
///
/// let read = |camera, at_ms| Read { at_ms, sighting: Id(at_ms), error_ms: 50, camera, colour: PlateColour::White };
/// let kilometre = |_, _| Some(100_000);
/// let trip = |ms| impossible(&read(0, 0), &read(1, ms), kilometre, &ClonedPlateParameters::default());
/// assert_eq!(trip(20_000).unwrap().least_ms, 22_412);     // (1000 − 4) m at 160 km/h
/// assert!(trip(22_311).is_some() && trip(22_312).is_none());
/// ```
pub fn impossible(
    a: &Read,
    b: &Read,
    mut length: impl FnMut(CameraNumber, CameraNumber) -> Option<u64>,
    parameters: &ClonedPlateParameters,
) -> Option<Trip> {
    let took_ms = b.at_ms.checked_sub(a.at_ms)?;
    let error_ms = u64::from(a.error_ms) + u64::from(b.error_ms);
    let least_ms = |length_cm: u64| length_cm.saturating_sub(2 * parameters.half_width.cm()) * 1_000 / parameters.speed.cms().max(1);
    let length_cm = length(a.camera, b.camera)?;
    let trip = Trip { length_cm, took_ms, least_ms: least_ms(length_cm) };
    if took_ms + error_ms >= trip.least_ms {
        return None;
    }
    let back_ms = error_ms.saturating_sub(took_ms);
    (back_ms == 0 || back_ms < least_ms(length(b.camera, a.camera)?)).then_some(trip)
}

/// What is known of one plate.
#[derive(Default)]
struct Seen {
    /// In order; nearly always one or a few.
    reads: SmallVec<[(Read, i32); 1]>,
    found: Option<Box<Found>>,
}

/// What few plates ever have: impossible pairs, by their later read, and what was told of them.
#[derive(Default)]
struct Found {
    pairs: BTreeMap<(Read, Read), Trip>,
    told: Vec<Alert>,
}

impl Seen {
    fn add(&mut self, read: Read, diff: isize, lengths: &mut Lengths, parameters: &ClonedPlateParameters) {
        let place = self.reads.binary_search_by(|(other, _)| other.cmp(&read));
        let at = place.unwrap_or_else(|at| {
            self.reads.insert(at, (read, 0));
            at
        });
        let before = self.reads[at].1;
        let after = before + diff as i32;
        self.reads[at].1 = after;
        if after == 0 {
            self.reads.remove(at);
        }
        match (before > 0, after > 0) {
            (false, true) => self.pair(read, lengths, parameters),
            (true, false) => self.found.iter_mut().for_each(|found| found.pairs.retain(|(b, a), _| *a != read && *b != read)),
            _ => {}
        }
    }

    /// Finds the reads within a window that cannot be of one vehicle with this one.
    fn pair(&mut self, read: Read, lengths: &mut Lengths, parameters: &ClonedPlateParameters) {
        let window_ms = parameters.window.ms();
        let near = |other: &Read| other.at_ms.abs_diff(read.at_ms) <= window_ms;
        for (other, _) in self.reads.iter().filter(|(other, count)| *count > 0 && near(other)) {
            let (a, b) = if *other < read { (other, &read) } else { (&read, other) };
            if let Some(trip) = impossible(a, b, |from, to| lengths.between(from, to), parameters) {
                self.found.get_or_insert_default().pairs.insert((*b, *a), trip);
            }
        }
    }

    /// Tells what is different from what was told.
    fn tell(&mut self, plate: Plated, map: &Map, parameters: &ClonedPlateParameters, out: &mut Vec<(Alert, isize)>) {
        let Some(found) = &mut self.found else { return };
        let window = |(b, _): &(Read, Read)| b.at_ms / parameters.window.ms().max(1);
        let pairs: Vec<(&(Read, Read), &Trip)> = found.pairs.iter().collect();
        let by_window = pairs.chunk_by(|(p, _), (q, _)| window(p) == window(q));
        let alerts: Vec<Alert> = by_window.filter_map(|pairs| alert(plate, window(pairs.first()?.0), pairs, map, parameters)).collect();
        if alerts != found.told {
            out.extend(found.told.drain(..).map(|alert| (alert, -1)));
            out.extend(alerts.iter().cloned().map(|alert| (alert, 1)));
            found.told = alerts;
        }
    }

    /// Forgets what nothing can change any more: whole windows that ended before `settled_ms`, and reads that can only
    /// belong to those. Whether any reads are left.
    fn forget(&mut self, settled_ms: u64, window_ms: u64) -> bool {
        let open_ms = settled_ms - settled_ms % window_ms;
        if let Some(found) = &mut self.found {
            found.pairs.retain(|(b, _), _| b.at_ms >= open_ms);
            found.told.retain(|alert| alert.at_ms >= open_ms);
        }
        self.found.take_if(|found| found.pairs.is_empty() && found.told.is_empty());
        self.reads.retain(|(read, _)| read.at_ms + window_ms >= open_ms);
        !self.reads.is_empty()
    }
}

#[expect(clippy::cast_possible_wrap, reason = "lengths and times of a city")]
fn alert(
    (kind, text): Plated,
    window: u64,
    pairs: &[(&(Read, Read), &Trip)],
    map: &Map,
    parameters: &ClonedPlateParameters,
) -> Option<Alert> {
    let ((b, a), trip) = pairs.first()?;
    let [from, to] = [a, b].map(|read| map.numbered(read.camera));
    let confidence = Confidence::of(&vec![parameters.symbol_permille; text.len()]).unwrap_or_default();
    let apart = |((d, c), _): &(&(Read, Read), &Trip)| [c, d].iter().all(|read| ![a.sighting, b.sighting].contains(&read.sighting));
    let evidence = |read: &Read| Evidence { sighting: Some(read.sighting), camera: map.numbered(read.camera).id, at_ms: read.at_ms };
    Some(Alert {
        id: Id::of(RULE).with(&[kind as u8]).with(text.symbols()).number(window).finish(),
        rule: Name::of(RULE),
        certain: pairs.iter().any(apart),
        priority: parameters.priority,
        at_ms: b.at_ms,
        centre: to.centre,
        plate: Some(Plate { text, kind, colour: a.colour, confidence }),
        journey: None,
        evidence: vec![evidence(a), evidence(b)],
        measured: Quantities::of([
            ("length_cm", trip.length_cm as i64),
            ("took_ms", trip.took_ms as i64),
            ("least_ms", trip.least_ms as i64),
        ]),
        limit: Quantities::of([("speed_cms", parameters.speed.cms() as i64)]),
        text: format!(
            "Plate {text} was at {} and {} later at {}, {} m away: no vehicle is there within {}.",
            from.id,
            seconds(trip.took_ms),
            to.id,
            trip.length_cm / 100,
            seconds(trip.least_ms),
        ),
    })
}
