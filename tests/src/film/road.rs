//! The road as a camera sees it without vehicles: asphalt, markings, kerb, and what stands beyond.
//!
//! ```text
//!   far ──▶ houses · trees          to the right of the approach's middle, metres:
//!           │  oncoming  ║ lane 1 ┊ lane 0 │ shoulder ▒ pavement
//!         -10.2        -3.4       0       3.4       6.6
//!   near ─▶ ━━━━━ stop line, zebra ━━━━━
//! ```

use super::Light;
use super::pinhole::Pinhole;
use crate::plates::{Image, noise, scatter};
use crate::roads::HALF_APPROACH_M;

/// From the approach's middle to the kerb on the right, and to the far kerb on the left.
const KERBS_M: [f64; 2] = [6.6, -10.2];
/// Where the ground ends and houses stand, metres from the stop line.
const HOUSES_M: f64 = -70.0;

/// The road in a picture of this size.
pub(crate) fn road(camera: &Pinhole, width: usize, height: usize, light: Light, seed: u64) -> Image {
    let back = camera.ground().inverse();
    Image::painted(width, height, |x, y| {
        // Lines are thin far away: four places a pixel.
        let mut sum = [0.0; 3];
        for (dx, dy) in [(-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25)] {
            let (x, y) = (x + dx, y + dy);
            let [s, d] = back.map(f64::from(x), f64::from(y));
            let above = camera.depth([s, d, 0.0]) <= 0.0 || s < HOUSES_M;
            let colour = if above { houses(x, y, width, seed) } else { ground(s, d, seed) };
            (0..3).for_each(|k| sum[k] += colour[k] / 4.0);
        }
        light.on(sum, back.map(f64::from(x), f64::from(y)))
    })
}

fn houses(x: f32, y: f32, width: usize, seed: u64) -> [f32; 3] {
    let (x, y) = (x / width as f32 * 40.0, y / width as f32 * 40.0);
    let tone = 70.0 + 90.0 * scatter(seed, (x / 2.2).floor() as i64, 7);
    let window = (x / 2.2 * 3.0).rem_euclid(1.0) > 0.6 && (y * 1.3).rem_euclid(1.0) > 0.5;
    let grain = 14.0 * noise(seed, x * 3.0, y * 3.0);
    if window { [60.0 + grain, 52.0 + grain, 46.0 + grain] } else { [tone * 0.92 + grain, tone + grain, tone * 1.04 + grain] }
}

fn ground(s: f64, d: f64, seed: u64) -> [f32; 3] {
    let (u, v) = (s as f32, d as f32);
    let grain = 10.0 * noise(seed, u * 9.0, v * 9.0) + 16.0 * noise(seed ^ 1, u * 0.5, v * 0.9);
    let worn = noise(seed ^ 2, u * 4.0, v * 4.0);
    let [right, left] = KERBS_M;
    if d > right || d < left {
        let edge = d - right < 0.25 && d > 0.0 || left - d < 0.25 && d < 0.0;
        let slab = (s * 1.6).rem_euclid(1.0) < 0.05 || (d * 1.6).rem_euclid(1.0) < 0.07;
        let tone = if edge { 150.0 } else { 118.0 } + grain - if slab { 22.0 } else { 0.0 };
        return [tone * 0.94, tone * 0.98, tone];
    }
    let asphalt = [78.0 + grain, 78.0 + grain, 76.0 + grain];
    if marked(s, d) && worn > 0.12 {
        [196.0 + grain; 3]
    } else if axis(s, d) {
        [60.0 + grain, 170.0 + grain, 190.0 + grain]
    } else {
        asphalt
    }
}

/// Whether there is white paint.
fn marked(s: f64, d: f64) -> bool {
    let on_approach = d.abs() < HALF_APPROACH_M;
    let stop = on_approach && (-0.4..0.0).contains(&s);
    let zebra = (1.2..3.8).contains(&s) && d > KERBS_M[1] && d < KERBS_M[0] && (d / 0.9).rem_euclid(1.0) < 0.5;
    let middle = s < -0.4 && d.abs() < 0.07 && (s / 6.0).rem_euclid(1.0) < 0.5;
    let edge = s < 0.0 && (d - HALF_APPROACH_M).abs() < 0.08;
    stop || zebra || middle || edge
}

/// Whether there is the yellow double line between the directions.
fn axis(s: f64, d: f64) -> bool {
    s < 0.0 && (0.06..0.2).contains(&(d + HALF_APPROACH_M).abs())
}
