//! Stages on a server: jobs whose results are not rebuilt, each on threads of its own, beside the workers.
//!
//! ```text
//! catalogue ─▶ what is to run ─┬─▶ a stage ─▶ its own transactions, its own progress record
//!     ▲                        └─▶ another
//!     └─── running, failed ◀── what became of it
//! ```
//!
//! It is looked at what the catalogue says again and again, and when something was changed there: whoever is to run and does not
//! is begun, and whoever runs and is not to is told to stop. So a server that was killed needs to know nothing of before.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::Serialize;

use super::error::conflict;
use super::{Config, Prepared, Server, ServerError, State, Submission, Work};
use crate::pump::roster::Version;
use crate::run::{Binding, Report, RunError};
use crate::settings::OnDataLoss;
use crate::stage::{Counts, StageRun};
use crate::worker::panic_message;

/// How often the catalogue is looked at, if nobody says that it was changed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a stage waits to try again what failed and may not fail again, at first and at most.
const PAUSE: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(30)];

/// A stage of a server, as people see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StageFigures {
    /// Records taken since it was begun here.
    pub records: u64,
    /// Rows committed since then, by output.
    pub rows: BTreeMap<String, u64>,
    /// What it has counted besides, by what it is of.
    pub counts: Counts,
    /// Commits since then.
    pub commits: u64,
    /// Offsets that were needed and gone, and are gone on without.
    pub lost: u64,
    /// The latest arrival among what is committed, milliseconds since the epoch.
    pub clock_ms: u64,
    /// Whether it reads again what it needs to go on.
    pub replaying: bool,
    /// Why it does not go on just now.
    pub stuck: Option<String>,
}

