//! The face of a plate: its size in millimetres, its colours, and where on it there is ink.
//!
//! ```text
//!   ┌───────────────────┐    one line: 520 × 110, letters 80 high      ┌───────┐
//!   │ 8 8 A - 123 . 4 5 │    two lines: 330 × 165, letters 63          │ 88-A1 │  bikes: 190 × 140, letters 55
//!   └───────────────────┘                                              │ 123.45│
//! ```

use super::issue::{Colour, Issue, Kind};
use super::lettering::{Lettering, MASK};
use super::pose::Homography;
use super::{Image, noise};
use crate::Random;

/// Pixels of the map of ink that a letter is high.
const LETTER: f64 = 48.0;

/// A plate that can be drawn.
#[derive(Clone, Debug)]
pub struct Face {
    /// Width and height, millimetres.
    pub size_mm: [f64; 2],
    /// How high its letters are, millimetres.
    pub letter_mm: f64,
    ground: [f32; 3],
    ink: [f32; 3],
    width: usize,
    height: usize,
    /// How much ink is at each pixel of the map, 0 to 1.
    inked: Vec<f32>,
    /// How much dirt is at each pixel of the map, 0 to 1.
    dirt: Vec<f32>,
}

impl Face {
    /// The face of a plate in a lettering; every one is a little different in size, margin and colour.
    #[must_use]
    pub fn of(issue: &Issue, lettering: &Lettering, random: &mut Random) -> Self {
        let ([width_mm, height_mm], letter_mm) = size(issue, random);
        let scale = LETTER / letter_mm;
        let (width, height) = ((width_mm * scale) as usize, (height_mm * scale) as usize);
        let (ground, ink) = colours(issue, random);
        let blank = vec![0.0; width * height];
        let mut face = Self { size_mm: [width_mm, height_mm], letter_mm, ground, ink, width, height, inked: blank.clone(), dirt: blank };
        if random.chance(0.85) {
            face.border(random);
        }
        face.letters(issue, lettering, random);
        face.bolts(random);
        if random.chance(0.25) {
            face.soil(random);
        }
        face
    }

    /// Its corners in the picture: upper left, upper right, lower right, lower left.
    #[must_use]
    pub fn corners(&self, homography: &Homography) -> [[f64; 2]; 4] {
        let [w, h] = self.size_mm.map(|v| v / 2.0);
        [[-w, -h], [w, -h], [w, h], [-w, h]].map(|[x, y]| homography.map(x, y))
    }

    /// Draws it; the homography maps its millimetres, from its middle, to pixels.
    pub fn draw(&self, image: &mut Image, homography: &Homography) {
        let corners = self.corners(homography);
        let bound = |k: usize, pick: fn(f64, f64) -> f64| corners.iter().map(|c| c[k]).reduce(pick).unwrap_or(0.0) as f32;
        let bounds = [bound(0, f64::min), bound(1, f64::min), bound(0, f64::max), bound(1, f64::max)];
        let back = homography.inverse();
        let scale = LETTER / self.letter_mm;
        let fine = ((self.width as f32 / (bounds[2] - bounds[0]).max(1.0)).ceil() as usize).clamp(2, 5);
        image.lay(bounds, fine, |x, y| {
            let [u, v] = back.map(f64::from(x), f64::from(y));
            let at = [(u + self.size_mm[0] / 2.0) * scale, (v + self.size_mm[1] / 2.0) * scale];
            self.colour(at[0] as f32, at[1] as f32)
        });
    }

    /// The colour at a place of the map of ink; none outside.
    fn colour(&self, x: f32, y: f32) -> Option<[f32; 3]> {
        if x < 0.0 || y < 0.0 || x >= self.width as f32 || y >= self.height as f32 {
            return None;
        }
        let (x0, y0) = ((x - 0.5).max(0.0), (y - 0.5).max(0.0));
        let (i, j) = (x0 as usize, y0 as usize);
        let (i1, j1) = ((i + 1).min(self.width - 1), (j + 1).min(self.height - 1));
        let (fx, fy) = (x0.fract(), y0.fract());
        let ink = |i: usize, j: usize| self.inked[j * self.width + i];
        let ink = (ink(i, j) * (1.0 - fx) + ink(i1, j) * fx) * (1.0 - fy) + (ink(i, j1) * (1.0 - fx) + ink(i1, j1) * fx) * fy;
        let dirt = self.dirt[j * self.width + i];
        Some([0, 1, 2].map(|k| {
            let clean = self.ground[k] + (self.ink[k] - self.ground[k]) * ink;
            clean + ([70.0, 88.0, 100.0][k] - clean) * dirt
        }))
    }

    fn border(&mut self, random: &mut Random) {
        let inset = random.between(1.0, 4.0) as usize;
        let wide = random.between(1.0, 3.0) as usize;
        for y in 0..self.height {
            for x in 0..self.width {
                let edge = x.min(y).min(self.width - 1 - x).min(self.height - 1 - y);
                if (inset..inset + wide).contains(&edge) {
                    self.inked[y * self.width + x] = 1.0;
                }
            }
        }
    }

