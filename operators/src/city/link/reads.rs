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
const DIFFERENCES_MOST: u32 = 3;

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

/// At how many places the bytes differ.
fn differences(a: &[u8; 16], b: &[u8; 16]) -> u32 {
    let lanes = u128::from_ne_bytes(*a) ^ u128::from_ne_bytes(*b);
    let low = u128::from_ne_bytes([0x7f; 16]);
    // Per byte: the high bit is set unless the byte is zero (Hacker's Delight, 6-1).
    (((lanes & low) + low) | lanes | low).count_ones() - 112
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

#[cfg(test)]
mod tests {
    use super::differences;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn differences_are_counted_as_by_hand(a: [u8; 16], b: [u8; 16], same in 0usize..16) {
            let mut b = b;
            b[..same].copy_from_slice(&a[..same]);
            let by_hand = a.iter().zip(&b).filter(|(x, y)| x != y).count();
            prop_assert_eq!(differences(&a, &b) as usize, by_hand);
        }
    }
}
