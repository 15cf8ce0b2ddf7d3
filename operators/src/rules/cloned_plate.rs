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
    Alert, City, Confidence, Duration, Evidence, Id, Length, Name, Plate, PlateKey, PlateKind, PlateText, Quantities, Sighting, Speed,
};
use serde::{Deserialize, Serialize};

use super::lengths::Lengths;
use super::map::{Map, crossing_error_ms, stop_crossing};
use super::raise::seconds;
use crate::city::Itinerary;
use crate::stream::fold;
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
    journeys: Changes<'scope, Itinerary>,
    city: Arc<City>,
    parameters: ClonedPlateParameters,
) -> Changes<'scope, Alert> {
    let map = Map::new(city.clone());
    let reads = journeys.flat_map({
        let parameters = parameters.clone();
        move |itinerary| reads(&itinerary, &map, &parameters)
    });
    let mut plates: FxHashMap<(PlateKind, PlateText), Seen> = FxHashMap::default();
    let mut lengths = Lengths::new(city);
    let window_ms = parameters.window.ms().max(1);
    let mut swept_ms: Clock = 0;
    let route = |read: &Read| Id::of(RULE).with(read.plate.text.symbols()).finish().0;
    fold(reads, RULE, route, move |now, changes, out| {
        consolidate(changes);
        let mut touched = Vec::new();
        for (read, diff) in changes.drain(..) {
            let key = (read.plate.kind, read.plate.text);
            plates.entry(key).or_default().add(read, diff, &mut lengths, &parameters);
            touched.push(key);
        }
        touched.sort_unstable();
        touched.dedup();
        for key in touched {
            if let Some(seen) = plates.get_mut(&key) {
                seen.tell(&parameters, out);
            }
        }
        if now.saturating_sub(swept_ms) > window_ms / 4 {
            swept_ms = now;
            plates.retain(|_, seen| seen.forget(now.saturating_sub(parameters.lateness.ms()), window_ms));
        }
    })
}

/// One sure read of a plate at a stop line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Read {
    /// When.
    pub at_ms: u64,
    /// The sighting.
    pub sighting: Id,
    /// Where.
    pub camera: Name,
    /// The centre of that camera.
    pub centre: Name,
    /// By how much `at_ms` may be off.
    pub error_ms: u64,
    /// The plate its journey has.
    pub plate: PlateKey,
}

