//! Progress records as bytes: JSON, with a version that refuses what a newer program wrote.

use super::{Progress, TransportError};

/// How much further back than a restart must, one may begin if what it rebuilt was found wrong: so much history is kept.
pub(super) const TIMES: u64 = 2;

impl Progress {
    /// The version of the shape written here. Older ones are still read; a newer one is refused.
    pub const VERSION: u16 = 1;

    /// A restart from here needs what entered after this moment, if it reaches so many `times` as far back as it must; `None` if
    /// it needs everything.
    pub(crate) fn since_ms(&self, times: u64) -> Option<u64> {
        let back_ms = self.clock.saturating_sub(self.rests_on_ms).saturating_mul(times);
        self.clock.checked_sub(back_ms).filter(|since_ms| *since_ms > 0)
    }

    /// The latest that can be said of the evidence that entered up to here. That a partition was observed until some moment is
    /// evidence too, and where the clock is held it is ahead of that.
    pub(crate) fn entered_until_ms(&self) -> u64 {
        let observed_ms = self.ticks.last().into_iter().flat_map(|tick| tick.observed_ms.iter().copied());
        self.partitions.iter().map(|partition| partition.event_ms).chain(observed_ms).fold(self.clock, u64::max)
    }

    /// The record as it is stored.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, TransportError> {
        serde_json::to_vec(self)
            .map_err(|e| TransportError::lasting(format!("progress of job “{}” cannot be written", self.job)).because(e))
    }

    /// Reads a stored record; `place` says where it was found.
    pub(super) fn from_json(bytes: &[u8], place: &str) -> Result<Self, TransportError> {
        let unreadable = |e| TransportError::lasting(format!("the progress record in {place} cannot be understood")).because(e);
        let version: Version = serde_json::from_slice(bytes).map_err(unreadable)?;
        if version.version > Self::VERSION {
            let message = format!("the progress record in {place} has version {}, this program knows {}", version.version, Self::VERSION);
            return Err(TransportError::lasting(message).hint("A newer Giaolo wrote it: start that one, or give this job another name."));
        }
        serde_json::from_slice(bytes).map_err(unreadable)
    }
}

/// What is read before the rest is trusted to have today's shape.
#[derive(serde::Deserialize)]
struct Version {
    version: u16,
}

/// The error of a writer that is no longer the one of its job.
pub(super) fn taken_over(job: &str, place: &str) -> TransportError {
    TransportError::lasting(format!("another writer took over job “{job}” in {place}"))
        .hint("The same job was started twice: stop one of the two, or give one of them another name.")
}

/// The error of a row for a topic that the writer was not opened for.
pub(super) fn no_output(topic: &str, job: &str) -> TransportError {
    TransportError::lasting(format!("job “{job}” writes to “{topic}”, which is not among its outputs"))
}
