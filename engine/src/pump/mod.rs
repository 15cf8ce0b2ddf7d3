//! The pump: reads the partitions, sets the job clock, cuts epochs, and stops reading when too much is in flight.
//!
//! ```text
//! start ───▶ replay ─┐
//!                    ├─▶ epochs ─▶ workers ─▶ committer
//! readers ─▶ merged ─┤                           │
//!         └▶ live ───┘ ◀── room for more ────────┘
//! ```

pub(crate) mod growth;
mod lane;
mod live;
mod merged;
mod replay;
pub(crate) mod roster;
mod start;

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::epoch::{Epoch, Moment, Order, Partition, Slice};
use crate::gauges::Gauges;
use crate::halt::Halt;
use crate::settings::Settings;
use crate::time::Time;
use crate::transport::TransportError;

use growth::Grown;
pub(crate) use lane::Lane;
use roster::Roster;
pub(crate) use start::{Start, span};

/// Reads, sets the clock and hands out epochs; runs on a thread of its own.
pub(crate) struct Pump {
    /// The limits.
    pub(crate) settings: Settings,
    /// The partitions.
    pub(crate) lanes: Vec<Lane>,
    /// The same, as the workers know them.
    pub(crate) partitions: Arc<Vec<Partition>>,
    /// Where epochs go, one channel a worker, and how to wake it.
    pub(crate) workers: Vec<(Sender<Order>, std::thread::Thread)>,
    /// Partitions that appeared since the start.
    pub(crate) grown: Receiver<Grown>,
    /// Bytes of each epoch whose commit has returned.
    pub(crate) committed: Receiver<usize>,
    /// Raised when the job is to stop.
    pub(crate) halt: Halt,
    /// The time it goes by.
    pub(crate) time: Arc<dyn Time>,
    /// The job clock so far.
    pub(crate) clock: u64,
    /// How far each partition has been observed, as of that clock.
    pub(crate) observed_ms: Vec<u64>,
    /// The jobs, where this is a server's.
    pub(crate) roster: Option<Roster>,
    /// Where it is told how far reading is, if anybody wants to know.
    pub(crate) gauges: Option<Arc<Gauges>>,
    /// Records of each source so far, by which they are shared among the workers.
    seen: Vec<usize>,
}

/// How the input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Everything there was has been read, and the clock went to infinity.
    Finished,
    /// The job was told to stop.
    Stopped,
}

/// Observed times are told to the dataflow at most this often, on the job clock.
const MARK_MS: u64 = 1_000;

/// How long a partition that has not answered yet is left alone where it must be waited for.
const WAIT: Duration = Duration::from_millis(1);

/// What is in flight between reading and commit.
#[derive(Default)]
struct InFlight {
    epochs: usize,
    bytes: usize,
}

/// What a pump reads from, and whom it hands that to.
pub(crate) struct Inlet {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) partitions: Vec<Partition>,
    pub(crate) workers: Vec<(Sender<Order>, std::thread::Thread)>,
    pub(crate) grown: Receiver<Grown>,
    pub(crate) committed: Receiver<usize>,
}

impl Pump {
    /// Sets one up; its clock has not begun.
    pub(crate) fn new(
        settings: Settings,
        inlet: Inlet,
        halt: Halt,
        time: Arc<dyn Time>,
        roster: Option<Roster>,
        gauges: Option<Arc<Gauges>>,
    ) -> Self {
        let Inlet { lanes, partitions, workers, grown, committed } = inlet;
        let (partitions, observed_ms, seen) = (Arc::new(partitions), Vec::new(), Vec::new());
        Self { settings, lanes, partitions, workers, grown, committed, halt, time, clock: 0, observed_ms, roster, gauges, seen }
    }

    /// Runs until the end of the input or until told to stop.
    ///
    /// # Errors
    /// A partition cannot be read and trying again will not help; or what is to be replayed is not what was read before.
    pub(crate) fn run(mut self, start: &Start) -> Result<Ending, TransportError> {
        let mut flight = InFlight::default();
        let result = self.pump(start, &mut flight);
        if matches!(result, Ok(Ending::Finished)) {
            self.tell(&Order::Finish);
        } else {
            // What is in flight is committed before the workers leave.
            while flight.epochs > 0 && self.take_commit(&mut flight) {}
            self.tell(&Order::Stop);
        }
        result
    }

