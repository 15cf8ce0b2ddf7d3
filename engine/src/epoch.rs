//! An epoch: what is read together, worked on together and committed in one transaction.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ahead::Decoded;
use crate::flow::Program;
use crate::server::Definition;
use crate::transport::{Batch, Change, PartitionProgress, RawRecord, Tick};

/// A partition being read, as the workers need to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Partition {
    /// Which of the job's sources it belongs to.
    pub(crate) source: usize,
    /// The topic.
    pub(crate) topic: String,
    /// Its number there.
    pub(crate) number: u32,
    /// Whether it is part of a table: what it holds has no times, and is read from the first offset kept.
    pub(crate) table: bool,
}

/// Records of one partition that enter at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Slice {
    /// Which partition, by place in [`Epoch::partitions`].
    pub(crate) partition: usize,
    /// The block they lie in.
    pub(crate) batch: Arc<Batch>,
    /// Which of its records.
    pub(crate) records: std::ops::Range<usize>,
    /// How many records of its source came before: by that they are shared among the workers.
    pub(crate) first: usize,
    /// The arrival time of those records that have none of their own.
    pub(crate) arrival_ms: u64,
    /// What its records were decoded to ahead of time, if they were.
    pub(crate) decoded: Arc<Decoded>,
}

impl Slice {
    /// Bytes of its records.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        let size = |record: &RawRecord| record.key.len() + record.value.as_ref().map_or(0, ExactSizeIterator::len);
        self.batch.records[self.records.clone()].iter().map(size).sum()
    }
}

/// One moment of the job clock with what enters at it.
#[derive(Debug)]
pub(crate) struct Moment {
    /// The clock and, for the progress record, how far each partition has been read.
    pub(crate) tick: Tick,
    /// What enters.
    pub(crate) slices: Vec<Slice>,
    /// Whether the partitions' observed times are told to the dataflow at this moment.
    pub(crate) marks: bool,
}

/// What is read together.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// In order of the clock; never empty.
    pub(crate) moments: Vec<Moment>,
    /// All partitions of the job.
    pub(crate) partitions: Arc<Vec<Partition>>,
    /// How far they were read at the end of this epoch.
    pub(crate) progress: Vec<PartitionProgress>,
    /// Bytes it holds.
    pub(crate) bytes: usize,
    /// Records it holds.
    pub(crate) records: usize,
    /// Repeats what was committed before: its rows are known already.
    pub(crate) replayed: bool,
    /// When it was handed out, as the run's time has it.
    pub(crate) began: std::time::Duration,
    /// Jobs that began or ended since the epoch before.
    pub(crate) changes: Vec<Change>,
}

/// A job that begins among those that run.
pub(crate) struct Launch {
    pub(crate) job: String,
    pub(crate) program: Arc<dyn Program>,
    /// What it was made from: so it goes to other processes.
    pub(crate) definition: Arc<Definition>,
    /// The names of all sources there are by then.
    pub(crate) sources: Arc<Vec<String>>,
    /// The job clock by then.
    pub(crate) at: u64,
    /// The job clock when it began the first time.
    pub(crate) born: u64,
    /// Whether it tells what is final by then.
    pub(crate) tell_final: bool,
}

impl Epoch {
    /// The last moment of the clock it covers.
    #[must_use]
    pub(crate) fn clock(&self) -> u64 {
        self.moments.last().map_or(0, |m| m.tick.clock)
    }
}

/// A job that ends among those that run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Departure {
    pub(crate) job: String,
    /// The outputs whose rows are final now; none where somebody is to go on with them.
    pub(crate) closed: Vec<String>,
}

/// What the workers are told.
#[derive(Clone)]
pub(crate) enum Order {
    /// Take this in.
    Take(Arc<Epoch>),
    /// Build this job's parts.
    Begin(Arc<Launch>),
    /// Drop what a job alone uses.
    End(Departure),
    /// The input is complete: let the clock go to infinity.
    Finish,
    /// Stop as things are.
    Stop,
}
