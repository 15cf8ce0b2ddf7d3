//! One worker: takes epochs into its dataflow, steps it, and on worker 0 hands over the rows of epochs that are complete.

use std::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use timely::worker::Worker;

use crate::basis::{AsOf, Basis};
use crate::changelog::Draft;
use crate::epoch::{Epoch, Order};
use crate::flow::{Feed, Flow, Job, Limits, Outbox};

/// How long a worker with nothing to do sleeps before it looks around; the pump wakes it earlier.
const PARK: Duration = Duration::from_millis(5);

/// What the workers tell the committer; rows are in order of their moments.
pub(crate) enum Complete {
    /// An epoch is complete, and this is what all that is open at its end rests on.
    Epoch(Arc<Epoch>, Vec<Draft>, Basis),
    /// The input ended, and these rows came of it.
    End(Vec<Draft>),
    /// A worker panicked.
    Failed,
}

/// Tells the committer when its worker panics, so that nobody waits for it for ever.
struct Alarm<'a>(&'a Sender<Complete>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.0.send(Complete::Failed);
        }
    }
}

/// What a worker needs to know of its job.
#[derive(Clone)]
pub(crate) struct Charge {
    pub(crate) job: Arc<dyn Job>,
    pub(crate) name: String,
    pub(crate) sources: Vec<String>,
    pub(crate) limits: Limits,
}

/// Runs one worker until the input ends or the job stops.
pub(crate) fn run(worker: &mut Worker, charge: &Charge, orders: &Receiver<Order>, complete: &Sender<Complete>) {
    let _alarm = Alarm(complete);
    let dataflow = worker.next_dataflow_index();
    let mut desk = worker.dataflow_named::<u64, _, _>(&charge.name, |scope| {
        let mut flow = Flow::new(scope, &charge.name, charge.sources.clone(), charge.limits);
        charge.job.build(&mut flow);
        Desk {
            feeds: flow.feeds,
            outbox: flow.outbox,
            done: flow.done,
            basis: flow.basis,
            limits: charge.limits,
            pending: VecDeque::new(),
            seen: vec![0; charge.sources.len()],
        }
    });
    loop {
        match orders.try_recv() {
            Ok(Order::Take(epoch)) => desk.take(epoch),
            Ok(Order::Finish) => break,
            Ok(Order::Stop) | Err(TryRecvError::Disconnected) => return worker.drop_dataflow(dataflow),
            Err(TryRecvError::Empty) => {
                worker.step_or_park(Some(PARK));
            }
        }
        worker.step();
        if worker.index() == 0 {
            desk.hand_over(complete);
        }
    }
    desk.feeds.clear();
    while worker.has_dataflows() {
        worker.step_or_park(Some(PARK));
    }
    if worker.index() == 0 {
        desk.hand_over(complete);
        let rows = desk.outbox.borrow_mut().drain(..).map(|(_, row)| row).collect();
        let _ = complete.send(Complete::End(rows));
    }
}

/// A worker's ends of its dataflow.
struct Desk {
    feeds: Vec<(usize, Box<dyn Feed>)>,
    outbox: Outbox,
    done: Vec<Rc<Cell<u64>>>,
    basis: Vec<AsOf>,
    limits: Limits,
    pending: VecDeque<Arc<Epoch>>,
    /// Records of each source so far, by which they are shared among workers.
    seen: Vec<usize>,
}

impl Desk {
    fn take(&mut self, epoch: Arc<Epoch>) {
        for moment in &epoch.moments {
            for slice in &moment.slices {
                let source = epoch.partitions[slice.partition].source;
                for (_, feed) in self.feeds.iter_mut().filter(|(of, _)| *of == source) {
                    feed.take(&epoch, moment, slice, self.seen[source]);
                }
                self.seen[source] += slice.records.len();
            }
            if moment.marks {
                self.feeds.iter_mut().for_each(|(_, feed)| feed.mark(moment, &epoch));
            }
        }
        let next = epoch.clock() + 1;
        self.feeds.iter_mut().for_each(|(_, feed)| feed.advance(next));
        self.pending.push_back(epoch);
    }

    /// Sends the rows of the epochs that every publisher is done with.
    fn hand_over(&mut self, complete: &Sender<Complete>) {
        let done = self.done.iter().map(|cell| cell.get()).min().unwrap_or(u64::MAX);
        while let Some(epoch) = self.pending.pop_front_if(|epoch| epoch.clock() < done) {
            let clock = epoch.clock();
            let (mut ready, later): (Vec<_>, Vec<_>) = self.outbox.take().into_iter().partition(|(time, _)| *time <= clock);
            self.outbox.replace(later);
            ready.sort_by_key(|(time, _)| *time);
            let rows = ready.into_iter().map(|(_, row)| row).collect();
            // Without a committer the job has failed already; the workers are told to stop.
            let _ = complete.send(Complete::Epoch(epoch, rows, self.basis(clock)));
        }
    }

    /// What the job rests on at a moment: on what is open, and on what may come late.
    fn basis(&self, clock: u64) -> Basis {
        let Limits { lateness_ms, memory_ms, max_skew_ms } = self.limits;
        // A job that does not say how long it remembers may rest on all there ever was.
        let rests_on_ms = if memory_ms < lateness_ms { 0 } else { clock.saturating_sub(lateness_ms).saturating_sub(memory_ms) };
        let late = Basis { rests_on_ms, ..Basis::NOTHING };
        let Basis { rests_on_ms, open } = self.basis.iter().map(|basis| basis.at(clock)).fold(late, Basis::and);
        // What enters may be ahead of the clock by as much as clocks may be wrong.
        Basis { rests_on_ms: rests_on_ms.saturating_sub(max_skew_ms), open }
    }
}
