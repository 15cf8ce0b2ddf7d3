//! Runs a job: opens its partitions, starts pump and workers, commits what is complete.
//!
//! ```text
//! thread "pump" ──epochs──▶ worker threads ──rows──▶ this thread: one transaction an epoch ──room──▶ pump
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use crate::basis::Basis;
use crate::changelog::Draft;
use crate::epoch::{Epoch, Order, Partition};
use crate::flow::{Job, Limits};
use crate::gauges::{Figures, Gauges};
use crate::pump::roster::Roster;
use crate::pump::{Lane, Pump, Start, growth};
use crate::settings::Settings;
use crate::transport::{Change, OutputRow, PartitionProgress, Progress, Transport, TransportError, Writer};
use crate::worker::{self, Charge, Complete, Failure};

/// The shape of progress records this engine writes.
const PROGRESS_VERSION: u16 = 1;

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
    pub rows: std::collections::BTreeMap<String, u64>,
    /// Commits.
    pub commits: u64,
    /// The job clock, milliseconds since the epoch.
    pub clock: u64,
    /// What a start from here would read again: all that entered since then, milliseconds since the epoch; 0: everything.
    pub rests_on_ms: u64,
    /// Whether state is being rebuilt from what was read before.
    pub replaying: bool,
    /// Whether the input ended and everything is final.
    pub finished: bool,
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
        let mut times = 1;
        loop {
            let mut writer = self.sink.writer(&self.name, &self.outputs)?;
            let history = writer.history()?;
            check(&self.name, &self.definition, &history)?;
            if history.last().is_some_and(|last| last.finished) {
                return Ok(Report { finished: true, ..Report::default() });
            }
            let start = Start::choose(history, times).map_err(|error| begun_anew(error.into(), times))?;
            let (further, told_to_stop) = (start.from.is_some(), self.stop.load(Ordering::Relaxed));
            match self.run_from(start, writer, None, observe) {
                Err(RunError::Astray(job)) if further => {
                    tracing::warn!(job, "what was rebuilt is not what there was; beginning further back");
                    self.stop.store(told_to_stop, Ordering::Relaxed);
                    times *= 2;
                }
                ended => return ended.map_err(|error| begun_anew(error, times)),
            }
        }
    }

    /// Runs the job from where its progress says; `serving` where jobs come and go while it runs.
    pub(crate) fn run_from(
        &self,
        start: Start,
        writer: Box<dyn Writer>,
        serving: Option<Serving>,
        observe: &mut dyn FnMut(&Report),
    ) -> Result<Report, RunError> {
        let (partitions, lanes) = self.open(&start)?;
        let partitions = Arc::new(partitions);
        let (complete, completed) = unbounded();
        let (freed, committed) = unbounded();
        let (roster, gauges) = serving.map_or((None, None), |serving| (Some(serving.roster), Some(serving.gauges)));
        let (guards, workers) = self.start_workers(&complete, gauges.as_ref())?;
        drop(complete);
        let last = start.replay.last().cloned().unwrap_or_default();
        let epoch = last.epoch;
        let event_ms = partitions.iter().map(|partition| known_event_ms(&last, partition)).collect();
        let (found, grown) = unbounded();
        let watcher = (!self.settings.bounded)
            .then(|| {
                let every = self.settings.look_for_partitions;
                growth::watch(self.sources.clone(), &partitions, every, Arc::clone(&self.stop), found)
            })
            .transpose()
            .map_err(no_thread)?;
        let pump = Pump {
            settings: self.settings.clone(),
            lanes,
            partitions,
            workers,
            grown,
            committed,
            stop: Arc::clone(&self.stop),
            clock: 0,
            observed_ms: Vec::new(),
            roster,
            gauges: gauges.clone(),
        };
        let pump = std::thread::Builder::new().name("pump".into()).spawn(move || pump.run(&start));
        let pump = pump.map_err(no_thread)?;
        let running = last.running.clone();
        let report = Report::default();
        let mut committer = Committer { run: self, writer, epoch, event_ms, last, running, report, freed, gauges };
        let result = committer.work(&completed, observe);
        self.stop.store(true, Ordering::Relaxed);
        let Committer { report, freed, .. } = committer;
        drop((freed, completed));
        let failed = |what: &str| self.failed(Failure { message: format!("{what} panicked"), ..Failure::default() });
        let ending = pump.join().map_err(|_| failed("the pump"))?;
        if let Some(watcher) = watcher {
            watcher.join().map_err(|_| failed("the look-out for partitions"))?;
        }
        let workers_ended: Vec<_> = guards.join().into_iter().collect();
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
            None => Ok(report),
        }
    }

    fn failed(&self, Failure { message, part, jobs }: Failure) -> RunError {
        RunError::Worker { name: self.name.clone(), message, part, jobs }
    }

    /// Opens all partitions of all sources: where the start says, or from the first offset kept.
    fn open(&self, start: &Start) -> Result<(Vec<Partition>, Vec<Lane>), TransportError> {
        let (mut partitions, mut lanes) = (Vec::new(), Vec::new());
        for (source, binding) in self.sources.iter().enumerate() {
            for number in binding.transport.partitions(&binding.topic)? {
                let partition = Partition { source, topic: binding.topic.clone(), number, table: binding.table };
                let known = start.from.iter().filter(|_| !binding.table).flat_map(|from| &from.partitions);
                let known = known.into_iter().find(|known| (&known.topic, known.partition) == (&partition.topic, number));
                let reader = binding.transport.reader(&binding.topic, number, known.map_or(0, |known| known.next_offset));
                let lane = Lane::new(partitions.len(), &partition, reader.map_err(|error| needed(error, start))?);
                lanes.push(match known {
                    Some(known) => lane.resumed(known),
                    None => lane,
                });
                partitions.push(partition);
            }
        }
        Ok((partitions, lanes))
    }

    #[expect(clippy::type_complexity, reason = "used once")]
    fn start_workers(
        &self,
        complete: &Sender<Complete>,
        gauges: Option<&Arc<Gauges>>,
    ) -> Result<(timely::communication::WorkerGuards<()>, Vec<(Sender<Order>, std::thread::Thread)>), TransportError> {
        let charge = Charge {
            job: Arc::clone(&self.job),
            name: self.name.clone(),
            sources: self.sources.iter().map(|binding| binding.source.clone()).collect(),
            limits: Limits {
                lateness_ms: self.settings.lateness_ms,
                max_skew_ms: self.settings.max_skew_ms,
                memory_ms: self.settings.memory_ms,
            },
            gauges: gauges.cloned(),
            broken: Arc::default(),
        };
        let (orders, receivers): (Vec<_>, Vec<_>) = (0..self.settings.workers).map(|_| bounded(self.settings.epochs_in_flight + 2)).unzip();
        let (say_hello, hello) = unbounded();
        let complete = complete.clone();
        let config = timely::Config::process(self.settings.workers);
        let guards = timely::execute(config, move |worker| {
            let _ = say_hello.send((worker.index(), std::thread::current()));
            worker::run(worker, &charge, &receivers[worker.index()], &complete);
        });
        let guards = guards.map_err(|e| TransportError::lasting(format!("cannot start the workers: {e}")))?;
        let mut threads: Vec<_> = hello.iter().take(self.settings.workers).collect();
        threads.sort_by_key(|(index, _)| *index);
        Ok((guards, orders.into_iter().zip(threads.into_iter().map(|(_, thread)| thread)).collect()))
    }
}

