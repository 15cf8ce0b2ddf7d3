//! Changelogs: a table that changes becomes rows with revisions, each provisional, then final or withdrawn.
//!
//! ```text
//! changes ─▶ by id: provisional 1 ▸ provisional 2 ▸ … ▸ final n        (the clock passed all that could bear on it)
//!                                              └──────▸ withdrawn n    (better evidence took it back before that)
//! ```
//!
//! A row's disappearance after it is final is *forgetting*, and is not published. What is published at a moment depends
//! on the changes up to that moment alone, so a replay publishes the same rows with the same revisions.

mod succession;
mod takeover;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use differential_dataflow::ExchangeData;
use differential_dataflow::consolidation::consolidate;
use rustc_hash::FxHashMap;
use timely::dataflow::channels::pact::Exchange;
use timely::dataflow::operators::generic::operator::Operator;

use self::succession::History;
pub(crate) use self::succession::{Opening, Predecessor};
pub(crate) use self::takeover::Takeover;
use crate::basis::{AsOf, Holdings, Ledger, fingerprint};
use crate::flow::{Changes, Held, Newest, Outbox, Site};
use crate::transport::OutputRow;

/// Whether a row may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// More evidence may still change it.
    Provisional,
    /// It will not change again.
    Final,
    /// Better evidence took it back.
    Withdrawn,
}

impl Standing {
    /// As rows say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Provisional => "provisional",
            Self::Final => "final",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Provisional, Self::Final, Self::Withdrawn].into_iter().find(|standing| standing.name() == name)
    }
}

/// Gives a row's bytes, with its revision and standing.
pub type Encode<T> = dyn Fn(&T, u32, Standing) -> Vec<u8> + Send + Sync;

/// Gives a row, its revision and standing from bytes.
pub type Decode<T> = dyn Fn(&[u8]) -> Option<(T, u32, Standing)> + Send + Sync;

/// A row that is to be written: its bytes are made by who writes it, for workers have enough to do.
pub(crate) struct Draft {
    pub(crate) write: Box<dyn FnOnce() -> OutputRow + Send>,
    /// Where it tells of a record that was refused: what of.
    pub(crate) refused: Option<Refused>,
}

/// The topic of a record that was refused, and why it was, in one word.
pub(crate) type Refused = (String, String);

/// How rows of type `T` are published.
pub struct RowSpec<T> {
    /// The row's id.
    pub id: Box<dyn Fn(&T) -> u64 + Send + Sync>,
    /// The latest event time that can still bear on it: its own evidence plus the windows it was chosen from.
    pub settles_ms: Box<dyn Fn(&T) -> u64 + Send + Sync>,
    /// The earliest event time of all that it hangs on: its evidence, and what else was looked at to choose it.
    pub begins_ms: Box<dyn Fn(&T) -> u64 + Send + Sync>,
    /// The latest event time that can still bear on anything that rests on it, itself included: at least `settles_ms`.
    pub rests_ms: Box<dyn Fn(&T) -> u64 + Send + Sync>,
    /// When it happened, for the header `ce_time`.
    pub at_ms: Box<dyn Fn(&T) -> u64 + Send + Sync>,
    /// The row with its revision and standing, in the output's format.
    pub encode: Box<Encode<T>>,
    /// What `encode` was given, from what it gave; `None` if that is not of it. What `settles_ms` says of the row may be more than
    /// it said before.
    pub decode: Box<Decode<T>>,
    /// Type of the row, for the header `ce_type`.
    pub ce_type: &'static str,
    /// Media type of what `encode` gives.
    pub content_type: &'static str,
}

/// What becomes of a table: up to which moment that is done (exclusive), and what it rests on.
pub(crate) struct Told {
    pub(crate) done: Rc<Cell<u64>>,
    pub(crate) basis: AsOf,
}