    /// Sets the letters: each line spread about its middle, narrower where it would not fit.
    fn letters(&mut self, issue: &Issue, lettering: &Lettering, random: &mut Random) {
        let stretch = random.between(0.86, 1.1);
        let gap = random.between(0.08, 0.2);
        let (rows, scale) = (issue.lines.len() as f64, LETTER / self.letter_mm);
        let drop = random.normal(0.01) * self.height as f64;
        for (row, line) in issue.lines.iter().enumerate() {
            let advance = |c: char| if c.is_alphanumeric() { stretch * 0.5 + gap } else { 0.2 + gap };
            let natural: f64 = line.chars().map(advance).sum::<f64>() * LETTER;
            let room = self.width as f64 * random.between(0.86, 0.93);
            let squeeze = (room / natural).min(1.0);
            let middle =
                self.height as f64 / rows * (row as f64 + 0.5) + drop + if rows > 1.0 { (0.5 - row as f64) * 3.0 * scale } else { 0.0 };
            let mut left = (self.width as f64 - natural * squeeze) / 2.0 + random.normal(0.01) * self.width as f64;
            for symbol in line.chars() {
                let wide = (advance(symbol) - gap) * LETTER * squeeze;
                let bounds = [left + gap * LETTER * squeeze / 2.0, middle - LETTER / 2.0, wide, LETTER];
                match lettering.mask(symbol) {
                    Some(mask) => self.stamp(mask, bounds),
                    None => self.mark(symbol, bounds, random),
                }
                left += advance(symbol) * LETTER * squeeze;
            }
        }
    }

    /// Stamps a letter whose grid fills the box left, top, width, height.
    fn stamp(&mut self, mask: &[u8], [left, top, width, height]: [f64; 4]) {
        let (across, down) = (width / 38.0, height / 80.0);
        let (x0, y0) = (left - 12.0 * across, top - 8.0 * down);
        let (x1, y1) = (x0 + MASK.0 as f64 * across, y0 + MASK.1 as f64 * down);
        for y in y0.max(0.0) as usize..(y1.max(0.0) as usize).min(self.height) {
            for x in x0.max(0.0) as usize..(x1.max(0.0) as usize).min(self.width) {
                let (u, v) = ((x as f64 + 0.5 - x0) / across, (y as f64 + 0.5 - y0) / down);
                if u < 0.0 || v < 0.0 || u >= MASK.0 as f64 || v >= MASK.1 as f64 {
                    continue;
                }
                let ink = f32::from(mask[v as usize * MASK.0 + u as usize]) / 255.0;
                let pixel = &mut self.inked[y * self.width + x];
                *pixel = pixel.max(ink);
            }
        }
    }

    /// Sets a dash or a dot.
    fn mark(&mut self, symbol: char, [left, top, width, height]: [f64; 4], random: &mut Random) {
        let (at, wide, high) = if symbol == '-' { (0.5, 0.9, 0.09) } else { (random.between(0.5, 0.92), 0.5, 0.1) };
        let (middle, row) = (left + width / 2.0, top + height * at);
        self.fill([middle - width * wide / 2.0, row - height * high / 2.0, middle + width * wide / 2.0, row + height * high / 2.0], 1.0);
    }

    fn fill(&mut self, [left, top, right, bottom]: [f64; 4], ink: f32) {
        for y in top.max(0.0) as usize..(bottom.max(0.0) as usize).min(self.height) {
            for x in left.max(0.0) as usize..(right.max(0.0) as usize).min(self.width) {
                self.inked[y * self.width + x] = ink;
            }
        }
    }

    /// Bolts and the maker's seal: small round spots where no letter is expected, and sometimes where one is.
    fn bolts(&mut self, random: &mut Random) {
        for _ in 0..random.range(0, 5) {
            let (x, y) = (random.between(0.02, 0.98) * self.width as f64, random.pick(&[0.08, 0.5, 0.92]) * self.height as f64);
            let (half, ink) = (random.between(1.0, 3.0), random.between(0.2, 0.8) as f32);
            self.fill([x - half, y - half, x + half, y + half], ink);
        }
    }

    fn soil(&mut self, random: &mut Random) {
        let (seed, cell, most) = (random.bits(), random.between(8.0, 40.0) as f32, random.between(0.2, 0.6) as f32);
        let least = random.between(0.45, 0.65) as f32;
        for (i, dirt) in self.dirt.iter_mut().enumerate() {
            let (x, y) = ((i % self.width) as f32 / cell, (i / self.width) as f32 / cell);
            *dirt = ((noise(seed, x, y) - least) * 4.0).clamp(0.0, 1.0) * most;
        }
    }
}

/// Width, height and height of letters in millimetres, each a little off.
fn size(issue: &Issue, random: &mut Random) -> ([f64; 2], f64) {
    let (width, height, letter) = match (issue.lines.len(), issue.kind) {
        (1, _) => random.pick(&[(520.0, 110.0, 80.0), (520.0, 110.0, 80.0), (470.0, 110.0, 76.0)]),
        (_, Kind::Bike | Kind::Ebike) => (190.0, 140.0, 55.0),
        (_, Kind::Lawless | Kind::Army) if random.chance(0.5) => (190.0, 140.0, 55.0),
        _ => random.pick(&[(330.0, 165.0, 63.0), (330.0, 165.0, 63.0), (280.0, 200.0, 72.0)]),
    };
    let off = |random: &mut Random| 1.0 + random.normal(0.02);
    ([width * off(random), height * off(random)], letter * off(random))
}

