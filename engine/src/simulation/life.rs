//! The life of a job in a simulated world: started, killed, frozen while another takes over, and started again, all on one thread.
//!
//! ```text
//! recover ─▶ pump, the real one, rests ─▶ others go on ─▶ worker ▸ committer ▸ lookout, each when chance lets it
//!    ▲                                        └─▶ killed, told to stop, or frozen: a successor lives its life meanwhile
//!    └──────── later, on a log that was cut off, by a wall clock that somebody has set ◀── ended
//! ```

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{bounded, unbounded};

use super::clock::{Employed, MadeUpTime};
use super::crew::{Crew, Fate};
use super::facts::{STRETCH_MS, story};
use super::job::Stretches;
use super::log::{Faults, Killed, Log};
use super::oracle::{Figures, Terms, judge};
use super::random::Random;
use crate::halt::Halt;
use crate::pump::growth::Lookout;
use crate::pump::{Inlet, Pump, Start};
use crate::recovery::recover;
use crate::run::{Binding, Report, Run, RunError};
use crate::settings::Settings;
use crate::time::Time;
use crate::transport::Writer;

/// A job that was started more often than this is left alone until it is done.
const STARTS: u64 = 12;

/// The wall clock is off by less than this, one way or the other.
pub(super) const OFF_MS: u64 = 4_000;

/// What happened in a life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) figures: Figures,
    pub(super) commits: usize,
    pub(super) killed: u64,
    pub(super) fenced: u64,
    pub(super) failed: u64,
    pub(super) stopped: u64,
}

/// A world.
pub(super) struct World {
    pub(super) log: Log,
    pub(super) time: Arc<MadeUpTime>,
    pub(super) settings: Settings,
    pub(super) random: Random,
    faults: Faults,
    told: Told,
}

/// Lives through everything that a seed has in store, and holds what was told to what should have been.
pub(super) fn live(seed: u64) -> Result<Told, String> {
    let world = Rc::new(RefCell::new(World::new(seed)));
    for start in 0.. {
        let calm = start >= STARTS;
        world.borrow_mut().prepare(calm);
        let fate = Fate::drawn(&mut world.borrow_mut(), calm);
        let ended = catch_unwind(AssertUnwindSafe(|| once(&world, &fate)));
        // A killed process leaves nothing employed.
        let mut here = world.borrow_mut();
        match ended {
            Err(panic) if panic.is::<Killed>() => here.told.killed += 1,
            Err(panic) => resume_unwind(panic),
            Ok(Ok(_)) if here.is_over() => break,
            Ok(Ok(_)) => here.told.stopped += 1,
            Ok(Err(RunError::Transport(error))) if error.retry => here.told.failed += 1,
            Ok(Err(RunError::Transport(error))) if fate.is_succeeded() && error.message == "another writer took over" => {
                here.told.fenced += 1;
            }
            Ok(Err(error)) => return Err(format!("start {start}: {error}")),
        }
        here.pause();
    }
    let here = world.borrow();
    let Settings { lateness_ms, max_skew_ms, patience_ms, bounded, .. } = here.settings;
    // A partition that cannot be read is not waited for, and a recording's clock waits for all.
    let patience_ms = (!bounded && here.faults.read_fails == 0).then_some(patience_ms);
    let terms = Terms { lateness_ms, max_skew_ms, patience_ms, live: !bounded };
    let place = here.log.place();
    let figures = judge(terms, &place.partitions, &place.commits)?;
    Ok(Told { figures, commits: place.commits.len(), ..here.told })
}

/// Starts the job and lets it run until it ends.
pub(super) fn once(world: &Rc<RefCell<World>>, fate: &Fate) -> Result<Report, RunError> {
    let (log, run) = (world.borrow().log.clone(), world.borrow().run());
    let mut times = 0;
    recover(&log, &run.name, &run.definition, &run.outputs, run.settings.on_data_loss, |start, writer| {
        times += 1;
        assert_eq!(times, 1, "what it rebuilt was not what there was");
        run_from(world, &run, fate, &start, writer)
    })
}

