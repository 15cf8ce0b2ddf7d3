//! One pool of workers after the other: from the progress record on, until told to stop; when it fails, without who was at fault.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, unbounded};

use super::{Config, Prepared, Server, State};
use crate::flow::{Flow, Job};
use crate::plan::REJECTED;
use crate::pump::Start;
use crate::pump::roster::{Command, Roster, Version};
use crate::run::{Binding, Run, RunError, Serving, check};
use crate::settings::Settings;
use crate::transport::{Progress, TransportError};

/// A restart that went astray begins so many times further back at most; then it gives up.
const TIMES_MOST: u64 = 64;
/// A server that fails more often than this within [`BUDGET_SPAN`] gives up, unless a job was at fault and is out.
const BUDGET: usize = 5;
/// See [`BUDGET`].
const BUDGET_SPAN: Duration = Duration::from_secs(600);

/// Nothing of its own: what a server does, its jobs do.
struct Idle;

impl Job for Idle {
    fn build(&self, _: &mut Flow<'_>) {}
}

impl Server {
    /// Runs until told to stop, or until it fails in a way that trying again does not help.
    ///
    /// # Errors
    /// A transport failed for good, or workers panicked again and again. What was committed stands.
    pub fn run(&self) -> Result<(), RunError> {
        let mut failures: Vec<Instant> = Vec::new();
        let mut times = 1;
        loop {
            let result = self.run_once(times);
            self.lock().commands = None;
            let Err(error) = result else { return Ok(()) };
            if matches!(error, RunError::Astray(_)) && times < TIMES_MOST {
                tracing::warn!(%error, "beginning further back");
                times *= 2;
                continue;
            }
            times = 1;
            let RunError::Worker { message, jobs, .. } = &error else { return Err(error) };
            tracing::error!(%error, ?jobs, "the workers stopped; going on from the progress record");
            let out = self.fail(jobs, message);
            failures.retain(|at| at.elapsed() < BUDGET_SPAN);
            failures.push(Instant::now());
            if self.config.stop.load(Ordering::Relaxed) || (!out && failures.len() > BUDGET) {
                return Err(error);
            }
            self.gauges.change(|figures| figures.restarts += 1);
        }
    }

    /// Takes jobs out that made a worker panic; returns whether any was taken out.
    fn fail(&self, jobs: &[String], reason: &str) -> bool {
        let desk = self.lock();
        jobs.iter().filter(|job| matches!(desk.catalogue.turn(job, State::Failed, Some(reason)), Ok(true))).count() > 0
    }

