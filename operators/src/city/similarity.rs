//! How much more likely two reads are of one plate than of two: a log-likelihood ratio.
//!
//! For reads `a`, `b` of unknown truth: `Σ over symbols of ln( Σ_c P(c|a) · P(c|b) / π_c )`, with `π` how common a symbol
//! is. One symbol may be missing in one of them, at a price. Source: Oliveira-Neto, Han and Jeong, *Online license plate
//! matching procedures using license-plate recognition machines and new weighted edit distance* (2012), with
//! probabilities in place of learnt weights.

use schemas::{Plate, PlateText};

use super::confusion::likelihood;

/// A log-likelihood ratio or a score made of such: thousandths of a natural unit, rounded, so that scores compare exactly.
pub type Millinats = i32;

/// The symbols of plates: digits, letters, `Đ`.
const SYMBOLS: usize = 37;

/// Confidences from here on upwards, permille, and how often a symbol read with such a confidence is right. Even the
/// most certain read may be wrong for good: dirt makes every frame show the same wrong symbol.
const LEVELS: [(u16, f64); 4] = [(0, 0.5), (600, 0.7), (800, 0.87), (930, 0.985)];

/// How common a digit is; seven of the eight symbols of most plates are digits.
const DIGIT_SHARE: f64 = 0.0875;

/// How common each other symbol is.
const LETTER_SHARE: f64 = 0.125 / 27.0;

/// What a symbol missing in one of two reads costs.
const DROPPED: Millinats = -4_000;

/// A plate as read, for comparing: symbol numbers, each with the level of its confidence.
///
/// Confidences are coarse, so that a read that merely became a little surer is still the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Read {
    symbols: [u8; 16],
    levels: [u8; 16],
    len: u8,
}

impl Read {
    /// What a plate says; `None` if it says nothing.
    #[must_use]
    pub fn of(plate: &Plate) -> Option<Self> {
        let text = plate.text.symbols();
        let mut read = Self { symbols: [u8::MAX; 16], levels: [0; 16], len: text.len() as u8 };
        for (i, symbol) in text.iter().enumerate() {
            let confidence = plate.confidence.values().get(i).copied().unwrap_or(1_000);
            read.symbols[i] = number(*symbol);
            read.levels[i] = (LEVELS.iter().filter(|(from, _)| *from <= confidence).count() - 1) as u8;
        }
        (!text.is_empty()).then_some(read)
    }

    /// The symbols alone, as numbers: equal where the texts are.
    #[must_use]
    pub fn text(&self) -> [u8; 16] {
        self.symbols
    }

    /// How many symbols.
    #[must_use]
    pub fn symbols(&self) -> usize {
        usize::from(self.len)
    }

    fn at(&self, i: usize) -> usize {
        usize::from(self.symbols[i]) * LEVELS.len() + usize::from(self.levels[i])
    }
}

/// The ratio for every pair of symbols at every pair of levels, computed once.
#[derive(Clone, Debug)]
pub struct Similarity {
    table: Vec<i16>,
}

const STATES: usize = SYMBOLS * LEVELS.len();

impl Default for Similarity {
    fn default() -> Self {
        let posteriors: Vec<Vec<f64>> = (0..STATES).map(|state| posterior(state / LEVELS.len(), LEVELS[state % LEVELS.len()].1)).collect();
        let ratio = |a: &[f64], b: &[f64]| (0..SYMBOLS).map(|c| a[c] * b[c] / share(c)).sum::<f64>().ln();
        let table = posteriors.iter().flat_map(|a| posteriors.iter().map(|b| (ratio(a, b) * 1_000.0).round() as i16)).collect();
        Self { table }
    }
}

impl Similarity {
    /// How much speaks for one plate: positive for, negative against.
    ///
    /// ```
    /// use operators::city::similarity::{Read, Similarity};
    /// use schemas::{Confidence, Plate, PlateColour, PlateKind};
    ///
    /// let read = |text: &str| {
    ///     let text: schemas::PlateText = text.parse().unwrap();
    ///     let confidence = Confidence::of(&vec![980; text.len()]).unwrap();
    ///     Read::of(&Plate { text, kind: PlateKind::Car, colour: PlateColour::White, confidence }).unwrap()
    /// };
    /// let similarity = Similarity::default();
    /// let of = |a, b| similarity.of(&read(a), &read(b));
    /// assert!(of("88A12345", "88A12345") > of("88A12345", "88A12346"));
    /// assert!(of("88A12345", "B8A12345") > of("88A12345", "78A12345"), "B is taken for 8");
    /// assert!(of("88A12345", "88A1345") > 5_000, "a symbol may be missing");
    /// assert!(of("88A12345", "29C67890") < -10_000);
    /// ```
    #[must_use]
    pub fn of(&self, a: &Read, b: &Read) -> Millinats {
        let (a, b) = if a.len <= b.len { (a, b) } else { (b, a) };
        let (short, long) = (usize::from(a.len), usize::from(b.len));
        match long - short {
            0 => (0..long).map(|i| self.pair(a, i, b, i)).sum(),
            1 => self.with_one_dropped(a, b, short),
            more => DROPPED * 4 * more as Millinats,
        }
    }

    /// The best way to leave out one symbol of the longer read.
    fn with_one_dropped(&self, a: &Read, b: &Read, short: usize) -> Millinats {
        let mut sum: Millinats = (0..short).map(|i| self.pair(a, i, b, i + 1)).sum();
        let mut best = sum;
        for i in 0..short {
            sum += self.pair(a, i, b, i) - self.pair(a, i, b, i + 1);
            best = best.max(sum);
        }
        best + DROPPED
    }

    fn pair(&self, a: &Read, i: usize, b: &Read, j: usize) -> Millinats {
        Millinats::from(self.table[a.at(i) * STATES + b.at(j)])
    }
}

/// The probability of each true symbol, given what was read.
fn posterior(read: usize, right: f64) -> Vec<f64> {
    let joint: Vec<f64> = (0..SYMBOLS).map(|truth| likelihood(symbol(read), right, symbol(truth)) * share(truth)).collect();
    let sum: f64 = joint.iter().sum();
    joint.into_iter().map(|p| p / sum).collect()
}

fn share(symbol: usize) -> f64 {
    if symbol < 10 { DIGIT_SHARE } else { LETTER_SHARE }
}

fn number(symbol: u8) -> u8 {
    match symbol {
        b'0'..=b'9' => symbol - b'0',
        b'A'..=b'Z' => symbol - b'A' + 10,
        _ => SYMBOLS as u8 - 1,
    }
}

fn symbol(number: usize) -> u8 {
    match number as u8 {
        n @ 0..=9 => b'0' + n,
        n @ 10..=35 => b'A' + n - 10,
        _ => PlateText::D_STROKE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use schemas::{Confidence, PlateColour, PlateKind};

    fn read(text: &str) -> Read {
        let text: PlateText = text.parse().unwrap();
        let confidence = Confidence::of(&vec![960; text.len()]).unwrap();
        Read::of(&Plate { text, kind: PlateKind::Car, colour: PlateColour::White, confidence }).unwrap()
    }

    proptest! {
        #[test]
        fn neither_read_comes_first(a in "[0-9A-Z]{7,8}", b in "[0-9A-Z]{7,8}") {
            let similarity = Similarity::default();
            prop_assert_eq!(similarity.of(&read(&a), &read(&b)), similarity.of(&read(&b), &read(&a)));
        }
    }
}
