//! Which box belongs to which track: the matching of least total cost among the pairs that are possible at all.
//!
//! ```text
//! possible pairs ─▶ each other's only choice? matched at once (nearly all of them)
//!                └▶ the rest, track by track ─▶ the cheapest way to serve it too, others giving up their box for another or for none
//! ```
//!
//! Shortest augmenting paths under charges, as Jonker and Volgenant (1987) find them, but over lists of pairs: a track has few boxes
//! within reach, while those within reach of each other, one after the other, may be all of a crowd.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem;
use std::ops::Range;

/// A pair that is possible, and how little it pleases.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pair {
    track: u32,
    seen: u32,
    cost: f32,
}

/// Finds matchings, frame after frame, without allocating anew.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    pairs: Vec<Pair>,
    /// For each track and each box: how many pairs it is in.
    choices_of_track: Vec<u32>,
    choices_of_seen: Vec<u32>,
    exchange: Exchange,
    matched: Vec<(usize, usize)>,
}

impl Assignment {
    /// Begins a matching of this many tracks and boxes.
    pub(super) fn begin(&mut self, tracks: usize, seen: usize) {
        self.pairs.clear();
        self.matched.clear();
        self.choices_of_track.clear();
        self.choices_of_track.resize(tracks, 0);
        self.choices_of_seen.clear();
        self.choices_of_seen.resize(seen, 0);
    }

    /// Says that a pair is possible; its cost lies below the `most` given to [`settle`](Self::settle).
    pub(super) fn offer(&mut self, track: usize, seen: usize, cost: f32) {
        self.pairs.push(Pair { track: track as u32, seen: seen as u32, cost });
        self.choices_of_track[track] += 1;
        self.choices_of_seen[seen] += 1;
    }

    /// The matching of pairs (track, box) that leaves the greatest sum of `most − cost`.
    pub(super) fn settle(&mut self, most: f32) -> &[(usize, usize)] {
        let Self { pairs, choices_of_track, choices_of_seen, exchange, matched } = self;
        pairs.retain(|pair| {
            let only = choices_of_track[pair.track as usize] == 1 && choices_of_seen[pair.seen as usize] == 1;
            if only {
                matched.push((pair.track as usize, pair.seen as usize));
            }
            !only
        });
        if !pairs.is_empty() {
            pairs.sort_unstable_by_key(|pair| (pair.track, pair.seen));
            exchange.begin(choices_of_track.len(), choices_of_seen.len());
            for offers in pairs.chunk_by(|a, b| a.track == b.track) {
                // None costs nothing, any box less than that.
                let cost = |pair: &Pair| -1 - ((most - pair.cost).max(0.0) * 1_000.0) as i64;
                exchange.serve(offers[0].track, offers.iter().map(|pair| (pair.seen, cost(pair))));
            }
            matched.extend(exchange.served());
        }
        &self.matched
    }
}

/// Serves tracks one after the other, each so that all of them together cost least.
///
/// A place is a box, or behind the boxes the place of one track that gets none.
#[derive(Debug, Default)]
struct Exchange {
    boxes: u32,
    places: Vec<Place>,
    /// Places and what they cost, track by track; and where each track's are.
    offers: Vec<(u32, i64)>,
    of_track: Vec<Range<usize>>,
    /// The place that each track has.
    held: Vec<u32>,
    /// Places reached in serving one track: those to go on from, nearest first; those gone on from; all.
    open: BinaryHeap<Reverse<(i64, u32)>>,
    passed: Vec<u32>,
    reached: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    /// What is charged on top because others want it too: with that, no track would rather have another place than its own.
    charge: i64,
    /// Who has it, and what it costs.
    holder: Option<(u32, i64)>,
    /// In serving one track: how much more all would cost if somebody took this place, who, and what it would cost.
    distance: i64,
    taker: (u32, i64),
}

const NOWHERE: u32 = u32::MAX;

impl Exchange {
    fn begin(&mut self, tracks: usize, boxes: usize) {
        self.boxes = boxes as u32;
        self.places.clear();
        self.places.resize(boxes + tracks, Place { charge: 0, holder: None, distance: i64::MAX, taker: (NOWHERE, 0) });
        self.offers.clear();
        self.of_track.clear();
        self.of_track.resize(tracks, 0..0);
        self.held.clear();
        self.held.resize(tracks, NOWHERE);
    }

