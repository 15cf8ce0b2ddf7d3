//! What is going on: figures that pump, workers and committer keep for whoever looks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

pub use crate::memory::Footprint;
use crate::memory::{self, Shares};
use crate::pump::Pump;
use crate::server::StageFigures;
use crate::time::wall_ms;
use crate::transport::Lost;

/// Figures, kept by those who know them.
#[derive(Debug, Default)]
pub struct Gauges(Mutex<Figures>);

/// The figures of one moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Figures {
    /// The job clock, milliseconds since the epoch; 0 before it began.
    pub clock_ms: u64,
    /// How far the clock is behind the wall clock, milliseconds.
    pub behind_ms: u64,
    /// The partition for which the clock waits, if it waits.
    pub held_by: Option<String>,
    /// Whether state is being rebuilt from what was read before.
    pub replaying: bool,
    /// The partitions read.
    pub partitions: Vec<PartitionFigures>,
    /// Epochs read and not committed.
    pub epochs_in_flight: usize,
    /// Their bytes.
    pub bytes_in_flight: usize,
    /// Commits since the start.
    pub commits: u64,
    /// Rows committed since the start, by output.
    pub rows: BTreeMap<String, u64>,
    /// Records refused and told of since the start, by their topic and why.
    pub rejected: BTreeMap<String, BTreeMap<String, u64>>,
    /// Records that were needed and gone, and are gone on without, found since the start.
    pub lost: Vec<Lost>,
    /// Why nothing can be committed just now.
    pub stuck: Option<String>,
    /// Processes that share the work and are not there yet, each with its address.
    pub waits_for: Vec<String>,
    /// Rows remembered for jobs that come, by part.
    pub remembered: BTreeMap<String, usize>,
    /// What each part holds, on all workers.
    pub held: BTreeMap<String, Footprint>,
    /// Changes that each part has handed on since it was built, on all workers: rows that came, and rows that were taken back.
    pub passed: BTreeMap<String, u64>,
    /// Both as they are told, by worker.
    #[serde(skip)]
    pub(crate) shares: Shares,
    /// How long each part has worked on worker 0, milliseconds.
    pub busy_ms: BTreeMap<String, u64>,
    /// Jobs that run, each with the hash of its definition, where this is a server.
    pub running: BTreeSet<(String, String)>,
    /// Jobs of a server whose results are not rebuilt, each on threads of its own.
    pub stages: BTreeMap<String, StageFigures>,
    /// Times the workers were started anew after a failure.
    pub restarts: u64,
    /// Why, the last time.
    pub failure: Option<String>,
    /// Times from reading an epoch to its commit.
    pub commit_ms: Histogram,
}

/// One partition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PartitionFigures {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: u32,
    /// The next offset to be taken.
    pub next_offset: u64,
    /// Records taken.
    pub records: u64,
    /// Whether everything there is was taken.
    pub caught_up: bool,
    /// Age of the record taken last where there is more, milliseconds; 0 where all was taken.
    pub lag_ms: u64,
}

/// Counts of times by upper bound.
#[derive(Clone, Debug, Serialize)]
pub struct Histogram {
    /// For each of [`Histogram::BOUNDS_MS`], and beyond the last: how many were at most that long (and longer than the one before).
    pub counts: Vec<u64>,
    /// The sum of all, milliseconds.
    pub sum_ms: u64,
}

impl Histogram {
    /// The upper bounds, milliseconds.
    pub const BOUNDS_MS: [u64; 12] = [5, 10, 20, 50, 100, 200, 300, 500, 1_000, 2_000, 5_000, 10_000];

    pub(crate) fn add(&mut self, ms: u64) {
        let place = Self::BOUNDS_MS.iter().position(|bound| ms <= *bound).unwrap_or(Self::BOUNDS_MS.len());
        self.counts[place] += 1;
        self.sum_ms += ms;
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; Self::BOUNDS_MS.len() + 1], sum_ms: 0 }
    }
}

impl Gauges {
    /// The figures as they are now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        let mut figures = self.lock().clone();
        (figures.held, figures.passed) = (memory::by_part(&figures.shares), memory::passed(&figures.shares));
        if figures.clock_ms > 0 {
            figures.behind_ms = wall_ms().saturating_sub(figures.clock_ms);
        }
        figures
    }

    /// What the workers of this process hold.
    pub(crate) fn shares(&self) -> Shares {
        self.lock().shares.clone()
    }

    /// What each job alone holds, and the part that holds most of it.
    pub(crate) fn held_by_jobs(&self) -> BTreeMap<String, (Footprint, String)> {
        memory::by_job(&self.lock().shares)
    }

    /// Changes figures.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Figures)) {
        change(&mut self.lock());
    }

    /// How far reading is.
    pub(crate) fn tell(&self, pump: &Pump, epochs: usize, bytes: usize) {
        let now_ms = pump.time.wall_ms();
        let partitions: Vec<_> = pump.lanes.iter().map(|lane| lane.figures(now_ms)).collect();
        let held_by = partitions.iter().filter(|p| !p.caught_up && p.lag_ms > pump.settings.patience_ms).max_by_key(|p| p.lag_ms);
        let held_by = held_by.map(|p| format!("{}/{}", p.topic, p.partition));
        self.change(|figures| {
            (figures.clock_ms, figures.held_by, figures.partitions) = (pump.clock, held_by, partitions);
            (figures.epochs_in_flight, figures.bytes_in_flight) = (epochs, bytes);
        });
    }

    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
