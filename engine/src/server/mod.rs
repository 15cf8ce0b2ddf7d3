//! `serve`: jobs that come and go while the engine runs, on one pool of workers and one reading of every topic.
//!
//! ```text
//! submit ─▶ catalogue ─▶ pump: begins between two moments ─▶ workers: build what no other job has built
//!                                     │                                  │
//!                                progress record ◀── one transaction an epoch, rows of all jobs
//! ```
//!
//! A server is one writer with one progress record: which jobs began and ended, and when on the job clock, is part of it, so a
//! restart repeats that too and the outputs go on as if nothing had happened. What a job that begins is told of the past is
//! what the parts it shares remember; rows that were final by then it keeps to itself unless told otherwise.
//!
//! A job that is a stage ([`StageProgram`](crate::stage::StageProgram)) has a progress record of its own and runs beside them (`stages`).
//!
//! When a worker panics, all stop; the jobs that use the part it came from have failed, and the others go on from the
//! progress record.

mod catalogue;
mod desk;
mod differences;
mod door;
mod error;
mod forecast;
mod host;
mod http;
mod memory;
mod metrics;
mod stages;
mod state;
mod supervise;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use self::catalogue::Catalogue;
pub use self::catalogue::{Definition, Entry};
use self::desk::Desk;
use self::differences::differences;
pub use self::door::{Door, DoorError, Extension, Pace, Pass, Tls, TlsError, Told};
pub use self::error::ServerError;
use self::error::conflict;
use self::forecast::Forecast;
pub use self::host::{Host, Prepared, Work};
pub use self::http::{Bound, failure, listen};
pub use self::stages::StageFigures;
use self::stages::Stirred;
pub use self::state::State;
pub(crate) use self::supervise::Idle;
use crate::gauges::{Figures, Gauges};
use crate::plan::REJECTED;
use crate::pump::roster::{Beginning, Command, NewPartition};
use crate::settings::Settings;
use crate::time::wall_ms;
use crate::transport::{Transport, TransportError};

/// How a server runs.
#[derive(Clone)]
pub struct Config {
    /// Its name: two servers of one name on one store are one after the other.
    pub name: String,
    /// Identity of what bears on all results beside the definitions, such as a map.
    pub identity: String,
    /// Where topics are read from.
    pub source: Arc<dyn Transport>,
    /// Where outputs and progress are written to.
    pub sink: Arc<dyn Transport>,
    /// The limits.
    pub settings: Settings,
    /// The catalogue's file.
    pub catalogue: PathBuf,
    /// Set it to stop the server: what was read is committed first.
    pub stop: Arc<AtomicBool>,
}

/// How a job is submitted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Submission {
    /// Whether rows that are final by now are told too.
    pub tell_final: bool,
    /// Whether it takes the place of a job of the same name that runs.
    pub replace: bool,
    /// The most that what it alone holds may take, bytes: then it fails. `None`: no bound.
    pub memory_most: Option<u64>,
}

/// A job, as people see it.
#[derive(Clone, Debug, Serialize)]
pub struct JobView {
    /// What the catalogue says.
    #[serde(flatten)]
    pub entry: Entry,
    /// The topics it writes.
    pub outputs: Vec<String>,
    /// About what it alone holds now, bytes.
    pub held_bytes: usize,
}

/// A version of a job's definition as it was submitted, from the file of a server's catalogue, whether the server runs or not.
///
/// # Errors
/// The file is no catalogue, or cannot be read.
pub fn definition(catalogue: &Path, job: &str, hash: &str) -> Result<Option<Definition>, ServerError> {
    Ok(Catalogue::open(catalogue)?.definition(job, hash)?)
}

/// Runs jobs that come and go. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    config: Config,
    host: Arc<dyn Host>,
    gauges: Arc<Gauges>,
    desk: Arc<Mutex<Desk>>,
    /// Whether there may be a job whose beginning is not written down yet.
    beginning: Arc<AtomicBool>,
    /// What jobs may hold, bytes, where that is bounded.
    bounds: Arc<Mutex<BTreeMap<String, u64>>>,
    /// Whether there may be a stage to begin or to end.
    stirred: Arc<Stirred>,
}

