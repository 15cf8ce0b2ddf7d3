//! `Resize`: a picture of one size becomes one of another, by linear interpolation between pixels' centres.
//!
//! ```text
//! source row a ─▶ columns blended ─┐
//!                                  ├─▶ rows blended ─▶ one row of the result
//! source row b ─▶ columns blended ─┘
//! ```
//!
//! Whole numbers all the way, with weights of 1/2,048 and the roundings of OpenCV's `INTER_LINEAR`: networks were
//! trained behind that one. Tables and rows are kept, so that a camera's next picture allocates nothing.

use super::Picture;

/// How many parts a weight is counted in, as a power of two.
const WEIGHT_BITS: u32 = 11;

/// What makes a picture of one size from a picture of another, row by row.
#[derive(Debug)]
pub(crate) struct Resize {
    from: [u32; 2],
    to: [u32; 2],
    columns: Vec<Blend>,
    rows: Vec<Blend>,
    /// Two source rows with their columns blended, the even one and the odd one.
    blended: [BlendedRow; 2],
}

/// Two neighbours of a place between them, and their weights.
#[derive(Clone, Copy, Debug)]
struct Blend {
    neighbours: [u32; 2],
    weights: [i32; 2],
}

/// A source row with its columns blended, and which it is; `None` before the first.
#[derive(Debug, Default)]
struct BlendedRow {
    row: Option<u32>,
    values: Vec<i32>,
}

impl Resize {
    /// From `[width, height]` to `[width, height]`, each at least one pixel.
    pub(crate) fn new(from: [u32; 2], to: [u32; 2]) -> Self {
        let row = || BlendedRow { row: None, values: vec![0; to[0] as usize * 3] };
        Self { from, to, columns: blends(from[0], to[0]), rows: blends(from[1], to[1]), blended: [row(), row()] }
    }

    /// Makes ready for a picture, with new tables only if its size is another one than the last one's.
    pub(crate) fn begin(&mut self, picture: &Picture) {
        let from = [picture.width(), picture.height()];
        if from != self.from {
            *self = Self::new(from, self.to);
        }
        self.blended.iter_mut().for_each(|row| row.row = None);
    }

    /// Writes the pixels of one row of the result, three values each, made by `value` from bytes.
    pub(crate) fn row<T>(&mut self, picture: &Picture, y: usize, row: &mut [T], value: impl Fn(u8) -> T) {
        let Blend { neighbours, weights } = self.rows[y];
        neighbours.iter().for_each(|source| self.blend_columns(picture, *source));
        let [upper, lower] = neighbours.map(|source| &self.blended[source as usize % 2].values);
        for ((target, upper), lower) in row.iter_mut().zip(upper).zip(lower) {
            let sum = ((weights[0] * (upper >> 4)) >> 16) + ((weights[1] * (lower >> 4)) >> 16);
            *target = value(((sum + 2) >> 2) as u8);
        }
    }

    fn blend_columns(&mut self, picture: &Picture, source: u32) {
        let blended = &mut self.blended[source as usize % 2];
        if blended.row == Some(source) {
            return;
        }
        blended.row = Some(source);
        let (pixels, _) = picture.row(source).as_chunks::<3>();
        for (target, Blend { neighbours, weights }) in blended.values.as_chunks_mut::<3>().0.iter_mut().zip(&self.columns) {
            let [left, right] = neighbours.map(|x| pixels[x as usize]);
            for channel in 0..3 {
                target[channel] = i32::from(left[channel]) * weights[0] + i32::from(right[channel]) * weights[1];
            }
        }
    }
}

/// For every place of the result, between which places of the source it lies.
fn blends(from: u32, to: u32) -> Vec<Blend> {
    let scale = f64::from(from) / f64::from(to);
    let blend = |place: u32| {
        let exact = ((f64::from(place) + 0.5) * scale - 0.5).clamp(0.0, f64::from(from - 1));
        let first = exact as u32;
        let second = (((exact - f64::from(first)) as f32) * (1 << WEIGHT_BITS) as f32).round_ties_even() as i32;
        Blend { neighbours: [first, (first + 1).min(from - 1)], weights: [(1 << WEIGHT_BITS) - second, second] }
    };
    (0..to).map(blend).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, in floating point: each channel at each centre, from its four neighbours.
    fn defined(picture: &Picture, to: [u32; 2], x: u32, y: u32, channel: usize) -> f64 {
        let place = |i: u32, from: u32, to: u32| {
            let exact = ((f64::from(i) + 0.5) * f64::from(from) / f64::from(to) - 0.5).max(0.0).min(f64::from(from) - 1.0);
            (exact.floor() as u32, (exact.floor() as u32 + 1).min(from - 1), exact.fract())
        };
        let (left, right, h) = place(x, picture.width(), to[0]);
        let (upper, lower, v) = place(y, picture.height(), to[1]);
        let at = |x, y| f64::from(picture.at(x, y)[channel]);
        (at(left, upper) * (1.0 - h) + at(right, upper) * h) * (1.0 - v) + (at(left, lower) * (1.0 - h) + at(right, lower) * h) * v
    }

    fn picture(width: u32, height: u32, seed: u32) -> Picture {
        let byte = |i: u32| (i.wrapping_mul(2_654_435_761).wrapping_add(seed.wrapping_mul(40_503)) >> 13) as u8;
        Picture::new(width, height, (0..width * height * 3).map(byte).collect()).unwrap()
    }

    proptest! {
        #[test]
        fn every_pixel_is_within_one_step_of_the_definition(
            (w, h) in (1..60u32, 1..60u32), (to_w, to_h) in (1..60u32, 1..60u32), seed: u32,
        ) {
            let source = picture(w, h, seed);
            let result = source.resized(to_w, to_h).unwrap();
            for (x, y, channel) in (0..to_w).flat_map(|x| (0..to_h).flat_map(move |y| (0..3).map(move |c| (x, y, c)))) {
                let difference = f64::from(result.at(x, y)[channel]) - defined(&source, [to_w, to_h], x, y, channel);
                prop_assert!(difference.abs() <= 1.5, "at {x}, {y}: off by {difference}");
            }
        }

        #[test]
        fn the_same_size_is_the_same_picture((w, h) in (1..40u32, 1..40u32), seed: u32) {
            let source = picture(w, h, seed);
            prop_assert_eq!(source.resized(w, h).unwrap(), source);
        }

        #[test]
        fn a_kept_resize_forgets_the_picture_before((w, h) in (1..30u32, 1..30u32), seeds: [u32; 2]) {
            let mut resize = Resize::new([7, 9], [11, 5]);
            for source in seeds.map(|seed| picture(w, h, seed)) {
                resize.begin(&source);
                let mut bytes = vec![0; 11 * 5 * 3];
                bytes.chunks_exact_mut(33).enumerate().for_each(|(y, row)| resize.row(&source, y, row, |byte| byte));
                prop_assert_eq!(Picture::new(11, 5, bytes).unwrap(), source.resized(11, 5).unwrap());
            }
        }
    }
}
