//! How often a run may begin anew before it is given up.

use std::time::{Duration, Instant};

/// More failures than this within [`SPAN`] are too many.
const MOST: usize = 5;
/// See [`MOST`].
const SPAN: Duration = Duration::from_secs(600);

/// Failures that count.
#[derive(Debug, Default)]
pub(crate) struct Budget(Vec<Instant>);

impl Budget {
    /// Takes note of a failure; returns whether there may be a next.
    pub(crate) fn spend(&mut self) -> bool {
        self.spend_at(Instant::now())
    }

    fn spend_at(&mut self, now: Instant) -> bool {
        self.0.retain(|at| now.duration_since(*at) < SPAN);
        self.0.push(now);
        self.0.len() <= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_ten_minutes_are_borne_and_old_ones_are_forgotten() {
        let (mut budget, begin) = (Budget::default(), Instant::now());
        assert!((0..5).all(|second| budget.spend_at(begin + Duration::from_secs(second))));
        assert!(!budget.spend_at(begin + Duration::from_secs(599)));
        assert!(budget.spend_at(begin + Duration::from_secs(1_199)));
    }
}
