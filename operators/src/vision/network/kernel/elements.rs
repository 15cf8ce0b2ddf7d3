//! What is no convolution: the largest under a window, enlarging, copying, adding.
//!
//! Each goes pixel by pixel over neighbouring channels; the compiler makes vectors of them.

use super::{Layout, Region, Vectors};
use crate::vision::network::{Activation, Window};

/// Channels of which the largest are looked for together: a few vectors, whatever the processor's.
const CHUNK: usize = 32;

/// The largest value under a window, of each channel.
pub(in super::super) fn max_pool(vectors: &Vectors, window: Window, source: (&[f32], Region), target: (&mut [f32], Region)) {
    let ((values, from), (results, to)) = (source, target);
    let under = |place: usize, extent: usize, side: usize| {
        let first = (place * window.stride[side]) as isize - window.padding[side] as isize;
        first.max(0) as usize..((first + window.size[side] as isize) as usize).min(extent)
    };
    vectors.run(
        #[inline(always)]
        || {
            let [down, across] = [from.layout.row(), from.layout.channels];
            for (y, x) in places(to.layout) {
                let (rows, columns) = (under(y, from.layout.height, 0), under(x, from.layout.width, 1));
                let window = &values[from.pixel(rows.start, columns.start).start..];
                let corners = || (0..rows.len()).flat_map(|row| (0..columns.len()).map(move |column| row * down + column * across));
                let (chunks, rest) = results[to.pixel(y, x)].as_chunks_mut::<CHUNK>();
                let done = chunks.len() * CHUNK;
                for (chunk, first) in chunks.iter_mut().zip((0..).step_by(CHUNK)) {
                    // These stay in registers until they are known.
                    let mut largest = [f32::NEG_INFINITY; CHUNK];
                    for corner in corners() {
                        let values = &window[corner + first..][..CHUNK];
                        largest.iter_mut().zip(values).for_each(|(largest, value)| *largest = larger(*largest, *value));
                    }
                    *chunk = largest;
                }
                for (largest, channel) in rest.iter_mut().zip(done..) {
                    *largest = corners().fold(f32::NEG_INFINITY, |largest, corner| larger(largest, window[corner + channel]));
                }
            }
        },
    );
}

#[inline(always)]
fn larger(one: f32, other: f32) -> f32 {
    if other > one { other } else { one }
}

/// Every pixel so many times in a row and in a column.
pub(in super::super) fn enlarge(times: usize, source: (&[f32], Region), target: (&mut [f32], Region)) {
    for (y, x) in places(target.1.layout) {
        target.0[target.1.pixel(y, x)].copy_from_slice(&source.0[source.1.pixel(y / times, x / times)]);
    }
}

/// Channels of a buffer, each from its place in a pixel, next to each other.
pub(in super::super) fn gather(source: (&[f32], Layout), channels: &[usize], target: (&mut [f32], Region)) {
    for (y, x) in places(target.1.layout) {
        let pixel = &source.0[source.1.pixel(y, x)..][..source.1.channels];
        for (value, channel) in target.0[target.1.pixel(y, x)].iter_mut().zip(channels) {
            *value = pixel[*channel];
        }
    }
}

/// The sums of two values.
pub(in super::super) fn add(activation: Activation, sources: [(&[f32], Region); 2], target: (&mut [f32], Region)) {
    let least = if activation == Activation::Relu { 0.0 } else { f32::NEG_INFINITY };
    for (y, x) in places(target.1.layout) {
        let [one, other] = sources.map(|(values, region)| &values[region.pixel(y, x)]);
        for ((sum, one), other) in target.0[target.1.pixel(y, x)].iter_mut().zip(one).zip(other) {
            *sum = (one + other).max(least);
        }
    }
}

fn places(layout: Layout) -> impl Iterator<Item = (usize, usize)> {
    (0..layout.height).flat_map(move |y| (0..layout.width).map(move |x| (y, x)))
}