/// Progress of another definition is not gone on with.
pub(crate) fn check(name: &str, definition: &str, history: &[Progress]) -> Result<(), RunError> {
    match history.last() {
        Some(last) if last.definition != definition => {
            Err(RunError::OtherDefinition { name: name.to_owned(), theirs: last.definition.clone(), ours: definition.to_owned() })
        }
        _ => Ok(()),
    }
}

/// The largest event time read from a partition before; its place among them may be another now.
fn known_event_ms(last: &Progress, partition: &Partition) -> u64 {
    let known = last.partitions.iter().find(|known| (&known.topic, known.partition) == (&partition.topic, partition.number));
    known.map_or(0, |known| known.event_ms)
}

/// An error of a restart that would not have come up, had it not been begun further back than need be.
fn begun_anew(error: RunError, times: u64) -> RunError {
    match error {
        RunError::Transport(error) if times > 1 && !error.retry => {
            let hint = error.hint.clone().unwrap_or_default();
            let why = "It was begun so far back because what it rebuilt from less was not what there was when it stopped.";
            error.hint(format!("{hint} {why}").trim_start()).into()
        }
        error => error,
    }
}

/// An error of a restart that does not find what it needs says what that is.
fn needed(error: TransportError, start: &Start) -> TransportError {
    let (Some(from), Some(last)) = (&start.from, start.replay.last()) else { return error };
    let since =
        jiff::Timestamp::from_millisecond(i64::try_from(from.clock).unwrap_or(i64::MAX)).map_or_else(|_| String::new(), |t| t.to_string());
    let span = crate::pump::span(last.clock.saturating_sub(from.clock));
    let hint = error.hint.clone().unwrap_or_default();
    error.hint(format!("{hint} This start needs what arrived since {since}, {span} before the last commit.").trim_start())
}