    /// One pool of workers, from the progress record on; so many `times` as far back as it says.
    fn run_once(&self, times: u64) -> Result<(), RunError> {
        let Config { name, identity, source, sink, settings, stop, .. } = self.config.clone();
        let mut writer = sink.writer(&name, &[REJECTED.to_owned()])?;
        let history = writer.history()?;
        let replaying = !history.is_empty();
        check(&name, &identity, &history)?;
        if history.last().is_some_and(|last| last.finished) {
            return Ok(());
        }
        let start = Start::choose(history, times)?;
        let known = self.recall(&start)?;
        let running: BTreeSet<Version> = start.replay.last().or(start.from.as_ref()).map(versions).unwrap_or_default();
        let outputs: Vec<String> = running.iter().filter_map(|version| known.get(version)).flat_map(|p| p.outputs.clone()).collect();
        writer.add_outputs(&outputs)?;
        let topics: BTreeMap<String, bool> = known.values().flat_map(|prepared| prepared.sources.clone()).collect();
        let (order, commands) = unbounded();
        let programs = known.iter().map(|(version, prepared)| (version.clone(), Arc::clone(&prepared.program))).collect();
        let names: Vec<String> = topics.keys().cloned().collect();
        let bind = |(topic, table): (&String, &bool)| Binding {
            source: topic.clone(),
            transport: Arc::clone(&source),
            topic: topic.clone(),
            table: *table,
        };
        let run = Run {
            job: Arc::new(Idle),
            name,
            definition: identity,
            sources: topics.iter().map(bind).collect(),
            sink,
            outputs: vec![REJECTED.to_owned()],
            // What is late and how much is remembered is each job's own.
            settings: Settings { lateness_ms: 0, max_skew_ms: 0, memory_ms: 0, ..settings },
            stop: Arc::new(AtomicBool::new(false)),
        };
        let roster = Roster { commands, known: programs, sources: Arc::new(names), changes: Vec::new() };
        self.gauges.change(|figures| {
            figures.running.clone_from(&running);
            figures.replaying = replaying;
        });
        self.reconcile(order, topics, &running)?;
        let (stopping, run_stop, over) = (Arc::clone(&stop), Arc::clone(&run.stop), Arc::new(AtomicBool::new(false)));
        let watch_over = Arc::clone(&over);
        // A run's own flag is raised when it fails, the server's only by who stops it.
        let watcher = std::thread::spawn(move || {
            while !watch_over.load(Ordering::Relaxed) {
                if stopping.load(Ordering::Relaxed) {
                    run_stop.store(true, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let serving = Serving { roster, gauges: Arc::clone(&self.gauges) };
        let result = run.run_from(start, writer, Some(serving), &mut |_| self.confirm());
        over.store(true, Ordering::Relaxed);
        let _ = watcher.join();
        result.map(drop)
    }

    /// Every version that the progress records name.
    fn recall(&self, start: &Start) -> Result<BTreeMap<Version, Arc<Prepared>>, TransportError> {
        let mut desk = self.lock();
        let mut known = BTreeMap::new();
        let changes = start.replay.iter().flat_map(|progress| &progress.changes);
        for change in start.from.iter().flat_map(|from| &from.running).chain(changes) {
            let Some(definition) = &change.began else { continue };
            if let btree_map::Entry::Vacant(place) = known.entry((change.job.clone(), definition.clone())) {
                let prepared = self.prepared(&mut desk, &change.job, definition).map_err(|error| {
                    TransportError::lasting(format!("a version of job {:?} that the progress names cannot be used: {error}", change.job))
                        .hint("The catalogue or the program is another than the one that ran here.")
                })?;
                place.insert(prepared);
            }
        }
        Ok(known)
    }

    /// Tells the pump how what is to run differs from what ran.
    fn reconcile(&self, order: Sender<Command>, topics: BTreeMap<String, bool>, running: &BTreeSet<Version>) -> Result<(), TransportError> {
        let mut desk = self.lock();
        (desk.commands, desk.topics) = (Some(order), topics);
        let unusable = |error: rusqlite::Error| TransportError::lasting("the catalogue of jobs cannot be used").because(error);
        let entries = desk.catalogue.jobs().map_err(unusable)?;
        let wanted = |(job, definition): &Version| {
            entries.iter().any(|entry| entry.state.is_active() && (&entry.job, &entry.definition) == (job, definition))
        };
        for (job, _) in running.iter().filter(|version| !wanted(version)) {
            // Stopped while the server was down, or failed. Who failed may be mended, and then goes on.
            let stopped = entries.iter().find(|entry| entry.job == *job && entry.state == State::Stopped);
            let prepared = stopped.and_then(|entry| self.prepared(&mut desk, &entry.job, &entry.definition).ok());
            desk.end(job, prepared.map(|prepared| prepared.outputs.clone()).unwrap_or_default());
        }
        for entry in entries.iter().filter(|entry| entry.state.is_active()) {
            if running.contains(&(entry.job.clone(), entry.definition.clone())) {
                continue;
            }
            let prepared = self.prepared(&mut desk, &entry.job, &entry.definition);
            let begun = prepared.and_then(|prepared| {
                let partitions = desk.new_partitions(&*self.config.source, &prepared.sources)?;
                self.begin(&desk, &prepared, entry.tell_final, partitions);
                Ok(())
            });
            if let Err(error) = begun {
                tracing::error!(job = entry.job, %error, "the job cannot begin");
                desk.catalogue.turn(&entry.job, State::Failed, Some(&error.to_string())).map_err(unusable)?;
            }
        }
        Ok(())
    }

    /// Writes down which jobs have begun.
    fn confirm(&self) {
        if !self.beginning.swap(false, Ordering::Relaxed) {
            return;
        }
        let running = self.gauges.figures().running;
        let desk = self.lock();
        let mut waits = false;
        for entry in desk.catalogue.jobs().unwrap_or_default().iter().filter(|entry| entry.state == State::Submitted) {
            let begun = running.contains(&(entry.job.clone(), entry.definition.clone()));
            waits |= !begun || desk.catalogue.turn(&entry.job, State::Running, None).is_err();
        }
        self.beginning.fetch_or(waits, Ordering::Relaxed);
    }
}

/// The jobs that ran when a progress record was committed.
fn versions(progress: &Progress) -> BTreeSet<Version> {
    progress.running.iter().filter_map(|change| Some((change.job.clone(), change.began.clone()?))).collect()
}
