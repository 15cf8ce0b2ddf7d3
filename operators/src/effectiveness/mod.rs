//! `effectiveness`: how well rules and cameras do their work, counted hour by hour.
//!
//! ```text
//! passages ──────────────────────────┐
//! told · withdrawn ─┐                ├──▶ rows: by how much, within one hour, the counts of an hour changed
//! reviewed ─────────┼─▶ by alert ────┘
//! acknowledged ─────┘
//!
//! of one alert     told        confirmed           rejected               hours in which it became known ─▶
//!                   +1 alert    +1 confirmed        −1 confirmed, +1 rejected
//! ```
//!
//! Every fact has two times: when it *happened*, and when it became *known*, which is the time at which the log took its record.
//! A row is about one hour of each. It is a function of the facts of its alerts up to the end of the hour in which they became
//! known, less the same up to its beginning: so it is final soon after, though an alert may be reviewed weeks later, and a
//! restart need rebuild no more than the last hour.

mod case;

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use schemas::{City, Counts, Duration, Effectiveness, Id, Name};
use serde::{Deserialize, Serialize};

use self::case::Case;
use crate::stream::{Footprint, fold};
use crate::{Changes, Clock};

const NAME: &str = "effectiveness";

/// For how long an alert can be remembered at most: what joins later is told as much.
pub const REMEMBERED_MOST: Duration = Duration::from_ms(30 * 86_400_000);

/// How `effectiveness` counts.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EffectivenessParameters {
    /// For how long after it was told an alert is remembered: what is decided of it later is not counted. Default `30 d`, and
    /// no more than that: a case is closed by then, and what is remembered of it is gone.
    pub remember: Duration,
    /// How late a record may still come: rows are final so long after their hour. Default `15 min`, a job's own.
    pub lateness: Duration,
}

impl Default for EffectivenessParameters {
    fn default() -> Self {
        Self { remember: REMEMBERED_MOST, lateness: Duration::from_ms(900_000) }
    }
}

/// One vehicle passed one camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Passage {
    /// The camera.
    pub camera: Name,
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
    /// Whether its plate was read.
    pub read: bool,
    /// When the log took the record.
    pub known_ms: u64,
}

/// Something that is known of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// The alert.
    pub alert: Id,
    /// When the log took the record.
    pub known_ms: u64,
    /// What is known.
    pub what: What,
}

/// What can be known of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum What {
    /// It was told: the first counts.
    Told {
        /// The rule.
        rule: Name,
        /// The centre it concerns.
        centre: Name,
        /// The last camera it rests on.
        camera: Name,
        /// When it happened, milliseconds since the epoch.
        at_ms: u64,
    },
    /// It was told again: the highest revision says whether it stands.
    Revised {
        /// The revision.
        revision: u32,
        /// Whether it was withdrawn.
        withdrawn: bool,
    },
    /// Somebody decided whether it is right: the newest decision stands.
    Reviewed {
        /// When, milliseconds since the epoch.
        at_ms: u64,
        /// Whether it is.
        confirmed: bool,
    },
    /// Somebody sees to it: the first counts.
    Acknowledged {
        /// When, milliseconds since the epoch.
        at_ms: u64,
    },
}

