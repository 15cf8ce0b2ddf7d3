//! Everything of the job `city` after `track`: link, assemble journeys, and the rules, with the job's own parameters.
//!
//! `camera_silent` is left out, for it looks at frames and not at sightings.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use engine::plan::{Plan, Wire};
use jobs::catalogue::{Context, Port, Step, build};
use operators::Clock;
use schemas::{City, Duration, HotlistEntry, Signal};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe};

use super::job::plan;
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
            let sources = [
                Port::Sightings(scope.input_from(&mut sightings).as_collection()),
                Port::Signals(scope.input_from(&mut heads).as_collection()),
                Port::Hotlist(scope.input_from(&mut wanted).as_collection()),
            ];
            let alerts = alerts(&plan, &sources, &context).alerts();
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

/// Builds every step after `track` between the three sources; all alerts together come out.
fn alerts<'scope>(plan: &Plan<Step>, sources: &[Port<'scope>; 3], context: &Context) -> Port<'scope> {
    let mut steps: Vec<Vec<Port<'scope>>> = Vec::new();
    let mut all = Vec::new();
    for planned in &plan.steps {
        let port = |wire: &Wire| match wire {
            Wire::Source(source) if plan.sources[*source].kind == "signals" => sources[1].clone(),
            Wire::Source(_) => sources[2].clone(),
            Wire::Step { step, port } => steps[*step][*port].clone(),
        };
        let built = match &planned.step {
            Step::Track(_) => vec![sources[0].clone()],
            Step::CameraSilent(_) => Vec::new(),
            step => {
                let inputs = planned.inputs.iter().filter_map(|wires| wires.iter().map(port).reduce(Port::concat)).collect();
                build(step, inputs, || unreachable!("only a silent camera is judged by how far was read"), drop, context, context.lateness)
            }
        };
        all.extend(built.iter().filter(|port| matches!(port, Port::Alerts(_))).cloned());
        steps.push(built);
    }
    all.into_iter().reduce(Port::concat).unwrap_or_else(|| unreachable!("the job has rules"))
}
