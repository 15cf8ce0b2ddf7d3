//! Time as a run lives through it: the machine's own, or one that a test makes up.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::Receiver;

/// Tells the time, and lets it pass.
pub(crate) trait Time: Send + Sync {
    /// The wall clock, milliseconds since the epoch. Somebody may set it.
    fn wall_ms(&self) -> u64;

    /// How long it is since some moment. It never goes back.
    fn elapsed(&self) -> Duration;

    /// Does nothing for so long, while others go on.
    fn rest(&self, span: Duration);

    /// Waits until somebody says something; `None` if there is nobody any more who could.
    fn hear(&self, from: &Receiver<usize>) -> Option<usize>;
}

/// The time of the machine.
pub(crate) struct MachineTime {
    began: Instant,
}

impl MachineTime {
    /// Begins to measure.
    pub(crate) fn new() -> Self {
        Self { began: Instant::now() }
    }
}

impl Time for MachineTime {
    fn wall_ms(&self) -> u64 {
        wall_ms()
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn rest(&self, span: Duration) {
        std::thread::sleep(span);
    }

    fn hear(&self, from: &Receiver<usize>) -> Option<usize> {
        from.recv().ok()
    }
}

/// The wall clock of the machine, milliseconds since the epoch.
#[must_use]
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
