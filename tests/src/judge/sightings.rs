//! Which sighting is which passage.

use super::{Ground, Sighting, SightingScore, rate};

/// Sightings that crossed a stop line, and the pairs: for each passage its sighting, for each such sighting whether it is one.
pub(super) struct Found<'a> {
    /// Sightings that crossed, by order of output.
    pub(super) crossed: Vec<&'a Sighting>,
    /// For each passage the sighting, a place in `crossed`.
    pub(super) of_passage: Vec<Option<usize>>,
}

/// How far a crossing may lie from the truth, beside the clock's error.
const GAP_MS: i64 = 600;

/// Pairs passages with sightings: those with the right plate first, then the nearest in time.
pub(super) fn find<'a>(ground: &Ground, sightings: &'a [Sighting]) -> Found<'a> {
    let stop = |s: &'a Sighting| {
        let crossing = s.crossings.iter().find(|c| c.line == "stop" && c.forward)?;
        Some((s, crossing.at_ms, crossing.lane))
    };
    let seen: Vec<(&Sighting, i64, Option<usize>)> = sightings.iter().filter_map(stop).collect();
    let mut of_camera = std::collections::BTreeMap::<&str, Vec<usize>>::new();
    seen.iter().enumerate().for_each(|(n, (s, ..))| of_camera.entry(&s.camera).or_default().push(n));
    let mut pairs = Vec::new();
    for (number, passage) in ground.passages.iter().enumerate() {
        let error_ms = ground.error_ms(&passage.camera);
        for &candidate in of_camera.get(passage.camera.as_str()).into_iter().flatten() {
            let (sighting, at_ms, lane) = seen[candidate];
            let gap_ms = (at_ms - passage.stop_ms.unwrap_or(0)).abs();
            if gap_ms <= GAP_MS + error_ms && (lane.is_none() || lane == passage.lane) {
                let differs = sighting.plate.as_ref().is_none_or(|p| p.text != passage.plate);
                pairs.push((differs, gap_ms, number, candidate));
            }
        }
    }
    pairs.sort_unstable();
    let (mut of_passage, mut used) = (vec![None; ground.passages.len()], vec![false; seen.len()]);
    for (_, _, passage, candidate) in pairs {
        if of_passage[passage].is_none() && !used[candidate] {
            of_passage[passage] = Some(candidate);
            used[candidate] = true;
        }
    }
    Found { crossed: seen.into_iter().map(|(s, ..)| s).collect(), of_passage }
}

pub(super) fn score(ground: &Ground, found: &Found) -> SightingScore {
    let (truth, hits) = (ground.passages.len(), found.of_passage.iter().flatten().count());
    let pairs = ground.passages.iter().zip(&found.of_passage).filter_map(|(p, s)| Some((p, found.crossed[(*s)?])));
    let readable: Vec<bool> = pairs
        .filter(|(p, _)| ground.readable(&p.vehicle))
        .map(|(p, s)| s.plate.as_ref().is_some_and(|read| read.text == p.plate))
        .collect();
    let exact = readable.iter().filter(|exact| **exact).count();
    SightingScore {
        truth,
        found: hits,
        recall: rate(hits, truth),
        precision: rate(hits, found.crossed.len()),
        plate_exact: rate(exact, readable.len()),
    }
}
