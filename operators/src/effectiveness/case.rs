//! What is known of one alert, and what it adds to the counts of each hour.

use differential_dataflow::consolidation::consolidate;
use schemas::{Counts, Effectiveness, Name};

use super::{Cell, What};

/// What was told later than that after it happened was told by a job that caught up, and says nothing of how fast alerts are.
const PROMPT_MS: u64 = 86_400_000;

/// The facts about one alert, each with when it became known and how often it is there.
#[derive(Default)]
pub(super) struct Case(Vec<((u64, What), isize)>);

/// What is held of an alert, as of some moment.
#[derive(Clone, Copy, Default)]
struct Known {
    told: Option<Telling>,
    /// The highest revision after the first, and whether it was withdrawn with it.
    revised: Option<(u32, bool)>,
    /// The newest decision.
    reviewed: Option<(u64, bool)>,
    acknowledged_ms: Option<u64>,
}

/// When an alert was told, and what it says.
#[derive(Clone, Copy)]
struct Telling {
    known_ms: u64,
    at_ms: u64,
    rule: Name,
    centre: Name,
    camera: Name,
}

impl Case {
    pub(super) fn change(&mut self, known_ms: u64, what: What, diff: isize) {
        self.0.push(((known_ms, what), diff));
        consolidate(&mut self.0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When it became known that there is such an alert; before that, when anything of it last did.
    pub(super) fn known_ms(&self) -> u64 {
        let told = self.facts().find(|(_, what)| matches!(what, What::Told { .. }));
        told.or_else(|| self.facts().last()).map_or(0, |(known_ms, _)| known_ms)
    }

    /// What became known in each hour: what is known at its end less what was known before it.
    pub(super) fn tell(&self, mut say: impl FnMut(Cell, Counts)) {
        let mut known = Known::default();
        let mut facts = self.facts().peekable();
        while let Some((first_ms, _)) = facts.peek() {
            let hour_ms = Effectiveness::hour_of(*first_ms);
            let before = known;
            while let Some((known_ms, what)) = facts.next_if(|(known_ms, _)| Effectiveness::hour_of(*known_ms) == hour_ms) {
                known.learn(known_ms, what);
            }
            let Some(told) = known.told else { continue };
            let Telling { at_ms, centre, camera, rule, .. } = told;
            let cell = Cell { known_from_ms: hour_ms, from_ms: Effectiveness::hour_of(at_ms), centre, camera, rule: Some(rule) };
            let counts = known.counts().plus(before.counts(), -1);
            if counts != Counts::NONE {
                say(cell, counts);
            }
        }
    }

    /// What stands, in the order in which it became known.
    fn facts(&self) -> impl Iterator<Item = (u64, What)> {
        self.0.iter().filter(|(_, count)| *count > 0).map(|(fact, _)| *fact)
    }
}

impl Known {
    fn learn(&mut self, known_ms: u64, what: What) {
        match what {
            What::Told { rule, centre, camera, at_ms } => {
                self.told.get_or_insert(Telling { known_ms, at_ms, rule, centre, camera });
            }
            What::Revised { revision, withdrawn } => self.revised = self.revised.max(Some((revision, withdrawn))),
            What::Reviewed { at_ms, confirmed } => {
                if self.reviewed.is_none_or(|(newest_ms, _)| newest_ms <= at_ms) {
                    self.reviewed = Some((at_ms, confirmed));
                }
            }
            What::Acknowledged { at_ms } => {
                self.acknowledged_ms = Some(self.acknowledged_ms.map_or(at_ms, |first_ms| first_ms.min(at_ms)));
            }
        }
    }

    fn counts(&self) -> Counts {
        let Some(told) = self.told else { return Counts::NONE };
        let withdrawn = self.revised.is_some_and(|(_, withdrawn)| withdrawn);
        let decision = self.reviewed.filter(|_| !withdrawn).map(|(_, confirmed)| confirmed);
        let telling_ms = Some(told.known_ms.saturating_sub(told.at_ms)).filter(|telling_ms| *telling_ms <= PROMPT_MS);
        let acknowledging_ms = self.acknowledged_ms.map(|at_ms| at_ms.saturating_sub(told.known_ms));
        Counts {
            passages: 0,
            reads: 0,
            alerts: 1,
            withdrawn: i64::from(withdrawn),
            confirmed: i64::from(decision == Some(true)),
            rejected: i64::from(decision == Some(false)),
            acknowledged: i64::from(acknowledging_ms.is_some()),
            prompt: i64::from(telling_ms.is_some()),
            telling_ms: signed(telling_ms),
            acknowledging_ms: signed(acknowledging_ms),
        }
    }
}

fn signed(ms: Option<u64>) -> i64 {
    ms.map_or(0, |ms| i64::try_from(ms).unwrap_or(i64::MAX))
}
