//! Runs a job: opens its partitions, starts pump and workers, commits what is complete.
//!
//! ```text
//! thread "pump" ──epochs──▶ worker threads ──rows──▶ this thread: one transaction an epoch ──room──▶ pump
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, unbounded};
use timely::CommunicationConfig;

use crate::ahead::Ahead;
use crate::changelog::Takeover;
use crate::cluster::{Budget, Cluster, Crew, Loss, Round, Terms, dismiss, lead};
use crate::committer::{Committer, Office};
use crate::epoch::Partition;
use crate::flow::{Job, Limits};
use crate::gauges::Gauges;
use crate::halt::Halt;
use crate::pump::growth::{Lookout, Watched};
use crate::pump::roster::Roster;
use crate::pump::{Inlet, Lane, Pump, Start};
use crate::recovery::{needed, recover};
use crate::settings::Settings;
use crate::stage::Counts;
use crate::time::{MachineTime, Time};
use crate::transport::{Lost, OutputRow, Transport, TransportError, Writer};
use crate::worker::{Charge, Failure, Workers};

/// By how much the clock of a log may differ from ours.
const CLOCKS_DIFFER_MS: u64 = 600_000;

/// A source of a job and the topic it is read from.
#[derive(Clone)]
pub struct Binding {
    /// The source's name in the job.
    pub source: String,
    /// Where it is read from.
    pub transport: Arc<dyn Transport>,
    /// The topic there.
    pub topic: String,
    /// Whether it is a table ([`Flow::table`](crate::Flow::table)): then a restart reads it from the first record kept.
    pub table: bool,
}

/// Everything a run needs.
pub struct Run {
    /// The job.
    pub job: Arc<dyn Job>,
    /// Its name.
    pub name: String,
    /// Hash of its definition.
    pub definition: String,
    /// Where its sources are read from.
    pub sources: Vec<Binding>,
    /// Where its outputs and its progress are written to.
    pub sink: Arc<dyn Transport>,
    /// Its output topics.
    pub outputs: Vec<String>,
    /// The limits.
    pub settings: Settings,
    /// Set it to stop the job: what was read is committed first.
    pub stop: Arc<AtomicBool>,
}

/// How far a run is.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Records read, replayed ones included.
    pub records: u64,
    /// Records read again to rebuild state, those of tables included.
    pub replayed: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Rows committed, by output.
    pub rows: BTreeMap<String, u64>,
    /// Records refused, by their topic and why.
    pub rejected: BTreeMap<String, BTreeMap<String, u64>>,
    /// What a stage has counted besides.
    pub counts: Counts,
    /// Commits.
    pub commits: u64,
    /// The job clock, milliseconds since the epoch.
    pub clock: u64,
    /// What a start from here would read again: all that entered since then, milliseconds since the epoch; 0: everything.
    pub rests_on_ms: u64,
    /// Offsets that were needed and gone, and are gone on without.
    pub lost: u64,
    /// Whether state is being rebuilt from what was read before.
    pub replaying: bool,
    /// Whether the input ended and everything is final.
    pub finished: bool,
}

impl Report {
    /// Counts rows that were committed.
    pub(crate) fn count(&mut self, rows: &[OutputRow]) {
        for same in rows.chunk_by(|row, next| row.topic == next.topic) {
            let Some(row) = same.first() else { continue };
            match self.rows.get_mut(&*row.topic) {
                Some(count) => *count += same.len() as u64,
                None => drop(self.rows.insert(row.topic.to_string(), same.len() as u64)),
            }
        }
    }
}

/// A job could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A transport failed.
    #[error("{0}")]
    Transport(#[from] TransportError),
    /// The progress found is not this job's.
    #[error("job {name:?} was last run with another definition ({theirs}, now {ours})")]
    OtherDefinition {
        /// The job.
        name: String,
        /// Hash of the definition that was run.
        theirs: String,
        /// Hash of the definition to be run.
        ours: String,
    },
    /// What a restart rebuilt is not what there was, however far back it began.
    #[error("what job {0:?} rebuilt from its topics is not what it had when it stopped")]
    Astray(String),
    /// The work of a stage cannot go on.
    #[error("the work of job {name:?} failed: {message}")]
    Work {
        /// The job.
        name: String,
        /// Why.
        message: String,
    },
    /// Another process of the cluster is gone; all that are left stop, and begin anew when it is back.
    #[error("{0}")]
    Gone(Loss),
    /// A worker panicked, which is our own bug.
    #[error("a worker of job {name:?} failed{}: {message}", part.as_ref().map(|part| format!(" in {part:?}")).unwrap_or_default())]
    Worker {
        /// The job.
        name: String,
        /// What the panic said.
        message: String,
        /// The part that was at work, where that is known.
        part: Option<String>,
        /// The jobs of a server that use this part.
        jobs: Vec<String>,
    },
}

