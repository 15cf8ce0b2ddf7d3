//! When to try again: back-off with jitter for a delivery, a breaker for an endpoint. Pure: time and chance are parameters.
//!
//! ```text
//!            failures in a row
//! closed ───────────────────────▶ open: nothing is sent for a while, then one delivery as a probe, then twice the while …
//!    ▲                              │
//!    └────────── a success ─────────┘
//! ```

/// Wait after the first failure, milliseconds; it doubles with each.
const FIRST_MS: u64 = 1_000;
/// The longest wait, milliseconds: a patrol unit that is back wants to know within a minute.
const LONGEST_MS: u64 = 60_000;
/// Failures in a row after which an endpoint is only probed.
const FAILURES: u32 = 5;
/// The longest that an endpoint may ask us to wait, milliseconds.
const ASKED_MOST_MS: u64 = 3_600_000;

/// How long to wait after so many failures: half to all of 1 s, 2 s, 4 s … 60 s. `chance` is any number.
#[must_use]
pub(super) fn back_off_ms(failures: u32, chance: u64) -> u64 {
    let whole = FIRST_MS.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_MS);
    whole / 2 + chance % (whole / 2 + 1)
}

/// Whether an endpoint is given anything just now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Nothing is sent before.
    until_ms: u64,
}

impl Breaker {
    /// How many deliveries may be under way at this moment, of at most so many.
    pub(super) fn room(&self, now_ms: u64, most: usize) -> usize {
        match (now_ms < self.until_ms, self.is_open()) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => most,
        }
    }

    /// Whether so many failed in a row that the endpoint is only probed.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= FAILURES
    }

    /// When it is to be asked again, if it waits.
    pub(super) fn waits_until_ms(&self, now_ms: u64) -> Option<u64> {
        (now_ms < self.until_ms).then_some(self.until_ms)
    }

    /// A delivery arrived; returns whether the endpoint had been given up.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_open = self.is_open();
        *self = Self::default();
        was_open
    }

    /// A delivery failed.
    pub(super) fn failed(&mut self, now_ms: u64, chance: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.is_open() {
            self.until_ms = self.until_ms.max(now_ms + back_off_ms(self.failures - FAILURES + 1, chance));
        }
    }

    /// The endpoint asks to be left alone for so long.
    pub(super) fn asked(&mut self, now_ms: u64, wait_ms: u64) {
        self.until_ms = self.until_ms.max(now_ms + wait_ms.min(ASKED_MOST_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_jitter_up_to_a_minute() {
        for (failures, whole) in [(1, 1_000), (2, 2_000), (5, 16_000), (7, 60_000), (u32::MAX, 60_000)] {
            for chance in [0, 1, 499, u64::MAX] {
                let wait = back_off_ms(failures, chance);
                assert!((whole / 2..=whole).contains(&wait), "{failures} failures, {wait} ms");
            }
        }
    }

    #[test]
    fn a_breaker_opens_probes_one_at_a_time_and_closes() {
        let mut breaker = Breaker::default();
        (0..4).for_each(|_| breaker.failed(1_000, 0));
        assert_eq!(breaker.room(1_000, 8), 8);
        breaker.failed(1_000, 0);
        assert_eq!((breaker.room(1_499, 8), breaker.room(1_500, 8)), (0, 1));
        breaker.failed(1_500, 0);
        assert_eq!((breaker.room(2_499, 8), breaker.room(2_500, 8)), (0, 1));
        assert!(breaker.succeeded() && breaker.room(2_500, 8) == 8);
        breaker.asked(3_000, 7_000);
        assert_eq!((breaker.room(9_999, 8), breaker.room(10_000, 8)), (0, 8));
    }
}
