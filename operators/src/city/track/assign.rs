//! Which box belongs to which track: the matching of least total cost among the pairs that are possible at all.
//!
//! ```text
//! possible pairs ─▶ each other's only choice? matched at once (nearly all of them)
//!                └▶ the rest, in groups that share a box or a track ─▶ Kuhn–Munkres
//! ```

use pathfinding::kuhn_munkres::kuhn_munkres;
use pathfinding::matrix::Matrix;

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
    /// Union–find over tracks.
    group: Vec<u32>,
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
        let Self { pairs, choices_of_track, choices_of_seen, matched, .. } = self;
        pairs.retain(|pair| {
            let only = choices_of_track[pair.track as usize] == 1 && choices_of_seen[pair.seen as usize] == 1;
            if only {
                matched.push((pair.track as usize, pair.seen as usize));
            }
            !only
        });
        if !self.pairs.is_empty() {
            self.settle_groups(most);
        }
        &self.matched
    }

    fn settle_groups(&mut self, most: f32) {
        self.group.clear();
        self.group.extend(0..self.choices_of_track.len() as u32);
        const NONE: u32 = u32::MAX;
        let first_of_seen = &mut self.choices_of_seen;
        first_of_seen.fill(NONE);
        for pair in &self.pairs {
            let first = &mut first_of_seen[pair.seen as usize];
            if *first == NONE {
                *first = pair.track;
            } else {
                let (a, b) = (root(&mut self.group, *first), root(&mut self.group, pair.track));
                self.group[a.max(b) as usize] = a.min(b);
            }
        }
        let Self { pairs, group, matched, .. } = self;
        pairs.iter().for_each(|pair| _ = root(group, pair.track));
        let mut of_pair = |pair: &Pair| root(group, pair.track);
        pairs.sort_by_key(|pair| (of_pair(pair), pair.track, pair.seen));
        let mut rest = pairs.as_slice();
        while let Some(first) = rest.first() {
            let of_first = of_pair(first);
            let end = rest.iter().position(|pair| of_pair(pair) != of_first).unwrap_or(rest.len());
            match_group(&rest[..end], most, matched);
            rest = &rest[end..];
        }
    }
}

fn root(group: &mut [u32], mut track: u32) -> u32 {
    while group[track as usize] != track {
        group[track as usize] = group[group[track as usize] as usize];
        track = group[track as usize];
    }
    track
}

/// Matches one group of pairs, which are in order of track and box.
fn match_group(pairs: &[Pair], most: f32, matched: &mut Vec<(usize, usize)>) {
    let mut tracks: Vec<u32> = pairs.iter().map(|p| p.track).collect();
    tracks.dedup();
    let mut boxes: Vec<u32> = pairs.iter().map(|p| p.seen).collect();
    boxes.sort_unstable();
    boxes.dedup();
    if tracks.len() == 1 || boxes.len() == 1 {
        let best = pairs.iter().min_by(|a, b| a.cost.total_cmp(&b.cost));
        matched.extend(best.map(|p| (p.track as usize, p.seen as usize)));
        return;
    }
    // One empty column for each track: it may stay unmatched, which gains nothing and costs nothing.
    let mut gains = Matrix::new(tracks.len(), boxes.len() + tracks.len(), 0i64);
    for pair in pairs {
        if let (Ok(row), Ok(column)) = (tracks.binary_search(&pair.track), boxes.binary_search(&pair.seen)) {
            gains[(row, column)] = 1 + ((most - pair.cost).max(0.0) * 1_000.0) as i64;
        }
    }
    let (_, columns) = kuhn_munkres(&gains);
    let taken = columns.iter().enumerate().filter(|(row, column)| gains[(*row, **column)] > 0);
    matched.extend(taken.map(|(row, column)| (tracks[row] as usize, boxes[*column] as usize)));
}

#[cfg(test)]
mod tests {
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
    }
}
