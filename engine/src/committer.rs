//! The committer: writes complete epochs, each with the progress it makes, in one transaction.
//!
//! ```text
//! workers ─ complete epochs, rows ─▶ group ─▶ rows + progress, one transaction ─▶ room for the pump
//!                                      └─ of a replay: held to what there was
//! ```

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::basis::Basis;
use crate::changelog::Draft;
use crate::cluster::Loss;
use crate::epoch::{Epoch, Partition};
use crate::gauges::{Figures, Gauges};
use crate::halt::Halt;
use crate::pump::Start;
use crate::run::{Report, RunError};
use crate::time::Time;
use crate::transport::{Change, Lost, OutputRow, PartitionProgress, Progress, TransportError, Writer};
use crate::worker::{Complete, Completed, Failure};

/// How long a commit that failed is left alone before it is tried again, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// Writes what is complete.
pub(crate) struct Committer {
    job: String,
    definition: String,
    writer: Box<dyn Writer>,
    epoch: u64,
    last: Progress,
    /// The largest event time read from each partition.
    event_ms: Vec<u64>,
    report: Report,
    freed: Sender<usize>,
    halt: Halt,
    time: Arc<dyn Time>,
    gauges: Option<Arc<Gauges>>,
    /// The jobs that run, where this is a server's.
    running: Vec<Change>,
    /// What is gone and to be told with the next commit, with which outputs go on from what they said themselves.
    skipped: Option<Vec<Lost>>,
}

/// What a committer works with.
pub(crate) struct Office {
    pub(crate) job: String,
    pub(crate) definition: String,
    pub(crate) writer: Box<dyn Writer>,
    /// Where the pump is told that there is room again.
    pub(crate) freed: Sender<usize>,
    pub(crate) halt: Halt,
    pub(crate) time: Arc<dyn Time>,
    pub(crate) gauges: Option<Arc<Gauges>>,
}

/// A commit takes in what was completed meanwhile until its progress record holds so many offsets: some 600 kB as they are
/// written, where Kafka takes 1 MB.
const OFFSETS_MOST: usize = 20_000;

/// What goes into one commit.
#[derive(Default)]
struct Group {
    epochs: Vec<(Arc<Epoch>, Basis)>,
    rows: Vec<Draft>,
    /// Largest event times of what is not replayed.
    newest: Vec<(usize, u64)>,
    /// What its progress record tells of partitions at moments.
    offsets: usize,
    ended: bool,
    failed: Option<Failure>,
    lost: Option<Loss>,
}

impl Group {
    fn add(&mut self, complete: Complete) {
        match complete {
            Complete::Epoch(Completed { epoch, mut rows, basis, mut newest }) => {
                if !epoch.replayed {
                    self.offsets += epoch.moments.len() * epoch.partitions.len();
                    self.rows.append(&mut rows);
                    self.newest.append(&mut newest);
                }
                self.epochs.push((epoch, basis));
            }
            Complete::End(mut rows) => {
                self.rows.append(&mut rows);
                self.ended = true;
            }
            Complete::Failed(failure) => self.failed = Some(failure),
            Complete::Lost(loss) => self.lost = Some(loss),
        }
    }
}

impl Committer {
    /// Goes on after what was committed last.
    pub(crate) fn new(office: Office, start: &Start, partitions: &[Partition]) -> Self {
        let mut last = start.last().cloned().unwrap_or_default();
        let skipped = start.takes_over().then(|| start.news());
        // What cannot be rebuilt as it was is not held to it.
        last.open = last.open.filter(|_| skipped.is_none());
        let Office { job, definition, writer, freed, halt, time, gauges } = office;
        let event_ms = partitions.iter().map(|partition| known_event_ms(&last, partition)).collect();
        let (epoch, running, report) = (last.epoch, last.running.clone(), Report::default());
        Self { job, definition, writer, epoch, last, event_ms, report, freed, halt, time, gauges, running, skipped }
    }