fn no_thread(error: std::io::Error) -> TransportError {
    TransportError::lasting("cannot start a thread").because(error)
}

/// What a run needs in which jobs come and go.
pub(crate) struct Serving {
    pub(crate) roster: Roster,
    pub(crate) gauges: Arc<Gauges>,
}

/// Writes complete epochs, each with the progress it makes, in one transaction.
struct Committer<'a> {
    run: &'a Run,
    writer: Box<dyn Writer>,
    epoch: u64,
    last: Progress,
    /// The largest event time read from each partition.
    event_ms: Vec<u64>,
    report: Report,
    freed: Sender<usize>,
    gauges: Option<Arc<Gauges>>,
    /// The jobs that run, where this is a server's.
    running: Vec<Change>,
}

/// Most epochs that go into one commit beside the first.
const GROUP_MOST: usize = 64;

/// What goes into one commit.
#[derive(Default)]
struct Group {
    epochs: Vec<(Arc<Epoch>, Basis)>,
    rows: Vec<Draft>,
    ended: bool,
    failed: Option<Failure>,
}

impl Group {
    fn add(&mut self, complete: Complete) {
        match complete {
            Complete::Epoch(epoch, mut rows, basis) => {
                if !epoch.replayed {
                    self.rows.append(&mut rows);
                }
                self.epochs.push((epoch, basis));
            }
            Complete::End(mut rows) => {
                self.rows.append(&mut rows);
                self.ended = true;
            }
            Complete::Failed(failure) => self.failed = Some(failure),
        }
    }
}

