//! The job clock: when a record enters, and what counts as late.
//!
//! ```text
//! job clock = min( wall clock , min over partitions not caught up of ( arrival time + patience ) ), never going back
//! ```
//!
//! A dead partition is caught up and holds nothing; one that lags holds the clock only while it lags by more than
//! `patience`. A bounded replay brings its own wall clock: the arrival times of its records, in steps of [`tick_of`].

/// The job clock of live running.
#[derive(Clone, Copy, Debug)]
pub struct JobClock {
    now: u64,
    patience_ms: u64,
}

impl JobClock {
    /// A clock that has been at `now` before and waits `patience_ms` for partitions that lag.
    #[must_use]
    pub fn new(now: u64, patience_ms: u64) -> Self {
        Self { now, patience_ms }
    }

    /// Moves to what the wall clock and the partitions that lag allow, and returns where it then is.
    ///
    /// `lagging` holds, for each partition that has not caught up, the arrival time of the record last read from it.
    ///
    /// ```
    /// let mut clock = engine::clock::JobClock::new(0, 1_000);
    /// assert_eq!(clock.advance(50_000, [20_000].into_iter()), 21_000, "two hours of backlog hold it near the backlog");
    /// assert_eq!(clock.advance(50_001, [49_500].into_iter()), 50_001, "a lag below the patience does not");
    /// assert_eq!(clock.advance(50_002, [30_000].into_iter()), 50_001, "it never goes back");
    /// ```
    pub fn advance(&mut self, wall_ms: u64, lagging: impl Iterator<Item = u64>) -> u64 {
        let allowed = lagging.map(|arrival| arrival.saturating_add(self.patience_ms)).fold(wall_ms, u64::min);
        self.now = self.now.max(allowed);
        self.now
    }

    /// Where it is.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }
}

/// The moment at which a bounded replay lets a record in: the end of the tick its arrival falls into.
///
/// ```
/// assert_eq!(engine::clock::tick_of(12_340, 100), 12_400);
/// assert_eq!(engine::clock::tick_of(12_400, 100), 12_500);
/// ```
#[must_use]
pub fn tick_of(arrival_ms: u64, tick_ms: u64) -> u64 {
    (arrival_ms / tick_ms + 1).saturating_mul(tick_ms)
}

/// Why a record's event time keeps it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untimely {
    /// Older than the job still accepts.
    Late {
        /// By how much.
        by_ms: u64,
    },
    /// Further ahead of its arrival than clocks may be wrong.
    Future {
        /// By how much.
        by_ms: u64,
    },
}

/// Whether a record may enter.
///
/// ```
/// use engine::clock::{judge, Untimely};
/// assert_eq!(judge(1_000, 1_900, 1_500, 900, 50), None);
/// assert_eq!(judge(999, 1_900, 1_500, 900, 50), Some(Untimely::Late { by_ms: 1 }));
/// assert_eq!(judge(1_551, 1_900, 1_500, 900, 50), Some(Untimely::Future { by_ms: 1 }));
/// ```
#[must_use]
pub fn judge(event_ms: u64, clock: u64, arrival_ms: u64, lateness_ms: u64, max_skew_ms: u64) -> Option<Untimely> {
    let oldest = clock.saturating_sub(lateness_ms);
    let newest = arrival_ms.saturating_add(max_skew_ms);
    if event_ms > newest {
        Some(Untimely::Future { by_ms: event_ms - newest })
    } else if event_ms < oldest {
        Some(Untimely::Late { by_ms: oldest - event_ms })
    } else {
        None
    }
}
