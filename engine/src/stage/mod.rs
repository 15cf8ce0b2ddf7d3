//! Stages: jobs whose work cannot be repeated to the bit, so that its results end in a topic and a restart never rebuilds them.
//!
//! ```text
//! partitions ─▶ take, while there is room ─▶ the stage's own threads ─▶ settled, rows ─▶ one transaction: rows and progress
//!      ▲                                                                                         │
//!      └── a restart reads from where the stage must begin, and says what it says from here ◀────┘
//! ```
//!
//! The engine's other jobs ([`Run`](crate::Run)) rebuild what they knew by reading again what they read, which supposes that
//! the same records make the same results. A picture decoded and looked at on other hardware may not. A stage therefore
//! commits how far it is *settled*: with each commit go the rows of exactly the records before the committed offset
//! (`settling`), so that after a restart none is missing and none is said twice. What it needs of earlier records to go on
//! (a decoder needs the key frame before) it names as an offset, and is given them again, marked as such.
//!
//! Records wait in their topic, not here: nothing is read for which there is no room.

mod settling;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};

use self::settling::{Reached, Settling};
use crate::epoch::{Partition, Slice};
use crate::flow::{Raw, Rejection};
use crate::halt::Halt;
use crate::pump::Lane;
use crate::pump::growth::{Grown, Lookout};
use crate::recovery::{check, may_skip};
use crate::run::{Binding, Report, RunError, no_thread};
use crate::settings::{OnDataLoss, Settings};
use crate::time::{MachineTime, wall_ms};
use crate::transport::{Lost, OutputRow, PartitionProgress, Progress, Transport, TransportError, Writer, made_anew, visit};

/// Work on records, done elsewhere.
pub trait Stage {
    /// Whether it takes another record now.
    fn has_room(&self) -> bool;

    /// Takes a record; what comes of it is told by [`done`](Self::done), once.
    ///
    /// # Errors
    /// The work cannot go on; the text says why.
    fn take(&mut self, record: &Taken<'_>) -> Result<(), String>;

    /// What was done since the last time, of records of this topic; waits for something for so long.
    ///
    /// # Errors
    /// As for [`take`](Self::take).
    fn done(&mut self, topic: &str, wait: Duration) -> Result<Vec<Done>, String>;

    /// The offset from which a partition must be read again for the stage to go on at `next_offset`: at most that.
    fn begins_at(&mut self, partition: u32, next_offset: u64) -> u64;

    /// Nothing follows: what is held back comes out.
    fn finish(&mut self);

    /// Whether everything it can do now is done.
    fn is_idle(&self) -> bool;

    /// What it has counted since it began, for people: by what it is of, such as a camera, and what is counted.
    fn counts(&self) -> Counts {
        Counts::new()
    }
}

/// What a stage counts, by what it is of and what is counted.
pub type Counts = BTreeMap<String, BTreeMap<&'static str, u64>>;

/// A record for a stage.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// The record.
    pub raw: Raw<'a>,
    /// Whether it was settled in an earlier life, and is given again only so that the stage can go on.
    pub again: bool,
    /// How far work is behind: the age of the record. `None` in a bounded run, and where the log keeps no times.
    pub behind_ms: Option<u64>,
}

/// A record is done with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Whose it is: rows of one lane keep their order.
    pub lane: u64,
    /// Its event time, milliseconds since the epoch; 0 where it has none.
    pub event_ms: u64,
    /// What was made of it: output topic, key and value.
    pub rows: Vec<(String, String, Vec<u8>)>,
    /// Why it was refused, if it was.
    pub refused: Option<Rejection>,
}

/// A stage that can be begun, as often as need be.
pub struct StageProgram {
    /// The topic it reads.
    pub topic: String,
    /// Begins the work, on so many threads of its own; the text says why it cannot.
    pub open: Box<Open>,
    /// How a refused record is written: output topic, key and value.
    pub refused: fn(Rejection) -> (String, String, Vec<u8>),
}

/// Begins the work of a stage on so many threads.
pub type Open = dyn Fn(usize) -> Result<Box<dyn Stage>, String> + Send + Sync;

