//! Which dataflow a worker is busy with, and for how long, from timely's own log.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use rustc_hash::FxHashMap;
use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::logging_core::Logger;
use timely::worker::Worker;

/// What one worker does. To be made before the first dataflow is.
pub(crate) struct Profile {
    logger: Logger<TimelyEventBuilder>,
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
        Some(Self { logger: registry.get("timely")?, state })
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

impl State {
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