    /// Commits what comes until nobody is left who could complete anything.
    pub(crate) fn work(&mut self, completed: &Receiver<Complete>, observe: &mut dyn FnMut(&Report)) -> Result<(), RunError> {
        while let Ok(first) = completed.recv() {
            self.turn(first, completed)?;
            observe(&self.report);
        }
        Ok(())
    }

    /// Commits what was completed, and with it what was completed meanwhile.
    pub(crate) fn turn(&mut self, first: Complete, completed: &Receiver<Complete>) -> Result<(), RunError> {
        let mut group = Group::default();
        group.add(first);
        while group.offsets < OFFSETS_MOST
            && let Ok(next) = completed.try_recv()
        {
            group.add(next);
        }
        if group.failed.is_some() || group.lost.is_some() {
            self.check_writer()?;
        }
        if let Some(Failure { message, part, jobs }) = group.failed {
            return Err(RunError::Worker { name: self.job.clone(), message, part, jobs });
        }
        if let Some(loss) = group.lost {
            return Err(RunError::Gone(loss));
        }
        self.hold(&group)?;
        Ok(self.take(group)?)
    }

    /// Whoever has lost the others goes on as the writer, and must not take that from another who took it over meanwhile: this
    /// process may have stood still so long that it was given up.
    fn check_writer(&mut self) -> Result<(), TransportError> {
        match self.writer.check() {
            Err(error) if !error.retry => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// How far it has come.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Holds what a replay made to what there was at its end.
    fn hold(&self, group: &Group) -> Result<(), RunError> {
        let end = group.epochs.iter().rfind(|(epoch, _)| epoch.replayed && epoch.clock() == self.last.clock);
        match end.zip(self.last.open) {
            Some(((_, basis), open)) if basis.open != open => Err(RunError::Astray(self.job.clone())),
            _ => Ok(()),
        }
    }

    /// Commits a group of epochs in one transaction and makes room for others.
    fn take(&mut self, group: Group) -> Result<(), TransportError> {
        let fresh: Vec<_> = group.epochs.iter().filter(|(epoch, _)| !epoch.replayed).collect();
        if let Some((last, basis)) = fresh.last() {
            self.event_ms.resize(last.partitions.len(), 0);
            group.newest.iter().for_each(|(place, found)| self.event_ms[*place] = self.event_ms[*place].max(*found));
            self.last = self.progress(last, *basis);
            self.last.ticks = fresh.iter().flat_map(|(epoch, _)| &epoch.moments).map(|moment| moment.tick.clone()).collect();
            self.last.changes = fresh.iter().flat_map(|(epoch, _)| &epoch.changes).cloned().collect();
            for change in &self.last.changes {
                self.running.retain(|running| running.job != change.job);
                self.running.extend(change.began.is_some().then(|| change.clone()));
            }
            self.last.running.clone_from(&self.running);
            let skipped = self.skipped.take();
            (self.last.taken_over, self.last.lost) = (skipped.is_some(), skipped.unwrap_or_default());
        }
        if group.ended {
            let Progress { ticks, clock, partitions, taken_over, lost, .. } = std::mem::take(&mut self.last);
            self.last = Progress {
                taken_over,
                lost,
                finished: true,
                epoch: self.epoch + 1,
                frontier: u64::MAX,
                clock,
                ticks,
                ..self.header(partitions)
            };
        }
        if group.ended || !fresh.is_empty() {
            let progress = self.last.clone();
            self.commit(group.rows, &progress)?;
            self.report.lost += self.last.lost.iter().map(Lost::count).sum::<u64>();
            (self.last.ticks, self.last.changes) = (Vec::new(), Vec::new());
            self.gauges.iter().for_each(|gauges| gauges.change(|figures| figures.lost.append(&mut self.last.lost)));
            (self.last.taken_over, self.last.lost) = (false, Vec::new());
        }
        (self.report.finished, self.report.rests_on_ms) = (group.ended, self.last.rests_on_ms);
        for (epoch, _) in &group.epochs {
            self.report.replaying = epoch.replayed;
            self.report.replayed += if epoch.replayed { epoch.records as u64 } else { 0 };
            self.report.records += epoch.records as u64;
            self.report.bytes += epoch.bytes as u64;
            self.report.clock = epoch.clock();
        }
        self.gauges.iter().for_each(|gauges| gauges.change(|figures| self.tell(&group.epochs, figures)));
        for (epoch, _) in &group.epochs {
            let _ = self.freed.send(epoch.bytes);
        }
        Ok(())
    }

    fn tell(&self, epochs: &[(Arc<Epoch>, Basis)], figures: &mut Figures) {
        let Report { commits, rows, rejected, replaying, .. } = &self.report;
        (figures.commits, figures.rows, figures.replaying) = (*commits, rows.clone(), *replaying);
        figures.rejected.clone_from(rejected);
        figures.stuck = None;
        for change in epochs.iter().flat_map(|(epoch, _)| &epoch.changes) {
            figures.running.retain(|(job, _)| *job != change.job);
            figures.running.extend(change.began.iter().map(|definition| (change.job.clone(), definition.clone())));
        }
        for (epoch, _) in epochs.iter().filter(|(epoch, _)| !epoch.replayed && epoch.records > 0) {
            figures.commit_ms.add(self.time.elapsed().saturating_sub(epoch.began).as_millis() as u64);
        }
    }

    fn progress(&self, epoch: &Epoch, basis: Basis) -> Progress {
        let mut partitions = epoch.progress.clone();
        partitions.iter_mut().zip(&self.event_ms).for_each(|(partition, newest)| partition.event_ms = *newest);
        let (clock, Basis { rests_on_ms, open }) = (epoch.clock(), basis);
        Progress { epoch: self.epoch + 1, frontier: clock, clock, rests_on_ms, open: Some(open), ..self.header(partitions) }
    }

    fn header(&self, partitions: Vec<PartitionProgress>) -> Progress {
        let (job, definition) = (self.job.clone(), self.definition.clone());
        Progress { version: Progress::VERSION, job, definition, partitions, ..Progress::default() }
    }

    fn try_commit(&mut self, new_outputs: &[String], rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        if !new_outputs.is_empty() {
            self.writer.add_outputs(new_outputs)?;
        }
        self.writer.commit(rows, progress)
    }

    /// Commits, trying again while the transport says that may help.
    fn commit(&mut self, rows: Vec<Draft>, progress: &Progress) -> Result<(), TransportError> {
        let (rows, refused): (Vec<OutputRow>, Vec<_>) = rows.into_iter().map(|Draft { write, refused }| (write(), refused)).unzip();
        let outputs: Vec<String> = progress.changes.iter().flat_map(|change| &change.outputs).cloned().collect();
        let mut pause = PAUSE.0;
        while let Err(error) = self.try_commit(&outputs, &rows, progress) {
            if !error.retry || self.halt.is_raised() {
                return Err(error);
            }
            tracing::warn!(%error, ?pause, "commit failed; trying again");
            self.gauges.iter().for_each(|gauges| gauges.change(|figures| figures.stuck = Some(error.to_string())));
            self.time.rest(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
        self.epoch = progress.epoch;
        self.report.commits += 1;
        for (topic, reason) in refused.into_iter().flatten() {
            *self.report.rejected.entry(topic).or_default().entry(reason).or_default() += 1;
        }
        self.report.count(&rows);
        Ok(())
    }
}

/// The largest event time read from a partition before; its place among them may be another now.
fn known_event_ms(last: &Progress, partition: &Partition) -> u64 {
    let known = last.partitions.iter().find(|known| (&known.topic, known.partition) == (&partition.topic, partition.number));
    known.map_or(0, |known| known.event_ms)
}
