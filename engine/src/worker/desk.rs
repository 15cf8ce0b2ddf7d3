//! A worker's desk: its ends of the dataflows, what it takes in, and on worker 0 what it hands over.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use timely::dataflow::Scope;
use timely::worker::Worker;

use super::part::Installed;
use super::{Charge, Complete, Completed, Failure, PARK, panic_message};
use crate::ahead::Ahead;
use crate::basis::Basis;
use crate::changelog::{Opening, Takeover};
use crate::epoch::{Departure, Epoch, Launch, Order};
use crate::fail_point::{Stage, pass};
use crate::flow::{Ends, Feed, Flow, Limits, Newest, Outbox, Predecessors, Shelf, Site};
use crate::gauges::Gauges;
use crate::profile::Profile;

/// What became of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Something was done.
    Done,
    /// There was nothing to do.
    Idle,
    /// The worker has left.
    Left,
}

/// A worker's ends of its dataflows.
pub(crate) struct Desk {
    index: usize,
    parts: Vec<Installed>,
    outbox: Outbox,
    newest: Newest,
    predecessors: Predecessors,
    /// What outputs say themselves; worker 0 alone publishes.
    takeover: Option<Arc<Takeover>>,
    /// The widest limits of all that was built.
    limits: Limits,
    pending: VecDeque<Arc<Epoch>>,
    complete: Sender<Complete>,
    /// The last moment taken in; 0 before the first.
    clock: u64,
    gauges: Option<Arc<Gauges>>,
    profile: Option<Profile>,
    broken: Arc<AtomicBool>,
    /// Whoever decodes ahead, if anybody does.
    ahead: Option<Arc<Ahead>>,
}

impl Desk {
    pub(crate) fn new(charge: &Charge, worker: &Worker, complete: Sender<Complete>) -> Self {
        let (parts, pending) = (Vec::new(), VecDeque::new());
        let (outbox, predecessors, gauges) = (Outbox::default(), Predecessors::default(), charge.gauges.clone());
        let profile = gauges.is_some().then(|| Profile::of(worker)).flatten();
        let broken = Arc::clone(&charge.broken);
        Self {
            index: worker.index(),
            parts,
            outbox,
            newest: Newest::default(),
            predecessors,
            takeover: charge.takeover.clone().filter(|_| worker.index() == 0),
            limits: charge.limits,
            pending,
            complete,
            clock: 0,
            gauges,
            profile,
            broken,
            ahead: charge.ahead.clone(),
        }
    }

    pub(super) fn work(&mut self, worker: &mut Worker, charge: &Charge, orders: &Receiver<Order>) {
        self.open(worker, charge);
        loop {
            match self.turn(worker, orders) {
                Turn::Done => {}
                Turn::Idle => drop(worker.step_or_park(Some(PARK))),
                Turn::Left => return,
            }
        }
    }

    /// Builds the dataflow of the job.
    pub(crate) fn open(&mut self, worker: &mut Worker, charge: &Charge) {
        let site = self.site(&charge.name, &charge.sources.clone().into(), charge.limits, Opening::default());
        self.install(worker, charge.name.clone(), &charge.name, true, |scope| {
            let mut flow = Flow::new(scope, site);
            charge.job.build(&mut flow);
            (flow.ends, Rc::new(()))
        });
    }

    /// Takes one order, if there is one, and steps.
    pub(crate) fn turn(&mut self, worker: &mut Worker, orders: &Receiver<Order>) -> Turn {
        let turn = match orders.try_recv() {
            Ok(Order::Finish) => {
                self.finish(worker);
                return Turn::Left;
            }
            Ok(Order::Stop) | Err(TryRecvError::Disconnected) => {
                self.leave(worker);
                return Turn::Left;
            }
            Err(TryRecvError::Empty) => {
                if self.flow() {
                    Turn::Done
                } else {
                    self.ahead.iter().for_each(|ahead| ahead.wait());
                    Turn::Idle
                }
            }
            Ok(Order::Take(epoch)) => {
                self.ahead.iter().for_each(|ahead| ahead.take());
                self.take(epoch);
                Turn::Done
            }
            Ok(Order::Begin(launch)) => {
                self.begin(worker, &launch);
                Turn::Done
            }
            Ok(Order::End(departure)) => {
                self.end(worker, &departure);
                Turn::Done
            }
        };
        self.step(worker);
        turn
    }

    /// Whose fault a panic is.
    pub(super) fn failure(&self, panic: &(dyn Any + Send)) -> Failure {
        let dataflow = self.profile.as_ref().and_then(Profile::at_work);
        let part = self.parts.iter().find(|part| Some(part.dataflow) == dataflow);
        Failure {
            message: panic_message(panic).to_owned(),
            part: part.map(|part| part.name.clone()),
            jobs: part.iter().flat_map(|part| &part.users).cloned().collect(),
        }
    }