/// Counts passages, and what became of alerts, by rule, camera, centre and hour.
///
/// A withdrawn alert counts as told and as withdrawn; what was decided of it does not count any more, that it was acknowledged
/// does. A passage counts for its camera's centre; one of a camera that the map does not know is of the centre `unknown`.
///
/// One worker has all of it: a few hundred passages a second, and fewer alerts an hour. What is known of an alert is forgotten,
/// silently, `remember` after it was told, a row's sums `lateness` after its hour; facts that come later are not heard.
///
/// ```
/// use differential_dataflow::input::Input;
/// use operators::effectiveness::{EffectivenessParameters, Fact, What, effectiveness};
/// use schemas::{City, Id, Name};
///
/// timely::example(|scope| {
///     let (rule, centre, camera) = (Name::of("red_light"), Name::of("west"), Name::of("c1"));
///     let fact = |known_ms, what| Fact { alert: Id(7), known_ms, what };
///     let told = fact(3_000, What::Told { rule, centre, camera, at_ms: 1_000 });
///     let confirmed = fact(9_000, What::Reviewed { at_ms: 9_000, confirmed: true });
///     let (_, facts) = scope.new_collection_from(vec![told, confirmed]);
///     let (_, passages) = scope.new_collection_from(vec![]);
///     effectiveness(passages, facts, &City::default(), EffectivenessParameters::default()).inspect(|(row, _, diff)| {
///         assert_eq!((row.counts.alerts, row.counts.confirmed, row.counts.telling_ms, *diff), (1, 1, 2_000, 1));
///     });
/// });
/// ```
#[must_use]
pub fn effectiveness<'scope>(
    passages: Changes<'scope, Passage>,
    facts: Changes<'scope, Fact>,
    city: &City,
    parameters: EffectivenessParameters,
) -> Changes<'scope, Effectiveness> {
    let centres = city.cameras.iter().map(|camera| (camera.id, camera.centre)).collect();
    let mut books = Books { centres, parameters, cases: FxHashMap::default(), cells: BTreeMap::new(), swept_ms: 0 };
    let news = passages.map(News::Passage).concat(facts.map(News::Fact));
    fold(
        news,
        NAME,
        |_| 0,
        move |now, changes, out| {
            books.advance(now, changes, out);
            Footprint::of::<(Id, [Fact; 2])>(books.cases.len()) + Footprint::of::<(Cell, Counts)>(books.cells.len())
        },
    )
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
enum News {
    Passage(Passage),
    Fact(Fact),
}

/// What a row is about. The hour in which it became known comes first: whole hours are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Cell {
    known_from_ms: u64,
    from_ms: u64,
    centre: Name,
    camera: Name,
    rule: Option<Name>,
}

impl Cell {
    fn row(self, counts: Counts) -> Effectiveness {
        let Self { known_from_ms, from_ms, centre, camera, rule } = self;
        let id = Effectiveness::id_of(from_ms, known_from_ms, centre, camera, rule);
        Effectiveness { id, from_ms, known_from_ms, centre, camera, rule, counts }
    }
}

/// What is known.
struct Books {
    centres: FxHashMap<Name, Name>,
    parameters: EffectivenessParameters,
    cases: FxHashMap<Id, Case>,
    cells: BTreeMap<Cell, Counts>,
    /// The hour in which what is too old was last forgotten.
    swept_ms: Clock,
}

impl Books {
    fn advance(&mut self, now: Clock, changes: &mut Vec<(News, isize)>, out: &mut Vec<(Effectiveness, isize)>) {
        // By the hour, and not as it comes: after a restart the same is forgotten.
        let hour_ms = Effectiveness::hour_of(now);
        if hour_ms > self.swept_ms {
            self.swept_ms = hour_ms;
            self.forget(hour_ms);
        }
        // An hour that is over for so long stays as it is.
        let open_from_ms = Effectiveness::hour_of(now.saturating_sub(self.parameters.lateness.ms()));
        let mut changed = BTreeMap::<Cell, Counts>::new();
        let mut add = |cell: Cell, counts: Counts, times: i64| {
            if cell.known_from_ms >= open_from_ms {
                let sum = changed.entry(cell).or_insert(Counts::NONE);
                *sum = sum.plus(counts, times);
            }
        };
        for (news, diff) in changes.drain(..) {
            match news {
                News::Passage(passage) => {
                    let (cell, counts) = self.passed(&passage);
                    add(cell, counts, diff as i64);
                }
                News::Fact(fact) => {
                    let case = self.cases.entry(fact.alert).or_default();
                    case.tell(|cell, counts| add(cell, counts, -1));
                    case.change(fact.known_ms, fact.what, diff);
                    case.tell(|cell, counts| add(cell, counts, 1));
                    if case.is_empty() {
                        self.cases.remove(&fact.alert);
                    }
                }
            }
        }
        for (cell, change) in changed.into_iter().filter(|(_, change)| *change != Counts::NONE) {
            let before = self.cells.remove(&cell).unwrap_or(Counts::NONE);
            let after = before.plus(change, 1);
            if before != Counts::NONE {
                out.push((cell.row(before), -1));
            }
            if after != Counts::NONE {
                out.push((cell.row(after), 1));
                self.cells.insert(cell, after);
            }
        }
    }

