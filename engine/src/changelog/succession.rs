//! Succession: a publisher that begins where there was something before: history it is to know, and outputs of another that it
//! is to go on with.
//!
//! ```text
//! history ──────────────▶│ opening                     rows that stand are told, or how they differ from what was told
//!  known, not told       │──▶ told as it happens
//! predecessor ─ told ─ ▶ │                             what nobody says any more is withdrawn; final stays final
//! ```

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use differential_dataflow::ExchangeData;
use rustc_hash::FxHashMap;

use crate::memory::Footprint;

use super::{Changelog, Draft, Entry, Standing};

/// From when on a publisher speaks. What came before is history to it: known, and not told as it happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Opening {
    /// The last moment of history; 0 where there is none.
    pub(crate) at: u64,
    /// When its job began the first time; 0 where it always was.
    pub(crate) born: u64,
    /// Whether rows that were final by then are told.
    pub(crate) tell_final: bool,
}

/// What was published to an output, whatever its rows are.
pub(crate) trait Predecessor {
    /// Nobody will change what stands any more: it is final.
    fn close(&self, at: u64, out: &mut Vec<(u64, Draft)>);

    /// Forgets rows for which no evidence can come any more and that nobody has to close; returns whether none is left.
    fn forget(&self, clock: u64) -> bool;

    /// What is kept of it.
    fn footprint(&self) -> Footprint;

    /// The same, to be looked into by who knows its rows.
    fn any(self: Rc<Self>) -> Rc<dyn Any>;
}

impl<T: ExchangeData> Predecessor for RefCell<Changelog<T>> {
    fn close(&self, at: u64, out: &mut Vec<(u64, Draft)>) {
        self.borrow_mut().close(at, out);
    }

    fn forget(&self, clock: u64) -> bool {
        let Changelog { rows, history, .. } = &mut *self.borrow_mut();
        let mut told = history.as_mut().map(|history| &mut history.before);
        let stays = |entry: &Entry<T>| entry.due >= clock || (!entry.settled && entry.row.is_some());
        told.iter_mut().for_each(|told| told.retain(|_, entry| stays(entry)));
        rows.retain(|_, entry| stays(entry));
        rows.is_empty() && told.is_none_or(|told| told.is_empty())
    }

    fn footprint(&self) -> Footprint {
        let of_each = size_of::<(u64, Entry<T>)>() + size_of::<(u64, u64)>();
        Footprint::of(self.borrow().rows.len(), of_each)
    }

    fn any(self: Rc<Self>) -> Rc<dyn Any> {
        self
    }
}

/// What is known of the time before a publisher speaks.
pub(super) struct History<T> {
    pub(super) opening: Opening,
    /// What was published before, by a job whose outputs these were.
    pub(super) before: FxHashMap<u64, Entry<T>>,
}

impl<T: ExchangeData> Changelog<T> {
    /// What was told, for who goes on with it: of one that has not spoken yet, what was told before it.
    pub(super) fn leave(&mut self) -> FxHashMap<u64, Entry<T>> {
        self.history.take().map_or_else(|| std::mem::take(&mut self.rows), |history| history.before)
    }

    pub(super) fn end_history(&mut self, now: u64, out: &mut Vec<(u64, Draft)>) {
        if let Some(history) = self.history.take_if(|history| history.opening.at <= now) {
            self.open(history, out);
        }
    }

    /// History ends: tells how what stands differs from what was told before.
    fn open(&mut self, History { opening: Opening { at, tell_final, .. }, mut before }: History<T>, out: &mut Vec<(u64, Draft)>) {
        self.settle_silently(at);
        let mut ids: Vec<u64> = self.rows.keys().chain(before.keys()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            match before.remove(&id) {
                Some(told) => self.take_over(at, id, told, out),
                None => self.introduce(at, id, tell_final, out),
            }
        }
        self.take_account(at);
    }