impl Server {
    /// Makes a server; it begins with [`run`](Self::run).
    ///
    /// # Errors
    /// The catalogue cannot be opened.
    pub fn open(config: Config, host: Arc<dyn Host>) -> Result<Self, TransportError> {
        let catalogue = Catalogue::open(&config.catalogue)?;
        let jobs = catalogue.jobs().map_err(unusable)?;
        let bounds = jobs.into_iter().filter_map(|entry| Some((entry.job, entry.memory_most?))).collect();
        let desk = Desk { catalogue, commands: None, topics: BTreeMap::new(), plans: BTreeMap::new() };
        let (desk, beginning) = (Arc::new(Mutex::new(desk)), Arc::new(AtomicBool::new(true)));
        let (gauges, bounds, stirred) = (Arc::default(), Arc::new(Mutex::new(bounds)), Arc::default());
        Ok(Self { config, host, gauges, desk, beginning, bounds, stirred })
    }

    /// Takes a job. It begins at once, or as soon as the server runs.
    ///
    /// # Errors
    /// The definition is not right, does not go with what runs, or a topic it reads is not there.
    pub fn submit(&self, file: &str, text: &str, submission: Submission) -> Result<JobView, ServerError> {
        let prepared = Arc::new(self.host.prepare(file, text).map_err(ServerError::Problems)?);
        let mut desk = self.lock();
        let before = desk.catalogue.job(&prepared.job)?.filter(|entry| entry.state.is_active());
        if let Some(entry) = &before {
            if entry.definition == prepared.definition {
                desk.catalogue.bound(&entry.job, submission.memory_most)?;
                self.set_bound(&entry.job, submission.memory_most);
                return self.view(&mut desk, &prepared.job);
            }
            if !submission.replace {
                return Err(conflict(
                    format!("job {:?} runs already, in another version", prepared.job),
                    "replace it, or give this one another name",
                ));
            }
        }
        self.check_outputs(&mut desk, &prepared)?;
        if prepared.is_stage() {
            self.check_stage(&prepared, submission)?;
        }
        if let Some(entry) = &before
            && self.prepared(&mut desk, &entry.job, &entry.definition)?.is_stage() != prepared.is_stage()
        {
            let message = format!("job {:?} does other work: one runs on the workers, the other on threads of its own", entry.job);
            return Err(conflict(message, "give this one another name, or stop that one first"));
        }
        let partitions = self.partitions(&mut desk, &prepared)?;
        let entry = Entry {
            job: prepared.job.clone(),
            definition: prepared.definition.clone(),
            state: State::Submitted,
            reason: None,
            tell_final: submission.tell_final,
            submitted_ms: wall_ms(),
            memory_most: submission.memory_most,
        };
        desk.catalogue.put(&entry, &Definition { file: file.to_owned(), text: text.to_owned() })?;
        self.set_bound(&entry.job, entry.memory_most);
        desk.plans.insert((entry.job.clone(), entry.definition.clone()), Arc::clone(&prepared));
        if before.is_some() && !prepared.is_stage() {
            desk.end(&prepared.job, Vec::new());
        }
        self.begin(&desk, &prepared, submission.tell_final, partitions)?;
        tracing::info!(job = entry.job, definition = entry.definition, "submitted");
        Ok(JobView { entry, outputs: prepared.outputs.clone(), held_bytes: 0 })
    }

    /// Tells the pump to let a job begin; without one the catalogue tells the next.
    fn begin(&self, desk: &Desk, prepared: &Prepared, tell_final: bool, partitions: Vec<NewPartition>) -> Result<(), ServerError> {
        let Prepared { job, definition, work, outputs, .. } = prepared;
        let Work::Parts(program) = work else {
            self.stirred.stir();
            return Ok(());
        };
        self.beginning.store(true, Ordering::Relaxed);
        let text = desk.text(job, definition)?;
        desk.order(Command::Begin(Beginning {
            job: job.clone(),
            definition: definition.clone(),
            program: Arc::clone(program),
            text,
            outputs: outputs.clone(),
            tell_final,
            partitions,
        }));
        Ok(())
    }

    /// Opens the partitions that nobody reads yet; a stage reads its own.
    fn partitions(&self, desk: &mut Desk, prepared: &Prepared) -> Result<Vec<NewPartition>, TransportError> {
        if !prepared.is_stage() {
            return desk.new_partitions(&*self.config.source, &prepared.sources);
        }
        let found = prepared.sources.keys().try_for_each(|topic| self.config.source.partitions(topic).map(drop));
        found.map(|()| Vec::new())
    }

