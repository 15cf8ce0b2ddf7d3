//! Which symbols of a plate are taken for which: the probability of a read, given the truth.
//!
//! ```text
//! truth B ──▶ read B   right              as often as the reader says it is
//!        ├─▶ read 8 E  listed confusions  most of the rest, in equal parts
//!        └─▶ any other                    what is left
//! ```
//!
//! Pure functions over symbols (`0–9`, `A–Z` and [`PlateText::D_STROKE`]); votes within a camera's view and
//! comparisons between cameras use the same table. The pairs are those that readers of Vietnamese plates are known to
//! mix up; they look alike in both directions.

use std::sync::LazyLock;

use schemas::PlateText;

/// How many symbols a plate can be made of: ten digits, 26 letters and `Đ`.
pub const SYMBOLS: usize = 37;

/// Of the reads that are wrong, how many fall on a listed confusion of the truth.
const LISTED_SHARE: f64 = 0.9;

/// How often a symbol is read right if nothing is known of the read: 3 % misreads, as measured on roadside readers.
const RIGHT: f64 = 0.97;

/// No symbol has more listed confusions than this.
const CONFUSIONS_MOST: usize = 6;

const D_STROKE: u8 = PlateText::D_STROKE;

/// Symbols that are taken for each other, in either direction.
const PAIRS: [[u8; 2]; 34] = [
    *b"0D",
    *b"0O",
    *b"0Q",
    *b"08",
    *b"06",
    *b"17",
    *b"1I",
    *b"1L",
    *b"1T",
    *b"2Z",
    *b"27",
    *b"38",
    *b"4A",
    *b"49",
    *b"5S",
    *b"56",
    *b"6G",
    *b"68",
    *b"7T",
    *b"8B",
    *b"9G",
    *b"BE",
    [b'D', D_STROKE],
    *b"GC",
    *b"EF",
    *b"FP",
    *b"HK",
    *b"HM",
    *b"HN",
    *b"MN",
    *b"KX",
    *b"LU",
    *b"UV",
    *b"VY",
];

/// The listed confusions of every symbol by its number, and how many they are.
const LISTED: [([u8; CONFUSIONS_MOST], usize); SYMBOLS] = list();

const fn list() -> [([u8; CONFUSIONS_MOST], usize); SYMBOLS] {
    let mut listed = [([0; CONFUSIONS_MOST], 0); SYMBOLS];
    let mut i = 0;
    while i < PAIRS.len() {
        let [a, b] = PAIRS[i];
        let (of_a, of_b) = (number(a), number(b));
        listed[of_a].0[listed[of_a].1] = b;
        listed[of_a].1 += 1;
        listed[of_b].0[listed[of_b].1] = a;
        listed[of_b].1 += 1;
        i += 1;
    }
    listed
}

/// The number of a symbol, below [`SYMBOLS`].
const fn number(symbol: u8) -> usize {
    match symbol {
        b'0'..=b'9' => (symbol - b'0') as usize,
        b'A'..=b'Z' => (symbol - b'A') as usize + 10,
        _ => SYMBOLS - 1,
    }
}

/// The symbols that this one is taken for.
///
/// ```
/// use operators::city::confusion::confused_with;
/// assert_eq!(confused_with(b'B'), b"8E");
/// ```
#[must_use]
pub fn confused_with(symbol: u8) -> &'static [u8] {
    let (symbols, count) = &LISTED[number(symbol)];
    &symbols[..*count]
}

/// The probability that `truth` is read as `read`, by a read of which nothing more is known.
///
/// ```
/// use operators::city::confusion::confusion;
/// assert!(confusion(b'8', b'8') > 0.9);
/// assert!(confusion(b'8', b'B') > 10.0 * confusion(b'7', b'B'));
/// ```
#[must_use]
pub fn confusion(read: u8, truth: u8) -> f64 {
    likelihood(read, RIGHT, truth)
}

/// The probability that `truth` is read as `read` where a symbol is read right with the probability `right`.
///
/// Over all reads of one truth it sums to one. `right` lies strictly between 0 and 1.
#[must_use]
pub fn likelihood(read: u8, right: f64, truth: u8) -> f64 {
    if read == truth { right } else { (1.0 - right) * misread_as(read, truth) }
}

/// Of the misreads of `truth`, the share that shows `read`.
#[must_use]
pub fn misread_as(read: u8, truth: u8) -> f64 {
    let listed = confused_with(truth);
    let others = (SYMBOLS - 1 - listed.len()) as f64;
    match listed {
        [] => 1.0 / others,
        _ if listed.contains(&read) => LISTED_SHARE / listed.len() as f64,
        _ => (1.0 - LISTED_SHARE) / others,
    }
}

/// The logarithm of [`misread_as`], looked up.
pub(super) fn log_misread_as(read: u8, truth: u8) -> f32 {
    static TABLE: LazyLock<[[f32; SYMBOLS]; SYMBOLS]> = LazyLock::new(|| {
        let symbol = |number: usize| (b'0'..=b'9').chain(b'A'..=b'Z').nth(number).unwrap_or(D_STROKE);
        std::array::from_fn(|read| std::array::from_fn(|truth| misread_as(symbol(read), symbol(truth)).ln() as f32))
    });
    TABLE[number(read)][number(truth)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols() -> impl Iterator<Item = u8> + Clone {
        (b'0'..=b'9').chain(b'A'..=b'Z').chain([D_STROKE])
    }

    #[test]
    fn the_reads_of_one_truth_sum_to_one() {
        for truth in symbols() {
            let sum: f64 = symbols().map(|read| confusion(read, truth)).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{}: {sum}", char::from(truth));
        }
    }

    #[test]
    fn symbols_are_confused_in_both_directions() {
        for (a, b) in symbols().flat_map(|a| symbols().map(move |b| (a, b))) {
            assert_eq!(confused_with(a).contains(&b), confused_with(b).contains(&a));
            assert!(!confused_with(a).contains(&a));
        }
    }
}