    /// What stands open at the end of history counts as open from now on.
    fn take_account(&mut self, at: u64) {
        let Self { topic, lateness_ms, rows, ledger, .. } = self;
        for (id, entry) in rows.iter().filter(|(_, entry)| !entry.settled) {
            ledger.open(at, 0, entry.print(*id));
            if let Some(row) = &entry.row {
                let until_ms = (topic.spec.rests_ms)(row).saturating_add(*lateness_ms).max(entry.due);
                ledger.rest(at, (topic.spec.begins_ms)(row), until_ms);
            }
        }
    }

    /// Tells a row that was never told: of one that is final by now, that alone.
    fn introduce(&mut self, at: u64, id: u64, tell_final: bool, out: &mut Vec<(u64, Draft)>) {
        let Some(mut entry) = self.rows.remove(&id) else { return };
        if let Some(row) = entry.row.take_if(|_| !entry.settled || tell_final) {
            entry.revision = 1;
            let standing = if entry.settled { Standing::Final } else { Standing::Provisional };
            out.push((at, self.draft(id, &row, 1, standing)));
            entry.row = Some(row).filter(|_| !entry.settled);
        }
        self.rows.insert(id, entry);
    }

    /// Goes on with a row that was told by who published here before: what was final stays so, the rest is what it is now.
    fn take_over(&mut self, at: u64, id: u64, mut told: Entry<T>, out: &mut Vec<(u64, Draft)>) {
        let now = self.rows.remove(&id);
        if let Some(entry) = &now {
            self.due.remove(&(entry.due, id));
            told.due = told.due.max(entry.due);
        }
        if told.settled {
            return self.put(id, told);
        }
        let before = told.row.take();
        let (row, settled) = now.map_or((None, false), |entry| (entry.row, entry.settled));
        let standing = match (&row, &before) {
            (Some(_), _) if settled => Standing::Final,
            (Some(_), _) => Standing::Provisional,
            (None, Some(_)) if told.due < at => Standing::Final,
            (None, Some(_)) => Standing::Withdrawn,
            (None, None) => return self.put(id, told),
        };
        let alike = |(row, before)| row == before || self.topic.alike(row, before);
        if standing != Standing::Provisional || !row.as_ref().zip(before.as_ref()).is_some_and(alike) {
            told.revision += 1;
            row.as_ref().or(before.as_ref()).into_iter().for_each(|row| out.push((at, self.draft(id, row, told.revision, standing))));
        }
        told.settled = standing == Standing::Final;
        told.row = row.filter(|_| !told.settled);
        self.put(id, told);
    }

    /// Makes all that stands final, and keeps it as long as evidence for it may still come.
    fn close(&mut self, at: u64, out: &mut Vec<(u64, Draft)>) {
        if self.history.as_ref().is_some_and(|history| history.opening.at > at) {
            // It has said nothing yet: what was told before it was closed when this happened.
            return;
        }
        self.advance(at, out);
        let mut ids: Vec<u64> = self.rows.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            let Some(mut entry) = self.rows.remove(&id) else { continue };
            if let Some(row) = entry.row.take().filter(|_| !entry.settled) {
                (entry.revision, entry.settled, entry.closed) = (entry.revision + 1, true, true);
                out.push((at, self.draft(id, &row, entry.revision, Standing::Final)));
            }
            self.rows.insert(id, entry);
        }
    }

    fn put(&mut self, id: u64, entry: Entry<T>) {
        self.due.insert((entry.due, id));
        self.rows.insert(id, entry);
    }

    /// What is final by now, though nobody was told of it.
    fn settle_silently(&mut self, at: u64) {
        let over: Vec<(u64, u64)> = self.due.iter().copied().take_while(|(due, _)| *due < at).collect();
        for (due, id) in over {
            let Some(entry) = self.rows.get_mut(&id) else { continue };
            self.due.remove(&(due, id));
            entry.due = due.saturating_add(self.lateness_ms).max(at);
            entry.settled = entry.row.is_some();
            self.due.insert((entry.due, id));
        }
    }
}