impl Run {
    /// Runs the job until its input ends, it is told to stop, or it fails. `observe` is told after every commit.
    ///
    /// # Errors
    /// A transport failed for good, or no longer has what is needed; progress of another definition was found; what was rebuilt
    /// is not what there was; a worker panicked. What was committed stands.
    pub fn run(self, observe: &mut dyn FnMut(&Report)) -> Result<Report, RunError> {
        let mut budget = Budget::default();
        loop {
            let ended = {
                let Self { sink, name, definition, outputs, settings, .. } = &self;
                recover(&**sink, name, definition, outputs, settings.on_data_loss, |start, writer| match self.gather(None) {
                    Some(crew) => self.run_from(start, writer, crew, None, observe),
                    None => Ok(Report::default()),
                })
            };
            match ended {
                Err(RunError::Gone(loss)) if self.stop.load(Ordering::Relaxed) => tracing::info!(%loss, "stopped"),
                Err(RunError::Gone(loss)) if loss.asked || budget.spend() => tracing::warn!(%loss, "going on from the progress record"),
                ended => {
                    if ended.as_ref().is_ok_and(|report| report.finished)
                        && let Some(cluster) = &self.settings.cluster
                    {
                        dismiss(cluster, &self.terms(cluster), &self.stop);
                    }
                    return ended;
                }
            }
        }
    }

    fn terms(&self, cluster: &Cluster) -> Terms {
        cluster.terms(&self.name, &self.definition, self.settings.workers)
    }

    /// Gathers the processes that share the work; `None` if told to stop meanwhile.
    pub(crate) fn gather(&self, gauges: Option<&Gauges>) -> Option<Option<Crew>> {
        let Some(cluster) = &self.settings.cluster else { return Some(None) };
        let crew = lead(cluster, &self.terms(cluster), &self.stop, |missing| {
            gauges.iter().for_each(|gauges| gauges.change(|figures| missing.clone_into(&mut figures.waits_for)));
        });
        crew.map(Some)
    }

    /// Runs the job from where its progress says, with a crew where there are other processes; `serving` where jobs come and go
    /// while it runs.
    pub(crate) fn run_from(
        &self,
        start: Start,
        writer: Box<dyn Writer>,
        crew: Option<Crew>,
        serving: Option<Serving>,
        observe: &mut dyn FnMut(&Report),
    ) -> Result<Report, RunError> {
        let (partitions, lanes) = self.open(&start)?;
        let (time, halt) = (Arc::new(MachineTime::new()) as Arc<dyn Time>, Halt::new(Arc::clone(&self.stop)));
        let (complete, completed) = unbounded();
        let (freed, committed) = unbounded();
        let (found, grown) = unbounded();
        let (roster, gauges, more) = match serving {
            Some(Serving { roster, gauges, more }) => (Some(roster), Some(gauges), more),
            None => (None, None, crossbeam_channel::never()),
        };
        let takeover = start.takes_over().then(|| self.take_over(&start)).transpose()?;
        let Settings { workers, epochs_in_flight, .. } = self.settings;
        let ahead = (workers == 1 && crew.is_none()).then(Arc::<Ahead>::default);
        let charge = Charge { takeover: takeover.map(Arc::new), ahead, ..self.charge(gauges.as_ref()) };
        let (builders, round, relays) = match crew {
            Some(crew) => {
                let began = Round::begin(crew, workers, &charge.broken, &complete, &halt, gauges.as_ref()).map_err(no_thread)?;
                (began.0, Some(began.1), began.2)
            }
            None => (CommunicationConfig::Process(workers).try_build().map_err(no_workers)?.0, None, Vec::new()),
        };
        let started = Workers::start(&charge, workers, Some(epochs_in_flight + 2), &complete, builders).map_err(no_workers)?;
        drop(complete);
        let watcher = (!self.settings.bounded)
            .then(|| Lookout::new(&self.sources, &partitions, more, found).watch(self.settings.look_for_partitions, halt.clone()))
            .transpose()
            .map_err(no_thread)?;
        let office = self.office(writer, freed, &halt, &time, gauges.clone());
        let mut committer = Committer::new(office, &start, &partitions);
        let decoder = charge.ahead.as_ref().map(Ahead::start).transpose().map_err(no_thread)?;
        let (decoder, decoding) = decoder.unzip();
        let workers = started.outlets().iter().cloned().chain(relays).chain(decoder).collect();
        let inlet = Inlet { lanes, partitions, workers, grown, committed };
        let pump = Pump::new(self.settings.clone(), inlet, halt.clone(), time, roster, gauges);
        let pump = std::thread::Builder::new().name("pump".into()).spawn(move || pump.run(&start));
        let pump = pump.map_err(no_thread)?;
        let result = committer.work(&completed, observe);
        halt.end();
        if result.is_err() {
            round.iter().for_each(Round::abort);
        }
        let report = committer.report().clone();
        drop((committer, completed));
        let failed = |what: &str| self.failed(Failure { message: format!("{what} panicked"), ..Failure::default() });
        let ending = pump.join().map_err(|_| failed("the pump"))?;
        if let Some(watcher) = watcher {
            watcher.join().map_err(|_| failed("the look-out for partitions"))?;
        }
        let workers_ended = started.join();
        // All it does is done by the worker too, should it have panicked.
        decoding.into_iter().for_each(|decoding| _ = decoding.join());
        let asked = round.and_then(|round| round.close(report.finished));
        // Where the topics are not what they were, that is why what came of them is not.
        if !matches!(result, Err(RunError::Astray(_))) {
            result?;
            ending?;
        } else {
            ending?;
            result?;
        }
        match workers_ended.into_iter().find_map(Result::err) {
            Some(message) => Err(self.failed(Failure { message, ..Failure::default() })),
            None => match asked {
                Some(loss) if !report.finished => Err(RunError::Gone(loss)),
                _ => Ok(report),
            },
        }
    }

