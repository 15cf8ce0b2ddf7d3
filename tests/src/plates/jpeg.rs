//! What JPEG does to an image, without the file: blocks of eight by eight, their cosine transform, rounded and put back.
//!
//! The tables are those of the standard's annex K (ITU-T T.81), scaled by quality as is common. Colour is halved in both
//! directions before it is rounded, as cameras do.

use std::f32::consts::PI;
use std::sync::OnceLock;

use super::Image;

const LUMINANCE: [u8; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62, 18, 22,
    37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
];
const COLOUR: [u8; 64] = [
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/// Compresses and decompresses at a quality from 1 to 100.
pub(crate) fn compress(image: &mut Image, quality: u32) {
    let scale = if quality < 50 { 5_000 / quality.max(1) } else { 200 - 2 * quality.min(99) };
    let table = |of: &[u8; 64]| of.map(|v| ((u32::from(v) * scale + 50) / 100).clamp(1, 255) as f32);
    let (width, height) = (image.width, image.height);
    let mut luminance = vec![0.0; width * height];
    let (half_width, half_height) = (width.div_ceil(2), height.div_ceil(2));
    let mut colour = [vec![0.0; half_width * half_height], vec![0.0; half_width * half_height]];
    let mut counted = vec![0.0; half_width * half_height];
    for (i, [b, g, r]) in image.pixels.iter().enumerate() {
        let y = 0.114 * b + 0.587 * g + 0.299 * r;
        luminance[i] = y - 128.0;
        let half = i / width / 2 * half_width + i % width / 2;
        colour[0][half] += (b - y) * 0.564;
        colour[1][half] += (r - y) * 0.713;
        counted[half] += 1.0;
    }
    for plane in &mut colour {
        plane.iter_mut().zip(&counted).for_each(|(v, n)| *v /= n);
        blocks(plane, half_width, half_height, &table(&COLOUR));
    }
    blocks(&mut luminance, width, height, &table(&LUMINANCE));
    for (i, pixel) in image.pixels.iter_mut().enumerate() {
        let half = i / width / 2 * half_width + i % width / 2;
        let (y, cb, cr) = (luminance[i] + 128.0, colour[0][half], colour[1][half]);
        *pixel = [y + 1.772 * cb, y - 0.344 * cb - 0.714 * cr, y + 1.402 * cr].map(|v| v.clamp(0.0, 255.0));
    }
}

/// Rounds a plane block by block; a block over the edge sees the edge go on.
fn blocks(plane: &mut [f32], width: usize, height: usize, table: &[f32; 64]) {
    for top in (0..height).step_by(8) {
        for left in (0..width).step_by(8) {
            let mut block: [f32; 64] =
                std::array::from_fn(|i| plane[(top + i / 8).min(height - 1) * width + (left + i % 8).min(width - 1)]);
            block = transform(&block, false);
            block.iter_mut().zip(table).for_each(|(v, step)| *v = (*v / step).round() * step);
            block = transform(&block, true);
            for (i, v) in block.iter().enumerate().filter(|(i, _)| top + i / 8 < height && left + i % 8 < width) {
                plane[(top + i / 8) * width + left + i % 8] = *v;
            }
        }
    }
}

/// The cosine transform of a block, or its inverse: rows, then columns.
fn transform(block: &[f32; 64], back: bool) -> [f32; 64] {
    static BASIS: OnceLock<[[f32; 8]; 8]> = OnceLock::new();
    let basis = BASIS.get_or_init(|| {
        let norm = |k: usize| if k == 0 { 0.125_f32.sqrt() } else { 0.5 };
        std::array::from_fn(|k| std::array::from_fn(|n| norm(k) * (PI / 8.0 * (n as f32 + 0.5) * k as f32).cos()))
    });
    let weight = |to: usize, from: usize| if back { basis[from][to] } else { basis[to][from] };
    let mut rows = [0.0; 64];
    let mut all = [0.0; 64];
    for y in 0..8 {
        for to in 0..8 {
            rows[y * 8 + to] = (0..8).map(|from| block[y * 8 + from] * weight(to, from)).sum();
        }
    }
    for to in 0..8 {
        for x in 0..8 {
            all[to * 8 + x] = (0..8).map(|from| rows[from * 8 + x] * weight(to, from)).sum();
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{compress, transform};
    use crate::plates::Image;

    #[test]
    fn the_inverse_transform_gives_the_block_back() {
        let block: [f32; 64] = std::array::from_fn(|i| ((i * 37) % 101) as f32 - 50.0);
        let back = transform(&transform(&block, false), true);
        assert!(block.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-3));
    }

    #[test]
    fn the_lower_the_quality_the_more_is_lost_and_a_flat_image_loses_nothing() {
        let drawn = Image::painted(30, 21, |x, y| [x * 8.0, 255.0 - y * 9.0, (x * y) % 255.0]);
        let lost = |quality| {
            let mut image = drawn.clone();
            compress(&mut image, quality);
            image.pixels.iter().flatten().zip(drawn.pixels.iter().flatten()).map(|(a, b)| (a - b) * (a - b)).sum::<f32>()
        };
        assert!(lost(10) > lost(50) && lost(50) > lost(95));
        let mut flat = Image::painted(16, 16, |_, _| [90.0, 90.0, 90.0]);
        compress(&mut flat, 50);
        assert!(flat.pixels.iter().flatten().all(|v| (v - 90.0).abs() < 1.5));
    }
}
