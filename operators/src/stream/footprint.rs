//! `Footprint`: what an operator keeps from one moment to the next, and where that is told.

use std::iter::Sum;
use std::ops::Add;

use differential_dataflow::logging::{BatcherEvent, DifferentialEventBuilder, Logger};
use timely::worker::Worker;

/// Rows that are kept, and about how many bytes they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// How many.
    pub rows: usize,
    /// Their size in place. What a row points to counts where it is shared from, and not again with everybody who keeps it.
    pub bytes: usize,
}

impl Footprint {
    /// Nothing is kept, or no more than a bound that does not depend on what comes.
    pub const NOTHING: Self = Self { rows: 0, bytes: 0 };

    /// So many rows, each kept as a `T`.
    #[must_use]
    pub fn of<T>(rows: usize) -> Self {
        Self { rows, bytes: rows.saturating_mul(size_of::<T>()) }
    }
}

impl Add for Footprint {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, bytes: self.bytes + other.bytes }
    }
}

impl Sum for Footprint {
    fn sum<I: Iterator<Item = Self>>(each: I) -> Self {
        each.fold(Self::NOTHING, Self::add)
    }
}

/// Tells differential's own log what an operator of ours holds, as it is told of differential's: in sizes that go up and down.
pub(super) struct Teller {
    /// `None` where nobody listens.
    log: Option<Logger>,
    operator: usize,
    told: Footprint,
}

impl Teller {
    /// For an operator, by its number among all of the worker.
    pub(super) fn of(worker: &Worker, operator: usize) -> Self {
        let log = worker.logger_for::<DifferentialEventBuilder>("differential/arrange").map(Into::into);
        Self { log, operator, told: Footprint::NOTHING }
    }

    /// What is held now.
    pub(super) fn tell(&mut self, held: Footprint) {
        let Some(log) = self.log.as_ref().filter(|_| held != self.told) else { return };
        let size_diff = held.bytes as isize - self.told.bytes as isize;
        log.log(BatcherEvent {
            operator: self.operator,
            records_diff: held.rows as isize - self.told.rows as isize,
            size_diff,
            capacity_diff: size_diff,
            allocations_diff: 0,
        });
        self.told = held;
    }
}
