//! Who goes on while the pump of a simulated job rests: the worker, the committer, and whoever looks for new partitions.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::{Receiver, unbounded};
use timely::WorkerConfig;
use timely::communication::allocator::Allocator;
use timely::communication::allocator::thread::Thread;
use timely::worker::Worker;

use super::life::{World, once, stop};
use super::log::kill;
use crate::committer::{Committer, Office};
use crate::epoch::{Order, Partition};
use crate::pump::Start;
use crate::pump::growth::Lookout;
use crate::run::{Report, Run, RunError};
use crate::worker::Complete;
use crate::worker::desk::{Desk, Turn};

/// What is to become of one start.
#[derive(Clone)]
pub(super) struct Fate {
    /// It is told to stop after so many commits.
    commits: u64,
    /// It is killed so often in ten thousand rests.
    killed: u64,
    /// It is frozen, once, while a successor lives, so often in ten thousand rests.
    frozen: u64,
    /// Whether it runs until everything is told.
    calm: bool,
    succeeded: Rc<Cell<bool>>,
}

impl Fate {
    pub(super) fn drawn(world: &mut World, calm: bool) -> Self {
        let random = &mut world.random;
        let commits = if calm { u64::MAX } else { random.within(1..40) };
        let killed = if calm || random.happens(5_000) { 0 } else { random.below(60) };
        let frozen = if calm || random.happens(7_000) { 0 } else { random.below(100) };
        Self { commits, killed, frozen, calm, succeeded: Rc::default() }
    }

    /// Of one who takes over from another that is frozen: it ends by itself, before the other is back.
    fn of_a_successor(world: &mut World) -> Self {
        Self { commits: world.random.within(1..6), killed: 0, frozen: 0, calm: false, succeeded: Rc::default() }
    }

    /// Whether another has taken over.
    pub(super) fn is_succeeded(&self) -> bool {
        self.succeeded.get()
    }
}

/// The others.
pub(super) struct Crew {
    worker: Worker,
    desk: Option<Desk>,
    orders: Receiver<Order>,
    committer: Option<Committer>,
    completed: Receiver<Complete>,
    lookout: Lookout,
    stop: Arc<AtomicBool>,
    halt: crate::halt::Halt,
    fate: Fate,
    /// How the committer ended.
    result: Option<Result<Report, RunError>>,
}

impl Crew {
    pub(super) fn new(
        run: &Run,
        office: Office,
        start: &Start,
        partitions: &[Partition],
        lookout: Lookout,
        orders: Receiver<Order>,
        fate: Fate,
    ) -> Self {
        let (complete, completed) = unbounded();
        let charge = run.charge(None);
        let mut worker = Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None);
        let mut desk = Desk::new(&charge, &worker, complete);
        desk.open(&mut worker, &charge);
        let (halt, stop) = (office.halt.clone(), Arc::clone(&run.stop));
        let committer = Some(Committer::new(office, start, partitions));
        Self { worker, desk: Some(desk), orders, committer, completed, lookout, stop, halt, fate, result: None }
    }

    /// Some of them do something.
    pub(super) fn go_on(&mut self, world: &Rc<RefCell<World>>) {
        self.befall(world);
        let turns = world.borrow_mut().random.below(16);
        for _ in 0..turns {
            let whose = world.borrow_mut().random.below(20);
            match whose {
                0 => self.lookout.look(),
                1..4 => self.commit(),
                _ => self.work(),
            }
        }
        if self.fate.calm && world.borrow().is_over() {
            stop(&self.stop);
        }
    }

    /// What may happen at any time.
    fn befall(&mut self, world: &Rc<RefCell<World>>) {
        let (killed, frozen) = {
            let random = &mut world.borrow_mut().random;
            (random.happens(self.fate.killed), random.happens(self.fate.frozen))
        };
        if killed {
            kill();
        }
        if frozen && !self.fate.succeeded.replace(true) {
            let fate = Fate::of_a_successor(&mut world.borrow_mut());
            let log = world.borrow().log.clone();
            let faults = log.place().faults;
            // Whoever takes over is not killed: that would unwind through the frozen one.
            log.place().faults.killed = 0;
            let ended = once(world, &fate);
            log.place().faults = faults;
            assert!(matches!(&ended, Ok(_) | Err(RunError::Transport(_))), "a successor: {ended:?}");
        }
    }

    fn work(&mut self) {
        if let Some(desk) = &mut self.desk
            && desk.turn(&mut self.worker, &self.orders) == Turn::Left
        {
            self.desk = None;
        }
    }

    fn commit(&mut self) {
        let Some(committer) = &mut self.committer else { return };
        let ended = match self.completed.try_recv() {
            Ok(first) => committer.turn(first, &self.completed).map(|()| None),
            Err(crossbeam_channel::TryRecvError::Empty) => Ok(None),
            Err(crossbeam_channel::TryRecvError::Disconnected) => Ok(Some(committer.report().clone())),
        };
        if committer.report().commits >= self.fate.commits {
            stop(&self.stop);
        }
        self.result = match ended {
            Ok(None) => return,
            Ok(Some(report)) => Some(Ok(report)),
            Err(error) => Some(Err(error)),
        };
        self.halt.end();
        // The pump hears of it by that.
        self.committer = None;
    }

    /// Whether all have left.
    pub(super) fn is_done(&self) -> bool {
        self.committer.is_none() && self.desk.is_none()
    }

    /// How it ended.
    pub(super) fn result(&mut self) -> Result<Report, RunError> {
        self.result.take().unwrap_or_else(|| unreachable!("it is done"))
    }
}
