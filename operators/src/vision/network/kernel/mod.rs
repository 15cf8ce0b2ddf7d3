//! The loops in which a network spends its time, in vectors as wide as the processor has them.
//!
//! ```text
//! Layout   how a buffer lies: pixel by pixel, all channels of one next to each other, zeros all around
//! Vectors  which instructions the processor has, asked once
//! convolve every convolution, dense and depthwise, and the mean under a window
//! elements the rest: largest under a window, enlarge, copy, add
//! ```
//!
//! Channels lie innermost, so that a vector is of neighbouring channels, a window's edge is no special case, and which
//! channels a filter sees is a list of offsets.

pub(super) mod convolve;
pub(super) mod elements;
mod vectors;

pub(super) use vectors::Vectors;

use super::{Shape, Window};

/// How a buffer lies: rows of pixels, `channels` values a pixel, and `margin` pixels of zeros on all four sides, which
/// no kernel ever writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) margin: usize,
}

impl Layout {
    /// Values behind the last pixel, so that a vector may begin at any channel.
    const SPARE: usize = 64;

    /// How many values a row takes, margins included.
    pub(super) fn row(&self) -> usize {
        (self.width + 2 * self.margin) * self.channels
    }

    /// How many values the buffer has.
    pub(super) fn len(&self) -> usize {
        (self.height + 2 * self.margin) * self.row() + Self::SPARE
    }

    /// Where the first value of a pixel is.
    pub(super) fn pixel(&self, y: usize, x: usize) -> usize {
        (y + self.margin) * self.row() + (x + self.margin) * self.channels
    }

    /// Where the values of all pixels lie one after another.
    pub(super) fn pixels(&self) -> Steps {
        Steps { origin: self.pixel(0, 0), row: self.row(), column: self.channels }
    }

    /// Where a window's upper left corner is as it goes over the pixels; its padding lies in the margin.
    pub(super) fn windows(&self, window: Window) -> Steps {
        let [up, left] = window.padding.map(|padding| self.margin - padding);
        Steps {
            origin: up * self.row() + left * self.channels,
            row: window.stride[0] * self.row(),
            column: window.stride[1] * self.channels,
        }
    }
}

/// A walk over a buffer by rows and columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    origin: usize,
    row: usize,
    column: usize,
}

impl Steps {
    /// The same walk from a later channel.
    fn shifted(self, channels: usize) -> Self {
        Self { origin: self.origin + channels, ..self }
    }

    fn at(&self, y: usize, x: usize) -> usize {
        self.origin + y * self.row + x * self.column
    }
}

/// A value's place: some neighbouring channels of a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Region {
    pub(super) layout: Layout,
    pub(super) first: usize,
    pub(super) channels: usize,
}

impl Region {
    /// The value's own size.
    pub(super) fn shape(&self) -> Shape {
        Shape { channels: self.channels, height: self.layout.height, width: self.layout.width }
    }

    /// The channels of a pixel.
    pub(super) fn pixel(&self, y: usize, x: usize) -> std::ops::Range<usize> {
        let first = self.layout.pixel(y, x) + self.first;
        first..first + self.channels
    }
}