    fn passed(&self, passage: &Passage) -> (Cell, Counts) {
        let cell = Cell {
            known_from_ms: Effectiveness::hour_of(passage.known_ms),
            from_ms: Effectiveness::hour_of(passage.at_ms),
            centre: self.centres.get(&passage.camera).copied().unwrap_or(Name::of("unknown")),
            camera: passage.camera,
            rule: None,
        };
        (cell, Counts { passages: 1, reads: i64::from(passage.read), ..Counts::NONE })
    }

    fn forget(&mut self, hour_ms: u64) {
        let since_ms = hour_ms.saturating_sub(self.parameters.remember.ms().min(REMEMBERED_MOST.ms()));
        self.cases.retain(|_, case| case.known_ms() >= since_ms);
        let open_from_ms = Effectiveness::hour_of(hour_ms.saturating_sub(self.parameters.lateness.ms()));
        self.cells.retain(|cell, _| cell.known_from_ms >= open_from_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_bounded_for_ever() {
        let parameters = EffectivenessParameters { remember: Duration::from_ms(10 * Effectiveness::HOUR_MS), ..Default::default() };
        let (centres, cases, cells) = Default::default();
        let mut books = Books { centres, parameters, cases, cells, swept_ms: 0 };
        let (rule, centre, camera) = (Name::of("r"), Name::of("w"), Name::of("c"));
        for minute in 0..6_000 {
            let now = minute * 60_000;
            let fact = |alert, known_ms, what| (News::Fact(Fact { alert: Id(alert), known_ms, what }), 1);
            let mut changes = vec![
                fact(minute, now, What::Told { rule, centre, camera, at_ms: now }),
                fact(minute.saturating_sub(500), now, What::Reviewed { at_ms: now, confirmed: true }),
                fact(1_000_000 + minute, now, What::Acknowledged { at_ms: now }),
                (News::Passage(Passage { camera, at_ms: now, read: true, known_ms: now }), 1),
            ];
            books.advance(now, &mut changes, &mut Vec::new());
            assert!(books.cases.len() <= 2 * 11 * 60 && books.cells.len() <= 24, "{} {}", books.cases.len(), books.cells.len());
        }
    }

    #[test]
    fn what_comes_too_late_for_its_row_is_not_heard() {
        let (centres, cases, cells) = Default::default();
        let mut books = Books { centres, parameters: EffectivenessParameters::default(), cases, cells, swept_ms: 0 };
        let mut told = |now: Clock, known_ms| {
            let mut out = Vec::new();
            let passage = Passage { camera: Name::of("c"), at_ms: 0, read: false, known_ms };
            books.advance(now, &mut vec![(News::Passage(passage), 1)], &mut out);
            out.into_iter().map(|(row, diff)| (row.counts.passages, diff)).collect::<Vec<_>>()
        };
        let hour_ms = Effectiveness::HOUR_MS;
        assert_eq!(told(hour_ms - 1, 10), [(1, 1)]);
        assert_eq!(told(hour_ms + 899_999, 10), [(1, -1), (2, 1)]);
        assert_eq!(told(hour_ms + 900_000, 10), []);
        assert_eq!(told(hour_ms + 900_000, hour_ms), [(1, 1)]);
    }
}
