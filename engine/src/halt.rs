//! When a run is to end: because somebody says so, or because it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Looked at by all threads of a run. Clones are of the same run.
#[derive(Clone, Debug)]
pub(crate) struct Halt {
    /// Set by whoever started the run; the run never changes it.
    told: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
}

impl Halt {
    /// Of a run that whoever holds this flag may stop.
    pub(crate) fn new(told: Arc<AtomicBool>) -> Self {
        Self { told, over: Arc::default() }
    }

    /// Whether everybody is to come to an end.
    pub(crate) fn is_raised(&self) -> bool {
        self.told.load(Ordering::Relaxed) || self.over.load(Ordering::Relaxed)
    }

    /// The run is over: its threads may leave.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }
}
