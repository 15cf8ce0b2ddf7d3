//! Which dataflow a worker is busy with, and for how long, and what it holds, from timely's and differential's own logs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use differential_dataflow::logging::{DifferentialEvent, DifferentialEventBuilder};
use rustc_hash::FxHashMap;
use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::logging_core::Logger;
use timely::worker::Worker;

use crate::memory::Footprint;

/// What an update in an arrangement of differential's is taken to be, bytes: its log tells how many there are and not how large.
const UPDATE: isize = 64;

/// What one worker does. To be made before the first dataflow is.
pub(crate) struct Profile {
    logger: Logger<TimelyEventBuilder>,
    arranged: Logger<DifferentialEventBuilder>,
    state: Rc<RefCell<State>>,
}

#[derive(Default)]
struct State {
    /// The dataflow that each operator belongs to.
    dataflows: FxHashMap<usize, usize>,
    /// The operators at work, the innermost last, and when each began.
    open: Vec<(usize, Duration)>,
    /// By dataflow.
    busy: BTreeMap<usize, Duration>,
    /// Rows and bytes, by operator.
    held: FxHashMap<usize, (isize, isize)>,
}

impl Profile {
    /// Begins to look; `None` if timely keeps no log.
    pub(crate) fn of(worker: &Worker) -> Option<Self> {
        let state = Rc::new(RefCell::new(State::default()));
        let shared = Rc::clone(&state);
        let mut registry = worker.log_register()?;
        registry.insert::<TimelyEventBuilder, _>("timely", move |_, events| {
            let mut state = shared.borrow_mut();
            events.iter_mut().flat_map(|events| events.drain(..)).for_each(|(time, event)| state.take(time, &event));
        });
        let shared = Rc::clone(&state);
        registry.insert::<DifferentialEventBuilder, _>("differential/arrange", move |_, events| {
            let mut state = shared.borrow_mut();
            events.iter_mut().flat_map(|events| events.drain(..)).for_each(|(_, event)| state.hold(&event));
        });
        Some(Self { logger: registry.get("timely")?, arranged: registry.get("differential/arrange")?, state })
    }

    /// The dataflow at work, which after a panic is the one it came from.
    pub(crate) fn at_work(&self) -> Option<usize> {
        self.logger.flush();
        let state = self.state.borrow();
        state.open.last().and_then(|(operator, _)| state.dataflows.get(operator).copied())
    }

    /// How long each dataflow has worked so far.
    pub(crate) fn busy(&self) -> BTreeMap<usize, Duration> {
        self.logger.flush();
        self.state.borrow().busy.clone()
    }
}

impl Profile {
    /// What the operators of each dataflow hold.
    pub(crate) fn held(&self) -> BTreeMap<usize, Footprint> {
        self.logger.flush();
        self.arranged.flush();
        let mut state = self.state.borrow_mut();
        let State { held, dataflows, .. } = &mut *state;
        // Of an operator that is gone, differential tells what was dropped later.
        held.retain(|operator, _| dataflows.contains_key(operator));
        let mut by_dataflow = BTreeMap::<usize, Footprint>::new();
        for (operator, (rows, bytes)) in held {
            let held = Footprint { rows: (*rows).max(0).cast_unsigned(), bytes: (*bytes).max(0).cast_unsigned() };
            *by_dataflow.entry(dataflows[operator]).or_default() += held;
        }
        by_dataflow
    }
}

impl State {
    fn hold(&mut self, event: &DifferentialEvent) {
        let updates = |operator: usize, updates: isize| (operator, updates, updates.saturating_mul(UPDATE));
        let (operator, rows, bytes) = match event {
            DifferentialEvent::Batch(batch) => updates(batch.operator, batch.length.cast_signed()),
            DifferentialEvent::Drop(batch) => updates(batch.operator, -batch.length.cast_signed()),
            DifferentialEvent::Merge(merge) => {
                let Some(merged) = merge.complete else { return };
                updates(merge.operator, merged.cast_signed() - (merge.length1 + merge.length2).cast_signed())
            }
            // What waits to be arranged, and what operators of ours hold.
            DifferentialEvent::Batcher(sizes) => (sizes.operator, sizes.records_diff, sizes.size_diff),
            DifferentialEvent::MergeShortfall(_) | DifferentialEvent::TraceShare(_) => return,
        };
        let held = self.held.entry(operator).or_default();
        *held = (held.0 + rows, held.1 + bytes);
    }

    fn take(&mut self, time: Duration, event: &TimelyEvent) {
        match event {
            TimelyEvent::Operates(operator) => {
                self.dataflows.extend(operator.addr.first().map(|dataflow| (operator.id, *dataflow)));
            }
            TimelyEvent::Schedule(event) if event.start_stop == StartStop::Start => self.open.push((event.id, time)),
            TimelyEvent::Schedule(_) => {
                let Some((operator, began)) = self.open.pop() else { return };
                // The outermost is the dataflow itself, and holds the time of all within.
                if let (true, Some(dataflow)) = (self.open.is_empty(), self.dataflows.get(&operator)) {
                    *self.busy.entry(*dataflow).or_default() += time.saturating_sub(began);
                }
            }
            TimelyEvent::Shutdown(event) => drop(self.dataflows.remove(&event.id)),
            _ => {}
        }
    }
}
