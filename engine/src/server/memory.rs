//! Jobs that hold more than they may: each fails alone, with the reason, and the others go on as if nothing had happened.

use std::sync::PoisonError;

use super::{Server, State};
use crate::memory::size;

impl Server {
    /// What a job may hold from now on.
    pub(super) fn set_bound(&self, job: &str, memory_most: Option<u64>) {
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        match memory_most {
            Some(bytes) => drop(bounds.insert(job.to_owned(), bytes)),
            None => drop(bounds.remove(job)),
        }
    }

    /// Ends the jobs that hold too much; what they published stands as it is, until they are mended or stopped.
    pub(super) fn hold_to_bounds(&self) {
        let bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if bounds.is_empty() {
            return;
        }
        for (job, (held, most_of_it)) in self.gauges.held_by_jobs() {
            if let Some(bound) = bounds.get(&job).filter(|bound| held.bytes as u64 > **bound) {
                let (held, bound) = (size(held.bytes), size(usize::try_from(*bound).unwrap_or(usize::MAX)));
                let hint = "shorten the windows or the lateness, or submit it with a larger bound";
                self.end_failed(&job, &format!("it holds about {held} and may hold {bound}: {most_of_it} ({hint})"));
            }
        }
    }

    /// Ends a job that has failed while its parts are well, or that has none.
    pub(super) fn end_failed(&self, job: &str, reason: &str) {
        let desk = self.lock();
        if matches!(desk.catalogue.turn(job, State::Failed, Some(reason)), Ok(true)) {
            tracing::error!(job, reason, "the job has failed");
            desk.end(job, Vec::new());
        }
    }
}