    /// Every output has one job that writes it, or is to when it is resumed.
    fn check_outputs(&self, desk: &mut Desk, prepared: &Prepared) -> Result<(), ServerError> {
        let holds = |entry: &&Entry| (entry.state.is_active() || entry.state == State::Paused) && entry.job != prepared.job;
        for entry in desk.catalogue.jobs()?.iter().filter(holds) {
            let others = self.prepared(desk, &entry.job, &entry.definition)?;
            let shared = prepared.outputs.iter().find(|topic| *topic != REJECTED && others.outputs.contains(topic));
            if let Some(topic) = shared {
                let message = format!("job {:?} writes the topic {topic:?} already", entry.job);
                return Err(conflict(message, "name another output topic in the definition; one topic has one job"));
            }
        }
        Ok(())
    }

    /// Ends a job; what it published stands, and is final.
    ///
    /// # Errors
    /// There is no such job, or it does not run.
    pub fn stop(&self, job: &str) -> Result<JobView, ServerError> {
        let mut desk = self.lock();
        let entry = desk.entry(job)?;
        if !desk.catalogue.turn(job, State::Stopped, None)? {
            return Err(conflict(format!("job {job:?} is {} and cannot be stopped", entry.state.name()), "`giaolo list` shows what runs"));
        }
        self.end(&mut desk, &entry, true);
        tracing::info!(job, "stopped");
        self.view(&mut desk, job)
    }

    /// Tells whoever runs a job to end it; where its outputs are closed, their rows are final.
    fn end(&self, desk: &mut Desk, entry: &Entry, closed: bool) {
        let prepared = self.prepared(desk, &entry.job, &entry.definition).ok();
        if prepared.as_ref().is_some_and(|prepared| prepared.is_stage()) {
            return self.stirred.stir();
        }
        desk.end(&entry.job, prepared.filter(|_| closed).map(|prepared| prepared.outputs.clone()).unwrap_or_default());
    }

    /// Lets a job rest; what it published stays as it is until it is resumed or stopped.
    ///
    /// # Errors
    /// There is no such job, or it does not run.
    pub fn pause(&self, job: &str) -> Result<JobView, ServerError> {
        let mut desk = self.lock();
        let entry = desk.entry(job)?;
        if !desk.catalogue.turn(job, State::Paused, None)? {
            return Err(conflict(format!("job {job:?} is {} and cannot be paused", entry.state.name()), "`giaolo list` shows what runs"));
        }
        self.end(&mut desk, &entry, false);
        tracing::info!(job, "paused");
        self.view(&mut desk, job)
    }

    /// Lets a job go on that rests: it tells what has changed meanwhile.
    ///
    /// # Errors
    /// There is no such job, or it does not rest.
    pub fn resume(&self, job: &str) -> Result<JobView, ServerError> {
        let mut desk = self.lock();
        let entry = desk.entry(job)?;
        if entry.state != State::Paused {
            return Err(conflict(format!("job {job:?} is {} and cannot be resumed", entry.state.name()), "only a paused job can be"));
        }
        let prepared = self.prepared(&mut desk, job, &entry.definition)?;
        self.check_outputs(&mut desk, &prepared)?;
        let partitions = self.partitions(&mut desk, &prepared)?;
        desk.catalogue.turn(job, State::Submitted, None)?;
        // What became final meanwhile is news to who reads its outputs.
        self.begin(&desk, &prepared, true, partitions)?;
        tracing::info!(job, "resumed");
        self.view(&mut desk, job)
    }

    /// All jobs, by name.
    ///
    /// # Errors
    /// The catalogue cannot be read.
    pub fn jobs(&self) -> Result<Vec<JobView>, ServerError> {
        let mut desk = self.lock();
        let names: Vec<String> = desk.catalogue.jobs()?.into_iter().map(|entry| entry.job).collect();
        names.iter().map(|job| self.view(&mut desk, job)).collect()
    }

    /// One job.
    ///
    /// # Errors
    /// There is no such job.
    pub fn job(&self, job: &str) -> Result<JobView, ServerError> {
        self.view(&mut self.lock(), job)
    }