    /// Gives a track one of these boxes or none: the nearest place that is free, each on the way there giving up its own for the next.
    fn serve(&mut self, track: u32, boxes: impl Iterator<Item = (u32, i64)>) {
        let begin = self.offers.len();
        self.offers.extend(boxes);
        self.offers.push((self.boxes + track, 0));
        self.of_track[track as usize] = begin..self.offers.len();
        self.reach(track, 0);
        let mut free = None;
        while let Some(Reverse((distance, place))) = self.open.pop() {
            let Place { charge, holder, distance: nearest, .. } = self.places[place as usize];
            if distance > nearest {
                continue;
            }
            let Some((holder, cost)) = holder else {
                free = Some((place, distance));
                break;
            };
            self.passed.push(place);
            self.reach(holder, distance - (cost + charge));
        }
        // Its own place without a box is free.
        if let Some((mut place, distance)) = free {
            for passed in &self.passed {
                let passed = &mut self.places[*passed as usize];
                passed.charge += distance - passed.distance;
            }
            while place != NOWHERE {
                let (taker, cost) = self.places[place as usize].taker;
                self.places[place as usize].holder = Some((taker, cost));
                place = mem::replace(&mut self.held[taker as usize], place);
            }
        }
        self.reached.drain(..).for_each(|place| self.places[place as usize].distance = i64::MAX);
        self.passed.clear();
        self.open.clear();
    }

    /// Looks at what a track may have that gives up its own, which makes all others cost so much more.
    fn reach(&mut self, track: u32, dearer: i64) {
        for (place, cost) in &self.offers[self.of_track[track as usize].clone()] {
            let at = &mut self.places[*place as usize];
            let distance = dearer + cost + at.charge;
            if distance < at.distance {
                if at.distance == i64::MAX {
                    self.reached.push(*place);
                }
                (at.distance, at.taker) = (distance, (track, *cost));
                self.open.push(Reverse((distance, *place)));
            }
        }
    }

    /// The tracks that have a box, and which.
    fn served(&self) -> impl Iterator<Item = (usize, usize)> {
        self.held.iter().enumerate().filter(|(_, place)| **place < self.boxes).map(|(track, place)| (track, *place as usize))
    }
}

#[cfg(test)]
mod tests {
    use pathfinding::kuhn_munkres::kuhn_munkres;
    use pathfinding::matrix::Matrix;
    use proptest::prelude::*;

    use super::*;

    /// The greatest gain over all matchings, by trying every one.
    fn best(pairs: &[(usize, usize, f32)], most: f32, taken: &mut Vec<(usize, usize)>) -> f32 {
        let Some(((track, seen, cost), rest)) = pairs.split_first() else { return 0.0 };
        let without = best(rest, most, taken);
        if taken.iter().any(|(t, s)| t == track || s == seen) {
            return without;
        }
        taken.push((*track, *seen));
        let with = most - cost + best(rest, most, taken);
        taken.pop();
        with.max(without)
    }

    proptest! {
        #[test]
        fn no_other_matching_is_better(
            pairs in proptest::collection::btree_map((0usize..5, 0usize..5), 0.0f32..20.0, 0..12),
        ) {
            let pairs: Vec<(usize, usize, f32)> = pairs.into_iter().map(|((t, s), cost)| (t, s, cost)).collect();
            let mut assignment = Assignment::default();
            assignment.begin(5, 5);
            pairs.iter().for_each(|(t, s, cost)| assignment.offer(*t, *s, *cost));
            let matched = assignment.settle(20.0).to_vec();
            let gain: f32 = matched
                .iter()
                .map(|m| 20.0 - pairs.iter().find(|(t, s, _)| (*t, *s) == *m).expect("a pair that was offered").2)
                .sum();
            prop_assert!((gain - best(&pairs, 20.0, &mut Vec::new())).abs() < 0.05);
            for side in [matched.iter().map(|m| m.0).collect::<Vec<_>>(), matched.iter().map(|m| m.1).collect()] {
                prop_assert_eq!(side.len(), side.iter().collect::<std::collections::BTreeSet<_>>().len());
            }
        }

        /// Of many, by the method of Kuhn and Munkres on the whole table.
        #[test]
        fn no_other_matching_of_a_crowd_is_better(
            (tracks, boxes) in (1usize..40, 1usize..40),
            pairs in proptest::collection::btree_map((0usize..40, 0usize..40), 0u16..400, 0..400),
        ) {
            let pairs = pairs.into_iter().filter(|((t, s), _)| *t < tracks && *s < boxes);
            let pairs: Vec<(usize, usize, u16)> = pairs.map(|((t, s), cost)| (t, s, cost)).collect();
            // A column for each track that is left without a box.
            let mut gains = Matrix::new(tracks, boxes + tracks, 0i64);
            let mut assignment = Assignment::default();
            assignment.begin(tracks, boxes);
            for (t, s, cost) in &pairs {
                gains[(*t, *s)] = 400 - i64::from(*cost);
                assignment.offer(*t, *s, f32::from(*cost));
            }
            let matched = assignment.settle(400.0).to_vec();
            prop_assert!(matched.iter().all(|(t, s)| pairs.iter().any(|pair| (pair.0, pair.1) == (*t, *s))), "a pair nobody offered");
            prop_assert_eq!(matched.iter().map(|m| gains[*m]).sum::<i64>(), kuhn_munkres(&gains).0);
            for side in [matched.iter().map(|m| m.0).collect::<Vec<_>>(), matched.iter().map(|m| m.1).collect()] {
                prop_assert_eq!(side.len(), side.iter().collect::<std::collections::BTreeSet<_>>().len());
            }
        }
    }
}
