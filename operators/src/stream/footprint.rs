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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use differential_dataflow::input::Input;
    use differential_dataflow::logging::DifferentialEvent;

    use super::*;
    use crate::stream::{Interval, interval_self_join};

    #[test]
    fn what_is_held_is_told_and_what_is_forgotten_too() {
        timely::execute::execute_directly(|worker| {
            let told = Rc::new(Cell::new((0, 0)));
            let heard = Rc::clone(&told);
            let mut registry = worker.log_register().unwrap();
            registry.insert::<DifferentialEventBuilder, _>("differential/arrange", move |_, events| {
                for (_, event) in events.iter_mut().flat_map(|events| events.drain(..)) {
                    let DifferentialEvent::Batcher(sizes) = event else { continue };
                    let (rows, bytes) = heard.get();
                    heard.set((rows + sizes.records_diff, bytes + sizes.size_diff));
                }
            });
            let log = registry.get::<DifferentialEventBuilder>("differential/arrange").unwrap();
            drop(registry);
            let within = Interval { lower_ms: 0, upper_ms: 100, lateness_ms: 50 };
            let mut input = worker.dataflow(|scope| {
                let (input, rows) = scope.new_collection::<(u64, u64), isize>();
                interval_self_join(rows, "Pairs", |row: &(u64, u64)| *row, within, |_, _| None::<u64>);
                input
            });
            let mut at = |now: u64, rows: &[(u64, u64)]| {
                rows.iter().for_each(|row| input.update_at(*row, now, 1));
                input.advance_to(now + 1);
                input.flush();
                (0..10).for_each(|_| _ = worker.step());
                log.flush();
                told.get()
            };
            let (rows, bytes) = at(10, &[(1, 10), (2, 10), (3, 10)]);
            assert_eq!(rows, 3);
            assert!(bytes >= 3 * size_of::<(u64, u64)>() as isize, "{bytes}");
            assert_eq!(at(20, &[(1, 20)]).0, 4);
            // The first are forgotten by then.
            assert_eq!(at(1_000, &[(9, 1_000)]).0, 1);
        });
    }
}
