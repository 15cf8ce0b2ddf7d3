//! Runs the operator in a dataflow and gathers what changes.

use std::sync::{Arc, Mutex};

use differential_dataflow::input::InputSession;
use operators::city::{TrackParameters, track};
use operators::{Arrived, Clock};
use schemas::{City, Observation, Rejected, Sighting};

/// What changed, at which moment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Change {
    Sighting(Clock, Sighting, isize),
    Rejected(Clock, Rejected, isize),
}

/// All changes, in order of time and record. Worker `i` of `workers` is given every record whose number is `i` modulo `workers`.
pub(crate) fn run(city: &City, input: &[(Clock, Arrived<Observation>)], workers: usize) -> Vec<Change> {
    let (city, mut input) = (Arc::new(city.clone()), input.to_vec());
    input.sort_by_key(|(clock, _)| *clock);
    let changes = Arc::new(Mutex::new(Vec::new()));
    let gathered = Arc::clone(&changes);
    timely::execute(timely::Config::process(workers), move |worker| {
        let mut session = InputSession::<Clock, Arrived<Observation>, isize>::new();
        let (of_sightings, of_rejected) = (Arc::clone(&gathered), Arc::clone(&gathered));
        worker.dataflow::<Clock, _, _>(|scope| {
            let (sightings, _, rejected) = track(session.to_collection(scope), Arc::clone(&city), TrackParameters::default());
            sightings.inspect(move |(s, at, d)| of_sightings.lock().unwrap().push(Change::Sighting(*at, (**s).clone(), *d)));
            rejected.inspect(move |(r, at, d)| of_rejected.lock().unwrap().push(Change::Rejected(*at, r.clone(), *d)));
        });
        for (_, (clock, arrived)) in input.iter().enumerate().filter(|(i, _)| i % worker.peers() == worker.index()) {
            session.advance_to(*clock);
            session.insert(arrived.clone());
        }
        session.close();
        while worker.step() {}
    })
    .expect("a dataflow that can be built");
    let mut changes = changes.lock().unwrap().clone();
    changes.sort();
    changes
}
