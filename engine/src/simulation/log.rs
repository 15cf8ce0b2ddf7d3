//! A log that fails in every way the contract allows: a transport in memory whose faults are drawn from a seed.
//!
//! ```text
//! story ─▶ partitions ─▶ readers   late, in pieces, failing; what is no longer needed is cut off
//! commit ─▶ committed │ failed │ outcome unknown: committed or not, and it is told at the second asking
//!           killed before │ in the midst: the next writer ends it, one way or the other │ after
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::clock::MadeUpTime;
use super::facts::{Coming, Fact};
use super::random::Random;
use crate::time::Time as _;
use crate::transport::{Batch, OutputRow, Position, Progress, Reader, Transport, TransportError, Writer};

/// The process is killed: it unwinds to who started it, and nobody on the way is told.
pub(super) struct Killed;

/// Ends the process here.
pub(super) fn kill() -> ! {
    std::panic::resume_unwind(Box::new(Killed))
}

/// How often what goes wrong, in ten thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Faults {
    /// A read or a question fails.
    pub(super) read_fails: u64,
    /// A partition gives nothing for a while.
    pub(super) read_lags: u64,
    /// A commit fails, and did nothing.
    pub(super) commit_fails: u64,
    /// Nobody knows whether a commit came about.
    pub(super) commit_unknown: u64,
    /// The process is killed, at each of the points where it may be.
    pub(super) killed: u64,
}

/// A record, and when it came.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) arrival_ms: u64,
    pub(super) fact: Fact,
}

/// What was committed in one transaction.
#[derive(Clone, Debug)]
pub(super) struct Commit {
    pub(super) rows: Vec<OutputRow>,
    pub(super) progress: Progress,
    /// The wall clock by then.
    pub(super) wall_ms: u64,
}

/// All that is in the log.
pub(super) struct Place {
    pub(super) faults: Faults,
    pub(super) partitions: BTreeMap<(String, u32), Vec<Kept>>,
    pub(super) commits: Vec<Commit>,
    random: Random,
    coming: VecDeque<Coming>,
    /// The first offset kept of each partition, and the first progress record kept.
    first: BTreeMap<(String, u32), u64>,
    first_commit: usize,
    /// Until when a partition gives nothing.
    lags_until_ms: BTreeMap<(String, u32), u64>,
    generation: u64,
    /// A commit whose outcome is not decided.
    pending: Option<Commit>,
}

/// The log; clones are the same.
#[derive(Clone)]
pub(super) struct Log {
    place: Arc<Mutex<Place>>,
    time: Arc<MadeUpTime>,
}

impl Log {
    pub(super) fn new(seed: u64, story: Vec<Coming>, time: Arc<MadeUpTime>) -> Self {
        let (partitions, commits, first) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        let place = Place {
            faults: Faults::default(),
            partitions,
            commits,
            random: Random::of(seed, 2),
            coming: story.into(),
            first,
            first_commit: 0,
            lags_until_ms: BTreeMap::new(),
            generation: 0,
            pending: None,
        };
        Self { place: Arc::new(Mutex::new(place)), time }
    }

    /// What is there by now. A lock that was held when the process was killed is as good as another.
    pub(super) fn place(&self) -> MutexGuard<'_, Place> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let (now_ms, wall_ms) = (self.time.elapsed_ms(), self.time.wall_ms());
        place.come(now_ms, wall_ms);
        place
    }

    /// Deletes what no start needs any more.
    pub(super) fn cut(&self) {
        self.place().cut();
    }

    fn name(topic: &str, partition: u32) -> String {
        format!("{topic}/{partition}")
    }
}

impl Place {
    /// Whether everything has come.
    pub(super) fn is_told(&self) -> bool {
        self.coming.is_empty()
    }

    /// Whether something goes wrong that does so often.
    pub(super) fn happens(&mut self, often: impl Fn(&Faults) -> u64) -> bool {
        let often = often(&self.faults);
        self.random.happens(often)
    }

    fn come(&mut self, now_ms: u64, wall_ms: u64) {
        while let Some(coming) = self.coming.pop_front_if(|coming| coming.due_ms <= now_ms) {
            // It came when it was due, whenever somebody looks.
            let arrival_ms = wall_ms - (now_ms - coming.due_ms);
            let which = (coming.topic.to_owned(), coming.partition);
            self.partitions.entry(which).or_default().push(Kept { arrival_ms, fact: coming.fact.at(arrival_ms) });
        }
    }

    /// Cuts off the records before the newest progress record that lies wholly before what the last one rests on.
    fn cut(&mut self) {
        let Some(rests_on_ms) = self.commits.last().map(|last| last.progress.rests_on_ms) else { return };
        let observed_ms = |p: &Progress| p.ticks.last().and_then(|tick| tick.observed_ms.iter().copied().max()).unwrap_or(0);
        let entered_ms = |p: &Progress| p.partitions.iter().map(|partition| partition.event_ms).fold(p.clock.max(observed_ms(p)), u64::max);
        let Some(begin) = self.commits.iter().rposition(|commit| entered_ms(&commit.progress) <= rests_on_ms) else { return };
        for partition in self.commits[begin].progress.partitions.iter().filter(|partition| partition.topic == "entries") {
            self.first.insert((partition.topic.clone(), partition.partition), partition.next_offset);
        }
        self.first_commit = begin;
    }

