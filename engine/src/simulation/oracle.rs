//! What the simulated job should have told, found from the facts and from when each entered: sums in maps, no dataflow, and no
//! code of the engine. Only the shape of a progress record is the engine's.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Fact, GROUP, STRETCH_MS};
use super::life::OFF_MS;
use super::log::{Commit, Kept};
use crate::transport::{Progress, Tick};

/// The limits of the job.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) lateness_ms: u64,
    pub(super) max_skew_ms: u64,
    /// How far a partition may lag before the clock waits for it; `None`: it may have to be late all the same.
    pub(super) patience_ms: Option<u64>,
    /// Whether the wall clock has a say in when things enter.
    pub(super) live: bool,
}

/// What was found to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) records: usize,
    pub(super) rows: usize,
    pub(super) rejected: usize,
    pub(super) withdrawn: usize,
    pub(super) finals: usize,
}

/// A partition by topic and number.
type Which = (String, u32);

/// A row that may still change.
#[derive(Default)]
struct Standing {
    shown: Option<i64>,
    last: i64,
    revision: u64,
    due: u64,
    settled: bool,
}

/// The model.
struct Model<'a> {
    terms: Terms,
    facts: &'a BTreeMap<Which, Vec<Kept>>,
    read: BTreeMap<Which, u64>,
    clock: u64,
    /// The values of a key in a stretch.
    values: BTreeMap<(u64, u64), i64>,
    factors: BTreeMap<u64, i64>,
    marks: BTreeMap<u32, u64>,
    tables: BTreeMap<&'static str, BTreeMap<u64, Standing>>,
    rows: BTreeMap<&'static str, Vec<String>>,
    figures: Figures,
}

/// Holds what was committed to what should have been: each transaction to its own rows.
pub(super) fn judge(terms: Terms, facts: &BTreeMap<Which, Vec<Kept>>, commits: &[Commit]) -> Result<Figures, String> {
    let mut model = Model {
        terms,
        facts,
        read: BTreeMap::new(),
        clock: 0,
        values: BTreeMap::new(),
        factors: BTreeMap::new(),
        marks: BTreeMap::new(),
        tables: BTreeMap::from([("sums", BTreeMap::new()), ("watches", BTreeMap::new())]),
        rows: BTreeMap::new(),
        figures: Figures::default(),
    };
    let mut wall_ms = 0;
    for (number, commit) in (1..).zip(commits) {
        wall_ms = wall_ms.max(commit.wall_ms);
        if commit.progress.epoch != number {
            return Err(format!("commit {number} says that it is {}", commit.progress.epoch));
        }
        model.take(&commit.progress, wall_ms).map_err(|fault| format!("commit {number}: {fault}"))?;
        model.compare(commit).map_err(|fault| format!("commit {number}: {fault}"))?;
    }
    for (which, kept) in facts {
        let read = model.read.get(which).copied().unwrap_or(0);
        if read != kept.len() as u64 {
            return Err(format!("{read} of {} records of {which:?} were read", kept.len()));
        }
    }
    model.figures.records = facts.values().map(Vec::len).sum();
    Ok(model.figures)
}

