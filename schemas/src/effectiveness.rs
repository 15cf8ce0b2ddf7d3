//! How well rules and cameras do their work, hour by hour.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Id, IdHasher, Name};

/// By how much it changed, within one hour, what is known of one rule at one camera in an hour: sums over rows are totals.
///
/// What happened in the hour that begins at `from_ms` becomes known in the same hour or in later ones: an alert is reviewed the
/// next day, a decision is changed a week after. Each such hour has a row of its own, with what it added or, negative, took
/// back. So no row stays open for long, and all rows of one `from_ms` together say what is known of it by now.
///
/// Nothing here tells of single vehicles but through small numbers: who shows them to others merges groups that are too small.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Effectiveness {
    /// Derived from all that the row is about.
    pub id: Id,
    /// Beginning of the hour in which it happened, milliseconds since the epoch.
    pub from_ms: u64,
    /// Beginning of the hour in which it became known.
    pub known_from_ms: u64,
    /// The monitoring centre: the alert's, or of passages the camera's.
    pub centre: Name,
    /// The camera: the last one an alert rests on.
    pub camera: Name,
    /// The rule; `null` in rows that count passages.
    pub rule: Option<Name>,
    /// By how much the counts changed.
    pub counts: Counts,
}

/// What is counted of one rule at one camera, or of its passages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Vehicles that passed: sightings, once they are final.
    pub passages: i64,
    /// Those of them whose plate was read.
    pub reads: i64,
    /// Alerts that were told, those that were withdrawn later included.
    pub alerts: i64,
    /// Alerts that were withdrawn.
    pub withdrawn: i64,
    /// Alerts that stand and were confirmed by the newest review.
    pub confirmed: i64,
    /// Alerts that stand and were rejected by the newest review.
    pub rejected: i64,
    /// Alerts that somebody acknowledged.
    pub acknowledged: i64,
    /// Alerts that were told as it happened: within a day, so not by a job that caught up with what is long past.
    pub prompt: i64,
    /// How long after it happened those were told, all together, milliseconds.
    pub telling_ms: i64,
    /// How long after they were told the acknowledged ones were acknowledged for the first time, all together, milliseconds.
    pub acknowledging_ms: i64,
}

impl Counts {
    /// Nothing is counted.
    pub const NONE: Self = Self {
        passages: 0,
        reads: 0,
        alerts: 0,
        withdrawn: 0,
        confirmed: 0,
        rejected: 0,
        acknowledged: 0,
        prompt: 0,
        telling_ms: 0,
        acknowledging_ms: 0,
    };

    /// Both together, the other so many times.
    #[must_use]
    pub fn plus(self, other: Self, times: i64) -> Self {
        let sum = |a: i64, b: i64| a.saturating_add(b.saturating_mul(times));
        Self {
            passages: sum(self.passages, other.passages),
            reads: sum(self.reads, other.reads),
            alerts: sum(self.alerts, other.alerts),
            withdrawn: sum(self.withdrawn, other.withdrawn),
            confirmed: sum(self.confirmed, other.confirmed),
            rejected: sum(self.rejected, other.rejected),
            acknowledged: sum(self.acknowledged, other.acknowledged),
            prompt: sum(self.prompt, other.prompt),
            telling_ms: sum(self.telling_ms, other.telling_ms),
            acknowledging_ms: sum(self.acknowledging_ms, other.acknowledging_ms),
        }
    }
}

impl Effectiveness {
    /// The length of an hour, milliseconds.
    pub const HOUR_MS: u64 = 3_600_000;

    /// The beginning of the hour, of Coordinated Universal Time, in which a moment lies.
    #[must_use]
    pub const fn hour_of(at_ms: u64) -> u64 {
        at_ms / Self::HOUR_MS * Self::HOUR_MS
    }

    /// The id of what a row is about.
    #[must_use]
    pub fn id_of(from_ms: u64, known_from_ms: u64, centre: Name, camera: Name, rule: Option<Name>) -> Id {
        let named = |id: IdHasher, name: Name| id.with(name.as_str().as_bytes());
        let id = Id::of("effectiveness").number(from_ms).number(known_from_ms);
        let id = named(named(id, centre), camera);
        rule.map_or(id, |rule| named(id, rule)).finish()
    }
}
