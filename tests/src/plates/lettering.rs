//! A lettering: how each symbol looks in one style, as a mask of ink.
//!
//! Strokes of our own ([`alphabet`](super::alphabet)) have a weight, a slant and a kind of corner. Outlines of fonts that are
//! installed come in as masks of the same size, so that nothing behind this file knows which is which.

use super::alphabet::{GLYPHS, SYMBOLS, Step, strokes};
use crate::Random;

/// Width and height of a mask in its own pixels: a letter half as wide as high, with room for a bar or a tail that sticks out.
pub const MASK: (usize, usize) = (60, 100);
/// Where on the mask the letter's grid lies: left, top, width and height.
const GRID: (f32, f32, f32, f32) = (12.0, 8.0, 38.0, 80.0);

/// How a corner is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corner {
    /// A bow, close to a quarter of an ellipse.
    Round,
    /// A fuller bow, almost square.
    Full,
    /// Cut off straight, as old and hand-cut plates are. Never used for training: what is held out is drawn with it.
    Cut,
}

/// One style of all symbols.
#[derive(Clone, Debug)]
pub struct Lettering {
    /// A mask for each of [`SYMBOLS`]: rows from the top, ink from 0 to 255.
    pub masks: Vec<Vec<u8>>,
}

impl Lettering {
    /// A style drawn with our own strokes.
    #[must_use]
    pub fn drawn(corner: Corner, random: &mut Random) -> Self {
        let weight = random.between(4.6, 7.6) as f32;
        let slant = random.normal(0.02) as f32;
        let masks = GLYPHS.iter().map(|ways| mask(ways[random.range(0, ways.len() as i64) as usize], corner, weight, slant)).collect();
        Self { masks }
    }

    /// The mask of a symbol; none if it is no symbol of plates.
    #[must_use]
    pub fn mask(&self, symbol: char) -> Option<&[u8]> {
        let place = SYMBOLS.iter().position(|s| *s == symbol)?;
        self.masks.get(place).map(Vec::as_slice)
    }
}

/// The ink of a glyph: a pixel is covered as far as it lies within half the weight of a stroke.
fn mask(glyph: &str, corner: Corner, weight: f32, slant: f32) -> Vec<u8> {
    let (left, top, width, height) = GRID;
    let on_mask = |[x, y]: [f32; 2]| [left + x / 4.0 * width + slant * (40.0 - y * 10.0), top + y / 8.0 * height];
    let lines: Vec<[[f32; 2]; 2]> = strokes(glyph)
        .iter()
        .map(|stroke| flatten(stroke, corner))
        .flat_map(|places| places.windows(2).map(|w| [on_mask(w[0]), on_mask(w[1])]).collect::<Vec<_>>())
        .collect();
    let mut ink = vec![0; MASK.0 * MASK.1];
    for (i, pixel) in ink.iter_mut().enumerate() {
        let at = [(i % MASK.0) as f32 + 0.5, (i / MASK.0) as f32 + 0.5];
        let nearest = lines.iter().map(|line| distance_squared(at, *line)).fold(f32::MAX, f32::min).sqrt();
        *pixel = ((weight - nearest + 0.5).clamp(0.0, 1.0) * 255.0) as u8;
    }
    ink
}

/// A stroke as a row of places.
fn flatten(stroke: &[Step], corner: Corner) -> Vec<[f32; 2]> {
    let mut places: Vec<[f32; 2]> = Vec::new();
    for step in stroke {
        match (*step, places.last().copied()) {
            (Step::To(to), _) | (Step::Round(_, to), None) => places.push(to),
            (Step::Round(bend, to), Some(from)) => places.extend(round(from, bend, to, corner)),
        }
    }
    places
}

/// The places of a corner after its first.
fn round(from: [f32; 2], bend: [f32; 2], to: [f32; 2], corner: Corner) -> Vec<[f32; 2]> {
    let mix = |a: f32, b: f32| [0, 1].map(|k| a * from[k] + (1.0 - a - b) * bend[k] + b * to[k]);
    let bow = |power: i32| (1..=6).map(|i| mix((1.0 - i as f32 / 6.0).powi(power), (i as f32 / 6.0).powi(power))).collect();
    match corner {
        Corner::Round => bow(2),
        Corner::Full => bow(3),
        Corner::Cut => vec![mix(0.6, 0.0), mix(0.0, 0.6), to],
    }
}

/// The square of the distance of a place from a piece of a line.
fn distance_squared([x, y]: [f32; 2], [[ax, ay], [bx, by]]: [[f32; 2]; 2]) -> f32 {
    let (dx, dy) = (bx - ax, by - ay);
    let along = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
    let (ex, ey) = (ax + along * dx - x, ay + along * dy - y);
    ex * ex + ey * ey
}

#[cfg(test)]
mod tests {
    use super::{Corner, Lettering, SYMBOLS};
    use crate::Random;

    /// The part of the ink of two masks that they do not share.
    fn apart(a: &[u8], b: &[u8]) -> f64 {
        let sum = |with: fn(u8, u8) -> u8| a.iter().zip(b).map(|(a, b)| u64::from(with(*a, *b))).sum::<u64>() as f64;
        sum(u8::abs_diff) / sum(u8::max)
    }

    #[test]
    fn no_two_symbols_of_a_style_look_the_same() {
        for (seed, corner) in [(1, Corner::Round), (2, Corner::Full), (3, Corner::Cut)] {
            let lettering = Lettering::drawn(corner, &mut Random::of(seed, 0));
            for (i, a) in lettering.masks.iter().enumerate() {
                // 0 and O are one on plates: no series has an O.
                for (j, b) in lettering.masks.iter().enumerate().skip(i + 1).filter(|(j, _)| (SYMBOLS[i], SYMBOLS[*j]) != ('0', 'O')) {
                    assert!(apart(a, b) > 0.02, "{corner:?}: {} and {}", SYMBOLS[i], SYMBOLS[j]);
                }
            }
        }
    }

    #[test]
    fn corners_that_are_cut_are_another_style() {
        let [round, cut] = [Corner::Round, Corner::Cut].map(|corner| Lettering::drawn(corner, &mut Random::of(5, 0)));
        let differs = |symbol: char| apart(round.mask(symbol).unwrap(), cut.mask(symbol).unwrap());
        assert!(differs('0') > 0.03 && differs('S') > 0.03);
        assert!(differs('H') < 1e-9, "what has no corner has no style of corners");
        assert_eq!(round.mask('-'), None);
    }
}
