//! Takeover: what a job has told, as its outputs say themselves, for where it cannot be rebuilt from what it read
//! ([`recovery`](crate::recovery)).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use rustc_hash::FxHashMap;

use super::{Entry, Standing, Topic};
use crate::plan::REJECTED;
use crate::transport::{Transport, TransportError, visit};

/// The last word of some outputs on each id.
#[derive(Debug)]
pub(crate) struct Takeover {
    /// The moment at which the outputs are gone on with: the first that is not replayed.
    pub(crate) at: u64,
    rows: BTreeMap<String, FxHashMap<u64, Vec<u8>>>,
}

impl Takeover {
    /// Reads what outputs say, of what arrived there since a moment.
    ///
    /// # Errors
    /// They cannot be read.
    pub(crate) fn read(sink: &dyn Transport, outputs: &BTreeSet<&str>, at: u64, since_ms: u64) -> Result<Self, TransportError> {
        let mut rows = BTreeMap::new();
        for output in outputs.iter().filter(|output| **output != REJECTED) {
            let last: &mut FxHashMap<u64, Vec<u8>> = rows.entry((*output).to_owned()).or_default();
            for partition in sink.partitions(output)? {
                visit(sink, output, partition, 0, |batch, record| {
                    let id = std::str::from_utf8(batch.key(record)).ok().and_then(|key| u64::from_str_radix(key, 16).ok());
                    if record.arrival_ms.is_none_or(|arrival_ms| arrival_ms >= since_ms)
                        && let (Some(id), Some(value)) = (id, batch.value(record))
                    {
                        last.insert(id, value.to_vec());
                    }
                    ControlFlow::Continue(())
                })?;
            }
        }
        Ok(Self { at, rows })
    }
}

impl<T> Topic<T> {
    /// What was told here.
    pub(super) fn recall(&self, takeover: &Takeover, lateness_ms: u64) -> FxHashMap<u64, Entry<T>> {
        let told = takeover.rows.get(&*self.output).into_iter().flatten();
        told.filter_map(|(id, bytes)| {
            let (row, revision, standing) = (self.spec.decode)(bytes)?;
            let due = (self.spec.settles_ms)(&row).saturating_add(lateness_ms);
            let settled = standing == Standing::Final;
            // Evidence that is left may tell another tale of what was final before.
            let row = (standing == Standing::Provisional).then_some(row);
            Some((*id, Entry { row, revision, settled, closed: settled, due }))
        })
        .collect()
    }

    /// Whether two rows are told alike.
    pub(super) fn alike(&self, one: &T, other: &T) -> bool {
        let bytes = |row| (self.spec.encode)(row, 1, Standing::Provisional);
        bytes(one) == bytes(other)
    }
}
