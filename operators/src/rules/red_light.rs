//! `red_light`: a vehicle passed the stop line of a lane whose signal was red, and drove on into the crossing.
//!
//! ```text
//!  signal   green │ yellow │ red ─────────────────────────────────────────────────│ green
//!                          ├─── into red ───▶● stop line          ● conflict line
//!                          ├ grace ┤      ±u ──┤              still red here + u ──┤
//! ```
//!
//! `u` is all by which the two clocks and the interpolation between frames may be off. Certain if the light was red for
//! at least the grace before the earliest moment the vehicle can have crossed, until after the latest it can have reached
//! the conflict line. A signal that is off, or not known, is violated by nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{Alert, Camera, City, Duration, Evidence, Id, LineKind, Name, Plate, Quantities, Sighting, Signal, SignalState};
use serde::{Deserialize, Serialize};

use super::map::{Map, crossing_error_ms, head, line_kind};
use super::raise::{seconds, subject, vehicle};
use crate::city::road::CameraNumber;
use crate::stream::{Footprint, InForce, fold};
use crate::{Changes, Clock};

const RULE: &str = "red_light";

/// How `red_light` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RedLightParameters {
    /// How long a light must have been red. Default `500 ms`, as red-light cameras commonly wait.
    pub grace: Duration,
    /// Within how long after the stop line the conflict line must be crossed. Default `8 s`: who stopped behind the line
    /// and turned off later did not run the light.
    pub through: Duration,
    /// The most by which times may be off for a certain violation. Default `2 s`: the bound holds however large the error
    /// is, but such a clock is broken. Where the law asks for more exact clocks, set what it asks for.
    pub error_most: Duration,
    /// The longest a light is red. Default `1 h`, far more than any plan has: one that is red for longer is broken, or what it
    /// showed since was lost, and nobody runs it. What a signal showed before need not be known.
    pub red_most: Duration,
    /// How long after its time a record may still come, or be taken back. Default `15 min`, a job's own.
    pub lateness: Duration,
    /// The alerts' priority, 0 to 100. Default 60.
    pub priority: u8,
}

impl Default for RedLightParameters {
    fn default() -> Self {
        Self {
            grace: Duration::from_ms(500),
            through: Duration::from_ms(8_000),
            error_most: Duration::from_ms(2_000),
            red_most: Duration::from_ms(3_600_000),
            lateness: Duration::from_ms(900_000),
            priority: 60,
        }
    }
}

/// Raises an alert for every vehicle that ran a red light.
///
/// Evidence: the sighting at the stop line, then at the conflict line. Measured: `into_red_ms`, `clock_error_ms` (by how
/// much it may be off). Limit: `into_red_ms`, the grace.
///
/// `signals` is the log of all changes, not the table of the last ones. What is late corrects what was told; after `lateness`
/// it is forgotten, silently.
#[must_use]
pub fn red_light<'scope>(
    sightings: Changes<'scope, Arc<Sighting>>,
    signals: Changes<'scope, Signal>,
    city: Arc<City>,
    parameters: RedLightParameters,
) -> Changes<'scope, Alert> {
    let map = Map::new(city);
    let through_ms = parameters.through.ms();
    let entries = sightings.flat_map({
        let map = map.clone();
        move |sighting| entry(&sighting, &map, through_ms).map(News::Entry)
    });
    let route = |news: &News| Id::of(RULE).with(news.head().as_str().as_bytes()).finish().0;
    let keep_ms = parameters.lateness.ms() + through_ms;
    let mut heads: FxHashMap<Name, Head> = FxHashMap::default();
    let mut swept_ms: Clock = 0;
    fold(entries.concat(signals.map(News::Signal)), RULE, route, move |now, changes, out| {
        consolidate(changes);
        // By head: within a moment, all that is new of a head is known before anything is judged.
        changes.sort_unstable_by_key(|(news, _)| news.head());
        for news in changes.chunk_by(|(a, _), (b, _)| a.head() == b.head()) {
            heads.entry(news[0].0.head()).or_default().advance(news, &map, &parameters, out);
        }
        changes.clear();
        if now.saturating_sub(swept_ms) > keep_ms / 8 {
            swept_ms = now;
            heads.values_mut().for_each(|head| head.forget(now.saturating_sub(keep_ms)));
        }
        heads.values().map(Head::footprint).sum()
    })
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum News {
    Signal(Signal),
    Entry(Entry),
}