/// Everything that running a stage needs.
pub struct StageRun<'a> {
    /// The work.
    pub stage: &'a mut dyn Stage,
    /// The job's name.
    pub name: String,
    /// Hash of its definition.
    pub definition: String,
    /// Whether it goes on from the progress of another definition: what that has said stands, and from there on it is this one's.
    pub goes_on_from_others: bool,
    /// Where it reads.
    pub source: Binding,
    /// Where its outputs and its progress are written to.
    pub sink: Arc<dyn Transport>,
    /// Its output topics.
    pub outputs: Vec<String>,
    /// How a refused record is written.
    pub refused: fn(Rejection) -> (String, String, Vec<u8>),
    /// The limits.
    pub settings: Settings,
    /// Set it to stop: what is in work is done and committed first.
    pub stop: Arc<AtomicBool>,
}

/// How long one look for what is done may wait.
const WAIT: Duration = Duration::from_millis(10);
/// How long a stage that was told to stop may take for what it has begun.
const STOP: Duration = Duration::from_secs(30);

impl StageRun<'_> {
    /// Runs until the input ends (if bounded), it is told to stop, or it fails. `observe` is told after every commit.
    ///
    /// # Errors
    /// A transport failed for good, or no longer has what is needed; progress of another definition was found; the work failed.
    /// What was committed stands.
    pub fn run(self, observe: &mut dyn FnMut(&Report)) -> Result<Report, RunError> {
        let mut writer = self.sink.writer(&self.name, &self.outputs)?;
        let history = writer.history()?;
        if !self.goes_on_from_others {
            check(&self.name, &self.definition, &history)?;
        }
        let last = history.last().cloned().unwrap_or_default();
        let (found, grown) = unbounded();
        let halt = Halt::new(Arc::clone(&self.stop));
        let (source, every) = ([self.source.clone()], self.settings.look_for_partitions);
        let time = MachineTime::new();
        let mut work = StageWork {
            run: self,
            time,
            writer,
            parts: Vec::new(),
            grown,
            last,
            report: Report::default(),
            lost: Vec::new(),
            in_flight: 0,
        };
        work.open().map_err(|error| may_skip(error.into()))?;
        let known: Vec<Partition> = work.parts.iter().map(|part| part.partition.clone()).collect();
        let look = || Lookout::new(&source, &known, crossbeam_channel::never(), found).watch(every, halt.clone());
        let watcher = (!work.run.settings.bounded).then(look).transpose().map_err(no_thread)?;
        let result = work.work(observe);
        halt.end();
        // It only ever looks; should it have panicked, nothing is lost.
        watcher.into_iter().for_each(|watcher| _ = watcher.join());
        result.map(|()| work.report).map_err(may_skip)
    }
}

/// A partition at work.
struct Part {
    partition: Partition,
    lane: Lane,
    settling: Settling,
    /// Records before this offset were settled in an earlier life.
    resumed: u64,
    /// Where this life began to read.
    began: u64,
    /// How many of them there were, and their fingerprint: what is read again does not count twice.
    before: Reached,
}

struct StageWork<'a> {
    run: StageRun<'a>,
    time: MachineTime,
    writer: Box<dyn Writer>,
    parts: Vec<Part>,
    grown: Receiver<Grown>,
    last: Progress,
    report: Report,
    /// What is gone and gone on without, until it is committed.
    lost: Vec<Lost>,
    /// Bytes taken and not settled.
    in_flight: usize,
}

