//! Everything of the job `city` after `track`: link, assemble journeys, and the rules, with the job's own parameters.
//!
//! `camera_silent` is left out ([`steps`]).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use jobs::catalogue::{Context, Port};
use operators::Clock;
use schemas::{City, Duration, HotlistEntry, Signal};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe};

use super::job::plan;
use super::steps::steps;
use crate::plain::Change;

/// Changes that enter together.
const EPOCH: usize = 512;

type Handle<D> = InputHandle<Clock, CapacityContainerBuilder<Vec<(D, Clock, isize)>>>;

/// Judges the sightings, which are in order of the clock, on this thread; returns how many alerts stand.
pub fn judge(city: &Arc<City>, changes: Vec<Change>, signals: Vec<Signal>, hotlist: Vec<HotlistEntry>) -> isize {
    let city = Arc::clone(city);
    timely::execute_directly(move |worker| {
        let plan = plan();
        let context = Context { city, lateness: Duration::from_ms(plan.lateness_ms) };
        let standing = Rc::new(Cell::new(0));
        let count = Rc::clone(&standing);
        let (mut sightings, mut heads, mut wanted) = (Handle::new(), Handle::new(), Handle::new());
        let probe = worker.dataflow(|scope| {
            let sightings = Port::Sightings(scope.input_from(&mut sightings).as_collection());
            let heads = Port::Signals(scope.input_from(&mut heads).as_collection());
            let wanted = Port::Hotlist(scope.input_from(&mut wanted).as_collection());
            let source = |kind: &str| if kind == "signals" { heads.clone() } else { wanted.clone() };
            let steps = steps(&plan, &context, Some(sightings), source);
            let alerts = steps.into_iter().flatten().filter(|port| matches!(port, Port::Alerts(_))).reduce(Port::concat);
            let alerts = alerts.unwrap_or_else(|| unreachable!("the job has rules")).alerts();
            alerts.inner.inspect(move |(_, _, diff)| count.set(count.get() + diff)).probe().0
        });
        hotlist.into_iter().for_each(|entry| wanted.send((entry, 0, 1)));
        let mut signals = signals.into_iter().peekable();
        let mut changes = changes.into_iter().peekable();
        while let Some(first) = changes.peek().map(|(_, now, _)| *now) {
            let mut last = first;
            for change in changes.by_ref().take(EPOCH) {
                last = change.1;
                sightings.send(change);
            }
            while let Some(change) = changes.next_if(|(_, now, _)| *now == last) {
                sightings.send(change);
            }
            while let Some(signal) = signals.next_if(|signal| signal.at_ms <= last) {
                let now = first.max(signal.at_ms);
                heads.send((signal, now, 1));
            }
            sightings.advance_to(last + 1);
            heads.advance_to(last + 1);
            wanted.advance_to(last + 1);
            worker.step_while(|| probe.less_equal(&last));
        }
        drop((sightings, heads, wanted));
        while worker.step() {}
        standing.get()
    })
}
