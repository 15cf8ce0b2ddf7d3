//! A part of jobs as it runs on a worker.

use std::collections::BTreeSet;

use crate::flow::{Ends, Shelf};
use crate::memory::{Footprint, PartFootprint};

/// A part that runs here.
pub(super) struct Installed {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) dataflow: usize,
    pub(super) stays: bool,
    pub(super) users: BTreeSet<String>,
    pub(super) shelf: Shelf,
    pub(super) ends: Ends,
}

impl Installed {
    /// What it holds: what it lends, what it publishes, and `held`, which its operators do.
    pub(super) fn footprint(&self, mut held: Footprint) -> PartFootprint {
        let Ends { gauges, published, .. } = &self.ends;
        gauges.iter().for_each(|gauge| held += gauge.held.get());
        published.iter().for_each(|(_, rows)| held += rows.footprint());
        PartFootprint {
            part: self.name.clone(),
            job: self.users.first().filter(|_| self.users.len() == 1 && !self.stays).cloned(),
            held,
            passed: gauges.iter().map(|gauge| gauge.passed.get()).sum(),
        }
    }

    /// Whether everything up to this moment has come out.
    pub(super) fn complete(&self, clock: u64) -> bool {
        let gauges = self.ends.gauges.iter().map(|gauge| gauge.until.get());
        self.ends.done.iter().map(|done| done.get()).chain(gauges).all(|until| until > clock)
    }
}