    fn failed(&self, Failure { message, part, jobs }: Failure) -> RunError {
        RunError::Worker { name: self.name.clone(), message, part, jobs }
    }

    /// What its committer works with.
    pub(crate) fn office(
        &self,
        writer: Box<dyn Writer>,
        freed: Sender<usize>,
        halt: &Halt,
        time: &Arc<dyn Time>,
        gauges: Option<Arc<Gauges>>,
    ) -> Office {
        let (job, definition) = (self.name.clone(), self.definition.clone());
        Office { job, definition, writer, freed, halt: halt.clone(), time: Arc::clone(time), gauges }
    }

    /// Opens all partitions of all sources: where the start says, or from the first offset kept.
    pub(crate) fn open(&self, start: &Start) -> Result<(Vec<Partition>, Vec<Lane>), TransportError> {
        let (mut partitions, mut lanes) = (Vec::new(), Vec::new());
        let (mut failed, mut lost): (Option<TransportError>, Vec<Lost>) = (None, Vec::new());
        for (source, binding) in self.sources.iter().enumerate() {
            for number in binding.transport.partitions(&binding.topic)? {
                let partition = Partition { source, topic: binding.topic.clone(), number, table: binding.table };
                let known = start.from.iter().filter(|from| !binding.table && start.read_since(&binding.topic, number) <= from.epoch);
                let mut known = known.flat_map(|from| &from.partitions);
                let known = known.find(|known| (&known.topic, known.partition) == (&partition.topic, number));
                let cut_off_at = start.cut_off_at(&binding.topic, number).filter(|_| !binding.table);
                let offset = known.map_or(0, |known| known.next_offset).max(cut_off_at.unwrap_or(0));
                let reader = match binding.transport.reader(&binding.topic, number, offset) {
                    Ok(reader) => reader,
                    Err(error) if error.lost.is_empty() => return Err(needed(error, start)),
                    Err(error) => {
                        let all = |found: &Lost| if found.remade { start.needed(&found.topic, found.partition) } else { found.clone() };
                        lost.extend(error.lost.iter().map(all));
                        failed.get_or_insert(error);
                        continue;
                    }
                };
                let lane = Lane::new(partitions.len(), &partition, reader);
                let lane = match known {
                    Some(known) => lane.resumed(known),
                    None => lane,
                };
                lanes.push(if cut_off_at.is_some() { lane.cut_off(offset) } else { lane });
                partitions.push(partition);
            }
        }
        failed.map_or(Ok((partitions, lanes)), |error| Err(needed(error, start).lost(lost)))
    }

    /// What it has told, as its outputs say.
    fn take_over(&self, start: &Start) -> Result<Takeover, TransportError> {
        let mut outputs: BTreeSet<&str> = self.outputs.iter().map(String::as_str).collect();
        let replayed = start.replay.iter().flat_map(|progress| progress.changes.iter().chain(&progress.running));
        let changes = start.from.iter().flat_map(|from| &from.running).chain(replayed);
        outputs.extend(changes.flat_map(|change| change.outputs.iter().chain(&change.closed)).map(String::as_str));
        let at = start.last().map_or(0, |last| last.clock + 1);
        // What was told before that and is open rests on what was read since, and what was final by then is not made again. The
        // clock of a recording is not the one by which its rows arrive.
        let since_ms = start.from.as_ref().map_or(0, |from| from.clock).saturating_sub(CLOCKS_DIFFER_MS);
        Takeover::read(&*self.sink, &outputs, at, if self.settings.bounded { 0 } else { since_ms })
    }

    /// What a worker needs to know.
    pub(crate) fn charge(&self, gauges: Option<&Arc<Gauges>>) -> Charge {
        let Settings { lateness_ms, max_skew_ms, memory_ms, .. } = self.settings;
        Charge {
            job: Arc::clone(&self.job),
            name: self.name.clone(),
            sources: self.sources.iter().map(|binding| binding.source.clone()).collect(),
            limits: Limits { lateness_ms, max_skew_ms, memory_ms },
            gauges: gauges.cloned(),
            broken: Arc::default(),
            takeover: None,
            ahead: None,
        }
    }
}

fn no_workers(error: String) -> TransportError {
    TransportError::lasting(format!("cannot start the workers: {error}"))
}

pub(crate) fn no_thread(error: std::io::Error) -> TransportError {
    TransportError::lasting("cannot start a thread").because(error)
}

/// What a run needs in which jobs come and go.
pub(crate) struct Serving {
    pub(crate) roster: Roster,
    pub(crate) gauges: Arc<Gauges>,
    /// Topics that jobs bring.
    pub(crate) more: Receiver<Watched>,
}
