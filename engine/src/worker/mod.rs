//! The workers: each takes epochs into its dataflow and steps it ([`desk`]); worker 0 tells the committer what is complete.

pub(crate) mod desk;
mod part;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use serde::{Deserialize, Serialize};
use timely::WorkerConfig;
use timely::communication::WorkerGuards;
use timely::communication::allocator::AllocatorBuilder;
use timely::execute::execute_from;
use timely::worker::Worker;

use self::desk::Desk;
use crate::ahead::Ahead;
use crate::basis::Basis;
use crate::changelog::{Draft, Takeover};
use crate::cluster::Loss;
use crate::epoch::{Epoch, Order};
use crate::flow::{Job, Limits};
use crate::gauges::Gauges;

/// How long a worker with nothing to do sleeps before it looks around; the pump wakes it earlier.
const PARK: Duration = Duration::from_millis(5);

/// What the workers tell the committer; rows are in order of their moments.
pub(crate) enum Complete {
    /// An epoch is complete.
    Epoch(Completed),
    /// The input ended, and these rows came of it.
    End(Vec<Draft>),
    /// A worker panicked.
    Failed(Failure),
    /// Another process is gone.
    Lost(Loss),
}

/// An epoch that is complete.
pub(crate) struct Completed {
    pub(crate) epoch: Arc<Epoch>,
    /// What came of it.
    pub(crate) rows: Vec<Draft>,
    /// What all that is open at its end rests on.
    pub(crate) basis: Basis,
    /// Largest event times of its records, by place of the partition.
    pub(crate) newest: Vec<(usize, u64)>,
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("no message")
}

/// Why a worker panicked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What it said.
    pub(crate) message: String,
    /// The part it was busy with, where that is known.
    pub(crate) part: Option<String>,
    /// The jobs that use the part.
    pub(crate) jobs: Vec<String>,
}

/// What a worker needs to know of its job.
#[derive(Clone)]
pub(crate) struct Charge {
    pub(crate) job: Arc<dyn Job>,
    pub(crate) name: String,
    pub(crate) sources: Vec<String>,
    pub(crate) limits: Limits,
    /// Where it is told how much is remembered, if anybody wants to know.
    pub(crate) gauges: Option<Arc<Gauges>>,
    /// What outputs say themselves, where it could not be rebuilt.
    pub(crate) takeover: Option<Arc<Takeover>>,
    /// Whoever decodes ahead, if anybody does.
    pub(crate) ahead: Option<Arc<Ahead>>,
    /// Set by a worker that panicked: the others need not wait for it.
    pub(crate) broken: Arc<AtomicBool>,
}

/// Runs one worker until the input ends or the job stops. If it panics the committer is told, so that nobody waits for ever.
pub(crate) fn run(worker: &mut Worker, charge: &Charge, orders: &Receiver<Order>, complete: &Sender<Complete>) {
    let mut desk = Desk::new(charge, worker, complete.clone());
    let end = catch_unwind(AssertUnwindSafe(|| desk.work(worker, charge, orders)));
    charge.ahead.iter().for_each(|ahead| ahead.wait());
    if let Err(panic) = end {
        charge.broken.store(true, Ordering::Relaxed);
        let _ = complete.send(Complete::Failed(desk.failure(&*panic)));
        // What is broken is not put in order: its parts are left as they are.
        std::mem::forget(desk);
        resume_unwind(panic);
    }
}

/// Where a worker's orders go, and how to wake it.
pub(crate) type Outlet = (Sender<Order>, Thread);

/// The workers of this process.
pub(crate) struct Workers {
    guards: WorkerGuards<()>,
    outlets: Vec<Outlet>,
}

impl Workers {
    /// Starts them; at most so many orders wait for each, if there is a bound.
    pub(crate) fn start(
        charge: &Charge,
        workers: usize,
        bound: Option<usize>,
        complete: &Sender<Complete>,
        builders: Vec<AllocatorBuilder>,
    ) -> Result<Self, String> {
        let channel = || bound.map_or_else(unbounded, bounded);
        let (orders, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| channel()).unzip();
        let (say_hello, hello) = unbounded();
        let (charge, complete) = (charge.clone(), complete.clone());
        let guards = execute_from(builders, Box::new(()), WorkerConfig::default(), move |worker| {
            // Workers are counted through all processes.
            let place = worker.index() % workers;
            let _ = say_hello.send((place, std::thread::current()));
            run(worker, &charge, &receivers[place], &complete);
        })?;
        let mut threads: Vec<_> = hello.iter().take(workers).collect();
        threads.sort_by_key(|(place, _)| *place);
        Ok(Self { guards, outlets: orders.into_iter().zip(threads.into_iter().map(|(_, thread)| thread)).collect() })
    }

    /// Where their orders go.
    pub(crate) fn outlets(&self) -> &[Outlet] {
        &self.outlets
    }

    /// Gives all of them an order.
    pub(crate) fn tell(&self, order: &Order) {
        for (worker, thread) in &self.outlets {
            // One that has gone has said why.
            let _ = worker.send(order.clone());
            thread.unpark();
        }
    }

    /// Waits until all have left.
    pub(crate) fn join(self) -> Vec<Result<(), String>> {
        drop(self.outlets);
        self.guards.join()
    }
}
