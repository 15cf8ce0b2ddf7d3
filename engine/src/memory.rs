//! How much memory jobs take: what their parts hold, counted in rows, and about how many bytes that is.
//!
//! ```text
//! on each worker, by part   shared rows ▸ open rows of outputs ▸ state of operators, as timely's log tells
//!                                      │
//! leader                    the sum over all workers ─▶ held to the job's bound
//! ```
//!
//! Bytes are an estimate, and not what the allocator gave: rows times the size of one. A shared row counts with all that it
//! holds, as large as it is when written; everybody else who keeps it has a pointer, and counts that. Not counted is what is
//! under way between parts, which is bounded for all jobs together.
//!
//! A job is charged with the parts that it alone uses. A part that several jobs share is charged to none of them, and neither
//! is what was read of a topic, which stays when its jobs have gone: that is the server's, and bounded by what it remembers.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use bincode::config::standard;
use bincode::enc::write::SizeWriter;
use serde::{Deserialize, Serialize};

/// Rows, and about how many bytes they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// How many.
    pub rows: usize,
    /// About how large they are together.
    pub bytes: usize,
}

impl Footprint {
    /// So many rows, each so large.
    pub(crate) fn of(rows: usize, bytes: usize) -> Self {
        Self { rows, bytes: rows.saturating_mul(bytes) }
    }
}

impl AddAssign for Footprint {
    fn add_assign(&mut self, other: Self) {
        (self.rows, self.bytes) = (self.rows.saturating_add(other.rows), self.bytes.saturating_add(other.bytes));
    }
}

/// What a part holds on one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartFootprint {
    pub(crate) part: String,
    /// The job that alone uses it and with which it leaves, if there is one.
    pub(crate) job: Option<String>,
    pub(crate) held: Footprint,
    /// Changes that it has handed on since it was built.
    pub(crate) passed: u64,
}

/// What the parts hold on each worker, all processes together.
pub(crate) type Shares = BTreeMap<usize, Vec<PartFootprint>>;

/// What each part holds on all workers.
pub(crate) fn by_part(shares: &Shares) -> BTreeMap<String, Footprint> {
    let mut parts = BTreeMap::<String, Footprint>::new();
    shares.values().flatten().for_each(|share| *parts.entry(share.part.clone()).or_default() += share.held);
    parts
}

/// How many changes each part has handed on, on all workers.
pub(crate) fn passed(shares: &Shares) -> BTreeMap<String, u64> {
    let mut parts = BTreeMap::<String, u64>::new();
    for share in shares.values().flatten() {
        let all = parts.entry(share.part.clone()).or_default();
        *all = all.saturating_add(share.passed);
    }
    parts
}

/// What each job alone holds, and the part that holds most of it.
pub(crate) fn by_job(shares: &Shares) -> BTreeMap<String, (Footprint, String)> {
    let mut jobs = BTreeMap::<&String, BTreeMap<&String, Footprint>>::new();
    for (job, share) in shares.values().flatten().filter_map(|share| Some((share.job.as_ref()?, share))) {
        *jobs.entry(job).or_default().entry(&share.part).or_default() += share.held;
    }
    let sum = |parts: BTreeMap<&String, Footprint>| {
        let mut all = Footprint::default();
        parts.values().for_each(|held| all += *held);
        let most = parts.into_iter().max_by_key(|(_, held)| held.bytes);
        (all, most.map_or_else(String::new, |(part, held)| format!("{:?} holds {} rows, about {}", part, held.rows, size(held.bytes))))
    };
    jobs.into_iter().map(|(job, parts)| (job.clone(), sum(parts))).collect()
}

/// How large rows of a type are, measured on some of them.
#[derive(Default)]
pub(crate) struct RowSize {
    shown: usize,
    rows: usize,
    bytes: usize,
}

/// Of rows that are shown the first so many are measured, and after them one in so many: to measure takes about a microsecond.
const MEASURED: usize = 64;

impl RowSize {
    /// Is shown a row, and measures it or not: as large as it is in place or, where it points to something, as that is when written
    /// with numbers of full width.
    pub(crate) fn show<T: Serialize>(&mut self, row: &T) {
        self.shown += 1;
        if self.shown <= MEASURED || self.shown.is_multiple_of(MEASURED) {
            self.measure(row);
        }
    }

    fn measure<T: Serialize>(&mut self, row: &T) {
        let mut writer = SizeWriter::default();
        let written = bincode::serde::encode_into_writer(row, &mut writer, standard().with_fixed_int_encoding());
        let pointed = written.map_or(0, |()| writer.bytes_written);
        self.rows += 1;
        self.bytes += pointed.max(size_of::<T>());
    }

    /// The mean of those that were measured.
    pub(crate) fn mean(&self) -> usize {
        self.bytes.checked_div(self.rows).unwrap_or(0)
    }
}

/// A size for people.
pub(crate) fn size(bytes: usize) -> String {
    const UNITS: [(&str, usize); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.iter().find(|(_, of)| bytes >= *of);
    unit.map_or_else(|| format!("{bytes} B"), |(name, of)| format!("{:.1} {name}", bytes as f64 / *of as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_as_large_as_what_it_points_to() {
        let mut sizes = [RowSize::default(), RowSize::default(), RowSize::default()];
        sizes[0].measure(&(1_u64, 2_u64));
        sizes[1].measure(&Box::new([7_u64; 32]));
        (0..2).for_each(|half| sizes[2].measure(&vec![1_u8; half * 1_000]));
        assert_eq!(sizes[0].mean(), 16);
        assert_eq!(sizes[1].mean(), 256);
        assert_eq!(sizes[2].mean(), (24 + 1_008) / 2);
    }

    #[test]
    fn a_job_is_charged_with_what_it_alone_uses_on_all_workers() {
        let share = |part: &str, job: Option<&str>, rows| PartFootprint {
            part: part.to_owned(),
            job: job.map(str::to_owned),
            held: Footprint::of(rows, 100),
            passed: 0,
        };
        let shares = Shares::from([
            (0, vec![share("source", None, 50), share("link", Some("a"), 3), share("rule", Some("a"), 1)]),
            (3, vec![share("source", None, 60), share("link", Some("a"), 4), share("other", Some("b"), 2)]),
        ]);
        let by_job = by_job(&shares);
        assert_eq!(by_job["a"], (Footprint::of(8, 100), "\"link\" holds 7 rows, about 700 B".to_owned()));
        assert_eq!(by_job["b"].0, Footprint::of(2, 100));
        assert_eq!(by_part(&shares)["source"], Footprint::of(110, 100));
        assert_eq!([size(1_023), size(1_536), size(5 << 30)], ["1023 B", "1.5 KiB", "5.0 GiB"]);
    }
}