impl News {
    fn head(&self) -> Name {
        match self {
            Self::Signal(signal) => signal.head,
            Self::Entry(entry) => entry.head,
        }
    }
}

/// A vehicle over the stop line and on over the conflict line, in a lane that one signal head governs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The head that governs the lane.
    pub head: Name,
    /// When it passed the stop line.
    pub at_ms: u64,
    /// When it passed the conflict line.
    pub beyond_ms: u64,
    /// By how much the camera's times may be off.
    pub error_ms: u64,
    /// The lane at the stop line.
    pub lane: u32,
    /// The sighting.
    pub sighting: Id,
    /// The camera.
    pub camera: CameraNumber,
    /// The vehicle's plate.
    pub plate: Option<Plate>,
}

/// What the signal says of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// For how long it was red when the vehicle passed the stop line.
    pub into_red_ms: u64,
    /// By how much that may be off.
    pub error_ms: u64,
    /// Whether it was red whatever the errors are.
    pub certain: bool,
}

/// How a sighting entered the crossing, if it did.
fn entry(sighting: &Sighting, map: &Map, through_ms: u64) -> Option<Entry> {
    let mut forward = sighting.crossings.iter().filter(|c| c.forward);
    let number = map.number(sighting.camera)?;
    let camera: &Camera = map.numbered(number);
    let stop = forward.find(|c| line_kind(camera, c.line) == Some(LineKind::StopLine))?;
    let lane = stop.lane?;
    let head = head(camera, lane)?;
    let beyond = forward.find(|c| line_kind(camera, c.line) == Some(LineKind::ConflictLine))?;
    (beyond.at_ms.checked_sub(stop.at_ms)? <= through_ms).then_some(Entry {
        head,
        at_ms: stop.at_ms,
        beyond_ms: beyond.at_ms,
        error_ms: crossing_error_ms(camera),
        lane,
        sighting: sighting.id,
        camera: number,
        plate: sighting.plate,
    })
}

/// Whether an entry ran a red light. `at_stop` is the change of the signal in force when the stop line was passed,
/// `beyond` the one in force when the conflict line was, at the latest: it must be the same, red throughout.
///
/// ```
/// use operators::rules::red_light::{Entry, RedLightParameters, violation};
/// use schemas::{Id, Name, Signal, SignalState};
///
/// let red = Signal { head: Name::of("209/0"), state: SignalState::Red, at_ms: 10_000, error_ms: 50 };
/// let entry = |at_ms| Entry {
///     head: red.head, at_ms, beyond_ms: at_ms + 900, error_ms: 150, lane: 0,
///     sighting: Id(1), camera: 0, plate: None,
/// };
/// let certain = |at_ms| violation(&entry(at_ms), &red, &red, &RedLightParameters::default()).map(|v| v.certain);
/// assert_eq!(certain(10_499), None);             // within the grace
/// assert_eq!(certain(10_699), Some(false));      // beyond it, but not whatever the errors are
/// assert_eq!(certain(10_700), Some(true));
/// assert_eq!(certain(3_620_000), None);          // for more than an hour: broken
/// ```
#[must_use]
pub fn violation(entry: &Entry, at_stop: &Signal, beyond: &Signal, parameters: &RedLightParameters) -> Option<Violation> {
    let into_red_ms = entry.at_ms.checked_sub(at_stop.at_ms)?;
    let error_ms = entry.error_ms + u64::from(at_stop.error_ms);
    let grace_ms = parameters.grace.ms();
    if at_stop.state != SignalState::Red || at_stop != beyond || !(grace_ms..=parameters.red_most.ms()).contains(&into_red_ms) {
        return None;
    }
    let certain = error_ms <= parameters.error_most.ms() && into_red_ms >= grace_ms + error_ms;
    Some(Violation { into_red_ms, error_ms, certain })
}

