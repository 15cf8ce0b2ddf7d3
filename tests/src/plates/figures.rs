//! How well plates were read: whole plates, symbols, and whether a reader is as sure as it is right.

/// One plate as it is and as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// What is on it.
    pub truth: String,
    /// What was read; empty if nothing was.
    pub text: String,
    /// How sure each symbol of what was read is, permille.
    pub confidence: Vec<u16>,
}

/// How well many plates were read; all parts of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// How many plates.
    pub plates: usize,
    /// Plates of which every symbol is right and none too many.
    pub whole: f64,
    /// Symbols read that are right.
    pub symbols: f64,
    /// The expected calibration error of the symbols' confidence, over fifteen bins (Guo et al. 2017).
    pub calibration_error: f64,
    /// Plates of which every symbol is at least 0.9 sure.
    pub sure: f64,
    /// Of those, the plates that are right.
    pub right_if_sure: f64,
}

impl Figures {
    /// The figures of some plates.
    #[must_use]
    pub fn of(read: &[Read]) -> Self {
        let part = |some: usize, all: usize| some as f64 / all.max(1) as f64;
        let symbols: Vec<(u16, bool)> = read.iter().flat_map(symbols).collect();
        let is_sure = |read: &&Read| !read.text.is_empty() && read.confidence.iter().all(|c| *c >= 900);
        let sure = read.iter().filter(is_sure).count();
        Self {
            plates: read.len(),
            whole: part(read.iter().filter(|r| r.text == r.truth).count(), read.len()),
            symbols: part(symbols.iter().filter(|s| s.1).count(), symbols.len()),
            calibration_error: calibration_error(&symbols),
            sure: part(sure, read.len()),
            right_if_sure: part(read.iter().filter(|r| is_sure(r) && r.text == r.truth).count(), sure),
        }
    }
}

/// How far confidence and truth are apart: the mean over bins of equal width, weighed by how many symbols lie in each.
fn calibration_error(symbols: &[(u16, bool)]) -> f64 {
    let mut bins = [(0_usize, 0.0_f64, 0.0_f64); 15];
    for (sure, right) in symbols {
        let bin = &mut bins[(usize::from(*sure) * 15 / 1_001).min(14)];
        *bin = (bin.0 + 1, bin.1 + f64::from(*sure) / 1_000.0, bin.2 + f64::from(*right));
    }
    bins.iter().map(|(_, sure, right)| (sure - right).abs()).sum::<f64>() / symbols.len().max(1) as f64
}

/// How sure each symbol read is, and whether it is one of the truth in a cheapest way of making one text of the other.
fn symbols(read: &Read) -> Vec<(u16, bool)> {
    let (truth, text): (Vec<char>, Vec<char>) = (read.truth.chars().collect(), read.text.chars().collect());
    let mut costs = vec![vec![0; text.len() + 1]; truth.len() + 1];
    for i in 0..=truth.len() {
        for j in 0..=text.len() {
            costs[i][j] = match (i, j) {
                (0, _) => j,
                (_, 0) => i,
                _ => (costs[i - 1][j - 1] + usize::from(truth[i - 1] != text[j - 1])).min(costs[i - 1][j] + 1).min(costs[i][j - 1] + 1),
            };
        }
    }
    let mut right = vec![false; text.len()];
    let (mut i, mut j) = (truth.len(), text.len());
    while i > 0 && j > 0 {
        let same = truth[i - 1] == text[j - 1];
        if costs[i][j] == costs[i - 1][j - 1] + usize::from(!same) {
            right[j - 1] = same;
            (i, j) = (i - 1, j - 1);
        } else if costs[i][j] == costs[i - 1][j] + 1 {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    read.confidence.iter().copied().zip(right).collect()
}

#[cfg(test)]
mod tests {
    use super::{Figures, Read};

    fn read(truth: &str, text: &str, confidence: u16) -> Read {
        Read { truth: truth.into(), text: text.into(), confidence: vec![confidence; text.len()] }
    }

    #[test]
    fn a_symbol_too_many_is_one_fault_and_not_all_behind_it() {
        let figures = Figures::of(&[read("88A12345", "88A112345", 1_000)]);
        assert!((figures.symbols - 8.0 / 9.0).abs() < 1e-9 && figures.whole == 0.0);
        assert!((figures.calibration_error - 1.0 / 9.0).abs() < 1e-9);
    }

    #[test]
    fn who_is_right_as_often_as_sure_has_no_error() {
        let half = [read("AB", "AX", 500), read("CD", "CX", 500)];
        assert!(Figures::of(&half).calibration_error < 1e-9);
        let sure = [read("AB", "AX", 1_000), read("CD", "CX", 1_000), read("EF", "EF", 1_000)];
        let figures = Figures::of(&sure);
        assert!((figures.calibration_error - 1.0 / 3.0).abs() < 1e-9 && (figures.right_if_sure - 1.0 / 3.0).abs() < 1e-9);
    }
}
