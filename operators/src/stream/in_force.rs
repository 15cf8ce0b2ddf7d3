//! `InForce`: what is said of one thing, each saying in force from its own time until the next one's.

use std::collections::BTreeMap;

use differential_dataflow::consolidation::consolidate;

/// What is said of one thing, by time, with how often it is said.
///
/// Two different sayings of one moment contradict each other: while they are in force, nothing is.
pub(crate) struct InForce<R>(BTreeMap<u64, Vec<(R, isize)>>);

impl<R> Default for InForce<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Ord> InForce<R> {
    /// Adds a saying of a moment `diff` times, or takes it back where that is negative.
    pub(crate) fn change(&mut self, at_ms: u64, said: R, diff: isize) {
        let at_once = self.0.entry(at_ms).or_default();
        at_once.push((said, diff));
        consolidate(at_once);
        if at_once.is_empty() {
            self.0.remove(&at_ms);
        }
    }

    /// What is in force at a moment; `None` if there is nothing, or two that contradict each other.
    pub(crate) fn at(&self, at_ms: u64) -> Option<&R> {
        let (_, at_once) = self.0.range(..=at_ms).next_back()?;
        let mut stand = at_once.iter().filter(|(_, count)| *count > 0);
        stand.next().map(|(said, _)| said).filter(|_| stand.next().is_none())
    }

    /// When what is said of a moment ceases to be in force.
    pub(crate) fn until_ms(&self, at_ms: u64) -> Option<u64> {
        self.0.range(at_ms.saturating_add(1)..).next().map(|(next_ms, _)| *next_ms)
    }

    /// Of how many moments something is said.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// When something was said last.
    pub(crate) fn last_ms(&self) -> Option<u64> {
        self.0.last_key_value().map(|(at_ms, _)| *at_ms)
    }

    /// Forgets what has not been in force since a moment.
    pub(crate) fn forget(&mut self, since_ms: u64) {
        if let Some(in_force_ms) = self.0.range(..=since_ms).next_back().map(|(at_ms, _)| *at_ms) {
            self.0 = self.0.split_off(&in_force_ms);
        }
    }
}