/// Publishes a table; also gives its rows, for who may go on with them.
pub(crate) fn publish<T: ExchangeData>(rows: Changes<'_, T>, output: &str, site: &Site, spec: RowSpec<T>) -> (Told, Rc<dyn Predecessor>) {
    let topic = Arc::new(Topic { output: output.into(), job: site.job.clone(), spec });
    let before = site.predecessors.borrow_mut().remove(output);
    let before = before.and_then(|before| before.any().downcast::<RefCell<Changelog<T>>>().ok());
    let lateness_ms = site.limits.lateness_ms;
    let before = match (before, &site.takeover) {
        (Some(before), _) => before.borrow_mut().leave(),
        (None, Some(takeover)) => topic.recall(takeover, lateness_ms),
        (None, None) => FxHashMap::default(),
    };
    let history = (site.opening.at > 0).then_some(History { opening: site.opening, before });
    let ledger = Ledger::new();
    let basis = ledger.as_of();
    let log = Changelog { topic, lateness_ms, rows: FxHashMap::default(), due: BTreeSet::new(), history, ledger };
    let log = Rc::new(RefCell::new(log));
    let successor: Rc<dyn Predecessor> = Rc::<RefCell<Changelog<T>>>::clone(&log);
    let done = deliver(
        rows,
        &format!("Publish {output}"),
        move |step, out: &mut Vec<(u64, Draft)>| match step {
            Step::Changes(now, changes) => log.borrow_mut().apply(now, changes, out),
            Step::Clock(now) => log.borrow_mut().advance(now, out),
        },
        Rc::clone(&site.outbox),
    );
    (Told { done, basis }, successor)
}

/// Keeps account of a table that is not published. Its rows are given as when their evidence begins, and until when on the
/// clock something may rest on it.
pub(crate) fn watch(rows: Changes<'_, (u64, u64)>) -> Told {
    let mut ledger = Ledger::new();
    let basis = ledger.as_of();
    let logic = move |step: Step<'_, (u64, u64)>, _: &mut Vec<(u64, Draft)>| match step {
        Step::Changes(now, changes) => {
            ledger.pass(now);
            changes.drain(..).filter(|(_, diff)| *diff > 0).for_each(|((begins, until), _)| ledger.rest(now, begins, until));
        }
        Step::Clock(now) => ledger.pass(now),
    };
    Told { done: deliver(rows, "Watch", logic, Outbox::default()), basis }
}

/// Keeps account of what a step holds.
pub(crate) fn hold(held: Changes<'_, Held>) -> Told {
    let mut holdings = Holdings::new();
    let basis = holdings.as_of();
    let logic = move |step: Step<'_, Held>, _: &mut Vec<(u64, Draft)>| match step {
        Step::Changes(now, changes) => holdings.change(now, changes),
        Step::Clock(now) => holdings.pass(now),
    };
    Told { done: deliver(held, "Hold", logic, Outbox::default()), basis }
}

/// Publishes rows that are only ever added, `refused` says of which refused record they tell; returns up to which moment that
/// is done (exclusive).
pub(crate) fn append<T: ExchangeData>(
    rows: Changes<'_, T>,
    output: &str,
    encode: impl Fn(&T) -> (String, Vec<u8>) + Send + Sync + 'static,
    refused: impl Fn(&T) -> Option<Refused> + 'static,
    outbox: Outbox,
) -> Rc<Cell<u64>> {
    let topic = Arc::new((Arc::<str>::from(output), encode));
    deliver(
        rows,
        &format!("Append {output}"),
        move |step, out: &mut Vec<(u64, Draft)>| {
            let Step::Changes(now, changes) = step else { return };
            for (row, _) in changes.drain(..).filter(|(_, diff)| *diff > 0) {
                let (topic, refused) = (Arc::clone(&topic), refused(&row));
                let write = move || {
                    let (topic, encode) = &*topic;
                    let (key, value) = encode(&row);
                    OutputRow { topic: Arc::clone(topic), key, value, headers: Vec::new() }
                };
                out.push((now, Draft { write: Box::new(write), refused }));
            }
        },
        outbox,
    )
}

/// Brings the largest event times of partitions to worker 0; returns up to which moment that is done (exclusive).
pub(crate) fn newest(found: Changes<'_, (usize, u64)>, newest: Newest) -> Rc<Cell<u64>> {
    let logic = move |step: Step<'_, (usize, u64)>, _: &mut Vec<(u64, Draft)>| {
        let Step::Changes(now, changes) = step else { return };
        newest.borrow_mut().extend(changes.drain(..).map(|((place, event_ms), _)| (now, place, event_ms)));
    };
    deliver(found, "Event times", logic, Outbox::default())
}