impl StageWork<'_> {
    fn open(&mut self) -> Result<(), TransportError> {
        let Binding { transport, topic, .. } = self.run.source.clone();
        for number in transport.partitions(&topic)? {
            let known = self.last.partitions.iter().find(|known| (&known.topic, known.partition) == (&topic, number)).cloned();
            let mut known = known.unwrap_or_default();
            let open = |known: &PartitionProgress| {
                hold(&*transport, &topic, number, known)?;
                transport.reader(&topic, number, begin_of(known))
            };
            let reader = match open(&known) {
                Err(error) if self.run.settings.on_data_loss == OnDataLoss::Skip && !error.lost.is_empty() => {
                    tracing::warn!(job = self.run.name, %error, "records are gone that the job needs; going on without them");
                    error.lost.iter().for_each(|lost| pass_over(lost, &mut known));
                    self.lost.extend(error.lost);
                    open(&known)?
                }
                reader => reader?,
            };
            self.add(Partition { source: 0, topic: topic.clone(), number, table: false }, reader, &known);
        }
        Ok(())
    }

    fn add(&mut self, partition: Partition, reader: Box<dyn crate::transport::Reader>, known: &PartitionProgress) {
        let PartitionProgress { next_offset, event_ms, count, hash, arrival_ms, last, .. } = *known;
        let before = Reached { next_offset, count, hash, arrival_ms, event_ms, last };
        let began = begin_of(known);
        let lane = Lane::new(self.parts.len(), &partition, reader);
        self.parts.push(Part { partition, lane, settling: Settling::new(before), resumed: next_offset, began, before });
    }

    fn work(&mut self, observe: &mut dyn FnMut(&Report)) -> Result<(), RunError> {
        let (mut committed, mut rows, mut stopping) = (Instant::now(), Vec::new(), None::<Instant>);
        let mut finishing = false;
        loop {
            let mut moved = false;
            if self.run.stop.load(Ordering::Relaxed) {
                stopping.get_or_insert_with(Instant::now);
            } else {
                self.grown.try_iter().collect::<Vec<_>>().into_iter().for_each(|(partition, reader)| {
                    self.add(partition, reader, &PartitionProgress::default());
                });
                moved = self.read()?;
            }
            let wait = if moved { Duration::ZERO } else { WAIT };
            let done = self.run.stage.done(&self.run.source.topic, wait).map_err(|message| self.failed(message))?;
            for done in done {
                self.settle(done);
            }
            let mut advanced = false;
            for part in &mut self.parts {
                let bytes = part.settling.advance(&mut rows);
                self.in_flight -= bytes;
                advanced |= bytes > 0;
            }
            let ended = !moved && self.is_through(finishing, stopping);
            if ended && stopping.is_none() && !finishing {
                self.run.stage.finish();
                finishing = true;
                continue;
            }
            self.report.replaying = self.parts.iter().any(Part::is_repeating);
            let since = committed.elapsed();
            let due = (advanced || !rows.is_empty()) && since >= self.run.settings.epoch_gap || since >= self.run.settings.idle_commit;
            if due || ended {
                self.commit(std::mem::take(&mut rows))?;
                committed = Instant::now();
                self.report.finished = ended && stopping.is_none();
                observe(&self.report);
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Whether there is nothing more to be done: the input has ended, or it was told to stop and what was begun is done.
    fn is_through(&self, finishing: bool, stopping: Option<Instant>) -> bool {
        let clear = self.parts.iter().all(|part| part.settling.is_clear());
        if let Some(since) = stopping {
            // A picture that waits for a later one of its stream keeps its record open: a restart reads it again.
            return clear || self.run.stage.is_idle() || since.elapsed() > STOP;
        }
        let through = self.run.settings.bounded && self.parts.iter().all(|part| part.lane.caught_up());
        through && if finishing { clear || self.run.stage.is_idle() } else { self.run.stage.is_idle() }
    }

    /// Takes what there is room for; returns whether anything was taken.
    fn read(&mut self) -> Result<bool, RunError> {
        let mut moved = false;
        for part in &mut self.parts {
            part.lane.fill(&self.time)?;
            // By turns, so that one partition with a backlog does not take all the room there is.
            for _ in 0..SHARE {
                if self.in_flight >= self.run.settings.bytes_in_flight || !self.run.stage.has_room() {
                    return Ok(moved);
                }
                let mut first = true;
                let Some(slice) = part.lane.take_while(|_, _| std::mem::take(&mut first)) else { break };
                self.in_flight += part
                    .take(self.run.stage, &slice, self.run.settings.bounded)
                    .map_err(|message| RunError::Work { name: self.run.name.clone(), message })?;
                self.report.records += 1;
                self.report.bytes += slice.bytes() as u64;
                moved = true;
            }
        }
        Ok(moved)
    }

    fn settle(&mut self, done: Done) {
        let Some(part) = self.parts.iter_mut().find(|part| part.partition.number == done.partition) else { return };
        let refused = done.refused.map(self.run.refused);
        let rows = done.rows.into_iter().chain(refused).map(|(topic, key, value)| OutputRow {
            topic: topic.into(),
            key,
            value,
            headers: Vec::new(),
        });
        part.settling.settle(done.offset, done.lane, done.event_ms, rows.collect());
    }

    fn commit(&mut self, rows: Vec<OutputRow>) -> Result<(), RunError> {
        let mut partitions = Vec::new();
        for part in &mut self.parts {
            let Reached { next_offset, count, hash, arrival_ms, event_ms, last } = part.settling.reached();
            // While an earlier life is repeated, all that needed is still needed.
            let begins = if part.is_repeating() { part.began } else { self.run.stage.begins_at(part.partition.number, next_offset) };
            let (topic, partition) = (part.partition.topic.clone(), part.partition.number);
            let rests_on_offset = Some(begins.min(next_offset));
            partitions.push(PartitionProgress { topic, partition, next_offset, event_ms, count, hash, arrival_ms, rests_on_offset, last });
        }
        let clock = partitions.iter().map(|partition| partition.arrival_ms).fold(self.last.clock, u64::max);
        let (version, job, definition) = (Progress::VERSION, self.run.name.clone(), self.run.definition.clone());
        let (epoch, frontier, rests_on_ms, lost) = (self.last.epoch + 1, clock, clock, self.lost.clone());
        let progress = Progress { version, job, definition, epoch, frontier, clock, partitions, rests_on_ms, lost, ..Progress::default() };
        let mut pause = Duration::from_millis(100);
        while let Err(error) = self.writer.commit(&rows, &progress) {
            if !error.retry || self.run.stop.load(Ordering::Relaxed) {
                return Err(error.into());
            }
            tracing::warn!(%error, ?pause, "commit failed; trying again");
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_secs(30));
        }
        self.report.lost += self.lost.drain(..).map(|lost| lost.count()).sum::<u64>();
        self.last = progress;
        self.report.commits += 1;
        self.report.counts = self.run.stage.counts();
        (self.report.clock, self.report.rests_on_ms) = (clock, clock);
        self.report.count(&rows);
        Ok(())
    }

    fn failed(&self, message: String) -> RunError {
        RunError::Work { name: self.run.name.clone(), message }
    }
}

/// Records taken from one partition before the next one's turn.
const SHARE: usize = 16;

/// What is known of a partition once some of it is gone.
fn pass_over(lost: &Lost, known: &mut PartitionProgress) {
    if lost.remade {
        *known = PartitionProgress::default();
    } else {
        known.last = known.last.filter(|_| lost.until < known.next_offset);
        (known.next_offset, known.rests_on_offset) = (known.next_offset.max(lost.until), Some(lost.until));
    }
}

/// Holds the last record that was settled to what it was, if it is still kept: nothing else would tell a topic that was made anew
/// and is longer already than what was read of it.
fn hold(transport: &dyn Transport, topic: &str, number: u32, known: &PartitionProgress) -> Result<(), TransportError> {
    let Some((last, at)) = known.last.zip(known.next_offset.checked_sub(1)) else { return Ok(()) };
    let mut same = true;
    let seen = visit(transport, topic, number, at, |batch, record| {
        same = record.offset != at || crc32fast::hash(batch.value(record).unwrap_or_default()) == last;
        ControlFlow::Break(())
    });
    match seen {
        Err(error) if error.lost.iter().any(|lost| !lost.remade) => Ok(()),
        Err(error) => Err(error),
        Ok(()) if same => Ok(()),
        Ok(()) => Err(made_anew(topic, number, at)),
    }
}

/// Where a partition must be read from.
fn begin_of(known: &PartitionProgress) -> u64 {
    known.rests_on_offset.unwrap_or(known.next_offset).min(known.next_offset)
}

impl Part {
    /// Whether what was settled in an earlier life is still being read again.
    fn is_repeating(&self) -> bool {
        self.began < self.resumed && self.lane.next_offset() < self.resumed
    }

    /// Gives the stage a record; returns the bytes that are in work until it is settled.
    fn take(&mut self, stage: &mut dyn Stage, slice: &Slice, bounded: bool) -> Result<usize, String> {
        let Some(record) = slice.batch.records.get(slice.records.start) else { return Ok(0) };
        let (topic, partition) = (self.partition.topic.as_str(), self.partition.number);
        let (offset, key, value) = (record.offset, slice.batch.key(record), slice.batch.value(record));
        let raw = Raw { topic, partition, offset, arrival_ms: record.arrival_ms.unwrap_or(0), key, value };
        let again = offset < self.resumed;
        let behind_ms = record.arrival_ms.filter(|_| !bounded && !again).map(|arrival_ms| wall_ms().saturating_sub(arrival_ms));
        if !again {
            let mut hash = crc32fast::Hasher::new_with_initial(self.before.hash as u32);
            hash.update(value.unwrap_or_default());
            self.before = Reached {
                next_offset: offset + 1,
                count: self.before.count + 1,
                hash: u64::from(hash.finalize()),
                arrival_ms: self.before.arrival_ms.max(record.arrival_ms.unwrap_or(0)),
                event_ms: 0,
                last: Some(crc32fast::hash(value.unwrap_or_default())),
            };
            self.settling.take(offset, slice.bytes(), self.before);
        }
        stage.take(&Taken { raw, again, behind_ms })?;
        Ok(if again { 0 } else { slice.bytes() })
    }
}
