//! What a job can be, and what it can become.

use serde::{Deserialize, Serialize};

/// Where a job of a server stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Taken, and about to begin.
    Submitted,
    /// At work.
    Running,
    /// At rest: nothing is published until it is resumed, and then what has changed meanwhile.
    Paused,
    /// Ended because somebody said so; what it published stands.
    Stopped,
    /// Ended because it failed; the reason is kept.
    Failed,
}

/// What a job may become, and when. A transition that is not here does not happen.
const TRANSITIONS: &[(State, State)] = &[
    (State::Submitted, State::Running), // its beginning is committed
    (State::Submitted, State::Stopped), // stopped before it began
    (State::Submitted, State::Failed),  // it panicked, or its topics cannot be read
    (State::Running, State::Submitted), // replaced by another version
    (State::Submitted, State::Paused),
    (State::Running, State::Paused),
    (State::Paused, State::Submitted), // resumed
    (State::Paused, State::Stopped),
    (State::Running, State::Stopped),
    (State::Running, State::Failed),
    (State::Stopped, State::Submitted), // submitted again
    (State::Failed, State::Submitted),
];

impl State {
    /// Whether a job in this state may come into another.
    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        TRANSITIONS.contains(&(self, next))
    }

    /// Whether the job is at work or is to be.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Submitted | Self::Running)
    }

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Submitted, Self::Running, Self::Paused, Self::Stopped, Self::Failed].into_iter().find(|state| state.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::State::{self, Failed, Paused, Running, Stopped, Submitted};

    #[test]
    fn only_active_jobs_pause_or_fail_and_every_job_can_be_submitted_unless_it_is() {
        let all = [Submitted, Running, Paused, Stopped, Failed];
        for from in all {
            assert_eq!(State::of(from.name()), Some(from));
            assert!(!from.may_become(from));
            assert_eq!(from.may_become(Stopped), from.is_active() || from == Paused);
            assert_eq!(from.may_become(Paused), from.is_active());
            assert_eq!(from.may_become(Failed), from.is_active());
            assert_eq!(from.may_become(Submitted), from != Submitted);
            assert_eq!(from.may_become(Running), from == Submitted);
        }
    }
}