/// What a publisher is told.
enum Step<'a, T> {
    /// All changes of a moment, consolidated.
    Changes(u64, &'a mut Vec<(T, isize)>),
    /// The clock has come this far, and everything before is complete.
    Clock(u64),
}

/// Brings all changes to worker 0, moment by moment, and what `logic` makes of them into the outbox.
fn deliver<T: ExchangeData>(
    rows: Changes<'_, T>,
    name: &str,
    mut logic: impl FnMut(Step<'_, T>, &mut Vec<(u64, Draft)>) + 'static,
    outbox: Outbox,
) -> Rc<Cell<u64>> {
    let done = Rc::new(Cell::new(0));
    let shared = Rc::clone(&done);
    let pact = Exchange::new(|_: &(T, u64, isize)| 0);
    rows.inner.unary_frontier::<timely::container::CapacityContainerBuilder<Vec<()>>, _, _, _>(pact, name, |_, _| {
        let mut waiting: Vec<(u64, T, isize)> = Vec::new();
        move |(input, frontier), _output| {
            input.for_each(|_, batch| waiting.extend(batch.drain(..).map(|(row, time, diff)| (time, row, diff))));
            let until = frontier.frontier().first().copied().unwrap_or(u64::MAX);
            if until <= done.get() {
                return;
            }
            let (mut ready, later): (Vec<_>, Vec<_>) = std::mem::take(&mut waiting).into_iter().partition(|(time, _, _)| *time < until);
            waiting = later;
            ready.sort_by_key(|(time, _, _)| *time);
            let mut out = outbox.borrow_mut();
            let mut ready = ready.into_iter().peekable();
            while let Some((now, row, diff)) = ready.next() {
                let mut moment = vec![(row, diff)];
                while let Some((_, row, diff)) = ready.next_if(|(time, _, _)| *time == now) {
                    moment.push((row, diff));
                }
                consolidate(&mut moment);
                logic(Step::Changes(now, &mut moment), &mut out);
            }
            logic(Step::Clock(if until == u64::MAX { until } else { until - 1 }), &mut out);
            done.set(until);
        }
    });
    shared
}

/// The rows of one output that may still change.
struct Changelog<T> {
    topic: Arc<Topic<T>>,
    lateness_ms: u64,
    rows: FxHashMap<u64, Entry<T>>,
    /// When entries become final, and when final and withdrawn ones are forgotten.
    due: BTreeSet<(u64, u64)>,
    /// While what comes is history.
    history: Option<History<T>>,
    ledger: Ledger,
}

struct Entry<T> {
    /// What stands; `None` once withdrawn or, outside history, final.
    row: Option<T>,
    /// 0: not told yet.
    revision: u32,
    settled: bool,
    /// Settled because its job was stopped, whatever evidence may still come.
    closed: bool,
    /// The last moment at which it may still change.
    due: u64,
}

impl<T> Entry<T> {
    /// What tells it from any other entry of this id, while it may still change.
    fn print(&self, id: u64) -> u64 {
        fingerprint([id, u64::from(self.revision), self.due])
    }
}

impl<T: ExchangeData> Changelog<T> {
    fn apply(&mut self, now: u64, changes: &mut Vec<(T, isize)>, out: &mut Vec<(u64, Draft)>) {
        // What came before this moment is complete.
        self.end_history(now.saturating_sub(1), out);
        self.settle(now, out);
        // Per id: the row that comes, if any. Rows that leave matter only where none comes.
        let mut touched: Vec<(u64, Option<T>)> =
            changes.drain(..).map(|(row, diff)| ((self.topic.spec.id)(&row), (diff > 0).then_some(row))).collect();
        touched.sort();
        // `None` sorts before `Some`: the last of an id is what comes.
        let mut touched = touched.into_iter().peekable();
        while let Some((id, row)) = touched.next() {
            if touched.peek().is_none_or(|(next, _)| *next != id) {
                self.change(now, id, row, out);
            }
        }
    }

    fn change(&mut self, now: u64, id: u64, row: Option<T>, out: &mut Vec<(u64, Draft)>) {
        let entry = self.rows.get(&id);
        if let Some(entry) = entry.filter(|e| e.settled) {
            debug_assert!(row.is_none() || entry.closed, "a final row of {:?} changed", self.topic.output);
            return;
        }
        let Some(shown) = row.as_ref().or(entry.and_then(|e| e.row.as_ref())) else { return };
        // Where the clock jumps, a row may come after its time: it is told first, and final a moment later.
        let due = (self.topic.spec.settles_ms)(shown).saturating_add(self.lateness_ms).max(entry.map_or(0, |e| e.due)).max(now);
        let mut revision = entry.map_or(0, |e| e.revision);
        if self.history.is_none() {
            let standing = if row.is_some() { Standing::Provisional } else { Standing::Withdrawn };
            revision += 1;
            out.push((now, self.draft(id, shown, revision, standing)));
        }
        if let Some(row) = &row {
            let until_ms = (self.topic.spec.rests_ms)(row).saturating_add(self.lateness_ms).max(due);
            self.ledger.rest(now, (self.topic.spec.begins_ms)(row), until_ms);
        }
        let entry = Entry { row, revision, settled: false, closed: false, due };
        let come = entry.print(id);
        let gone = self.rows.insert(id, entry).map_or(0, |before| {
            self.due.remove(&(before.due, id));
            before.print(id)
        });
        if self.history.is_none() {
            self.ledger.open(now, gone, come);
        }
        self.due.insert((due, id));
    }

    /// Everything up to this moment has come.
    fn advance(&mut self, now: u64, out: &mut Vec<(u64, Draft)>) {
        self.end_history(now, out);
        self.settle(now, out);
    }

    /// Makes final what nothing can bear on any more, and forgets what has been final or withdrawn for long.
    fn settle(&mut self, now: u64, out: &mut Vec<(u64, Draft)>) {
        if self.history.is_some() {
            return;
        }
        self.settle_rows(now, out);
        self.ledger.pass(now);
    }

    fn settle_rows(&mut self, now: u64, out: &mut Vec<(u64, Draft)>) {
        while let Some((due, id)) = self.due.first().copied().filter(|(due, _)| *due < now) {
            self.due.remove(&(due, id));
            let Some(mut entry) = self.rows.remove(&id).filter(|entry| !entry.settled) else { continue };
            self.ledger.open(due + 1, entry.print(id), 0);
            let Some(row) = entry.row.take() else { continue };
            entry.revision += 1;
            out.push((due + 1, self.draft(id, &row, entry.revision, Standing::Final)));
            // Kept a while so that a row that wrongly came again would be noticed, not published as new.
            (entry.settled, entry.due) = (true, due.saturating_add(self.lateness_ms));
            self.due.insert((entry.due, id));
            self.rows.insert(id, entry);
        }
    }

    fn draft(&self, id: u64, row: &T, revision: u32, standing: Standing) -> Draft {
        let (topic, row) = (Arc::clone(&self.topic), row.clone());
        Draft { write: Box::new(move || topic.encode(id, &row, revision, standing)), refused: None }
    }
}

/// Where rows go and how they are written.
struct Topic<T> {
    output: Arc<str>,
    job: String,
    spec: RowSpec<T>,
}

impl<T> Topic<T> {
    fn encode(&self, id: u64, row: &T, revision: u32, standing: Standing) -> OutputRow {
        let key = format!("{id:016x}");
        let headers = vec![
            ("ce_specversion", "1.0".into()),
            ("ce_id", format!("{key}.{revision}").into()),
            ("ce_type", self.spec.ce_type.into()),
            ("ce_source", self.job.clone().into()),
            ("ce_time", rfc3339((self.spec.at_ms)(row)).into()),
            ("content-type", self.spec.content_type.into()),
        ];
        OutputRow { topic: Arc::clone(&self.output), key, value: (self.spec.encode)(row, revision, standing), headers }
    }
}

fn rfc3339(at_ms: u64) -> String {
    i64::try_from(at_ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()).map_or_else(String::new, |t| t.to_string())
}
