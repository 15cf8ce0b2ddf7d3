//! A picture of bytes that is drawn upon.

use crate::plates::{Homography, Image};

/// A picture: three bytes a pixel, blue first.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Rows from the top.
    pub bgr: Vec<u8>,
}

impl Canvas {
    /// A picture of an image.
    #[must_use]
    pub fn of(image: &Image) -> Self {
        Self { width: image.width, height: image.height, bgr: image.bytes() }
    }

    /// The whole pixels around corners, inside the picture: left, top, right, bottom.
    pub(crate) fn around(&self, corners: &[[f64; 2]]) -> [usize; 4] {
        let end = |v: f64, most: usize| v.clamp(0.0, most as f64) as usize;
        let of = |k: usize, pick: fn(f64, f64) -> f64, none: f64| corners.iter().map(|c| c[k]).fold(none, pick);
        let (left, top) = (of(0, f64::min, f64::INFINITY), of(1, f64::min, f64::INFINITY));
        let (right, bottom) = (of(0, f64::max, f64::NEG_INFINITY), of(1, f64::max, f64::NEG_INFINITY));
        [end(left.floor(), self.width), end(top.floor(), self.height), end(right.ceil(), self.width), end(bottom.ceil(), self.height)]
    }

    /// Lays a flat thing over the picture: `paint` tells the colour at a place of its plane, or that it is not there. Each pixel is
    /// asked at `fine × fine` places.
    pub(crate) fn lay(&mut self, corners: &[[f64; 2]], plane: &Homography, fine: usize, paint: impl Fn(f64, f64) -> Option<[f32; 3]>) {
        let (back, all) = (plane.inverse(), (fine * fine) as f32);
        let [left, top, right, bottom] = self.around(corners);
        for y in top..bottom {
            for x in left..right {
                let (mut sum, mut hits) = ([0.0; 3], 0.0);
                for i in 0..fine * fine {
                    let (dx, dy) = (((i % fine) as f64 + 0.5) / fine as f64, ((i / fine) as f64 + 0.5) / fine as f64);
                    let [u, v] = back.map(x as f64 + dx, y as f64 + dy);
                    if let Some(colour) = paint(u, v) {
                        (0..3).for_each(|k| sum[k] += colour[k]);
                        hits += 1.0;
                    }
                }
                if hits > 0.0 {
                    let pixel = &mut self.bgr[(y * self.width + x) * 3..][..3];
                    (0..3).for_each(|k| pixel[k] = ((sum[k] + f32::from(pixel[k]) * (all - hits)) / all + 0.5).clamp(0.0, 255.0) as u8);
                }
            }
        }
    }

    /// Multiplies what lies inside a convex polygon.
    pub(crate) fn dim(&mut self, polygon: &[[f64; 2]], by: f32) {
        let [left, top, right, bottom] = self.around(polygon);
        for y in top..bottom {
            let inside = |x: usize| {
                let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
                polygon
                    .iter()
                    .zip(polygon.iter().cycle().skip(1))
                    .all(|([ax, ay], [bx, by])| (bx - ax) * (y - ay) - (by - ay) * (x - ax) >= 0.0)
            };
            let Some(first) = (left..right).find(|x| inside(*x)) else { continue };
            let after = (first..right).find(|x| !inside(*x)).unwrap_or(right);
            let row = &mut self.bgr[(y * self.width + first) * 3..(y * self.width + after) * 3];
            row.iter_mut().for_each(|v| *v = (f32::from(*v) * by) as u8);
        }
    }

    /// Adds light around a place: so much in the middle, less outwards.
    pub(crate) fn shine(&mut self, [x, y]: [f64; 2], reach: [f64; 2], power: f32) {
        let [left, top, right, bottom] = self.around(&[[x - 2.0 * reach[0], y - 2.0 * reach[1]], [x + 2.0 * reach[0], y + 2.0 * reach[1]]]);
        for (row, column) in (top..bottom).flat_map(|row| (left..right).map(move |column| (row, column))) {
            let (dx, dy) = ((column as f64 + 0.5 - x) / reach[0], (row as f64 + 0.5 - y) / reach[1]);
            let light = power * (-(dx * dx + dy * dy)).exp() as f32;
            if light >= 1.0 {
                let pixel = &mut self.bgr[(row * self.width + column) * 3..][..3];
                pixel.iter_mut().for_each(|v| *v = v.saturating_add(light as u8));
            }
        }
    }
}

/// The convex hull of some places, clockwise on a picture. (Andrew's monotone chain, 1979.)
pub(crate) fn hull(mut places: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    places.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    let turn = |a: [f64; 2], b: [f64; 2], c: [f64; 2]| (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
    let half = |places: &mut dyn Iterator<Item = [f64; 2]>| {
        let mut chain: Vec<[f64; 2]> = Vec::new();
        for place in places {
            while chain.len() >= 2 && turn(chain[chain.len() - 2], chain[chain.len() - 1], place) <= 0.0 {
                chain.pop();
            }
            chain.push(place);
        }
        chain.pop();
        chain
    };
    let mut all = half(&mut places.iter().copied());
    all.extend(half(&mut places.iter().rev().copied()));
    all
}