/// The sure reads of a journey.
fn reads(itinerary: &Itinerary, map: &Map, parameters: &ClonedPlateParameters) -> Vec<Read> {
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
        let camera = map.camera(sighting.camera)?;
        let at_ms = stop_crossing(camera, sighting)?.at_ms;
        Some(Read {
            at_ms,
            sighting: sighting.id,
            camera: camera.id,
            centre: camera.centre,
            error_ms: crossing_error_ms(camera),
            plate: plate.key(),
        })
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
/// use schemas::{Id, Name, PlateColour, PlateKey, PlateKind};
///
/// let plate = PlateKey { text: "88A12345".parse().unwrap(), kind: PlateKind::Car, colour: PlateColour::White };
/// let read = |camera: &str, at_ms| Read {
///     at_ms, sighting: Id(at_ms), camera: Name::of(camera), centre: Name::of("west"), error_ms: 50, plate,
/// };
/// let kilometre = |_, _| Some(100_000);
/// let trip = |ms| impossible(&read("a", 0), &read("b", ms), kilometre, &ClonedPlateParameters::default());
/// assert_eq!(trip(20_000).unwrap().least_ms, 22_412);     // (1000 − 4) m at 160 km/h
/// assert!(trip(22_311).is_some() && trip(22_312).is_none());
/// ```
pub fn impossible(
    a: &Read,
    b: &Read,
    mut length: impl FnMut(Name, Name) -> Option<u64>,
    parameters: &ClonedPlateParameters,
) -> Option<Trip> {
    let took_ms = b.at_ms.checked_sub(a.at_ms)?;
    let error_ms = a.error_ms + b.error_ms;
    let least_ms = |length_cm: u64| length_cm.saturating_sub(2 * parameters.half_width.cm()) * 1_000 / parameters.speed.cms().max(1);
    let length_cm = length(a.camera, b.camera)?;
    let trip = Trip { length_cm, took_ms, least_ms: least_ms(length_cm) };
    if took_ms + error_ms >= trip.least_ms {
        return None;
    }
    let back_ms = error_ms.saturating_sub(took_ms);
    (back_ms == 0 || back_ms < least_ms(length(b.camera, a.camera)?)).then_some(trip)
}

/// The sure reads of one plate, the impossible pairs among them (the later read first), and what is told of it.
#[derive(Default)]
struct Seen {
    reads: BTreeMap<Read, isize>,
    pairs: BTreeMap<(Read, Read), Trip>,
    told: Vec<Alert>,
}

impl Seen {
    fn add(&mut self, read: Read, diff: isize, lengths: &mut Lengths, parameters: &ClonedPlateParameters) {
        let count = self.reads.entry(read).or_default();
        let before = *count;
        *count += diff;
        let after = *count;
        if after == 0 {
            self.reads.remove(&read);
        }
        match (before > 0, after > 0) {
            (false, true) => self.pair(read, lengths, parameters),
            (true, false) => self.pairs.retain(|(b, a), _| *a != read && *b != read),
            _ => {}
        }
    }

    /// Finds the reads within a window that cannot be of one vehicle with this one.
    fn pair(&mut self, read: Read, lengths: &mut Lengths, parameters: &ClonedPlateParameters) {
        let window_ms = parameters.window.ms();
        let near = |other: &Read| other.at_ms.abs_diff(read.at_ms) <= window_ms;
        for (other, _) in self.reads.iter().filter(|(other, count)| **count > 0 && near(other)) {
            let (a, b) = if *other < read { (other, &read) } else { (&read, other) };
            if let Some(trip) = impossible(a, b, |from, to| lengths.between(from, to), parameters) {
                self.pairs.insert((*b, *a), trip);
            }
        }
    }

    /// Tells what is different from what was told.
    fn tell(&mut self, parameters: &ClonedPlateParameters, out: &mut Vec<(Alert, isize)>) {
        if self.pairs.is_empty() && self.told.is_empty() {
            return;
        }
        let window = |(b, _): &(Read, Read)| b.at_ms / parameters.window.ms().max(1);
        let pairs: Vec<(&(Read, Read), &Trip)> = self.pairs.iter().collect();
        let by_window = pairs.chunk_by(|(p, _), (q, _)| window(p) == window(q));
        let alerts: Vec<Alert> = by_window.filter_map(|pairs| alert(window(pairs.first()?.0), pairs, parameters)).collect();
        if alerts != self.told {
            out.extend(self.told.drain(..).map(|alert| (alert, -1)));
            out.extend(alerts.iter().cloned().map(|alert| (alert, 1)));
            self.told = alerts;
        }
    }

    /// Forgets what nothing can change any more: whole windows that ended before `settled_ms`, and reads that can only
    /// belong to those. Whether any reads are left.
    fn forget(&mut self, settled_ms: u64, window_ms: u64) -> bool {
        let open_ms = settled_ms - settled_ms % window_ms;
        self.pairs.retain(|(b, _), _| b.at_ms >= open_ms);
        self.told.retain(|alert| alert.at_ms >= open_ms);
        self.reads.retain(|read, _| read.at_ms + window_ms >= open_ms);
        !self.reads.is_empty()
    }
}

#[expect(clippy::cast_possible_wrap, reason = "lengths and times of a city")]
fn alert(window: u64, pairs: &[(&(Read, Read), &Trip)], parameters: &ClonedPlateParameters) -> Option<Alert> {
    let ((b, a), trip) = pairs.first()?;
    let plate = a.plate;
    let confidence = Confidence::of(&vec![parameters.symbol_permille; plate.text.len()]).unwrap_or_default();
    let id = Id::of(RULE).with(&[plate.kind as u8]).with(plate.text.symbols()).number(window).finish();
    let apart = |((d, c), _): &(&(Read, Read), &Trip)| [c, d].iter().all(|read| ![a.sighting, b.sighting].contains(&read.sighting));
    let evidence = |read: &Read| Evidence { sighting: Some(read.sighting), camera: read.camera, at_ms: read.at_ms };
    Some(Alert {
        id,
        rule: Name::of(RULE),
        certain: pairs.iter().any(apart),
        priority: parameters.priority,
        at_ms: b.at_ms,
        centre: b.centre,
        plate: Some(Plate { text: plate.text, kind: plate.kind, colour: plate.colour, confidence }),
        journey: None,
        evidence: vec![evidence(a), evidence(b)],
        measured: Quantities::of([
            ("length_cm", trip.length_cm as i64),
            ("took_ms", trip.took_ms as i64),
            ("least_ms", trip.least_ms as i64),
        ]),
        limit: Quantities::of([("speed_cms", parameters.speed.cms() as i64)]),
        text: format!(
            "Plate {} was at {} and {} later at {}, {} m away: no vehicle is there within {}.",
            plate.text,
            a.camera,
            seconds(trip.took_ms),
            b.camera,
            trip.length_cm / 100,
            seconds(trip.least_ms),
        ),
    })
}
