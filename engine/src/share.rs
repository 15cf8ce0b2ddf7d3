//! Sharing: a collection that dataflows built later can join, with what is remembered of it.
//!
//! ```text
//! part A ──changes──▶ tap ──┬──▶ pipe ──▶ part B          a part is a dataflow of its own, so that it can be dropped
//!                      │    └──▶ pipe ──▶ part C          alone when nobody uses it any more
//!                    kept ─ ─ ─ ─ ▲
//!                     what is remembered, told first to whoever joins
//! ```
//!
//! Why not a trace of an arrangement, as differential dataflow has them: what is bounded by time leaves silently here, without
//! retractions, so a trace would never shrink. A tap forgets by the rows' own time instead. Tap and pipe are on the same
//! worker; nothing is exchanged between them.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::rc::{Rc, Weak};

use differential_dataflow::ExchangeData;
use rustc_hash::FxHasher;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::core::input::Handle;
use timely::dataflow::operators::generic::operator::Operator;

use crate::fail_point::{Stage, pass};
use crate::flow::Changes;
use crate::memory::{Footprint, RowSize};

/// A change: the row, the moment, and whether it comes (1) or leaves (-1).
type Change<D> = (D, u64, isize);

/// What a tap remembers for those who join later.
pub enum Keep<D> {
    /// Nothing: there is too much of it. Who joins is told what comes from then on.
    Nothing,
    /// Everything that stands: a table whose rows are taken back when they no longer hold.
    Table,
    /// Rows whose time, told from the row and the moment of its last change, is no older on the job clock than a span,
    /// milliseconds.
    Span(fn(&D, u64) -> u64, u64),
}

/// A shared collection; clones are the same one.
pub struct Tap<D>(Rc<RefCell<Stem<D>>>);

impl<D> Clone for Tap<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

/// What a worker may ask of a tap, whatever flows there.
pub(crate) struct Gauge {
    /// Everything before this moment has come by.
    pub(crate) until: Rc<Cell<u64>>,
    /// What is remembered.
    pub(crate) held: Rc<Cell<Footprint>>,
    /// How many changes have come by.
    pub(crate) passed: Rc<Cell<u64>>,
}

struct Stem<D> {
    keep: Keep<D>,
    /// Complete moments.
    kept: Vec<Kept<D>>,
    /// How many were left when it was last tidied.
    tidied: usize,
    /// Moments that are not complete.
    coming: Vec<Change<D>>,
    until: Rc<Cell<u64>>,
    held: Rc<Cell<Footprint>>,
    passed: Rc<Cell<u64>>,
    size: RowSize,
    branches: Vec<Weak<RefCell<Branch<D>>>>,
}

/// A row that is remembered, by a hash of it: rows may be large and lie elsewhere, and most differ in that already.
struct Kept<D> {
    print: u64,
    row: D,
    /// The last moment at which it changed.
    last: u64,
    sum: isize,
}

impl<D: Ord + Hash> Kept<D> {
    fn of((row, last, sum): Change<D>) -> Self {
        let mut hasher = FxHasher::default();
        row.hash(&mut hasher);
        Self { print: hasher.finish(), row, last, sum }
    }

    fn is(&self, other: &Self) -> bool {
        self.print == other.print && self.row == other.row
    }

    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.print.cmp(&other.print).then_with(|| self.row.cmp(&other.row))
    }
}

/// What has come by for one who joined, and not been taken yet.
struct Branch<D> {
    changes: Vec<Change<D>>,
    until: u64,
}

/// Remembered rows are put in order when there are a quarter more than the last time, and at least this many.
const TIDY_LEAST: usize = 1_024;

impl<D: ExchangeData + Hash> Stem<D> {
    fn take(&mut self, batch: &mut Vec<Change<D>>) {
        self.passed.set(self.passed.get() + batch.len() as u64);
        self.branches.retain(|branch| branch.strong_count() > 0);
        let remembers = !matches!(self.keep, Keep::Nothing);
        let mut branches = self.branches.iter().filter_map(Weak::upgrade).peekable();
        while let Some(branch) = branches.next() {
            let changes = &mut branch.borrow_mut().changes;
            if branches.peek().is_none() && !remembers {
                changes.append(batch);
            } else {
                changes.extend(batch.iter().cloned());
            }
        }
        if remembers {
            self.coming.append(batch);
        }
        batch.clear();
    }

