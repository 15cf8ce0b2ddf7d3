//! `Plan`: a network on the CPU, in buffers that are laid out once.
//!
//! ```text
//! layers ─▶ shares    which values lie in one buffer, so that joining and shuffling channels moves nothing
//!        ─▶ steps     kernels with their buffers' places
//!        ─▶ reuse     buffers of the same layout, of which never two are alive, are one
//! ```
//!
//! A picture costs no allocation. One thread: cameras are many, and each thread has a plan of its own.

mod lower;
mod shares;

use super::kernel::convolve::Convolution;
use super::kernel::{Region, Vectors, elements};
use super::{Activation, Network, Shape, Value, Window};

/// A network ready to run on the CPU.
#[derive(Clone, Debug)]
pub struct Plan {
    vectors: Vectors,
    steps: Vec<Step>,
    buffers: Vec<Vec<f32>>,
    input: Place,
    output: Place,
}

/// A value's place in one of the buffers.
#[derive(Clone, Copy, Debug)]
struct Place {
    buffer: usize,
    region: Region,
}

/// A kernel and its places.
#[derive(Clone, Debug)]
struct Step {
    work: Work,
    sources: Vec<Place>,
    target: Place,
}

/// Which kernel.
#[derive(Clone, Debug)]
enum Work {
    Convolution(Box<Convolution>),
    MaxPool(Window),
    Enlarge(usize),
    /// Channels by their place in a pixel of the source.
    Gather(Vec<usize>),
    Add(Activation),
}

/// A value that was computed: pixels by row and column, each with all its channels.
#[derive(Clone, Copy, Debug)]
pub struct Maps<'a> {
    values: &'a [f32],
    region: Region,
}

impl<'a> Maps<'a> {
    pub(super) fn new(values: &'a [f32], region: Region) -> Self {
        Self { values, region }
    }

    /// Its size.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.region.shape()
    }

    /// The channels of a pixel.
    ///
    /// # Panics
    /// There is no such pixel.
    #[must_use]
    pub fn pixel(&self, y: usize, x: usize) -> &'a [f32] {
        &self.values[self.region.pixel(y, x)]
    }
}

impl Plan {
    /// A plan that computes one value of a network, with this processor's instructions.
    #[must_use]
    pub fn new(network: &Network, output: Value) -> Self {
        Self::with(network, output, Vectors::detect())
    }

    pub(super) fn with(network: &Network, output: Value, vectors: Vectors) -> Self {
        lower::lower(network, output, vectors)
    }

    /// Computes the value for a picture, of which `fill` writes one row after another: all channels of a pixel, then the next pixel's.
    pub fn run(&mut self, mut fill: impl FnMut(usize, &mut [f32])) -> Maps<'_> {
        let Place { buffer, region } = self.input;
        let row = region.layout.width * region.channels;
        for y in 0..region.layout.height {
            fill(y, &mut self.buffers[buffer][region.layout.pixel(y, 0)..][..row]);
        }
        for step in &self.steps {
            let mut target = std::mem::take(&mut self.buffers[step.target.buffer]);
            step.run(&self.vectors, &self.buffers, &mut target);
            self.buffers[step.target.buffer] = target;
        }
        Maps::new(&self.buffers[self.output.buffer], self.output.region)
    }
}

impl Step {
    fn run(&self, vectors: &Vectors, buffers: &[Vec<f32>], target: &mut [f32]) {
        let source = |number: usize| {
            let place = self.sources[number];
            (buffers[place.buffer].as_slice(), place.region)
        };
        let target = (target, self.target.region);
        match &self.work {
            Work::Convolution(convolution) => convolution.run(source(0).0, target.0),
            Work::MaxPool(window) => elements::max_pool(vectors, *window, source(0), target),
            Work::Enlarge(times) => elements::enlarge(*times, source(0), target),
            Work::Gather(channels) => elements::gather((source(0).0, source(0).1.layout), channels, target),
            Work::Add(activation) => elements::add(*activation, [source(0), source(1)], target),
        }
    }
}
