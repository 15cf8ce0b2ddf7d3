//! What people do about alerts: they take note of them, and say whether they are right.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Id;

/// What an officer decided of an alert: the newest decision stands. Keyed by `alert`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Review {
    /// The alert.
    pub alert: Id,
    /// The revision of it that was looked at.
    pub revision: u32,
    /// Whether it is right.
    pub decision: Decision,
    /// Why it was rejected; of a confirmed one there is none.
    #[serde(default)]
    pub reason: Option<ReviewReason>,
    /// What else there is to say.
    #[serde(default)]
    pub note: String,
    /// Who decided.
    pub who: String,
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
}

/// Whether an alert is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is.
    Confirmed,
    /// It is not.
    Rejected,
}

/// Why an alert was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewReason {
    /// The plate was misread.
    WrongPlate,
    /// Two vehicles were taken for one.
    WrongVehicle,
    /// What was measured is not so: a lane, a line, a speed.
    WrongMeasurement,
    /// The signal was broken, or showed something else.
    BrokenSignal,
    /// An officer directed the traffic.
    Directed,
    /// An emergency, or the vehicle was on an emergency call.
    Emergency,
    /// It drove under escort.
    Escort,
    /// It happened, and is allowed there.
    Allowed,
    /// Something else, which the note says.
    Other,
}

/// Somebody took note of an alert and sees to it: the first counts. Keyed by `alert`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledgement {
    /// The alert.
    pub alert: Id,
    /// The revision of it that was looked at.
    pub revision: u32,
    /// Who sees to it.
    pub who: String,
    /// When, milliseconds since the epoch.
    pub at_ms: u64,
}

impl Review {
    /// The longest note, bytes.
    pub const NOTE_MOST: usize = 2_000;

    /// Whether the values can be true at all.
    ///
    /// # Errors
    /// Rejected without a reason, confirmed with one, *other* without a note, or a note that is too long.
    pub fn check(&self) -> Result<(), String> {
        match (self.decision, self.reason) {
            (Decision::Rejected, None) => return Err("a rejected alert needs a reason".into()),
            (Decision::Confirmed, Some(_)) => return Err("a reason is for a rejected alert".into()),
            (_, Some(ReviewReason::Other)) if self.note.trim().is_empty() => return Err("the reason other needs a note".into()),
            _ => {}
        }
        if self.note.len() > Self::NOTE_MOST {
            return Err(format!("note is {} bytes long; at most {} are allowed", self.note.len(), Self::NOTE_MOST));
        }
        Ok(())
    }
}
