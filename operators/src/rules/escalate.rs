//! `escalate`: a unit that does not answer is not waited for.
//!
//! ```text
//! asked   p7 ────answer────┤ p9 ────answer────┤ nobody is left: the centre
//!                      no acknowledgement read by then
//! asked   p7 ──●  acknowledged: stays, whoever is nearer from then on
//! ```
//!
//! That nobody answered is judged by how far the *acknowledgements* have been observed, so that a topic that lags sends nobody
//! else. A unit is asked when it is told first; being told more of the same alert gives it no more time.

use std::collections::{BTreeMap, BTreeSet};

use differential_dataflow::consolidation::consolidate;
use schemars::JsonSchema;
use schemas::{Acknowledgement, Assignment, Duration, Id, Name};
use serde::{Deserialize, Serialize};

use crate::stream::{Footprint, fold};
use crate::{Changes, Clock, Observed};

const NAME: &str = "escalate";

/// How `escalate` decides.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EscalateParameters {
    /// How long a unit has to answer. Default `60 s`.
    pub answer: Duration,
    /// How long after its time an alert may still change. Default `15 min`, a job's own.
    pub lateness: Duration,
}

impl Default for EscalateParameters {
    fn default() -> Self {
        Self { answer: Duration::from_ms(60_000), lateness: Duration::from_ms(900_000) }
    }
}

/// Passes every assignment on to the next nearest unit while those before it do not acknowledge its alert, and at last to nobody,
/// which is to say the centre.
///
/// The first acknowledgement of an alert ends that: the unit that gave it, or else the one that was asked just then, keeps it.
/// Assignments are few: one worker has all of them. What is older than `lateness` stays as it is, and is forgotten.
#[must_use]
pub fn escalate<'scope>(
    acknowledgements: Changes<'scope, Acknowledgement>,
    assignments: Changes<'scope, Assignment>,
    observed: Changes<'scope, Observed>,
    parameters: &EscalateParameters,
) -> Changes<'scope, Assignment> {
    let mut desk = Desk { answer_ms: parameters.answer.ms(), lateness_ms: parameters.lateness.ms(), ..Desk::default() };
    let news = acknowledgements.map(News::Acknowledged).concat(assignments.map(News::Assigned)).concat(observed.map(News::Observed));
    fold(
        news,
        NAME,
        |_| 0,
        move |now, changes, out| {
            desk.advance(now, changes, out);
            Footprint::of::<(Id, Case, Assignment)>(desk.cases.len())
        },
    )
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "there are few of each")]
enum News {
    Acknowledged(Acknowledgement),
    Assigned(Assignment),
    Observed(Observed),
}

/// What is known of alerts.
#[derive(Default)]
struct Desk {
    answer_ms: u64,
    lateness_ms: u64,
    cases: BTreeMap<Id, Case>,
    /// By when units must have answered.
    due: BTreeSet<(Clock, Id)>,
    /// How far each partition of the acknowledgements has been observed.
    observed: BTreeMap<(Name, u32), u64>,
    swept_ms: Clock,
}

/// One alert.
#[derive(Default)]
struct Case {
    assigned: Vec<(Assignment, isize)>,
    acknowledged: Vec<(Acknowledgement, isize)>,
    /// The unit that is asked, and since when.
    asked: Option<(Name, Clock)>,
    unanswered: Vec<Name>,
    told: Option<Assignment>,
}