    fn first(&self, which: &(String, u32)) -> u64 {
        self.first.get(which).copied().unwrap_or(0)
    }

    fn end(&mut self, came_about: bool) {
        if let Some(pending) = self.pending.take_if(|_| came_about) {
            self.commits.push(pending);
        }
        self.pending = None;
    }
}

impl Transport for Log {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        let mut place = self.place();
        if place.happens(|faults| faults.read_fails) {
            return Err(TransportError::passing("the log did not answer"));
        }
        // A topic is there before its first record.
        let numbers = place.partitions.keys().filter(|(name, _)| name == topic).map(|(_, number)| *number);
        let most = numbers.max().unwrap_or(0);
        Ok((0..=most).collect())
    }

    fn reader(&self, topic: &str, partition: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        let which = (topic.to_owned(), partition);
        let first = self.place().first(&which);
        if offset > 0 && offset < first {
            return Err(TransportError::lasting(format!("{} is cut off before {first}, not {offset}", Self::name(topic, partition))));
        }
        Ok(Box::new(LogReader { log: self.clone(), which, next: offset.max(first) }))
    }

    fn writer(&self, _: &str, _: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        let mut place = self.place();
        if place.happens(|faults| faults.killed) {
            kill();
        }
        place.generation += 1;
        // What the predecessor left open ends now.
        let came_about = place.random.happens(5_000);
        place.end(came_about);
        if place.happens(|faults| faults.killed) {
            kill();
        }
        Ok(Box::new(LogWriter { log: self.clone(), generation: place.generation, unknown: None }))
    }
}

struct LogReader {
    log: Log,
    which: (String, u32),
    next: u64,
}

impl Reader for LogReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let now_ms = self.log.time.elapsed_ms();
        let mut place = self.log.place();
        // Lists are read without trouble: what they are needed for must not come before them.
        if self.which.0 == "entries" {
            if place.happens(|faults| faults.killed / 10) {
                kill();
            }
            if place.happens(|faults| faults.read_fails) {
                return Err(TransportError::passing("the line is cut"));
            }
            if place.happens(|faults| faults.read_lags) {
                let until_ms = now_ms + place.random.below(30_000);
                place.lags_until_ms.insert(self.which.clone(), until_ms);
            }
            if place.lags_until_ms.get(&self.which).is_some_and(|until_ms| now_ms < *until_ms) {
                return Ok(Position::More);
            }
        }
        let first = place.first(&self.which);
        if self.next < first {
            return Err(TransportError::lasting(format!("{:?} is cut off before {first}", self.which)));
        }
        let most = place.random.within(1..40) as usize;
        let Some(records) = place.partitions.get(&self.which) else { return Ok(Position::CaughtUp) };
        let from = batch.bytes.len();
        for record in records[self.next as usize..].iter().take(most) {
            let (key, value) = record.fact.bytes();
            batch.push(self.next, Some(record.arrival_ms), &key, value.as_deref());
            self.next += 1;
            if batch.bytes.len() - from >= most_bytes {
                break;
            }
        }
        Ok(if self.next < records.len() as u64 { Position::More } else { Position::CaughtUp })
    }
}

struct LogWriter {
    log: Log,
    generation: u64,
    /// The epoch whose commit was asked for and not answered.
    unknown: Option<u64>,
}

impl LogWriter {
    /// Asks what became of a commit.
    fn ask(&mut self, place: &mut Place, epoch: u64, progress: &Progress) -> Result<(), TransportError> {
        assert_eq!(epoch, progress.epoch, "another commit is asked for while the outcome of one is not known");
        if place.happens(|faults| faults.commit_unknown) {
            return Err(TransportError::passing("the log still does not answer"));
        }
        place.end(true);
        self.unknown = None;
        Ok(())
    }
}

impl Writer for LogWriter {
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        let mut place = self.log.place();
        if place.happens(|faults| faults.killed) {
            kill();
        }
        if place.happens(|faults| faults.read_fails) {
            return Err(TransportError::passing("the history cannot be read"));
        }
        Ok(place.commits[place.first_commit..].iter().map(|commit| commit.progress.clone()).collect())
    }

    fn add_outputs(&mut self, _: &[String]) -> Result<(), TransportError> {
        Ok(())
    }

    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        let wall_ms = self.log.time.wall_ms();
        let log = self.log.clone();
        let mut place = log.place();
        if place.generation != self.generation {
            return Err(TransportError::lasting("another writer took over"));
        }
        if let Some(epoch) = self.unknown {
            return self.ask(&mut place, epoch, progress);
        }
        if place.happens(|faults| faults.killed) {
            kill();
        }
        if place.happens(|faults| faults.commit_fails) {
            return Err(TransportError::passing("the commit failed"));
        }
        place.pending = Some(Commit { rows: rows.to_vec(), progress: progress.clone(), wall_ms });
        if place.happens(|faults| faults.killed) {
            kill();
        }
        if place.happens(|faults| faults.commit_unknown) {
            self.unknown = Some(progress.epoch);
            return Err(TransportError::passing("whether it was committed is not known"));
        }
        place.end(true);
        if place.happens(|faults| faults.killed) {
            kill();
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), TransportError> {
        let current = self.log.place().generation == self.generation;
        if current { Ok(()) } else { Err(TransportError::lasting("another writer took over")) }
    }
}
