//! The likeliest texts behind a row of scores.
//!
//! ```text
//!   step   1    2    3    4        8 8 – A      reads 8A         a text's likelihood is the sum over
//!          8    8    –    A        8 – 8 A      reads 88A        all ways to spread it over the steps
//! ```
//!
//! A search over beginnings of texts, after Hannun et al. (2014, arXiv:1408.2873): a beginning is kept once, with how likely it
//! is to end in a blank and in its last symbol. The best score at each step alone would count one way for each text.

/// Below this, ln, a score at one step is not followed: e^-9 is one in eight thousand.
const FAINT: f32 = -9.0;

/// A text, as places among the symbols, and ln of how likely it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) symbols: Vec<u8>,
    pub(super) log_likelihood: f32,
}

/// A beginning of a text.
struct Prefix {
    symbols: Vec<u8>,
    /// ln of how likely it is, ending in a blank.
    blank: f32,
    /// ln of how likely it is, ending in its last symbol.
    symbol: f32,
}

impl Prefix {
    fn total(&self) -> f32 {
        add(self.blank, self.symbol)
    }
}

/// The likeliest texts, the best first, at most `keep`; `log_odds` has for every step ln of the blank's and each symbol's
/// likelihood, `width` in number, the blank first.
pub(super) fn readings(log_odds: &[f32], width: usize, keep: usize) -> Vec<Reading> {
    let mut beginnings = vec![Prefix { symbols: Vec::new(), blank: 0.0, symbol: f32::NEG_INFINITY }];
    for step in log_odds.chunks_exact(width) {
        beginnings = advance(beginnings, step);
        beginnings.sort_by(|a, b| b.total().total_cmp(&a.total()));
        beginnings.truncate(keep);
    }
    beginnings.into_iter().map(|prefix| Reading { log_likelihood: prefix.total(), symbols: prefix.symbols }).collect()
}

fn advance(before: Vec<Prefix>, step: &[f32]) -> Vec<Prefix> {
    let likely: Vec<(u8, f32)> = (1..step.len()).filter(|i| step[*i] > FAINT).map(|i| (i as u8 - 1, step[i])).collect();
    let mut after: Vec<Prefix> = Vec::with_capacity(before.len() * (likely.len() + 1));
    let mut meet = |symbols: &[u8], more: Option<u8>, blank: f32, symbol: f32| {
        let same = |prefix: &&mut Prefix| match more {
            None => prefix.symbols == symbols,
            Some(last) => prefix.symbols.split_last().is_some_and(|(end, rest)| *end == last && rest == symbols),
        };
        match after.iter_mut().find(same) {
            Some(prefix) => (prefix.blank, prefix.symbol) = (add(prefix.blank, blank), add(prefix.symbol, symbol)),
            None => after.push(Prefix { symbols: symbols.iter().copied().chain(more).collect(), blank, symbol }),
        }
    };
    for prefix in &before {
        let total = prefix.total();
        let last = prefix.symbols.last().copied();
        let stays =
            last.and_then(|last| likely.iter().find(|(s, _)| *s == last)).map_or(f32::NEG_INFINITY, |(_, odds)| odds + prefix.symbol);
        meet(&prefix.symbols, None, total + step[0], stays);
        for (symbol, odds) in &likely {
            // The same symbol twice is two symbols only with a blank between.
            let from = if last == Some(*symbol) { prefix.blank } else { total };
            if from > f32::NEG_INFINITY {
                meet(&prefix.symbols, Some(*symbol), f32::NEG_INFINITY, from + odds);
            }
        }
    }
    after
}

/// ln(e^a + e^b).
fn add(a: f32, b: f32) -> f32 {
    let (more, less) = if a > b { (a, b) } else { (b, a) };
    if less == f32::NEG_INFINITY { more } else { more + (less - more).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::readings;

    /// Every way to label every step, added up by the text it reads.
    fn counted(log_odds: &[f32], width: usize) -> BTreeMap<Vec<u8>, f64> {
        let steps = log_odds.len() / width;
        let mut all = BTreeMap::new();
        for number in 0..width.pow(steps as u32) {
            let path: Vec<usize> = (0..steps).map(|step| number / width.pow(step as u32) % width).collect();
            let likely: f64 = path.iter().enumerate().map(|(step, label)| f64::from(log_odds[step * width + label])).sum::<f64>().exp();
            let mut text = path;
            text.dedup();
            text.retain(|label| *label != 0);
            *all.entry(text.into_iter().map(|label| label as u8 - 1).collect()).or_insert(0.0) += likely;
        }
        all
    }

    proptest! {
        #[test]
        fn with_room_for_all_texts_each_has_the_sum_over_its_paths(scores in prop::collection::vec(-4.0f32..4.0, 15)) {
            let log_odds: Vec<f32> = scores.chunks(3).flat_map(|row| {
                let total = row.iter().map(|v| v.exp()).sum::<f32>().ln();
                row.iter().map(move |v| v - total).collect::<Vec<f32>>()
            }).collect();
            let (wanted, found) = (counted(&log_odds, 3), readings(&log_odds, 3, 1_000));
            prop_assert!(found.windows(2).all(|w| w[0].log_likelihood >= w[1].log_likelihood));
            prop_assert_eq!(found.len(), wanted.len());
            for reading in found {
                let exact = wanted[&reading.symbols];
                prop_assert!((f64::from(reading.log_likelihood.exp()) - exact).abs() < 1e-3, "{reading:?} {exact}");
            }
        }
    }
}
