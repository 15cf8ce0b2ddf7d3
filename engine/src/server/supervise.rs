//! One pool of workers after the other: from the progress record on, until told to stop; when it fails, without who was at fault.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Sender, unbounded};

use super::{Config, Prepared, Server, State, Work, unusable};
use crate::cluster::Budget;
use crate::flow::{Flow, Job};
use crate::plan::REJECTED;
use crate::pump::Start;
use crate::pump::roster::{Command, Roster, Source, Version};
use crate::recovery::recover;
use crate::run::{Binding, Report, Run, RunError, Serving, no_thread};
use crate::settings::Settings;
use crate::transport::{Progress, TransportError, Writer};

/// Nothing of its own: what a server does, its jobs do.
pub(crate) struct Idle;

impl Job for Idle {
    fn build(&self, _: &mut Flow<'_>) {}
}

impl Server {
    /// Runs until told to stop, or until it fails in a way that trying again does not help.
    ///
    /// # Errors
    /// A transport failed for good, or workers panicked again and again. What was committed stands.
    pub fn run(&self) -> Result<(), RunError> {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let stages = thread::Builder::new().name("stages".to_owned());
            stages.spawn_scoped(scope, || self.run_stages(&over)).map_err(no_thread)?;
            let result = self.run_workers();
            over.store(true, Ordering::Relaxed);
            self.stirred.stir();
            result
        })
    }

    /// One pool of workers after the other.
    fn run_workers(&self) -> Result<(), RunError> {
        let Config { name, identity, sink, stop, settings, .. } = &self.config;
        let mut budget = Budget::default();
        loop {
            let result = recover(&**sink, name, identity, &[REJECTED.to_owned()], settings.on_data_loss, |start, writer| {
                let result = self.run_once(start, writer);
                self.lock().commands = None;
                result
            });
            let Err(error) = result else { return Ok(()) };
            let stopped = stop.load(Ordering::Relaxed);
            // Whether it is to be expected, or somebody is at fault and out.
            let excused = match &error {
                // All that was committed stands.
                RunError::Gone(_) if stopped => return Ok(()),
                RunError::Gone(loss) => loss.asked,
                RunError::Worker { message, jobs, .. } => self.fail(jobs, message),
                _ => return Err(error),
            };
            tracing::error!(%error, "the workers stopped; going on from the progress record");
            if stopped || !(excused || budget.spend()) {
                return Err(error);
            }
            self.gauges.change(|figures| (figures.restarts, figures.failure) = (figures.restarts + 1, Some(error.to_string())));
        }
    }

    /// Takes jobs out that made a worker panic; returns whether any was taken out.
    fn fail(&self, jobs: &[String], reason: &str) -> bool {
        let desk = self.lock();
        jobs.iter().filter(|job| matches!(desk.catalogue.turn(job, State::Failed, Some(reason)), Ok(true))).count() > 0
    }

    /// One pool of workers, from the progress record on.
    fn run_once(&self, start: Start, mut writer: Box<dyn Writer>) -> Result<Report, RunError> {
        let Some(crew) = self.as_run(&BTreeMap::new()).gather(Some(&self.gauges)) else { return Ok(Report::default()) };
        let known = self.recall(&start)?;
        let running: BTreeSet<Version> = start.last().map(versions).unwrap_or_default();
        let outputs: Vec<String> = running.iter().filter_map(|version| known.get(version)).flat_map(|p| p.outputs.clone()).collect();
        writer.add_outputs(&outputs)?;
        let mut topics = BTreeMap::<String, bool>::new();
        // A topic that one job reads whole is read whole.
        known.values().flat_map(|prepared| &prepared.sources).for_each(|(topic, table)| *topics.entry(topic.clone()).or_default() |= table);
        let (order, commands) = unbounded();
        let programs = self.programs(&known)?;
        let (lookout, more) = unbounded();
        let roster = Roster {
            commands,
            known: programs,
            sources: Arc::new(topics.keys().cloned().collect()),
            changes: Vec::new(),
            transport: Arc::clone(&self.config.source),
            lookout,
        };
        let run = self.as_run(&topics);
        self.gauges.change(|figures| {
            figures.running.clone_from(&running);
            figures.replaying = start.last().is_some();
            figures.shares.clear();
        });
        self.reconcile(order, topics, &running)?;
        let serving = Serving { roster, gauges: Arc::clone(&self.gauges), more };
        run.run_from(start, writer, crew, Some(serving), &mut |_| {
            self.confirm();
            self.hold_to_bounds();
        })
    }

    /// The server as the runtime sees it: a job that does nothing itself.
    fn as_run(&self, topics: &BTreeMap<String, bool>) -> Run {
        let Config { name, identity, source, sink, settings, stop, .. } = self.config.clone();
        let bind = |(topic, table): (&String, &bool)| Binding {
            source: topic.clone(),
            transport: Arc::clone(&source),
            topic: topic.clone(),
            table: *table,
        };
        Run {
            job: Arc::new(Idle),
            name,
            definition: identity,
            sources: topics.iter().map(bind).collect(),
            sink,
            outputs: vec![REJECTED.to_owned()],
            // What is late and how much is remembered is each job's own.
            settings: Settings { lateness_ms: 0, max_skew_ms: 0, memory_ms: 0, ..settings },
            stop,
        }
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

    /// What every version is made of, for the pump.
    fn programs(&self, known: &BTreeMap<Version, Arc<Prepared>>) -> Result<BTreeMap<Version, Source>, TransportError> {
        let desk = self.lock();
        let program = |(version, prepared): (&Version, &Arc<Prepared>)| {
            let text = desk.text(&version.0, &version.1).map_err(|error| TransportError::lasting(error.to_string()));
            let Work::Parts(program) = &prepared.work else { return None };
            Some(text.map(|text| (version.clone(), (Arc::clone(program), text))))
        };
        known.iter().filter_map(program).collect()
    }

    /// Tells the pump how what is to run differs from what ran.
    fn reconcile(&self, order: Sender<Command>, topics: BTreeMap<String, bool>, running: &BTreeSet<Version>) -> Result<(), TransportError> {
        let mut desk = self.lock();
        (desk.commands, desk.topics) = (Some(order), topics);
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
                let partitions = self.partitions(&mut desk, &prepared)?;
                self.begin(&desk, &prepared, entry.tell_final, partitions)
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
        let mut desk = self.lock();
        let mut waits = false;
        for entry in desk.catalogue.jobs().unwrap_or_default().iter().filter(|entry| entry.state == State::Submitted) {
            if self.prepared(&mut desk, &entry.job, &entry.definition).is_ok_and(|prepared| prepared.is_stage()) {
                continue;
            }
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
