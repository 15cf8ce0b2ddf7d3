//! The plate join through `interval_self_join`, on any number of workers: each reads its stripes of what arrives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use differential_dataflow::AsCollection;
use operators::stream::{Interval, interval_self_join};
use operators::{Changes, Clock};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::InputHandle;
use timely::dataflow::operators::{Input, Inspect, Probe};
use timely::worker::Worker;

use super::EPOCHS_IN_FLIGHT;
use crate::plate_reads::{Alerts, PlateRead};

/// Reads that enter at one moment.
const EPOCH: usize = 4_096;

/// A pair within reach, up to ten seconds late: an epoch lasts five, and reads are up to two out of order.
const WITHIN: Interval = Interval { lower_ms: 1, upper_ms: PlateRead::WITHIN_MS as i64, lateness_ms: 10_000 };

/// A read that comes or goes.
type Change = (PlateRead, Clock, isize);

/// Joins the reads, which are in order of arrival.
///
/// # Panics
/// A worker failed.
#[must_use]
pub fn join(reads: &Arc<Vec<PlateRead>>, workers: usize) -> Alerts {
    run(reads, workers, |_, read, now, send| send((*read, now, 1)))
}

/// The same where every seventh read is put in wrong first (at another camera), and corrected at the next moment.
///
/// # Panics
/// A worker failed.
#[must_use]
pub fn join_corrected(reads: &Arc<Vec<PlateRead>>, workers: usize) -> Alerts {
    run(reads, workers, |place, read, now, send| {
        if place % 7 == 0 {
            let wrong = PlateRead { x_m: read.x_m + 5_000, camera: read.camera + 200, ..*read };
            send((wrong, now, 1));
            send((wrong, now + 1, -1));
            send((*read, now + 1, 1));
        } else {
            send((*read, now, 1));
        }
    })
}

/// The pairs that were too fast, each as `tell` has it. The product's operator, with the limits of this work.
pub fn too_fast<'scope, Out: Clone + 'static>(
    reads: Changes<'scope, PlateRead>,
    tell: impl Fn(&PlateRead, &PlateRead) -> Out + 'static,
) -> Changes<'scope, Out> {
    let by = |read: &PlateRead| (read.plate, read.at_ms);
    interval_self_join(reads, "Pairs", by, WITHIN, move |a, b| a.too_fast(b).then(|| tell(a, b)))
}

/// How a read enters: its place in order of arrival, the moment, and where to put the changes.
trait Enter: Fn(usize, &PlateRead, Clock, &mut dyn FnMut(Change)) + Copy + Send + Sync + 'static {}
impl<F: Fn(usize, &PlateRead, Clock, &mut dyn FnMut(Change)) + Copy + Send + Sync + 'static> Enter for F {}

fn run(reads: &Arc<Vec<PlateRead>>, workers: usize, enter: impl Enter) -> Alerts {
    if workers == 1 {
        let reads = Arc::clone(reads);
        return timely::execute_directly(move |worker| work(worker, &reads, enter));
    }
    let (all, reads) = (Arc::new(Mutex::new(Alerts::default())), Arc::clone(reads));
    let sum = Arc::clone(&all);
    let guards = timely::execute(timely::Config::process(workers), move |worker| {
        let mine = work(worker, &reads, enter);
        let mut sum = sum.lock().expect("no worker failed");
        (sum.count, sum.checksum) = (sum.count + mine.count, sum.checksum + mine.checksum);
    });
    drop(guards.expect("workers"));
    *all.lock().expect("no worker failed")
}

/// One worker: feeds its share of each epoch and lets no more than a few be open.
fn work(worker: &mut Worker, reads: &[PlateRead], enter: impl Enter) -> Alerts {
    let alerts = std::rc::Rc::new(std::cell::Cell::new(Alerts::default()));
    let sum = std::rc::Rc::clone(&alerts);
    let mut input: InputHandle<Clock, CapacityContainerBuilder<Vec<Change>>> = InputHandle::new();
    let probe = worker.dataflow(|scope| {
        let reads = scope.input_from(&mut input).as_collection();
        let pairs = too_fast(reads, |a, b| (a.id, b.id));
        let add = move |((a, b), _, diff): &((u32, u32), Clock, isize)| {
            let mut all = sum.get();
            all.add(*a, *b, *diff as i64);
            sum.set(all);
        };
        pairs.inner.inspect(add).probe().0
    });
    let (index, peers) = (worker.index(), worker.peers());
    let (mut open, mut now, mut place) = (VecDeque::new(), 0, 0);
    for epoch in reads.chunks(EPOCH) {
        now = epoch.iter().map(|read| read.at_ms).max().unwrap_or(0).max(now + 2);
        let share = epoch.len() * index / peers..epoch.len() * (index + 1) / peers;
        for (n, read) in epoch.iter().enumerate().take(share.end).skip(share.start) {
            enter(place + n, read, now, &mut |change| input.send(change));
        }
        place += epoch.len();
        input.advance_to(now + 2);
        open.push_back(now + 1);
        worker.step();
        while open.len() > EPOCHS_IN_FLIGHT {
            open.pop_front_if(|first| !probe.less_equal(first)).map_or_else(|| _ = worker.step_or_park(None), |_| ());
        }
    }
    input.close();
    worker.step_or_park_while(None, || !probe.done());
    alerts.get()
}
