//! What lies between a plate and its bytes: light, air, lens, sensor and coder.
//!
//! ```text
//!   light ─▶ (air) ─▶ defocus ─▶ movement ─▶ sensor ─▶ (sharpening) ─▶ JPEG
//! ```
//!
//! What is in brackets is [`Unseen`](Set::Unseen): kept from training, to see whether a network learnt letters or our degradations.

use std::f64::consts::{PI, TAU};
use std::sync::OnceLock;

use super::jpeg::compress;
use super::{Image, noise, scatter};
use crate::Random;

/// Which degradations there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// What training draws from.
    Usual,
    /// The same, and on top fog, rain, few grey levels or a camera's own sharpening.
    Unseen,
}

/// Spoils an image whose letters are that many pixels high. Blur is in proportion to the letters and noise to the contrast that
/// the light leaves, so that a person could still read nearly all. Returns whether the image still has colours: infrared has none.
pub fn spoil(image: &mut Image, letter_px: f64, set: Set, random: &mut Random) -> bool {
    let light = Light::any(random);
    light.fall_on(image);
    let contrast = f64::from(light.least()) * 190.0;
    if set == Set::Unseen && random.chance(0.5) {
        if random.chance(0.5) { fog(image, random) } else { rain(image, random) }
    }
    if random.chance(0.6) {
        gaussian(image, random.between(0.3, (letter_px * 0.085).clamp(0.4, 2.4)) as f32);
    }
    if random.chance(0.4) {
        motion(image, random.between(1.0, (letter_px * 0.2).clamp(1.2, 7.0)) as f32, random.between(0.0, PI) as f32);
    }
    sensor(image, (letter_px / 18.0).min(1.0) * contrast, random);
    if set == Set::Unseen && random.chance(0.5) {
        if random.chance(0.5) { sharpen(image, random) } else { posterise(image, contrast, random) }
    }
    if random.chance(0.85) {
        compress(image, random.range(if contrast < 70.0 { 55 } else { 30 }, 96) as u32);
    }
    !light.grey
}

/// Day, dusk, night or infrared; a shadow's edge; a glare. Lengths are parts of the image's larger side, from its middle.
struct Light {
    gain: f32,
    /// Added to everything: light scattered in the lens.
    lift: f32,
    cast: [f32; 3],
    /// How much brighter it gets from one side to the other, and in which direction.
    slope: (f32, f32),
    /// Direction, distance and darkness of a shadow with a straight edge.
    shadow: Option<[f32; 3]>,
    /// Place, reach and power of a glare.
    glare: Option<[f32; 4]>,
    grey: bool,
}

impl Light {
    fn any(random: &mut Random) -> Self {
        let night = random.chance(0.25);
        let gain = if night { random.between(0.25, 0.6) } else { random.between(0.5, 1.2) } as f32;
        let grey = night && random.chance(0.35);
        let mut drawn = |low, high| random.between(low, high) as f32;
        let (lift, slope) = (drawn(0.0, 30.0), (drawn(-0.45, 0.45), drawn(0.0, TAU)));
        let shadow = [drawn(0.0, TAU), drawn(-0.4, 0.4), drawn(0.25, 0.55)];
        let glare = [drawn(-0.6, 0.6), drawn(-0.6, 0.6), drawn(0.12, 0.5), drawn(40.0, 130.0)];
        let mut shade = |deviation| if grey { 0.0 } else { random.normal(deviation) as f32 };
        let cast = [shade(0.07), shade(0.03), shade(0.07)];
        let (shadow, glare) = (random.chance(0.25).then_some(shadow), random.chance(if night { 0.35 } else { 0.12 }).then_some(glare));
        Self { gain, lift, cast, slope, shadow, glare, grey }
    }

    /// How much of the contrast is left where there is the least.
    fn least(&self) -> f32 {
        self.gain * (1.0 - self.slope.0.abs() / 2.0) * (1.0 - self.shadow.map_or(0.0, |[_, _, dark]| dark))
    }