    /// A job's definition as it was submitted.
    ///
    /// # Errors
    /// There is no such job.
    pub fn definition(&self, job: &str) -> Result<Definition, ServerError> {
        let desk = self.lock();
        let entry = desk.entry(job)?;
        desk.catalogue.definition(job, &entry.definition)?.ok_or_else(|| ServerError::NoJob(job.to_owned()))
    }

    /// What a definition would do here, without doing it.
    ///
    /// # Errors
    /// The definition is not right.
    pub fn plan(&self, file: &str, text: &str) -> Result<serde_json::Value, ServerError> {
        let prepared = self.host.prepare(file, text).map_err(ServerError::Problems)?;
        let mut desk = self.lock();
        let running = desk.catalogue.job(&prepared.job)?.filter(|entry| entry.state.is_active());
        let before = match &running {
            Some(entry) => Some(self.prepared(&mut desk, &entry.job, &entry.definition)?),
            None => None,
        };
        let known: BTreeSet<String> = self.active_parts(&mut desk)?;
        let parts = prepared.parts().iter();
        let (shared, new): (Vec<_>, Vec<_>) = parts.partition(|part| known.contains(&part.key));
        let names = |parts: Vec<&crate::flow::Part>| parts.into_iter().map(|part| part.name.clone()).collect::<Vec<_>>();
        let (shared, new) = (names(shared), names(new));
        let new = if prepared.is_stage() { vec!["threads of its own".to_owned()] } else { new };
        let conflict = self.check_outputs(&mut desk, &prepared).err().map(|error| error.to_string());
        // Topics are looked into while others go on.
        drop(desk);
        let forecast = Forecast::of(self.config.source.as_ref(), &prepared.sources, prepared.memory_ms, &self.figures());
        Ok(serde_json::json!({
            "job": prepared.job,
            "definition": prepared.definition,
            "reads": prepared.sources.keys().collect::<Vec<_>>(),
            "writes": prepared.outputs,
            "memory_ms": prepared.memory_ms,
            "forecast": forecast,
            "shares": shared,
            "builds": new,
            "replaces": running.map(|entry| entry.definition),
            "unchanged": before.as_ref().is_some_and(|before| before.definition == prepared.definition),
            "differs": before.map(|before| differences(&before.plan, &prepared.plan)),
            "conflict": conflict,
            "plan": prepared.plan,
        }))
    }

    /// What is going on.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.gauges.figures()
    }

    /// Whether the server is at work: its state is rebuilt and what comes is committed.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().commands.is_some() && !self.figures().replaying
    }

    fn prepared(&self, desk: &mut Desk, job: &str, definition: &str) -> Result<Arc<Prepared>, ServerError> {
        let version = (job.to_owned(), definition.to_owned());
        if let Some(known) = desk.plans.get(&version) {
            return Ok(Arc::clone(known));
        }
        let found = desk.catalogue.definition(job, definition)?.ok_or_else(|| ServerError::NoJob(job.to_owned()))?;
        let prepared = Arc::new(self.host.prepare(&found.file, &found.text).map_err(ServerError::Problems)?);
        desk.plans.insert(version, Arc::clone(&prepared));
        Ok(prepared)
    }

    fn view(&self, desk: &mut Desk, job: &str) -> Result<JobView, ServerError> {
        let entry = desk.entry(job)?;
        let outputs = self.prepared(desk, job, &entry.definition).map(|prepared| prepared.outputs.clone()).unwrap_or_default();
        let held_bytes = self.gauges.held_by_jobs().get(job).map_or(0, |(held, _)| held.bytes);
        Ok(JobView { entry, outputs, held_bytes })
    }

    fn active_parts(&self, desk: &mut Desk) -> Result<BTreeSet<String>, ServerError> {
        let mut parts = BTreeSet::new();
        for entry in desk.catalogue.jobs()?.iter().filter(|entry| entry.state.is_active()) {
            let prepared = self.prepared(desk, &entry.job, &entry.definition)?;
            parts.extend(prepared.parts().iter().map(|part| part.key.clone()));
        }
        Ok(parts)
    }

    /// Nothing at the desk is left half-done by a panic: the catalogue's changes are transactions.
    fn lock(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unusable(error: rusqlite::Error) -> TransportError {
    TransportError::lasting("the catalogue of jobs cannot be used").because(error)
}