impl Model<'_> {
    fn take(&mut self, progress: &Progress, wall_ms: u64) -> Result<(), String> {
        for tick in &progress.ticks {
            let allowed = if self.terms.live { wall_ms.max(self.clock + 1) } else { u64::MAX };
            if tick.clock <= self.clock || tick.clock > allowed {
                return Err(format!("the clock goes from {} to {}, and the wall clock is at {wall_ms}", self.clock, tick.clock));
            }
            self.enter(progress, tick)?;
        }
        if progress.finished {
            self.settle(u64::MAX);
        }
        if progress.clock != self.clock {
            return Err(format!("the clock is at {}, the record says {}", self.clock, progress.clock));
        }
        Ok(())
    }

    fn enter(&mut self, progress: &Progress, tick: &Tick) -> Result<(), String> {
        let (before, now) = (self.clock, tick.clock);
        self.clock = now;
        self.settle(now);
        let (mut sums, mut watches) = (BTreeSet::new(), Vec::new());
        for (partition, offset) in progress.partitions.iter().zip(&tick.offsets) {
            let which = (partition.topic.clone(), partition.partition);
            let from = self.read.insert(which.clone(), *offset).unwrap_or(0);
            let kept = self.facts.get(&which).map_or(&[][..], Vec::as_slice);
            if from > *offset || *offset > kept.len() as u64 {
                return Err(format!("{which:?} was read up to {from}, then up to {offset} of {}", kept.len()));
            }
            for (number, kept) in (from..).zip(&kept[from as usize..*offset as usize]) {
                self.fact(&which, number, kept, &mut sums);
                if from > 0 && self.is_late_though_on_time(kept) {
                    return Err(format!("record {number} of {which:?} came in time and is late at {now}: {kept:?}"));
                }
            }
        }
        // Observed times are told at the first moment of each second.
        if now / 1_000 != before / 1_000 {
            for (partition, until_ms) in progress.partitions.iter().zip(&tick.observed_ms).filter(|(p, _)| p.topic == "entries") {
                if *until_ms > 0 {
                    watches.push((partition.partition, until_ms / STRETCH_MS * STRETCH_MS));
                }
            }
        }
        let mut changes: BTreeMap<u64, Option<i64>> = BTreeMap::new();
        for (partition, begins_ms) in watches {
            let id = |begins_ms: u64| u64::from(partition) << 48 | begins_ms;
            let last = self.marks.insert(partition, begins_ms).filter(|last| *last != begins_ms);
            changes.extend(last.map(|last| (id(last), None)));
            changes.insert(id(begins_ms), Some(0));
        }
        changes.into_iter().for_each(|(id, shown)| self.show("watches", id, shown));
        for (key, begins_ms) in sums {
            let factor = self.factors.get(&(key / GROUP));
            let sum = self.values.get(&(key, begins_ms)).zip(factor).map(|(sum, factor)| sum * factor);
            self.show("sums", key << 48 | begins_ms, sum.filter(|sum| sum % 2 == 0));
        }
        self.settle(now);
        Ok(())
    }

    /// Whether a record is late that was not when it came, although the clock is to wait for the partition it lies in.
    fn is_late_though_on_time(&self, kept: &Kept) -> bool {
        let (Fact::Entry { at_ms, .. }, Some(patience_ms)) = (&kept.fact, self.terms.patience_ms) else { return false };
        let spare_ms = self.terms.lateness_ms - patience_ms;
        at_ms + self.terms.lateness_ms < self.clock && at_ms + spare_ms >= kept.arrival_ms + 2 * OFF_MS
    }

    fn fact(&mut self, which: &Which, number: u64, kept: &Kept, touched: &mut BTreeSet<(u64, u64)>) {
        let refused = match kept.fact {
            Fact::Broken => Some("unreadable"),
            Fact::Entry { at_ms, .. } if at_ms > kept.arrival_ms + self.terms.max_skew_ms => Some("future"),
            Fact::Entry { at_ms, .. } if at_ms + self.terms.lateness_ms < self.clock => Some("late"),
            Fact::Entry { key, at_ms, value } => {
                let begins_ms = at_ms / STRETCH_MS * STRETCH_MS;
                *self.values.entry((key, begins_ms)).or_default() += value;
                touched.insert((key, begins_ms));
                None
            }
            Fact::Factor { group, factor } => {
                match factor {
                    Some(factor) => self.factors.insert(group, factor),
                    None => self.factors.remove(&group),
                };
                touched.extend(self.values.keys().filter(|(key, _)| key / GROUP == group));
                None
            }
        };
        if let Some(reason) = refused {
            self.figures.rejected += 1;
            self.rows.entry("rejected").or_default().push(format!("{}/{} {number} {reason}", which.0, which.1));
        }
    }

    /// A row is to be shown with a value, or not at all.
    fn show(&mut self, table: &'static str, id: u64, shown: Option<i64>) {
        let row = self.tables.entry(table).or_default().entry(id).or_default();
        if row.settled || row.shown == shown {
            return;
        }
        let standing = if shown.is_some() { "provisional" } else { "withdrawn" };
        row.last = shown.unwrap_or(row.last);
        (row.revision, row.shown) = (row.revision + 1, shown);
        let ends_ms = (id & ((1 << 48) - 1)) + STRETCH_MS;
        row.due = row.due.max(ends_ms + self.terms.lateness_ms).max(self.clock);
        self.figures.withdrawn += usize::from(shown.is_none());
        self.rows.entry(table).or_default().push(format!("{id} {} {standing} {}", row.revision, row.last));
    }

    /// What nothing can change any more is final.
    fn settle(&mut self, now: u64) {
        for (table, standing) in &mut self.tables {
            for (id, row) in standing.iter_mut().filter(|(_, row)| !row.settled && row.due < now && row.revision > 0) {
                row.settled = true;
                if row.shown.is_some() {
                    row.revision += 1;
                    self.figures.finals += 1;
                    self.rows.entry(table).or_default().push(format!("{id} {} final {}", row.revision, row.last));
                }
            }
        }
    }

    /// Holds the rows of one transaction to those that belong into it: of each id in order, whatever the order of the ids.
    fn compare(&mut self, commit: &Commit) -> Result<(), String> {
        for table in ["sums", "watches", "rejected"] {
            let rows = commit.rows.iter().filter(|row| *row.topic == *table);
            let mut found: Vec<String> = rows.map(|row| String::from_utf8_lossy(&row.value).into_owned()).collect();
            let mut expected = self.rows.remove(table).unwrap_or_default();
            self.figures.rows += found.len();
            // What is rejected has no revisions, and no order.
            let words = if table == "rejected" { usize::MAX } else { 1 };
            let by = |row: &String| row.split(' ').take(words).map(str::to_owned).collect::<Vec<_>>();
            found.sort_by_cached_key(by);
            expected.sort_by_cached_key(by);
            if found != expected {
                let differ = |one: &[String], other: &[String]| one.iter().filter(|row| !other.contains(row)).cloned().collect::<Vec<_>>();
                let (more, lacking) = (differ(&found, &expected), differ(&expected, &found));
                return Err(format!("{table}: it tells {more:?} and lacks {lacking:?}; {found:?}"));
            }
        }
        Ok(())
    }
}