/// A stage at work.
struct Running {
    definition: String,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Server {
    /// What a server cannot do for a stage.
    pub(super) fn check_stage(&self, prepared: &Prepared, submission: Submission) -> Result<(), ServerError> {
        if prepared.job == self.config.name {
            let message =
                format!("the server itself is called {:?}, and a job of this kind keeps its progress under its own name", prepared.job);
            return Err(conflict(message, "give the job another name"));
        }
        if submission.memory_most.is_some() {
            let message = format!("what job {:?} holds is not counted, for it does not run on the workers", prepared.job);
            return Err(conflict(message, "submit it without a bound"));
        }
        Ok(())
    }

    /// Runs the stages that are to run until `over`; what they have in work then is done and committed first.
    pub(super) fn run_stages(&self, over: &AtomicBool) {
        let mut running = BTreeMap::<String, Running>::new();
        loop {
            let ending = over.load(Ordering::Relaxed) || self.config.stop.load(Ordering::Relaxed);
            let wanted = if ending { Some(BTreeMap::new()) } else { self.wanted_stages() };
            let Some(wanted) = wanted else {
                // Who runs goes on while nobody can say that it is not to.
                self.stirred.wait(LOOK);
                continue;
            };
            let goes_on = |job: &str, stage: &Running| wanted.contains_key(&(job.to_owned(), stage.definition.clone()));
            running.iter().filter(|(job, stage)| !goes_on(job, stage)).for_each(|(_, stage)| stage.stop.store(true, Ordering::Relaxed));
            // One version after the other: the younger goes on from where the elder ends.
            running.retain(|_, stage| !stage.thread.is_finished());
            if ending && running.is_empty() {
                return;
            }
            for ((job, definition), prepared) in wanted {
                if !running.contains_key(&job) {
                    running.extend(self.begin_stage(prepared, definition).map(|stage| (job, stage)));
                }
            }
            // Whoever is told to stop is waited for.
            let pressing = running.values().any(|stage| stage.stop.load(Ordering::Relaxed));
            self.stirred.wait(if pressing || ending { LOOK / 50 } else { LOOK });
        }
    }

    /// The stages that the catalogue wants to run; `None` if it cannot be read just now.
    fn wanted_stages(&self) -> Option<BTreeMap<Version, Arc<Prepared>>> {
        let mut desk = self.lock();
        let entries = desk.catalogue.jobs().inspect_err(|error| tracing::warn!(%error, "the catalogue of jobs cannot be read")).ok()?;
        let active = entries.into_iter().filter(|entry| entry.state.is_active());
        let versions: Vec<Version> = active.map(|entry| (entry.job, entry.definition)).collect();
        let mut wanted = BTreeMap::new();
        for version in versions {
            match self.prepared(&mut desk, &version.0, &version.1) {
                Ok(prepared) if prepared.is_stage() => drop(wanted.insert(version, prepared)),
                // A dataflow's is told when the workers begin.
                Ok(_) | Err(_) => {}
            }
        }
        Some(wanted)
    }

    fn begin_stage(&self, prepared: Arc<Prepared>, definition: String) -> Option<Running> {
        let stop = Arc::new(AtomicBool::new(false));
        let (server, job, stopped) = (self.clone(), prepared.job.clone(), Arc::clone(&stop));
        self.gauges.change(|figures| drop(figures.stages.insert(job.clone(), StageFigures::default())));
        let work = move || {
            let ended = catch_unwind(AssertUnwindSafe(|| server.run_stage(&prepared, &stopped)));
            let ended = ended.unwrap_or_else(|panic| Err(format!("it panicked: {}", panic_message(&*panic))));
            if let Err(reason) = ended {
                server.end_failed(&prepared.job, &reason);
            }
            server.gauges.change(|figures| drop(figures.stages.remove(&prepared.job)));
            server.stirred.stir();
        };
        match thread::Builder::new().name(format!("stage {job}")).spawn(work) {
            Ok(thread) => Some(Running { definition, stop, thread }),
            Err(error) => {
                self.end_failed(&job, &format!("the system gives it no thread: {error}"));
                None
            }
        }
    }

    /// One stage, until it is told to stop, or fails in a way that trying again does not help; the text says why.
    fn run_stage(&self, prepared: &Prepared, stop: &Arc<AtomicBool>) -> Result<(), String> {
        let Work::Stage(program) = &prepared.work else { return Ok(()) };
        let (job, Config { source, sink, settings, .. }) = (&prepared.job, &self.config);
        let (mut pause, skips) = (PAUSE[0], settings.on_data_loss == OnDataLoss::Skip);
        while !stop.load(Ordering::Relaxed) {
            let mut stage = (program.open)(settings.workers)?;
            let binding =
                Binding { source: program.topic.clone(), transport: Arc::clone(source), topic: program.topic.clone(), table: false };
            let run = StageRun {
                stage: &mut *stage,
                name: job.clone(),
                definition: prepared.definition.clone(),
                goes_on_from_others: true,
                source: binding,
                sink: Arc::clone(sink),
                outputs: prepared.outputs.clone(),
                refused: program.refused,
                settings: settings.clone(),
                stop: Arc::clone(stop),
            };
            let mut begun = false;
            let ended = run.run(&mut |report| {
                if !std::mem::replace(&mut begun, true) {
                    pause = PAUSE[0];
                    let _ = self.lock().catalogue.turn(job, State::Running, None);
                }
                self.gauges.change(|figures| drop(figures.stages.insert(job.clone(), figures_of(report))));
            });
            let error = match ended {
                Ok(_) => return Ok(()),
                Err(RunError::Transport(error)) if error.retry || skips && !error.lost.is_empty() => error,
                Err(error) => return Err(with_hint(&error)),
            };
            tracing::warn!(job, %error, ?pause, "the stage stopped; trying again");
            self.gauges.change(|figures| figures.stages.entry(job.clone()).or_default().stuck = Some(error.to_string()));
            let mut waited = Duration::ZERO;
            while waited < pause && !stop.load(Ordering::Relaxed) {
                thread::sleep(PAUSE[0] / 4);
                waited += PAUSE[0] / 4;
            }
            pause = (pause * 2).min(PAUSE[1]);
        }
        Ok(())
    }
}

fn figures_of(report: &Report) -> StageFigures {
    let Report { records, rows, counts, commits, lost, clock, replaying, .. } = report.clone();
    StageFigures { records, rows, counts, commits, lost, clock_ms: clock, replaying, stuck: None }
}

fn with_hint(error: &RunError) -> String {
    match error {
        RunError::Transport(transport) => {
            transport.hint.as_ref().map_or_else(|| error.to_string(), |hint| format!("{error} (hint: {hint})"))
        }
        _ => error.to_string(),
    }
}

/// Whether the catalogue was changed.
#[derive(Debug, Default)]
pub(super) struct Stirred {
    since: std::sync::Mutex<bool>,
    news: std::sync::Condvar,
}

impl Stirred {
    pub(super) fn stir(&self) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.news.notify_all();
    }

    /// Waits until it was, or for so long.
    fn wait(&self, most: Duration) {
        let since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut since, _) = self.news.wait_timeout_while(since, most, |since| !*since).unwrap_or_else(PoisonError::into_inner);
        *since = false;
    }
}