impl Committer<'_> {
    fn work(&mut self, completed: &Receiver<Complete>, observe: &mut dyn FnMut(&Report)) -> Result<(), RunError> {
        while let Ok(first) = completed.recv() {
            // What was completed meanwhile goes into the same commit.
            let mut batch = Group::default();
            std::iter::once(first).chain(completed.try_iter().take(GROUP_MOST)).for_each(|complete| batch.add(complete));
            if let Some(failure) = batch.failed {
                return Err(self.run.failed(failure));
            }
            self.hold(&batch)?;
            self.take(batch)?;
            observe(&self.report);
        }
        Ok(())
    }

    /// Holds what a replay made to what there was at its end.
    fn hold(&self, group: &Group) -> Result<(), RunError> {
        let end = group.epochs.iter().rfind(|(epoch, _)| epoch.replayed && epoch.clock() == self.last.clock);
        match end.zip(self.last.open) {
            Some(((_, basis), open)) if basis.open != open => Err(RunError::Astray(self.run.name.clone())),
            _ => Ok(()),
        }
    }

    /// Commits a group of epochs in one transaction and makes room for others.
    fn take(&mut self, group: Group) -> Result<(), TransportError> {
        let fresh: Vec<_> = group.epochs.iter().filter(|(epoch, _)| !epoch.replayed).collect();
        if let Some((last, basis)) = fresh.last() {
            self.event_ms.resize(last.partitions.len(), 0);
            for (epoch, _) in &fresh {
                let found = epoch.event_ms.iter().map(|event_ms| event_ms.load(Ordering::Relaxed));
                self.event_ms.iter_mut().zip(found).for_each(|(newest, found)| *newest = (*newest).max(found));
            }
            self.last = self.progress(last, *basis);
            self.last.ticks = fresh.iter().flat_map(|(epoch, _)| &epoch.moments).map(|moment| moment.tick.clone()).collect();
            self.last.changes = fresh.iter().flat_map(|(epoch, _)| &epoch.changes).cloned().collect();
            for change in &self.last.changes {
                self.running.retain(|running| running.job != change.job);
                self.running.extend(change.began.is_some().then(|| change.clone()));
            }
            self.last.running.clone_from(&self.running);
        }
        if group.ended {
            let (ticks, clock) = (std::mem::take(&mut self.last.ticks), self.last.clock);
            self.last = Progress {
                finished: true,
                epoch: self.epoch + 1,
                frontier: u64::MAX,
                clock,
                ticks,
                ..self.header(self.last.partitions.clone())
            };
        }
        if group.ended || !fresh.is_empty() {
            let progress = self.last.clone();
            self.commit(group.rows, &progress)?;
            (self.last.ticks, self.last.changes) = (Vec::new(), Vec::new());
        }
        (self.report.finished, self.report.rests_on_ms) = (group.ended, self.last.rests_on_ms);
        for (epoch, _) in &group.epochs {
            self.report.replaying = epoch.replayed;
            self.report.replayed += if epoch.replayed { epoch.records as u64 } else { 0 };
            self.report.records += epoch.records as u64;
            self.report.bytes += epoch.bytes as u64;
            self.report.clock = epoch.clock();
            let _ = self.freed.send(epoch.bytes);
        }
        self.gauges.iter().for_each(|gauges| gauges.change(|figures| self.tell(&group.epochs, figures)));
        Ok(())
    }

    fn tell(&self, epochs: &[(Arc<Epoch>, Basis)], figures: &mut Figures) {
        let Report { commits, rows, replaying, .. } = &self.report;
        (figures.commits, figures.rows, figures.replaying) = (*commits, rows.clone(), *replaying);
        for change in epochs.iter().flat_map(|(epoch, _)| &epoch.changes) {
            figures.running.retain(|(job, _)| *job != change.job);
            figures.running.extend(change.began.iter().map(|definition| (change.job.clone(), definition.clone())));
        }
        for (epoch, _) in epochs.iter().filter(|(epoch, _)| !epoch.replayed && epoch.records > 0) {
            figures.commit_ms.add(epoch.began.elapsed().as_millis() as u64);
        }
    }

    fn progress(&self, epoch: &Epoch, basis: Basis) -> Progress {
        let mut partitions = epoch.progress.clone();
        partitions.iter_mut().zip(&self.event_ms).for_each(|(partition, newest)| partition.event_ms = *newest);
        let (clock, Basis { rests_on_ms, open }) = (epoch.clock(), basis);
        Progress { epoch: self.epoch + 1, frontier: clock, clock, rests_on_ms, open: Some(open), ..self.header(partitions) }
    }

    fn header(&self, partitions: Vec<PartitionProgress>) -> Progress {
        let (job, definition) = (self.run.name.clone(), self.run.definition.clone());
        Progress { version: PROGRESS_VERSION, job, definition, partitions, ..Progress::default() }
    }

    fn try_commit(&mut self, new_outputs: &[String], rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        if !new_outputs.is_empty() {
            self.writer.add_outputs(new_outputs)?;
        }
        self.writer.commit(rows, progress)
    }

    /// Commits, trying again while the transport says that may help.
    fn commit(&mut self, rows: Vec<Draft>, progress: &Progress) -> Result<(), TransportError> {
        let rows: Vec<OutputRow> = rows.into_iter().map(|draft| draft()).collect();
        let outputs: Vec<String> = progress.changes.iter().flat_map(|change| &change.outputs).cloned().collect();
        let mut pause = std::time::Duration::from_millis(100);
        while let Err(error) = self.try_commit(&outputs, &rows, progress) {
            if !error.retry || self.run.stop.load(Ordering::Relaxed) {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, "commit failed; trying again");
            std::thread::sleep(pause);
            pause = (pause * 2).min(std::time::Duration::from_secs(30));
        }
        self.epoch = progress.epoch;
        self.report.commits += 1;
        for row in rows {
            *self.report.rows.entry(row.topic).or_default() += 1;
        }
        Ok(())
    }
}
