//! The plates read at one camera, in order of time, laid out for the one question asked of them: which are like this one?
//!
//! A camera of a busy road reads hundreds of plates within the time a drive to the next one may take, and every read is held
//! against all of them, at every camera around: what is compared lies close together.

use std::collections::VecDeque;
use std::ops::Range;

use schemas::{Id, PlateKind};

use super::seen::SeenPlate;
use super::timeline::first_not;

/// Reads with more wrong symbols than this are found only if they are the same text.
const DIFFERENCES_MOST: u8 = 3;

/// Plates by time and id.
#[derive(Debug, Default)]
pub(super) struct Reads {
    when: VecDeque<(u64, Id)>,
    what: VecDeque<Text>,
}

/// What is compared: symbol numbers, how many, and the layout.
#[derive(Clone, Copy, Debug)]
struct Text {
    symbols: [u8; 16],
    len: u8,
    kind: PlateKind,
}

impl Text {
    fn of(plate: &SeenPlate) -> Self {
        Self { symbols: plate.read.text(), len: plate.read.symbols() as u8, kind: plate.kind }
    }

    /// Whether it may be the same plate but is not the same text: a few symbols are others, or one is missing.
    fn may_be(&self, other: &Self) -> bool {
        let layouts = self.kind == other.kind || self.kind == PlateKind::Other || other.kind == PlateKind::Other;
        layouts
            && match self.len.abs_diff(other.len) {
                0 => (1..=DIFFERENCES_MOST).contains(&differences(&self.symbols, &other.symbols)),
                missing => missing == 1,
            }
    }
}

/// At how many places the bytes differ; a comparison of all at once.
fn differences(a: &[u8; 16], b: &[u8; 16]) -> u8 {
    a.iter().zip(b).map(|(a, b)| u8::from(a != b)).sum()
}

impl Reads {
    /// Puts a plate in.
    pub(super) fn insert(&mut self, at_ms: u64, id: Id, plate: &SeenPlate) {
        let i = self.place(at_ms, id);
        self.when.insert(i, (at_ms, id));
        self.what.insert(i, Text::of(plate));
    }

    /// Takes a plate out.
    pub(super) fn remove(&mut self, at_ms: u64, id: Id) {
        let i = self.place(at_ms, id);
        if self.when.get(i) == Some(&(at_ms, id)) {
            self.when.remove(i);
            self.what.remove(i);
        }
    }

    /// The plates within a span of time that may be this one, but for those with the same text.
    pub(super) fn alike(&self, plate: &SeenPlate, span: Range<u64>) -> impl Iterator<Item = Id> {
        let text = Text::of(plate);
        let from = first_not(&self.when, |(at, _)| *at < span.start);
        let until = first_not(&self.when, |(at, _)| *at < span.end).max(from);
        let alike = self.what.range(from..until).enumerate().filter(move |(_, other)| text.may_be(other));
        alike.map(move |(i, _)| self.when[from + i].1)
    }

    fn place(&self, at_ms: u64, id: Id) -> usize {
        first_not(&self.when, |known| *known < (at_ms, id))
    }
}
