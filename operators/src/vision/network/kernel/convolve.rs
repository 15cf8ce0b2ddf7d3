//! Convolutions: for every pixel and output, the weighted sum of what lies under a window.
//!
//! ```text
//!                 ┌ vectors of outputs ┐
//!   a few pixels  │  sums, in registers │  +=  value of each pixel  ×  vector of weights,    term by term
//! ```
//!
//! A sum's terms are offsets from the window's upper left corner, whatever the filter: rows, columns and channels in any
//! order. A dense filter takes one value a term for all its outputs; a depthwise one takes as many as it has outputs.
//! All sums of a few pixels and vectors stay in registers until they are done: a processor computes as fast as it can.

use pulp::{Simd, WithSimd};

use super::vectors::Set;
use super::{Layout, Region, Steps, Vectors};
use crate::vision::network::{Activation, Filter, Window};

/// A convolution whose buffers are known.
#[derive(Clone, Debug)]
pub(in super::super) struct Convolution {
    set: Set,
    depthwise: bool,
    activation: Activation,
    /// Where each term of a sum lies from the window's corner.
    terms: Vec<u32>,
    /// The farthest of them.
    farthest: usize,
    panels: Vec<Panel>,
    windows: Steps,
    target: Region,
}

/// Outputs that are computed at once: as many vectors as fit the registers, beside a few pixels.
#[derive(Clone, Debug)]
struct Panel {
    first: usize,
    outputs: usize,
    vectors: usize,
    /// A row of the bias, then one a term.
    weights: Vec<f32>,
}

impl Convolution {
    /// Of a filter over the channels of a buffer, `channels` telling where in a pixel each lies.
    pub(in super::super) fn new(
        vectors: &Vectors,
        filter: &Filter,
        (window, activation): (Window, Activation),
        (source, channels): (Layout, &[usize]),
        target: Region,
    ) -> Self {
        let set = vectors.suiting(filter.outputs());
        let depthwise = filter.depthwise();
        let seen = if depthwise { &channels[..1] } else { channels };
        let places = || (0..window.size[0]).flat_map(|row| (0..window.size[1]).map(move |column| [row, column]));
        let terms = places()
            .flat_map(|[row, column]| seen.iter().map(move |channel| (row * source.row() + column * source.channels + channel) as u32));
        let weights = |output: usize| {
            places().flat_map(move |place| {
                (0..if depthwise { 1 } else { filter.channels() }).map(move |channel| filter.weight(output, channel, place))
            })
        };
        let panels = panels(set, filter.outputs(), target).map(|(first, outputs, vectors)| {
            let width = vectors * set.lanes;
            let mut packed = vec![0.0; width * (1 + weights(first).count())];
            for (column, output) in (first..first + outputs).enumerate() {
                packed[column] = filter.bias()[output];
                weights(output).enumerate().for_each(|(term, weight)| packed[(1 + term) * width + column] = weight);
            }
            Panel { first, outputs, vectors, weights: packed }
        });
        let (terms, panels) = (terms.collect::<Vec<_>>(), panels.collect());
        let farthest = terms.iter().copied().max().unwrap_or(0) as usize;
        Self { set, depthwise, activation, terms, farthest, panels, windows: source.windows(window), target }
    }

    /// Computes all pixels and outputs.
    pub(in super::super) fn run(&self, source: &[f32], target: &mut [f32]) {
        self.panels.iter().for_each(|panel| self.run_panel(panel, source, target));
    }

    fn run_panel(&self, panel: &Panel, source: &[f32], target: &mut [f32]) {
        match (panel.vectors, self.set.registers >= 32) {
            _ if few(self.target) => self.run_some::<1, 1>(panel, source, target),
            (1, _) => self.run_some::<8, 1>(panel, source, target),
            (2, true) => self.run_some::<8, 2>(panel, source, target),
            (2, false) => self.run_some::<6, 2>(panel, source, target),
            (3, true) => self.run_some::<8, 3>(panel, source, target),
            (3, false) => self.run_some::<4, 3>(panel, source, target),
            _ => self.run_some::<6, 4>(panel, source, target),
        }
    }

    fn run_some<const PIXELS: usize, const VECTORS: usize>(&self, panel: &Panel, source: &[f32], target: &mut [f32]) {
        match (self.depthwise, panel.outputs == panel.vectors * self.set.lanes) {
            (false, true) => self.set.run(Sums::<PIXELS, VECTORS, false, false> { of: self, panel, source, target }),
            (false, false) => self.set.run(Sums::<PIXELS, VECTORS, false, true> { of: self, panel, source, target }),
            (true, true) => self.set.run(Sums::<PIXELS, VECTORS, true, false> { of: self, panel, source, target }),
            (true, false) => self.set.run(Sums::<PIXELS, VECTORS, true, true> { of: self, panel, source, target }),
        }
    }
}