    fn fall_on(&self, image: &mut Image) {
        let (width, height) = (image.width as f32, image.height as f32);
        let size = width.max(height);
        for (i, pixel) in image.pixels.iter_mut().enumerate() {
            let (x, y) = ((i % image.width) as f32, (i / image.width) as f32);
            let (u, v) = ((x - width / 2.0) / size, (y - height / 2.0) / size);
            let mut factor = self.gain * (1.0 + self.slope.0 * (u * self.slope.1.cos() + v * self.slope.1.sin()));
            if let Some([angle, offset, dark]) = self.shadow {
                // The edge is one pixel wide.
                let side = (u * angle.cos() + v * angle.sin() - offset) * size;
                factor *= 1.0 - dark * side.clamp(0.0, 1.0);
            }
            if self.grey {
                *pixel = [pixel[0] * 0.3 + pixel[1] * 0.4 + pixel[2] * 0.3; 3];
            }
            let glare = self.glare.map_or(0.0, |[gx, gy, reach, power]| {
                let square = ((u - gx) * (u - gx) + (v - gy) * (v - gy)) / (reach * reach);
                if square < 9.0 { power * (-square).exp() } else { 0.0 }
            });
            (0..3).for_each(|k| pixel[k] = pixel[k] * factor * (1.0 + self.cast[k]) + self.lift + glare);
        }
    }
}

/// A veil that takes contrast away.
fn fog(image: &mut Image, random: &mut Random) {
    let (thick, tone) = (random.between(0.2, 0.5) as f32, random.between(120.0, 200.0) as f32);
    image.pixels.iter_mut().flatten().for_each(|v| *v += (tone - *v) * thick);
}

/// Bright slanted streaks.
fn rain(image: &mut Image, random: &mut Random) {
    let drops = (image.pixels.len() / 400).max(3);
    let slant = random.normal(0.2);
    for _ in 0..drops {
        let (mut x, mut y) = (random.between(0.0, image.width as f64), random.between(0.0, image.height as f64));
        let (length, bright) = (random.between(3.0, image.height as f64 * 0.3 + 4.0), random.between(15.0, 70.0) as f32);
        for _ in 0..length as usize {
            if (0.0..image.width as f64).contains(&x) && (0.0..image.height as f64).contains(&y) {
                image.pixels[y as usize * image.width + x as usize].iter_mut().for_each(|v| *v += bright);
            }
            (x, y) = (x + slant, y + 1.0);
        }
    }
}

/// Defocus.
fn gaussian(image: &mut Image, sigma: f32) {
    let reach = (sigma * 2.5).ceil() as i32;
    let weights: Vec<f32> = (-reach..=reach).map(|i| (-(i * i) as f32 / (2.0 * sigma * sigma)).exp()).collect();
    let sum: f32 = weights.iter().sum();
    let taps = |dx: i32, dy: i32| (-reach..=reach).zip(&weights).map(|(i, w)| (i * dx, i * dy, w / sum)).collect::<Vec<_>>();
    convolve(image, &taps(1, 0));
    convolve(image, &taps(0, 1));
}

/// Movement while the shutter is open: the mean along a line of that many pixels.
fn motion(image: &mut Image, length: f32, angle: f32) {
    let count = (length * 1.5).ceil().max(2.0) as i32;
    let place = |i: i32| (i as f32 / (count - 1) as f32 - 0.5) * length;
    let taps: Vec<(i32, i32, f32)> = (0..count)
        .map(|i| ((place(i) * angle.cos()).round() as i32, (place(i) * angle.sin()).round() as i32, 1.0 / count as f32))
        .collect();
    convolve(image, &taps);
}