impl Desk {
    /// Takes the changes of one moment.
    fn advance(&mut self, now: Clock, changes: &mut Vec<(News, isize)>, out: &mut Vec<(Assignment, isize)>) {
        let since_ms = now.saturating_sub(self.lateness_ms);
        consolidate(changes);
        let mut touched = BTreeSet::new();
        for (news, diff) in changes.drain(..) {
            match news {
                News::Acknowledged(acknowledgement) => {
                    touched.insert(acknowledgement.alert);
                    self.cases.entry(acknowledgement.alert).or_default().acknowledged.push((acknowledgement, diff));
                }
                News::Assigned(assignment) if assignment.alert.at_ms >= since_ms => {
                    touched.insert(assignment.id);
                    self.cases.entry(assignment.id).or_default().assigned.push((assignment, diff));
                }
                News::Assigned(_) => {}
                News::Observed(Observed { place, until_ms }) => {
                    let until = self.observed.entry((place.topic, place.partition)).or_default();
                    *until = until_ms.max(*until);
                }
            }
        }
        let heard_ms = self.observed.values().copied().min().unwrap_or(0).min(now);
        let later = self.due.split_off(&(heard_ms.saturating_add(1), Id(0)));
        touched.extend(std::mem::replace(&mut self.due, later).into_iter().map(|(_, id)| id));
        for id in touched {
            let Some(case) = self.cases.get_mut(&id) else { continue };
            let due = case.decide(now, heard_ms, self.answer_ms, since_ms);
            self.due.extend(due.map(|due_ms| (due_ms, id)));
            case.tell(since_ms, out);
        }
        consolidate(out);
        if now.saturating_sub(self.swept_ms) > self.lateness_ms / 8 {
            self.swept_ms = now;
            self.cases.retain(|_, case| case.last_ms() >= since_ms);
        }
    }
}

impl Case {
    /// When the latest happened that is known of it.
    fn last_ms(&self) -> u64 {
        let assigned = self.assigned.iter().map(|(assigned, _)| assigned.alert.at_ms);
        assigned.chain(self.acknowledged.iter().map(|(acknowledged, _)| acknowledged.at_ms)).max().unwrap_or(0)
    }

    /// The assignment that stands.
    fn standing(&self) -> Option<&Assignment> {
        self.assigned.iter().filter(|(_, count)| *count > 0).map(|(assigned, _)| assigned).max()
    }

    /// Chooses who is asked now, and says by when it must have answered.
    fn decide(&mut self, now: Clock, heard_ms: u64, answer_ms: u64, since_ms: u64) -> Option<Clock> {
        consolidate(&mut self.assigned);
        consolidate(&mut self.acknowledged);
        let assigned = self.standing().filter(|assigned| assigned.alert.at_ms >= since_ms)?;
        let units: Vec<Name> = assigned.units.iter().map(|near| near.unit).collect();
        let next = |unanswered: &[Name]| units.iter().copied().find(|unit| !unanswered.contains(unit));
        let acknowledged = self.acknowledged.iter().filter(|(_, count)| *count > 0).map(|(acknowledged, _)| acknowledged);
        if let Some(first) = acknowledged.min_by_key(|first| first.at_ms) {
            if let Some(unit) = units.iter().chain(&self.unanswered).copied().find(|unit| unit.as_str() == first.who) {
                self.unanswered.retain(|other| *other != unit);
                self.asked = Some((unit, now));
            } else if self.asked.is_none() && self.unanswered.is_empty() {
                self.asked = next(&self.unanswered).map(|unit| (unit, now));
            }
            return None;
        }
        if let Some((unit, _)) = self.asked.filter(|(_, asked_ms)| asked_ms.saturating_add(answer_ms) <= heard_ms) {
            self.unanswered.push(unit);
            self.asked = None;
        }
        let next = next(&self.unanswered);
        if self.asked.map(|(unit, _)| unit) != next {
            self.asked = next.map(|unit| (unit, now));
        }
        self.asked.map(|(_, asked_ms)| asked_ms.saturating_add(answer_ms))
    }

    /// Says what stands now, where that is something else than was said.
    fn tell(&mut self, since_ms: u64, out: &mut Vec<(Assignment, isize)>) {
        if self.told.as_ref().is_some_and(|told| told.alert.at_ms < since_ms) {
            return;
        }
        let unit = self.asked.map(|(unit, _)| unit);
        let says = self.standing().map(|assigned| Assignment { unit, unanswered: self.unanswered.clone(), ..assigned.clone() });
        if self.told != says {
            out.extend(self.told.take().map(|told| (told, -1)));
            out.extend(says.iter().map(|says| (says.clone(), 1)));
            self.told = says;
        }
    }
}
