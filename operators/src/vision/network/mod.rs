//! `Network`: what a convolutional network computes, said once and run in two ways.
//!
//! ```text
//!                               ┌─▶ Plan       on the CPU, with kernels of our own      (plan, kernel)
//! layers over named values ─▶ ──┤
//!                               └─▶ Reference  on any device that candle knows          (reference)
//! ```
//!
//! An architecture's file adds layers one after another; each gives a [`Value`] that later layers take. Batch
//! normalisation is folded into the convolutions before it gets here, and a channel shuffle is a [`Network::pick`]: which
//! channels in which order, not a copy.

mod filter;
mod kernel;
mod plan;
mod reference;
mod runner;

pub use filter::Filter;
pub use plan::{Maps, Plan};
pub use reference::Reference;
pub use runner::Runner;

/// The size of a value: channels, and the height and width of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many channels.
    pub channels: usize,
    /// Rows of each.
    pub height: usize,
    /// Columns of each.
    pub width: usize,
}

/// What a layer gives, by its number; 0 is the network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Value(usize);

/// How a window goes over a value; each pair is of rows, then columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The window's height and width.
    pub size: [usize; 2],
    /// How far it moves.
    pub stride: [usize; 2],
    /// How far it goes beyond the edges.
    pub padding: [usize; 2],
}

impl Window {
    /// A square one that moves by `stride` and goes half its size beyond the edges.
    #[must_use]
    pub fn square(size: usize, stride: usize) -> Self {
        Self { size: [size; 2], stride: [stride; 2], padding: [size / 2; 2] }
    }

    /// One that stays inside.
    #[must_use]
    pub fn inside(size: [usize; 2], stride: [usize; 2]) -> Self {
        Self { size, stride, padding: [0, 0] }
    }

    /// The size of what it gives out of a value.
    fn over(&self, shape: Shape, channels: usize) -> Shape {
        let [height, width] = [shape.height, shape.width];
        let steps = |extent: usize, side: usize| (extent + 2 * self.padding[side] - self.size[side]) / self.stride[side] + 1;
        Shape { channels, height: steps(height, 0), width: steps(width, 1) }
    }
}

/// What becomes of a sum before it is a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// What is negative becomes 0.
    Relu,
}

/// What a layer does.
#[derive(Clone, Debug)]
enum Layer {
    Input,
    Convolution { of: Value, filter: Filter, window: Window, activation: Activation },
    MaxPool { of: Value, window: Window },
    AveragePool { of: Value, window: Window },
    Enlarge { of: Value, times: usize },
    Pick { of: Value, channels: Vec<usize> },
    Join { of: Vec<Value> },
    Add { of: [Value; 2], activation: Activation },
}

/// The layers of a network, in the order in which they are computed.
///
/// Layers are added by code, not by files: a value of a wrong shape is a fault of that code, and a panic.
#[derive(Clone, Debug)]
pub struct Network {
    layers: Vec<Layer>,
    shapes: Vec<Shape>,
}

impl Network {
    /// A network without layers, and its input.
    #[must_use]
    pub fn new(input: Shape) -> (Self, Value) {
        (Self { layers: vec![Layer::Input], shapes: vec![input] }, Value(0))
    }

    /// The size of a value.
    #[must_use]
    pub fn shape(&self, of: Value) -> Shape {
        self.shapes[of.0]
    }

    /// The sums under a window, weighted by a filter, and its bias.
    pub fn convolution(&mut self, of: Value, filter: Filter, window: Window, activation: Activation) -> Value {
        assert_eq!(filter.size(), window.size, "a filter has the size of its window");
        assert_eq!(filter.channels(), self.shape(of).channels, "a filter has the channels of its input");
        let shape = window.over(self.shape(of), filter.outputs());
        self.add_layer(Layer::Convolution { of, filter, window, activation }, shape)
    }

    /// The largest value under a window, of each channel. What is beyond the edges does not count.
    pub fn max_pool(&mut self, of: Value, window: Window) -> Value {
        assert!((0..2).all(|side| window.padding[side] * 2 <= window.size[side]), "a window is never all beyond the edge");
        let shape = window.over(self.shape(of), self.shape(of).channels);
        self.add_layer(Layer::MaxPool { of, window }, shape)
    }

    /// The mean under a window, of each channel. What is beyond the edges counts as 0.
    pub fn average_pool(&mut self, of: Value, window: Window) -> Value {
        let shape = window.over(self.shape(of), self.shape(of).channels);
        self.add_layer(Layer::AveragePool { of, window }, shape)
    }

    /// Every pixel so many times in a row and in a column.
    pub fn enlarge(&mut self, of: Value, times: usize) -> Value {
        let Shape { channels, height, width } = self.shape(of);
        self.add_layer(Layer::Enlarge { of, times }, Shape { channels, height: height * times, width: width * times })
    }

    /// Some channels, in another order.
    pub fn pick(&mut self, of: Value, channels: impl IntoIterator<Item = usize>) -> Value {
        let (shape, channels) = (self.shape(of), channels.into_iter().collect::<Vec<_>>());
        assert!(channels.iter().all(|channel| *channel < shape.channels), "channels are picked from those there are");
        let shape = Shape { channels: channels.len(), ..shape };
        self.add_layer(Layer::Pick { of, channels }, shape)
    }

    /// The channels of values of the same height and width, one value's after another's.
    pub fn join(&mut self, of: &[Value]) -> Value {
        let shapes = of.iter().map(|value| self.shape(*value));
        let first = self.shape(of[0]);
        assert!(shapes.clone().all(|shape| [shape.height, shape.width] == [first.height, first.width]), "values joined are of one size");
        let channels = shapes.map(|shape| shape.channels).sum();
        self.add_layer(Layer::Join { of: of.to_vec() }, Shape { channels, ..first })
    }

    /// The sum of two values of the same shape.
    pub fn add(&mut self, of: [Value; 2], activation: Activation) -> Value {
        assert_eq!(self.shape(of[0]), self.shape(of[1]), "values added are of one shape");
        self.add_layer(Layer::Add { of, activation }, self.shape(of[0]))
    }

    fn add_layer(&mut self, layer: Layer, shape: Shape) -> Value {
        self.layers.push(layer);
        self.shapes.push(shape);
        Value(self.layers.len() - 1)
    }
}

impl Layer {
    /// The values it takes.
    fn inputs(&self) -> &[Value] {
        match self {
            Self::Input => &[],
            Self::Convolution { of, .. }
            | Self::MaxPool { of, .. }
            | Self::AveragePool { of, .. }
            | Self::Enlarge { of, .. }
            | Self::Pick { of, .. } => std::slice::from_ref(of),
            Self::Join { of } => of,
            Self::Add { of, .. } => of,
        }
    }
}

#[cfg(test)]
mod tests;