/// What [`Run`] does with threads, without any.
fn run_from(world: &Rc<RefCell<World>>, run: &Run, fate: &Fate, start: &Start, writer: Box<dyn Writer>) -> Result<Report, RunError> {
    let (partitions, lanes) = run.open(start)?;
    let time: Arc<dyn Time> = world.borrow().time.clone();
    let halt = Halt::new(Arc::clone(&run.stop));
    let (freed, committed) = unbounded();
    let (found, grown) = unbounded();
    let (order, orders) = bounded(run.settings.epochs_in_flight + 2);
    let lookout = Lookout::new(&run.sources, &partitions, crossbeam_channel::never(), found);
    let office = run.office(writer, freed, &halt, &time, None);
    let crew = Crew::new(run, office, start, &partitions, lookout, orders, fate.clone());
    let crew = Rc::new(RefCell::new(crew));
    let inlet = Inlet { lanes, partitions, workers: vec![(order, std::thread::current())], grown, committed };
    let pump = Pump::new(run.settings.clone(), inlet, halt, Arc::clone(&time), None, None);
    let others = {
        let (crew, world) = (Rc::clone(&crew), Rc::clone(world));
        Box::new(move || crew.borrow_mut().go_on(&world))
    };
    let employed = Employed::new(others);
    let ending = pump.run(start);
    while !crew.borrow().is_done() {
        time.rest(Duration::from_millis(1));
    }
    drop(employed);
    let result = crew.borrow_mut().result();
    match result {
        Err(RunError::Astray(job)) => ending.map_err(RunError::from).and(Err(RunError::Astray(job))),
        result => result.and_then(|report| Ok(ending.map(|_| report)?)),
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::of(seed, 0);
        let lateness_ms = random.within(5_000..30_000);
        let bounded = random.happens(2_000);
        let settings = Settings {
            lateness_ms,
            max_skew_ms: 200,
            patience_ms: lateness_ms / 2,
            memory_ms: lateness_ms + STRETCH_MS,
            epochs_in_flight: random.within(1..5) as usize,
            bytes_in_flight: random.within(100..5_000) as usize,
            epoch_bytes: random.within(50..2_000) as usize,
            epoch_gap: Duration::from_millis(random.within(50..600)),
            bounded,
            ..Settings::default()
        };
        let mut story = story(seed, random.within(40_000..240_000), lateness_ms);
        let time = Arc::new(MadeUpTime::default());
        if bounded {
            // A recording: all of it is there.
            time.pass(Duration::from_millis(story.last().map_or(0, |last| last.due_ms)));
            story.retain(|coming| coming.topic != "factors" || coming.due_ms < 100_000);
        }
        let log = Log::new(seed, story, Arc::clone(&time));
        let rate = |random: &mut Random, most: u64| if random.happens(5_000) { 0 } else { random.below(most) };
        let faults = Faults {
            read_fails: rate(&mut random, 100),
            read_lags: rate(&mut random, 30),
            commit_fails: rate(&mut random, 1_000),
            commit_unknown: rate(&mut random, 1_000),
            killed: rate(&mut random, 500),
        };
        Self { log, time, settings, random, faults, told: Told::default() }
    }

    fn prepare(&mut self, calm: bool) {
        self.log.place().faults = if calm { Faults::default() } else { self.faults };
    }

    /// The job, to be started once.
    fn run(&self) -> Run {
        let bind = |topic: &str| Binding {
            source: topic.to_owned(),
            transport: Arc::new(self.log.clone()),
            topic: topic.to_owned(),
            table: topic == "factors",
        };
        Run {
            job: Arc::new(Stretches),
            name: "stretches".to_owned(),
            definition: "1".to_owned(),
            sources: vec![bind("entries"), bind("factors")],
            sink: Arc::new(self.log.clone()),
            outputs: ["sums", "watches", "rejected"].map(str::to_owned).to_vec(),
            settings: self.settings.clone(),
            stop: Arc::new(AtomicBool::new(false)),
        }
    }

    /// Time goes by until the next start.
    fn pause(&mut self) {
        let most_ms = if self.random.happens(1_000) { 300_000 } else { 5_000 };
        self.time.pass(Duration::from_millis(self.random.below(most_ms)));
        if self.random.happens(2_000) {
            self.time.set_off_ms(self.random.below(2 * OFF_MS) as i64 - OFF_MS as i64);
        }
        if self.random.happens(5_000) {
            self.log.cut();
        }
    }

    /// Whether everything has been told that ever will be.
    pub(super) fn is_over(&self) -> bool {
        let place = self.log.place();
        let Some(last) = place.commits.last().map(|last| &last.progress) else { return false };
        let taken = |(topic, number): &(String, u32), records: usize| {
            last.partitions.iter().any(|p| (&p.topic, p.partition) == (topic, *number) && p.next_offset == records as u64)
        };
        let all = place.is_told() && place.partitions.iter().all(|(which, kept)| taken(which, kept.len()));
        let newest_ms = place.partitions.values().flatten().map(|kept| kept.arrival_ms).max().unwrap_or(0);
        all && (last.finished || last.clock > newest_ms + 2 * self.settings.lateness_ms + STRETCH_MS)
    }
}

/// Stops a run.
pub(super) fn stop(flag: &AtomicBool) {
    flag.store(true, Ordering::Relaxed);
}
