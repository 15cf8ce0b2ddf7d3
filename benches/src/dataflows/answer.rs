//! How soon the dataflow of the job `city` answers, with nothing around it: no topics, no JSON, no transactions.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use city::{EPOCH_MS, Load};
use differential_dataflow::{AsCollection, VecCollection};
use jobs::catalogue::{Context, Port};
use operators::city::Itinerary;
use operators::{Arrived, Clock};
use rustc_hash::FxHashSet;
use schemas::wire::Format;
use schemas::{Id, Name, Observation, Place, Sighting};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe, probe};

use super::job::plan;
use super::steps::steps;

type Handle<D> = InputHandle<Clock, CapacityContainerBuilder<Vec<(D, Clock, isize)>>>;

/// Rows that were told, each with the time of its last frame.
type Told = Rc<RefCell<Vec<(Id, u64)>>>;

/// Gives a dataflow on this thread each frame of a load when it is due, whatever it is at. Returns for every sighting and every journey
/// that is told for the first time after `warm_up` how many milliseconds after its last frame was due all of its moment was done.
///
/// # Panics
/// The product does not read the load.
#[must_use]
pub fn answer(load: &Load, warm_up: Duration) -> Vec<f64> {
    let frames: Vec<Observation> = load.observations().map(|frame| ours(&frame)).collect();
    let city = serde_json::to_value(load.city()).and_then(serde_json::from_value).expect("the product reads our map");
    let context = |lateness_ms| Context { city: Arc::new(city), lateness: schemas::Duration::from_ms(lateness_ms) };
    timely::execute_directly(move |worker| {
        let (told, done, plan) = (Told::default(), probe::Handle::new(), plan());
        let (mut input, mut signals, mut hotlist) = (Handle::new(), Handle::new(), Handle::new());
        let context = context(plan.lateness_ms);
        worker.dataflow(|scope| {
            let observations = Port::Observations(scope.input_from(&mut input).as_collection());
            let signals = Port::Signals(scope.input_from(&mut signals).as_collection());
            let hotlist = Port::Hotlist(scope.input_from(&mut hotlist).as_collection());
            let steps = steps(&plan, &context, None, |kind| match kind {
                "observations" => observations.clone(),
                "signals" => signals.clone(),
                _ => hotlist.clone(),
            });
            for port in steps.into_iter().flatten() {
                match port {
                    Port::Sightings(rows) => tell(rows, &told, &done, |row: &Arc<Sighting>| (row.id, row.until_ms)),
                    Port::Journeys(rows) => tell(rows, &told, &done, |row: &Arc<Itinerary>| (row.journey.id, row.journey.until_ms)),
                    Port::Alerts(rows) => _ = rows.inner.probe_with(&done),
                    _ => {}
                }
            }
        });
        let (mut seen, mut latencies) = (FxHashSet::default(), Vec::new());
        let (mut frames, mut now, began) = (frames.into_iter().enumerate().peekable(), 0, Instant::now());
        while let Some((_, next)) = frames.peek() {
            let due = Duration::from_millis(next.at_ms - EPOCH_MS.unsigned_abs());
            thread::sleep(due.saturating_sub(began.elapsed()));
            let until_ms = EPOCH_MS.unsigned_abs() + began.elapsed().as_millis() as u64;
            now = until_ms.max(now + 1);
            while let Some((number, frame)) = frames.next_if(|(_, frame)| frame.at_ms <= until_ms) {
                input.send((arrived(number as u64, frame), now, 1));
            }
            input.advance_to(now + 1);
            signals.advance_to(now + 1);
            hotlist.advance_to(now + 1);
            worker.step_while(|| done.less_equal(&now));
            let elapsed_ms = began.elapsed().as_secs_f64() * 1_000.0;
            let new = told.borrow_mut().drain(..).filter(|(id, _)| seen.insert(*id)).collect::<Vec<_>>();
            if began.elapsed() > warm_up {
                latencies.extend(new.into_iter().map(|(_, last_ms)| elapsed_ms - (last_ms - EPOCH_MS.unsigned_abs()) as f64));
            }
        }
        latencies
    })
}

fn tell<'scope, R: Clone + 'static>(
    rows: VecCollection<'scope, Clock, R>,
    told: &Told,
    done: &probe::Handle<Clock>,
    of: fn(&R) -> (Id, u64),
) {
    let told = Rc::clone(told);
    rows.inner.inspect(move |(row, _, diff)| told.borrow_mut().extend((*diff > 0).then(|| of(row)))).probe_with(done);
}

fn ours(frame: &city::records::Observation) -> Observation {
    Format::Json.decode(&serde_json::to_vec(frame).expect("a frame is JSON")).expect("a frame of ours")
}

/// A frame in the order of arrival, in one partition.
fn arrived(offset: u64, record: Observation) -> Arrived<Observation> {
    Arrived { place: Place { topic: Name::of("observations"), partition: 0, offset }, record }
}