    /// Everything before `until` has come by.
    fn advance(&mut self, until: u64) {
        self.until.set(until);
        for branch in self.branches.iter().filter_map(Weak::upgrade) {
            branch.borrow_mut().until = until;
        }
        let (complete, coming) = std::mem::take(&mut self.coming).into_iter().partition(|(_, time, _)| *time < until);
        self.coming = coming;
        let complete: Vec<_> = complete;
        complete.first().into_iter().for_each(|(row, ..)| self.size.show(row));
        self.kept.extend(complete.into_iter().map(Kept::of));
        if self.kept.len() >= TIDY_LEAST.max(self.tidied + self.tidied / 4) {
            self.tidy();
        }
        let apart = size_of::<Kept<D>>() - size_of::<D>();
        self.held.set(Footprint::of(self.kept.len(), self.size.mean() + apart));
    }

    /// Brings the changes of each row together and forgets what is too old.
    fn tidy(&mut self) {
        // Most are in order from the last time: a sort that finds runs merges what is new into them.
        self.kept.sort_by(Kept::cmp);
        self.kept.dedup_by(|other, one| {
            let same = other.is(one);
            if same {
                (one.last, one.sum) = (one.last.max(other.last), one.sum + other.sum);
            }
            same
        });
        self.kept.retain(|kept| kept.sum != 0);
        if let Keep::Span(at_ms, span_ms) = self.keep {
            let oldest_ms = self.until.get().saturating_sub(1).saturating_sub(span_ms);
            self.kept.retain(|kept| at_ms(&kept.row, kept.last) >= oldest_ms);
        }
        self.tidied = self.kept.len();
    }

    /// What is remembered, in order of the moments, and then what is not complete.
    fn remembered(&mut self) -> Vec<Change<D>> {
        self.tidy();
        let kept = self.kept.iter().map(|kept| (kept.row.clone(), kept.last, kept.sum));
        let mut changes: Vec<_> = kept.chain(self.coming.iter().cloned()).collect();
        changes.sort_by_key(|(_, time, _)| *time);
        changes
    }
}

/// Makes a collection joinable.
pub(crate) fn tap<D: ExchangeData + Hash>(changes: Changes<'_, D>, name: &str, keep: Keep<D>) -> (Tap<D>, Gauge) {
    let gauge = Gauge { until: Rc::default(), held: Rc::default(), passed: Rc::default() };
    let (until, held, passed) = (Rc::clone(&gauge.until), Rc::clone(&gauge.held), Rc::clone(&gauge.passed));
    let (kept, coming, size) = (Vec::new(), Vec::new(), RowSize::default());
    let stem = Stem { keep, kept, tidied: 0, coming, until, held, passed, size, branches: Vec::new() };
    let tap = Tap(Rc::new(RefCell::new(stem)));
    let stem = Rc::clone(&tap.0);
    changes.inner.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(Pipeline, name, |_, _| {
        move |(input, frontier), _output| {
            let mut stem = stem.borrow_mut();
            input.for_each(|_, batch| stem.take(batch));
            let until = frontier.frontier().first().copied().unwrap_or(u64::MAX);
            if until > stem.until.get() {
                pass(Stage::InPart);
                stem.advance(until);
            }
        }
    });
    (tap, gauge)
}

/// Brings what comes by a tap into another dataflow.
pub(crate) trait Flowing {
    /// Moves on what has come; returns whether there was anything.
    fn flow(&mut self) -> bool;
}

/// The way from a tap into a dataflow.
pub(crate) struct Pipe<D: Clone + 'static> {
    branch: Rc<RefCell<Branch<D>>>,
    /// `None` once nothing more will come.
    handle: Option<Handle<u64, CapacityContainerBuilder<Vec<Change<D>>>>>,
    until: u64,
}

impl<D: ExchangeData + Hash> Pipe<D> {
    /// Joins a tap; what it remembers comes first.
    pub(crate) fn join(tap: &Tap<D>, handle: Handle<u64, CapacityContainerBuilder<Vec<Change<D>>>>) -> Self {
        let mut stem = tap.0.borrow_mut();
        let branch = Rc::new(RefCell::new(Branch { changes: stem.remembered(), until: stem.until.get() }));
        stem.branches.push(Rc::downgrade(&branch));
        Self { branch, handle: Some(handle), until: 0 }
    }
}

impl<D: ExchangeData> Flowing for Pipe<D> {
    fn flow(&mut self) -> bool {
        let Some(handle) = &mut self.handle else { return false };
        let mut branch = self.branch.borrow_mut();
        if branch.changes.is_empty() && branch.until <= self.until {
            return false;
        }
        handle.send_batch(&mut branch.changes);
        branch.changes.clear();
        self.until = branch.until;
        if self.until == u64::MAX {
            self.handle = None;
        } else {
            handle.advance_to(self.until);
        }
        true
    }
}