/// Whether there are fewer pixels than are computed at once.
fn few(target: Region) -> bool {
    target.layout.height * target.layout.width < 8
}

/// How outputs are shared out: the first of each panel, how many, and how many vectors they take.
fn panels(set: Set, outputs: usize, target: Region) -> impl Iterator<Item = (usize, usize, usize)> {
    let most = match set.registers >= 32 {
        _ if few(target) => 1,
        true => 4,
        false => 3,
    };
    let vectors = outputs.div_ceil(set.lanes);
    let panels = vectors.div_ceil(most);
    (0..panels).map(move |panel| {
        let [first, end] = [panel, panel + 1].map(|panel| (panel * vectors).div_ceil(panels));
        (first * set.lanes, (end * set.lanes).min(outputs) - first * set.lanes, end - first)
    })
}

/// The sums of one panel. `VECTORS` of the panel's outputs for `PIXELS` pixels at once; `PARTLY` where the last vector is not full.
struct Sums<'a, const PIXELS: usize, const VECTORS: usize, const DEPTHWISE: bool, const PARTLY: bool> {
    of: &'a Convolution,
    panel: &'a Panel,
    source: &'a [f32],
    target: &'a mut [f32],
}

impl<const PIXELS: usize, const VECTORS: usize, const DEPTHWISE: bool, const PARTLY: bool> WithSimd
    for Sums<'_, PIXELS, VECTORS, DEPTHWISE, PARTLY>
{
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let Region { layout, first, .. } = self.of.target;
        let windows = self.of.windows.shifted(if DEPTHWISE { self.panel.first } else { 0 });
        let outputs = layout.pixels().shifted(first + self.panel.first);
        let least = match self.of.activation {
            Activation::Relu => 0.0,
            Activation::Linear => f32::NEG_INFINITY,
        };
        let (pixels, mut done) = (layout.height * layout.width, 0);
        while done < pixels {
            // The last few are computed together with some that are done already.
            let first = done.min(pixels - PIXELS);
            let (mut y, mut x) = (first / layout.width, first % layout.width);
            let (mut from, mut to) = ([0; PIXELS], [0; PIXELS]);
            for pixel in 0..PIXELS {
                (from[pixel], to[pixel]) = (windows.at(y, x), outputs.at(y, x));
                (y, x) = if x + 1 == layout.width { (y + 1, 0) } else { (y, x + 1) };
            }
            let sums = self.sums(simd, from);
            self.store(simd, sums, simd.splat_f32s(least), to);
            done += PIXELS;
        }
    }
}

impl<const PIXELS: usize, const VECTORS: usize, const DEPTHWISE: bool, const PARTLY: bool> Sums<'_, PIXELS, VECTORS, DEPTHWISE, PARTLY> {
    #[inline(always)]
    fn sums<S: Simd>(&self, simd: S, from: [usize; PIXELS]) -> [[S::f32s; VECTORS]; PIXELS] {
        let reach = if DEPTHWISE { VECTORS * S::F32_LANES } else { 1 };
        let span = self.of.farthest + reach;
        let mut windows: [&[f32]; PIXELS] = [&[]; PIXELS];
        for pixel in 0..PIXELS {
            windows[pixel] = &self.source[from[pixel]..][..span];
        }
        let weights = S::as_simd_f32s(&self.panel.weights).0.as_chunks::<VECTORS>().0;
        let mut sums = [weights[0]; PIXELS];
        for (term, weights) in self.of.terms.iter().zip(&weights[1..]) {
            let term = *term as usize;
            for pixel in 0..PIXELS {
                let seen = &windows[pixel][term..term + reach];
                for vector in 0..VECTORS {
                    let value = if DEPTHWISE { S::as_simd_f32s(seen).0[vector] } else { simd.splat_f32s(seen[0]) };
                    sums[pixel][vector] = simd.mul_add_f32s(value, weights[vector], sums[pixel][vector]);
                }
            }
        }
        sums
    }

    /// Every index is known when this is compiled, so that the sums need no place in memory before they are written.
    #[inline(always)]
    fn store<S: Simd>(&mut self, simd: S, sums: [[S::f32s; VECTORS]; PIXELS], least: S::f32s, to: [usize; PIXELS]) {
        for pixel in 0..PIXELS {
            if PARTLY {
                let mut values = [least; VECTORS];
                for vector in 0..VECTORS {
                    values[vector] = simd.max_f32s(sums[pixel][vector], least);
                }
                let values = &pulp::bytemuck::cast_slice(&values)[..self.panel.outputs];
                self.target[to[pixel]..][..values.len()].copy_from_slice(values);
            } else {
                let target = S::as_mut_simd_f32s(&mut self.target[to[pixel]..][..VECTORS * S::F32_LANES]).0;
                for vector in 0..VECTORS {
                    target[vector] = simd.max_f32s(sums[pixel][vector], least);
                }
            }
        }
    }
}