/// Ground and ink, blue first.
fn colours(issue: &Issue, random: &mut Random) -> ([f32; 3], [f32; 3]) {
    let black = [36.0, 34.0, 34.0];
    let white = [226.0, 228.0, 226.0];
    let (ground, ink) = match issue.colour {
        Colour::White if issue.kind == Kind::Diplomatic && random.chance(0.4) => (white, [40.0, 30.0, 170.0]),
        Colour::White => (white, black),
        Colour::Yellow if random.chance(0.1) => ([30.0, 190.0, 236.0], [30.0, 24.0, 180.0]),
        Colour::Yellow => ([30.0, 190.0, 236.0], black),
        Colour::Blue => ([160.0, 76.0, 26.0], white),
        Colour::Red => ([40.0, 32.0, 178.0], white),
    };
    let mut aged = |colour: [f32; 3]| colour.map(|v| (v + random.normal(9.0) as f32).clamp(4.0, 250.0));
    (aged(ground), aged(ink))
}

#[cfg(test)]
mod tests {
    use super::super::{Corner, Image, Issue, Lettering, Pose};
    use super::Face;
    use crate::Random;

    /// Whether a place lies inside four corners that go round clockwise, at least that far from every side.
    fn inside(corners: [[f64; 2]; 4], [x, y]: [f64; 2], far: f64) -> bool {
        (0..4).all(|i| {
            let ([ax, ay], [bx, by]) = (corners[i], corners[(i + 1) % 4]);
            ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / (bx - ax).hypot(by - ay) > far
        })
    }

    /// The corners that go with a picture as truth are where the plate ends on it, whatever its pose.
    #[test]
    fn a_plate_is_drawn_up_to_its_corners_and_not_beyond() {
        let lettering = Lettering::drawn(Corner::Round, &mut Random::of(1, 0));
        for seed in 0..40 {
            let random = &mut Random::of(seed, 1);
            let face = Face::of(&Issue::any(random), &lettering, random);
            let pose = Pose::any(random).homography(20.0 / face.letter_mm).moved(150.0, 80.0);
            let sky = [255.0, 0.0, 255.0];
            let mut image = Image::painted(300, 160, |_, _| sky);
            face.draw(&mut image, &pose);
            let corners = face.corners(&pose);
            for (i, pixel) in image.pixels.iter().enumerate() {
                let middle = [(i % 300) as f64 + 0.5, (i / 300) as f64 + 0.5];
                if inside(corners, middle, 1.0) {
                    assert!(*pixel != sky, "seed {seed}: a hole at {middle:?}");
                } else if !inside(corners, middle, -1.0) {
                    assert_eq!(*pixel, sky, "seed {seed}: paint at {middle:?}");
                }
            }
        }
    }

    /// Where the ink of two plates differs that are drawn alike but for their lines: left, top, right, bottom, as parts of the plate.
    fn differs(a: &[&str], b: &[&str], seed: u64) -> [f64; 4] {
        let lettering = Lettering::drawn(Corner::Round, &mut Random::of(1, 0));
        let [a, b] = [a, b].map(|lines| {
            let random = &mut Random::of(seed, 2);
            let lines = lines.iter().map(|line| (*line).to_owned()).collect();
            Face::of(&Issue { lines, ..Issue::car(random) }, &lettering, random)
        });
        let places = (0..a.inked.len()).filter(|i| (a.inked[*i] - b.inked[*i]).abs() > 0.5);
        places.fold([1.0, 1.0, 0.0, 0.0_f64], |[left, top, right, bottom], i| {
            let (x, y) = ((i % a.width) as f64 / a.width as f64, (i / a.width) as f64 / a.height as f64);
            [left.min(x), top.min(y), right.max(x), bottom.max(y)]
        })
    }

    #[test]
    fn another_symbol_changes_the_ink_where_it_stands_and_nowhere_else() {
        for seed in 0..20 {
            let [left, ..] = differs(&["88A-024.68"], &["88A-024.69"], seed);
            assert!((0.75..1.0).contains(&left), "seed {seed}: the last symbol stands at {left}");
            let [_, _, right, _] = differs(&["18A-024.68"], &["78A-024.68"], seed);
            assert!((0.0..0.25).contains(&right), "seed {seed}: the first symbol ends at {right}");
            let [_, top, ..] = differs(&["88A", "024.68"], &["88A", "024.69"], seed);
            assert!((0.45..1.0).contains(&top), "seed {seed}: the second line begins at {top}");
            let [.., bottom] = differs(&["88A", "024.68"], &["88C", "024.68"], seed);
            assert!((0.0..0.55).contains(&bottom), "seed {seed}: the first line ends at {bottom}");
        }
    }
}