    fn pump(&mut self, start: &Start, flight: &mut InFlight) -> Result<Ending, TransportError> {
        if !replay::replay(self, start, flight)? {
            return Ok(Ending::Stopped);
        }
        // Where nothing is read there is no epoch that could tell.
        self.gauges.iter().for_each(|gauges| gauges.change(|figures| figures.replaying = false));
        if start.takes_over() && !replay::take_over(self, flight) {
            return Ok(Ending::Stopped);
        }
        // Jobs that are to begin at once begin with the first moment.
        self.obey();
        if self.settings.bounded { merged::merge(self, flight) } else { live::live(self, flight) }
    }

    /// Whether the observed times are told at the moment that comes next: the first of each [`MARK_MS`], whoever came before.
    fn marks(&self, next: u64) -> bool {
        next / MARK_MS != self.clock / MARK_MS
    }

    /// Takes in partitions that appeared; they stand behind those that were there.
    fn grow(&mut self) {
        for (partition, reader) in self.grown.try_iter() {
            self.lanes.push(Lane::new(self.lanes.len(), &partition, reader));
            self.partitions = self.partitions.iter().cloned().chain([partition]).collect::<Vec<_>>().into();
        }
    }

    fn stopping(&self) -> bool {
        self.halt.is_raised()
    }

    /// Hands an epoch to the workers and the committer, once there is room for it.
    /// Returns false if nobody is there to take it any more.
    fn send(&mut self, mut moments: Vec<Moment>, replayed: bool, flight: &mut InFlight) -> bool {
        let records = moments.iter().flat_map(|m| &m.slices).map(|s| s.records.len()).sum();
        let bytes = moments.iter().flat_map(|m| &m.slices).map(Slice::bytes).sum();
        let full =
            |f: &InFlight| f.epochs >= self.settings.epochs_in_flight || (f.epochs > 0 && f.bytes + bytes > self.settings.bytes_in_flight);
        while full(flight) {
            if !self.take_commit(flight) {
                return false;
            }
        }
        while let Ok(freed) = self.committed.try_recv() {
            flight.release(freed);
        }
        self.number(&mut moments);
        let epoch = Arc::new(Epoch {
            moments,
            partitions: Arc::clone(&self.partitions),
            progress: self.lanes.iter().map(Lane::progress).collect(),
            bytes,
            records,
            replayed,
            began: self.time.elapsed(),
            changes: self.roster.as_mut().map(|roster| std::mem::take(&mut roster.changes)).unwrap_or_default(),
        });
        self.clock = epoch.clock();
        flight.epochs += 1;
        flight.bytes += bytes;
        self.gauges.iter().for_each(|gauges| gauges.tell(self, flight.epochs, flight.bytes));
        self.tell(&Order::Take(epoch));
        true
    }

    /// Counts the records of each source.
    fn number(&mut self, moments: &mut [Moment]) {
        for slice in moments.iter_mut().flat_map(|moment| &mut moment.slices) {
            let source = self.partitions[slice.partition].source;
            if source >= self.seen.len() {
                self.seen.resize(source + 1, 0);
            }
            slice.first = self.seen[source];
            self.seen[source] += slice.records.len();
        }
    }

    /// Waits for one commit; returns false if there is nobody to commit any more.
    fn take_commit(&self, flight: &mut InFlight) -> bool {
        self.time.hear(&self.committed).map(|freed| flight.release(freed)).is_some()
    }

    fn tell(&self, order: &Order) {
        for (worker, thread) in &self.workers {
            // A worker that has gone is noticed by the committer.
            let _ = worker.send(order.clone());
            thread.unpark();
        }
    }
}

impl InFlight {
    fn release(&mut self, bytes: usize) {
        self.epochs -= 1;
        self.bytes -= bytes;
    }
}
