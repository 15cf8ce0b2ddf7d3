//! `track` alone in a dataflow, fed as the engine feeds it: moments of a tenth of a second, several at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use differential_dataflow::AsCollection;
use operators::city::TrackParameters;
use operators::{Arrived, Clock};
use schemas::{City, Observation};
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe};

use super::EPOCHS_IN_FLIGHT;

/// A frame with the moment at which it enters.
pub type Frame = (Arrived<Observation>, Clock, isize);

/// Frames that enter together: half a second of a city's, as many as the engine reads at a time.
const EPOCH: usize = 1_000;

/// Follows the vehicles of all frames on this thread; returns how many changes of sightings came out.
pub fn track(city: &Arc<City>, frames: Vec<Frame>) -> usize {
    let city = Arc::clone(city);
    timely::execute_directly(move |worker| {
        let told = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = std::rc::Rc::clone(&told);
        let mut input: InputHandle<Clock, timely::container::CapacityContainerBuilder<Vec<Frame>>> = InputHandle::new();
        let probe = worker.dataflow(|scope| {
            let frames = scope.input_from(&mut input).as_collection();
            let (sightings, ..) = operators::city::track(frames, city, TrackParameters::default());
            sightings.inner.inspect(move |_| count.set(count.get() + 1)).probe().0
        });
        let mut open = VecDeque::new();
        let mut frames = frames.into_iter().peekable();
        while let Some((_, last, _)) = frames.peek() {
            let mut last = *last;
            for frame in frames.by_ref().take(EPOCH) {
                last = frame.1;
                input.send(frame);
            }
            // A moment is never torn: what belongs to the last one goes with it.
            while let Some(frame) = frames.next_if(|(_, now, _)| *now == last) {
                input.send(frame);
            }
            input.advance_to(last + 1);
            open.push_back(last);
            worker.step();
            while open.len() > EPOCHS_IN_FLIGHT && probe.less_equal(&open[0]) {
                worker.step();
            }
            open.pop_front_if(|first| !probe.less_equal(first));
        }
        input.close();
        while worker.step() {}
        told.get()
    })
}
