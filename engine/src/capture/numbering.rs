//! Frame numbers in the order in which pictures were taken, though a stream may carry them in another.
//!
//! ```text
//! carried   I0  P3  B1  B2  P6 …     a picture's number is known once nothing earlier can follow:
//! number     0   3   1   2           when the decoding time has reached its own time
//! ```
//!
//! Streams of cameras keep the order, and then a number is given at once.

use std::collections::VecDeque;

/// The most pictures that are held back for a number; no stream that a decoder takes changes places over more than sixteen.
const HELD_MOST: usize = 32;

/// Gives numbers.
#[derive(Debug)]
pub(super) struct Numbering<T> {
    next: u64,
    /// Whether the stream changes the order.
    reorders: bool,
    held: VecDeque<Held<T>>,
}

#[derive(Debug)]
struct Held<T> {
    pts: i64,
    number: Option<u64>,
    what: T,
}

impl<T> Numbering<T> {
    /// Begins at a number.
    pub(super) fn new(first: u64, reorders: bool) -> Self {
        Self { next: first, reorders, held: VecDeque::new() }
    }

    /// Takes the next picture of the stream with its times; gives out, in the stream's order, those whose number is known.
    pub(super) fn push(&mut self, pts: i64, dts: Option<i64>, what: T, mut give: impl FnMut(u64, T)) {
        self.held.push_back(Held { pts, number: None, what });
        let reached = dts.filter(|_| self.reorders).unwrap_or(i64::MAX);
        self.number_until(reached);
        while self.held.len() > HELD_MOST && self.held.front().is_some_and(|held| held.number.is_none()) {
            let earliest = self.held.iter().filter(|held| held.number.is_none()).map(|held| held.pts).min();
            self.number_until(earliest.unwrap_or(i64::MAX));
        }
        while let Some((number, held)) = self.held.pop_front_if(|held| held.number.is_some()).and_then(|held| Some((held.number?, held))) {
            give(number, held.what);
        }
    }

    /// Nothing follows: the rest is given out.
    pub(super) fn finish(&mut self, mut give: impl FnMut(u64, T)) {
        self.number_until(i64::MAX);
        self.held.drain(..).for_each(|held| {
            if let Some(number) = held.number {
                give(number, held.what);
            }
        });
    }

    /// The number that no picture has yet.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    fn number_until(&mut self, reached: i64) {
        let due = |held: &Held<T>| held.number.is_none() && held.pts <= reached;
        while let Some(earliest) = self.held.iter_mut().filter(|held| due(held)).min_by_key(|held| held.pts) {
            earliest.number = Some(self.next);
            self.next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(reorders: bool, pictures: &[(i64, Option<i64>)]) -> Vec<(u64, i64)> {
        let (mut numbering, mut given) = (Numbering::new(100, reorders), Vec::new());
        pictures.iter().for_each(|(pts, dts)| numbering.push(*pts, *dts, *pts, |number, pts| given.push((number, pts))));
        numbering.finish(|number, pts| given.push((number, pts)));
        given
    }

    #[test]
    fn pictures_that_change_places_are_numbered_as_they_were_taken() {
        let carried = [
            (0, Some(-2)),
            (4, Some(-1)),
            (2, Some(0)),
            (1, Some(1)),
            (3, Some(2)),
            (8, Some(3)),
            (6, Some(4)),
            (5, Some(5)),
            (7, Some(6)),
        ];
        let given = numbers(true, &carried);
        let carried: Vec<i64> = carried.iter().map(|(pts, _)| *pts).collect();
        assert_eq!(given.iter().map(|(_, pts)| *pts).collect::<Vec<_>>(), carried, "given out as they were carried");
        assert!(given.iter().all(|(number, pts)| *number == 100 + *pts as u64), "{given:?}");
    }

    #[test]
    fn where_order_is_kept_nothing_is_held_back() {
        let (mut numbering, mut given) = (Numbering::new(7, false), Vec::new());
        for pts in [10, 20, 15, 5] {
            numbering.push(pts, None, (), |number, ()| given.push(number));
        }
        assert_eq!((given, numbering.next()), (vec![7, 8, 9, 10], 11));
    }

    #[test]
    fn a_stream_that_lies_about_its_times_is_not_held_back_for_ever() {
        let pictures: Vec<_> = (0..200).map(|n| (1_000 - n, Some(i64::MIN))).collect();
        let (mut numbering, mut given) = (Numbering::new(0, true), 0);
        pictures.iter().for_each(|(pts, dts)| numbering.push(*pts, *dts, (), |_, ()| given += 1));
        assert!(given >= 200 - HELD_MOST - 1, "{given} of 200 were given out");
    }
}