/// Each pixel becomes the weighted sum of pixels at fixed offsets; beyond the edge the edge goes on.
fn convolve(image: &mut Image, taps: &[(i32, i32, f32)]) {
    let (width, height) = (image.width, image.height);
    let before = std::mem::replace(&mut image.pixels, vec![[0.0; 3]; width * height]);
    let add = |to: &mut [f32; 3], from: &[f32; 3], weight: f32| (0..3).for_each(|k| to[k] += from[k] * weight);
    for (y, row) in image.pixels.chunks_mut(width).enumerate() {
        for (dx, dy, weight) in taps {
            let from = (y as i32 + dy).clamp(0, height as i32 - 1) as usize;
            let from = &before[from * width..][..width];
            // What is inside is one run of pixels; only the ends have to be held to the edge.
            let (first, last) = ((-dx).clamp(0, width as i32) as usize, (width as i32 - dx).clamp(0, width as i32) as usize);
            row[..first].iter_mut().for_each(|to| add(to, &from[0], *weight));
            row[last.max(first)..].iter_mut().for_each(|to| add(to, &from[width - 1], *weight));
            if first < last {
                let inside = (first as i32 + dx) as usize;
                row[first..last].iter_mut().zip(&from[inside..]).for_each(|(to, from)| add(to, from, *weight));
            }
        }
    }
}

/// Noise of the sensor: part of it grows with the light, part of it is the same in all colours.
fn sensor(image: &mut Image, contrast: f64, random: &mut Random) {
    let most = (contrast * 0.09).min(8.0);
    let (read, shot) = (random.between(0.0, most) as f32, random.between(0.0, most * 0.07) as f32);
    let (grey, deviates) = (random.chance(0.5), deviates());
    for pixel in &mut image.pixels {
        let bits = random.bits();
        for (k, v) in pixel.iter_mut().enumerate() {
            let drawn = deviates[(bits >> (if grey { 0 } else { 16 * k })) as usize & 0xFFFF];
            *v = (*v + drawn * (read + shot * v.max(0.0).sqrt())).clamp(0.0, 255.0);
        }
    }
}

/// Normal deviates to pick from: drawing a new one for every pixel is most of the work of an image.
fn deviates() -> &'static [f32] {
    static DEVIATES: OnceLock<Vec<f32>> = OnceLock::new();
    DEVIATES.get_or_init(|| {
        let mut random = Random::of(0, 0);
        (0..0x1_0000).map(|_| random.normal(1.0) as f32).collect()
    })
}

/// Edges drawn over, with halos, as cheap cameras do.
fn sharpen(image: &mut Image, random: &mut Random) {
    let amount = random.between(0.5, 1.8) as f32;
    let mut soft = image.clone();
    gaussian(&mut soft, random.between(0.7, 1.6) as f32);
    for (pixel, soft) in image.pixels.iter_mut().zip(&soft.pixels) {
        (0..3).for_each(|k| pixel[k] = (pixel[k] + amount * (pixel[k] - soft[k])).clamp(0.0, 255.0));
    }
}

/// Few levels of brightness.
fn posterise(image: &mut Image, contrast: f64, random: &mut Random) {
    let step = random.between(5.0, (contrast * 0.25).max(6.0)) as f32;
    image.pixels.iter_mut().flatten().for_each(|v| *v = (*v / step).round() * step);
}

/// Something behind the plate: a smooth field between two colours, with the grain of paint or road.
#[must_use]
pub fn backdrop(width: usize, height: usize, set: Set, random: &mut Random) -> Image {
    let tone = |random: &mut Random| {
        let base = random.between(15.0, 220.0);
        let tint = if random.chance(0.35) { 55.0 } else { 8.0 };
        [0; 3].map(|_| (base + random.normal(tint)).clamp(5.0, 250.0) as f32)
    };
    let (a, b, seed) = (tone(random), tone(random), random.bits());
    let (cell, grain) = (random.between(6.0, 60.0) as f32, random.between(0.0, 14.0) as f32);
    let (bricks, size) = (set == Set::Unseen && random.chance(0.6), random.between(5.0, 20.0) as f32);
    Image::painted(width, height, |x, y| {
        // What is held out stands before walls: rows of bricks, every second shifted by half a brick.
        let row = (y / size).floor();
        let joint = bricks && (y % size < 1.5 || (x + row * size) % (size * 2.0) < 1.5);
        let part = if joint { 1.0 } else { noise(seed, x / cell, y / cell) };
        let speck = (scatter(seed, x as i64, y as i64) - 0.5) * grain;
        [0, 1, 2].map(|k| a[k] + (b[k] - a[k]) * part + speck)
    })
}
