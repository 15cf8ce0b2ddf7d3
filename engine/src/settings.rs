//! The limits a job runs within. Every one is written down here, with its default and the reason for it.

use std::sync::Arc;
use std::time::Duration;

use crate::cluster::Cluster;

/// How a job runs. All of it has a default.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Timely workers. Default 1: two cores are best left to one worker and the reading and writing around it.
    pub workers: usize,
    /// The processes that share the work, each with so many workers. Default none: this one alone.
    pub cluster: Option<Arc<Cluster>>,
    /// How long after its event time a record is still taken, milliseconds. Default 15 min: a line that was cut comes back.
    pub lateness_ms: u64,
    /// How far ahead of its arrival a record's event time may be, milliseconds. Default 5 s: clocks differ by less.
    pub max_skew_ms: u64,
    /// How far a partition may lag before the clock waits for it, milliseconds. Default half of the lateness.
    pub patience_ms: u64,
    /// Step of the job clock in a bounded replay, milliseconds. Default 100: finer than any alert is due.
    pub tick_ms: u64,
    /// How long the job remembers, milliseconds ([`Plan::memory_ms`](crate::plan::Plan::memory_ms)). A restart reads so much more
    /// than what is still open rests on; and at the end of a bounded replay the clock runs on so far in steps, so that what
    /// becomes final is committed minute by minute and not all at once. Default 0: not known, a restart reads everything.
    pub memory_ms: u64,
    /// Epochs between reading and commit. Default 16: enough to keep all parts busy.
    pub epochs_in_flight: usize,
    /// Bytes between reading and commit. Default 64 MiB; one epoch is always let through.
    pub bytes_in_flight: usize,
    /// Bytes after which an epoch is closed. Default 512 KiB: a scheduling round costs little against it, and it stays in cache.
    pub epoch_bytes: usize,
    /// Least time between the beginnings of two epochs in live running. Default 20 ms.
    pub epoch_gap: Duration,
    /// How often progress is committed while nothing is published. Default 5 s.
    pub idle_commit: Duration,
    /// How often a live job looks for new partitions of its sources. Default 30 s.
    pub look_for_partitions: Duration,
    /// What happens when records are gone that a job needs. Default: it stops.
    pub on_data_loss: OnDataLoss,
    /// Read to the end that is there and finish, with the recording's own clock, instead of waiting for more.
    pub bounded: bool,
}

/// What happens when records are gone that a job needs: a topic's retention was too short, or it was made anew or cut off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDataLoss {
    /// The job stops and says what is gone.
    #[default]
    Fail,
    /// It says so and goes on with what is there: what was final stays so, what was open is told anew from the records that are left,
    /// and withdrawn where they do not carry it.
    Skip,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 1,
            cluster: None,
            lateness_ms: 15 * 60_000,
            max_skew_ms: 5_000,
            patience_ms: 15 * 30_000,
            tick_ms: 100,
            memory_ms: 0,
            epochs_in_flight: 16,
            bytes_in_flight: 64 << 20,
            epoch_bytes: 512 << 10,
            epoch_gap: Duration::from_millis(20),
            idle_commit: Duration::from_secs(5),
            look_for_partitions: Duration::from_secs(30),
            on_data_loss: OnDataLoss::Fail,
            bounded: false,
        }
    }
}