    fn site(&self, job: &str, sources: &Arc<Vec<String>>, limits: Limits, opening: Opening) -> Site {
        let (outbox, newest, predecessors) = (Rc::clone(&self.outbox), Rc::clone(&self.newest), Rc::clone(&self.predecessors));
        // Whoever is to begin in a replay that cannot rebuild what there was speaks at its end.
        let takeover = self.takeover.clone().filter(|takeover| takeover.at > opening.at);
        let opening = takeover.as_ref().map_or(opening, |takeover| Opening { at: takeover.at, tell_final: false, ..opening });
        Site {
            job: job.to_owned(),
            sources: Arc::clone(sources),
            limits,
            outbox,
            newest,
            predecessors,
            takeover,
            ahead: self.ahead.clone(),
            opening,
        }
    }

    /// Builds a dataflow.
    fn install(
        &mut self,
        worker: &mut Worker,
        key: String,
        name: &str,
        stays: bool,
        build: impl for<'scope> FnOnce(Scope<'scope, u64>) -> (Ends, Shelf),
    ) {
        let dataflow = worker.next_dataflow_index();
        let (mut ends, shelf) = worker.dataflow_named::<u64, _, _>(name, build);
        if self.clock > 0 {
            ends.feeds.iter_mut().for_each(|(_, feed)| feed.advance(self.clock + 1));
        }
        let users = BTreeSet::new();
        self.parts.push(Installed { key, name: name.to_owned(), dataflow, stays, users, shelf, ends });
    }

    /// Builds the parts of a job that are not there yet. What it joins is complete up to the clock, so that what it is told
    /// of the past depends on nothing but the clock.
    fn begin(&mut self, worker: &mut Worker, launch: &Launch) {
        self.complete_all(worker);
        let opening = Opening { at: launch.at, born: launch.born, tell_final: launch.tell_final };
        let mut shelves: Vec<Shelf> = Vec::new();
        for (number, part) in launch.program.parts().iter().enumerate() {
            let limits = launch.program.limits(number);
            self.limits.widen(limits);
            if !self.parts.iter().any(|installed| installed.key == part.key) {
                let site = self.site(&launch.job, &launch.sources, limits, opening);
                self.install(worker, part.key.clone(), &part.name, part.stays, |scope| {
                    let mut flow = Flow::new(scope, site);
                    let shelf = launch.program.build(number, &mut flow, &shelves);
                    (flow.ends, shelf)
                });
            }
            if let Some(installed) = self.parts.iter_mut().find(|installed| installed.key == part.key) {
                installed.users.insert(launch.job.clone());
                shelves.push(Rc::clone(&installed.shelf));
            }
        }
    }

    /// Drops the parts that this job alone used; what it published is kept for who goes on with it, or closed.
    fn end(&mut self, worker: &mut Worker, Departure { job, closed }: &Departure) {
        self.complete_all(worker);
        for part in &mut self.parts {
            part.users.remove(job);
        }
        let unused = |part: &Installed| part.users.is_empty() && !part.stays;
        // Those that read first, then those they read from.
        while let Some(place) = self.parts.iter().rposition(unused) {
            let Installed { dataflow, ends, shelf, .. } = self.parts.remove(place);
            self.predecessors.borrow_mut().extend(ends.published);
            drop((ends.feeds, ends.pipes, shelf));
            worker.drop_dataflow(dataflow);
        }
        for rows in closed.iter().filter_map(|output| self.predecessors.borrow().get(output).cloned()) {
            rows.close(self.clock, &mut self.outbox.borrow_mut());
        }
    }

    /// Steps until everything taken in has come out everywhere on this worker.
    fn complete_all(&mut self, worker: &mut Worker) {
        while self.clock > 0 && self.parts.iter().any(|part| !part.complete(self.clock)) && !self.broken.load(Ordering::Relaxed) {
            if !self.flow() {
                worker.step_or_park(Some(PARK));
            }
            self.step(worker);
        }
    }

    fn step(&mut self, worker: &mut Worker) {
        self.flow();
        worker.step();
        if self.index == 0 {
            self.hand_over();
        }
    }

    /// Moves on what came by between dataflows; returns whether there was anything.
    fn flow(&mut self) -> bool {
        let mut any = false;
        for pipe in self.parts.iter_mut().flat_map(|part| &mut part.ends.pipes) {
            any |= pipe.flow();
        }
        any
    }

    fn take(&mut self, epoch: Arc<Epoch>) {
        pass(Stage::InWorker);
        for moment in &epoch.moments {
            for slice in &moment.slices {
                let source = epoch.partitions[slice.partition].source;
                self.feeds().filter(|(of, _)| *of == source).for_each(|(_, feed)| feed.take(&epoch, moment, slice));
            }
            if moment.marks {
                self.feeds().for_each(|(_, feed)| feed.mark(moment, &epoch));
            }
        }
        self.clock = epoch.clock();
        let next = self.clock + 1;
        self.feeds().for_each(|(_, feed)| feed.advance(next));
        // Worker 0 alone hands over; the others need not keep what they took.
        if self.index == 0 {
            self.pending.push_back(epoch);
        } else {
            self.tell_footprint();
        }
    }

    fn feeds(&mut self) -> impl Iterator<Item = &mut (usize, Box<dyn Feed>)> {
        self.parts.iter_mut().flat_map(|part| &mut part.ends.feeds)
    }

    /// Sends the rows of the epochs that every publisher is done with.
    fn hand_over(&mut self) {
        let done = self.parts.iter().flat_map(|part| &part.ends.done).map(|cell| cell.get()).min().unwrap_or(u64::MAX);
        let mut told = false;
        while let Some(epoch) = self.pending.pop_front_if(|epoch| epoch.clock() < done) {
            let clock = epoch.clock();
            let (mut ready, later): (Vec<_>, Vec<_>) = self.outbox.take().into_iter().partition(|(time, _)| *time <= clock);
            self.outbox.replace(later);
            ready.sort_by_key(|(time, _)| *time);
            let rows = ready.into_iter().map(|(_, row)| row).collect();
            let (found, later): (Vec<_>, Vec<_>) = self.newest.take().into_iter().partition(|(time, ..)| *time <= clock);
            self.newest.replace(later);
            let newest = found.into_iter().map(|(_, place, event_ms)| (place, event_ms)).collect();
            let basis = self.basis(clock);
            // Without a committer the job has failed already; the workers are told to stop.
            let _ = self.complete.send(Complete::Epoch(Completed { epoch, rows, basis, newest }));
            told = true;
        }
        if told {
            self.tell_sizes();
        }
    }

    /// Tells how much each part holds on this worker.
    fn tell_footprint(&self) {
        let Some(gauges) = &self.gauges else { return };
        let held = self.profile.as_ref().map(Profile::held).unwrap_or_default();
        let share = |part: &Installed| part.footprint(held.get(&part.dataflow).copied().unwrap_or_default());
        let shares = self.parts.iter().map(share).collect();
        gauges.change(|figures| drop(figures.shares.insert(self.index, shares)));
    }

    /// Tells how much each part remembers on this worker (the others have about as much each), and how long it has worked.
    fn tell_sizes(&self) {
        self.tell_footprint();
        let Some(gauges) = &self.gauges else { return };
        let busy = self.profile.as_ref().map(Profile::busy).unwrap_or_default();
        let (mut remembered, mut busy_ms) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, u64>::new());
        for Installed { name, dataflow, ends, .. } in &self.parts {
            // Two versions of a job may have parts of one name.
            if !ends.gauges.is_empty() {
                *remembered.entry(name.clone()).or_default() += ends.gauges.iter().map(|gauge| gauge.held.get().rows).sum::<usize>();
            }
            *busy_ms.entry(name.clone()).or_default() += busy.get(dataflow).map_or(0, |busy| busy.as_millis() as u64);
        }
        gauges.change(|figures| (figures.remembered, figures.busy_ms) = (remembered, busy_ms));
    }

    /// Leaves everything as it is.
    fn leave(&mut self, worker: &mut Worker) {
        while let Some(Installed { dataflow, ends, .. }) = self.parts.pop() {
            drop(ends);
            worker.drop_dataflow(dataflow);
        }
    }

    /// Lets the clock go to infinity and hands over what comes of it.
    fn finish(&mut self, worker: &mut Worker) {
        self.parts.iter_mut().for_each(|part| part.ends.feeds.clear());
        while worker.has_dataflows() && !self.broken.load(Ordering::Relaxed) {
            self.flow();
            worker.step_or_park(Some(PARK));
        }
        if self.index == 0 {
            self.hand_over();
            let rows = self.outbox.borrow_mut().drain(..).map(|(_, row)| row).collect();
            let _ = self.complete.send(Complete::End(rows));
        }
        // Of one that is not waited for any more nothing is left that would be.
        self.leave(worker);
    }

    /// What the job rests on at a moment: on what is open, and on what may come late.
    fn basis(&self, clock: u64) -> Basis {
        let Limits { lateness_ms, memory_ms, max_skew_ms } = self.limits;
        // A job that does not say how long it remembers may rest on all there ever was.
        let rests_on_ms = if memory_ms < lateness_ms { 0 } else { clock.saturating_sub(lateness_ms).saturating_sub(memory_ms) };
        // What somebody may go on with that nobody keeps account of is rebuilt by repeating all.
        self.predecessors.borrow_mut().retain(|_, rows| !rows.forget(clock));
        let rests_on_ms = if self.predecessors.borrow().is_empty() { rests_on_ms } else { 0 };
        let late = Basis { rests_on_ms, ..Basis::NOTHING };
        let Basis { rests_on_ms, open } =
            self.parts.iter().flat_map(|part| &part.ends.basis).map(|basis| basis.at(clock)).fold(late, Basis::and);
        // What enters may be ahead of the clock by as much as clocks may be wrong.
        Basis { rests_on_ms: rests_on_ms.saturating_sub(max_skew_ms), open }
    }
}
