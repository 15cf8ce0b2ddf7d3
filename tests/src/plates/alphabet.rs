//! The letters of a plate as strokes, drawn by us: tall, narrow, round at the corners, as plates are stamped.
//!
//! ```text
//!   0 ┌──╮ 4     a letter stands on a grid four wide and eight high, y down. A stroke is a row of places `x,y`;
//!     │  │       `(a,b x,y)` is a corner: on to `x,y`, bending at `a,b`. Strokes are parted by `|`.
//!   8 └──╯
//! ```

/// All that can stand on a plate, in the order in which letterings have them: digits, letters, `Đ`.
pub const SYMBOLS: [char; 37] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q',
    'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Đ',
];

/// For each symbol the ways it is drawn: what is stamped in one workshop differs from what is stamped in another.
pub(crate) const GLYPHS: [&[&str]; 37] = [
    &["0,2 (0,0 2,0) (4,0 4,2) 4,6 (4,8 2,8) (0,8 0,6) 0,2"],
    &["0.8,1.7 2.4,0 2.4,8", "1.1,0.9 2.2,0 2.2,8"],
    &["0,2 (0,0 2,0) (4,0 4,2) (4,3.5 2.7,4.7) 0,8 4,8", "0,1.8 (0,0 2,0) (4,0 4,2.2) (4,4 2,5.2) (0,6.2 0,8) 4,8"],
    &[
        "0,1.8 (0,0 2,0) (4,0 4,1.9) (4,3.8 1.5,3.8) (4,3.8 4,5.9) (4,8 2,8) (0,8 0,6.2)",
        "0,0 4,0 1.8,3.1 (4,3.1 4,5.6) (4,8 2,8) (0,8 0,6.4)",
    ],
    &["3,8 3,0 0,5.7 4.1,5.7", "2,0 0,5.6 4.1,5.6|3.1,3.2 3.1,8"],
    &["3.8,0 0.3,0 0.1,3.7 (0.8,3 2,3) (4,3 4,5.5) (4,8 2,8) (0,8 0,6.2)"],
    &[
        "3.9,1.7 (3.6,0 2,0) (0,0 0,2.4) 0,5.6 (0,8 2,8) (4,8 4,5.7) (4,3.4 2,3.4) (0,3.4 0,5.6)",
        "3,0 0.5,4.2 (0,5 0,5.8) (0,8 2,8) (4,8 4,5.7) (4,3.5 2,3.5) (1,3.5 0.4,4.4)",
    ],
    &["0,0 4,0 1.5,8", "0,0 4,0 (2,4 1.6,8)"],
    &["2,3.8 (0.2,3.8 0.2,1.9) (0.2,0 2,0) (3.8,0 3.8,1.9) (3.8,3.8 2,3.8) (0,3.8 0,5.9) (0,8 2,8) (4,8 4,5.9) (4,3.8 2,3.8)"],
    &[
        "0.1,6.3 (0.4,8 2,8) (4,8 4,5.6) 4,2.4 (4,0 2,0) (0,0 0,2.3) (0,4.6 2,4.6) (4,4.6 4,2.4)",
        "1,8 3.5,3.8 (4,3 4,2.2) (4,0 2,0) (0,0 0,2.3) (0,4.5 2,4.5) (3,4.5 3.6,3.6)",
    ],
    &["0,8 2,0 4,8|0.7,5.4 3.3,5.4", "0,8 1.6,0 2.4,0 4,8|0.5,5.6 3.5,5.6"],
    &["0,3.8 2.2,3.8 (3.8,3.8 3.8,1.9) (3.8,0 2.4,0) 0,0 0,8 2.4,8 (4,8 4,5.9) (4,3.8 2.2,3.8)"],
    &["4,2 (4,0 2,0) (0,0 0,2) 0,6 (0,8 2,8) (4,8 4,6)"],
    &["0,0 1.8,0 (4,0 4,2.4) 4,5.6 (4,8 1.8,8) 0,8 0,0"],
    &["4,0 0,0 0,8 4,8|0,3.9 3.4,3.9"],
    &["4,0 0,0 0,8|0,3.9 3.3,3.9"],
    &["4,2 (4,0 2,0) (0,0 0,2) 0,6 (0,8 2,8) (4,8 4,6) 4,4.2 2.3,4.2", "4,2 (4,0 2,0) (0,0 0,2) 0,6 (0,8 2,8) (4,8 4,6)|4,8 4,4.4 2.4,4.4"],
    &["0,0 0,8|4,0 4,8|0,3.9 4,3.9"],
    &["2,0 2,8", "2,0 2,8|1,0 3,0|1,8 3,8"],
    &["3.4,0 3.4,6 (3.4,8 1.7,8) (0,8 0,6.2)"],
    &["0,0 0,8|4,0 0,4.8|1.4,3.3 4,8"],
    &["0,0 0,8 4,8"],
    &["0,8 0,0 2,5 4,0 4,8", "0,8 0.2,0 2,7 3.8,0 4,8"],
    &["0,8 0,0 4,8 4,0"],
    &["0,2.4 (0,0 2,0) (4,0 4,2.4) 4,5.6 (4,8 2,8) (0,8 0,5.6) 0,2.4"],
    &["0,8 0,0 2.2,0 (4,0 4,2.1) (4,4.3 2.2,4.3) 0,4.3"],
    &["0,2.4 (0,0 2,0) (4,0 4,2.4) 4,5.6 (4,8 2,8) (0,8 0,5.6) 0,2.4|2.4,6 4.2,8.3"],
    &["0,8 0,0 2.2,0 (4,0 4,2.1) (4,4.3 2.2,4.3) 0,4.3|2.1,4.3 4,8"],
    &["4,1.9 (4,0 2,0) (0,0 0,2) (0,3.9 2,3.9) (4,3.9 4,6) (4,8 2,8) (0,8 0,6.1)"],
    &["0,0 4,0|2,0 2,8"],
    &["0,0 0,6 (0,8 2,8) (4,8 4,6) 4,0"],
    &["0,0 2,8 4,0"],
    &["0,0 1,8 2,2.4 3,8 4,0"],
    &["0,0 4,8|4,0 0,8"],
    &["0,0 2,4 4,0|2,4 2,8"],
    &["0,0 4,0 0,8 4,8"],
    &["0,0 1.8,0 (4,0 4,2.4) 4,5.6 (4,8 1.8,8) 0,8 0,0|-0.9,4 1.7,4"],
];