#[expect(clippy::cast_possible_wrap, reason = "spans of minutes")]
fn alert(entry: &Entry, violation: Violation, map: &Map, parameters: &RedLightParameters) -> Alert {
    let camera = map.numbered(entry.camera);
    Alert {
        id: Id::of(RULE).number(entry.sighting.0).finish(),
        rule: Name::of(RULE),
        certain: violation.certain,
        priority: parameters.priority,
        at_ms: entry.at_ms,
        centre: camera.centre,
        plate: subject(entry.plate),
        journey: None,
        evidence: [entry.at_ms, entry.beyond_ms]
            .map(|at_ms| Evidence { sighting: Some(entry.sighting), camera: camera.id, at_ms })
            .to_vec(),
        measured: Quantities::of([("into_red_ms", violation.into_red_ms as i64), ("clock_error_ms", violation.error_ms as i64)]),
        limit: Quantities::of([("into_red_ms", parameters.grace.ms() as i64)]),
        text: format!(
            "{} passed the stop line of lane {} at {} when signal {} had been red for {}.",
            vehicle(entry.plate.as_ref()),
            entry.lane,
            camera.id,
            entry.head,
            seconds(violation.into_red_ms),
        ),
    }
}

/// One signal head: its changes, the entries it governs, and what is told of each.
#[derive(Default)]
struct Head {
    signals: InForce<Signal>,
    entries: BTreeMap<(u64, Entry), Judged>,
    /// The largest error of any time seen here.
    error_most_ms: u64,
}

#[derive(Default)]
struct Judged {
    count: isize,
    told: Option<Violation>,
}

impl Head {
    fn footprint(&self) -> Footprint {
        Footprint::of::<((u64, Entry), Judged)>(self.entries.len()) + Footprint::of::<Signal>(self.signals.len())
    }

    /// Takes what is new of this head at one moment, and judges again what it can bear on.
    fn advance(&mut self, news: &[(News, isize)], map: &Map, parameters: &RedLightParameters, out: &mut Vec<(Alert, isize)>) {
        let mut again = Vec::new();
        let mut changed_ms = None;
        for (news, diff) in news {
            match news {
                News::Signal(signal) => {
                    self.add(*signal, *diff);
                    changed_ms = Some(changed_ms.map_or(signal.at_ms, |earliest: u64| earliest.min(signal.at_ms)));
                }
                News::Entry(entry) => {
                    self.error_most_ms = self.error_most_ms.max(entry.error_ms);
                    self.entries.entry((entry.at_ms, *entry)).or_default().count += diff;
                    again.push((entry.at_ms, *entry));
                }
            }
        }
        if let Some(changed_ms) = changed_ms {
            let from_ms = changed_ms.saturating_sub(parameters.through.ms() + 2 * self.error_most_ms);
            again.extend(self.entries.keys().rev().take_while(|(at_ms, _)| *at_ms >= from_ms));
        }
        again.sort_unstable();
        again.dedup();
        for key in again {
            self.judge(key, map, parameters, out);
        }
    }

    fn add(&mut self, signal: Signal, diff: isize) {
        self.error_most_ms = self.error_most_ms.max(u64::from(signal.error_ms));
        self.signals.change(signal.at_ms, signal, diff);
    }

    /// Tells what is different of one entry.
    fn judge(&mut self, key: (u64, Entry), map: &Map, parameters: &RedLightParameters, out: &mut Vec<(Alert, isize)>) {
        let entry = key.1;
        let Some(count) = self.entries.get(&key).map(|judged| judged.count) else { return };
        let says = if count > 0 { self.violation(&entry, parameters) } else { None };
        let Some(judged) = self.entries.get_mut(&key) else { return };
        if says != judged.told {
            out.extend(judged.told.map(|told| (alert(&entry, told, map, parameters), -1)));
            out.extend(says.map(|says| (alert(&entry, says, map, parameters), 1)));
            judged.told = says;
        }
        if count == 0 {
            self.entries.remove(&key);
        }
    }

    fn violation(&self, entry: &Entry, parameters: &RedLightParameters) -> Option<Violation> {
        let at_stop = self.signals.at(entry.at_ms)?;
        let beyond = self.signals.at(entry.beyond_ms + entry.error_ms + u64::from(at_stop.error_ms))?;
        violation(entry, at_stop, beyond, parameters)
    }

    /// Forgets entries from before `since_ms`, and changes of which none in force since then is one.
    fn forget(&mut self, since_ms: u64) {
        self.entries.retain(|(at_ms, _), _| *at_ms >= since_ms);
        self.signals.forget(since_ms);
    }
}
