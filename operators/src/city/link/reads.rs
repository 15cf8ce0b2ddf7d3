//! The plates read at one camera, in order of time, laid out for the one question asked of them: which are like this one?
//!
//! A camera of a busy road reads hundreds of plates within the time a drive to the next one may take, and every read is held
//! against all of them, at every camera around: what is compared lies close together.

use std::collections::VecDeque;
use std::ops::Range;

use schemas::{Id, PlateKind};

use super::seen::{SeenPlate, may_be_laid_out_alike};
use super::timeline::first_not;

/// Reads with more symbols that differ than this are two plates' even before it is weighed how alike the symbols are.
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

    /// Whether it may be the same plate but is not the same text: a few symbols are others, or one is missing and a few are others.
    fn may_be(&self, other: &Self) -> bool {
        let (short, long) = if self.len <= other.len { (self, other) } else { (other, self) };
        may_be_laid_out_alike(self.kind, other.kind)
            && match long.len - short.len {
                0 => (1..=DIFFERENCES_MOST).contains(&differences(&short.symbols, &long.symbols)),
                1 => strays(&short.symbols, &long.symbols) <= DIFFERENCES_MOST,
                _ => false,
            }
    }
}

/// At how many places the bytes differ; a comparison of all at once.
fn differences(a: &[u8; 16], b: &[u8; 16]) -> u8 {
    a.iter().zip(b).map(|(a, b)| u8::from(a != b)).sum()
}

/// How many bytes of the shorter are not found in the longer, neither at their place nor at the next: at least as many as are wrong,
/// whichever byte of the longer is the one too many.
fn strays(short: &[u8; 16], long: &[u8; 16]) -> u8 {
    let next = long[1..].iter().chain([&u8::MAX]);
    short.iter().zip(long).zip(next).map(|((symbol, here), next)| u8::from(symbol != here && symbol != next)).sum()
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