/// One step of a stroke: on to a place, or on to it round a corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    /// In a straight line.
    To([f32; 2]),
    /// Bending at the first place, ending at the second.
    Round([f32; 2], [f32; 2]),
}

/// The strokes of a glyph; the table above is the only input, so what cannot be read is left out and a test counts it.
pub(crate) fn strokes(glyph: &str) -> Vec<Vec<Step>> {
    let place = |text: &str| {
        let (x, y) = text.split_once(',')?;
        Some([x.parse().ok()?, y.parse().ok()?])
    };
    let stroke = |text: &str| {
        let mut steps = Vec::new();
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            steps.extend(match word.strip_prefix('(') {
                None => place(word).map(Step::To),
                Some(corner) => {
                    let end = words.next().and_then(|w| place(w.trim_end_matches(')')));
                    place(corner).zip(end).map(|(corner, end)| Step::Round(corner, end))
                }
            });
        }
        steps
    };
    glyph.split('|').map(stroke).collect()
}

#[cfg(test)]
mod tests {
    use super::{GLYPHS, SYMBOLS, Step, strokes};

    #[test]
    fn every_glyph_can_be_read_whole_and_stays_on_its_grid() {
        for (symbol, ways) in SYMBOLS.iter().zip(GLYPHS) {
            for glyph in ways {
                let read = strokes(glyph);
                let places: usize = read.iter().flatten().map(|s| if matches!(s, Step::To(_)) { 1 } else { 2 }).sum();
                assert_eq!(places, glyph.matches(',').count(), "{symbol}: {glyph}");
                for step in read.into_iter().flatten() {
                    let ([x, y], [a, b]) = match step {
                        Step::To(to) => (to, to),
                        Step::Round(corner, to) => (corner, to),
                    };
                    assert!([x, a].iter().all(|x| (-1.0..=4.5).contains(x)) && [y, b].iter().all(|y| (0.0..=8.5).contains(y)), "{symbol}");
                }
            }
        }
    }
}
