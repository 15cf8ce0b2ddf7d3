//! LPRNet: a reader of whole plates, without cutting them into symbols.
//!
//! ```text
//! plate ─▶ convolutions ─▶ joined with four looks at the whole plate ─▶ for each of 18 columns, a score for each symbol ─▶ text
//! ```
//!
//! Source: Zherzdev and Gruzdev, *LPRNet: License Plate Recognition via Deep Neural Networks*, 2018, arXiv:1806.10447, in the form
//! of <https://github.com/sirius-ai/LPRNet_Pytorch> (Apache-2.0), whose checkpoints it reads. Those are of Chinese plates, which
//! begin with a province's character; so it gives a [`ReadText`], not a plate of ours.

use candle_core::Device;

use crate::vision::best_path::{ReadText, best_path};
use crate::vision::network::{Activation, Filter, Maps, Network, Runner, Shape, Value, Window};
use crate::vision::resize::Resize;
use crate::vision::weights::{Weights, WeightsError};
use crate::vision::{Picture, VisionError};

use Activation::{Linear, Relu};

/// The symbols of the published checkpoint, in its order; the last is the blank between symbols.
const CHINESE: &str = "京沪津渝冀晋蒙辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新0123456789ABCDEFGHJKLMNPQRSTUVWXYZIO-";

/// What an LPRNet reads.
#[derive(Clone, Debug, PartialEq)]
pub struct LprNetSizes {
    /// Its input's width and height, in pixels.
    pub input: [usize; 2],
    /// The symbols it knows, the blank last.
    pub symbols: Vec<char>,
    /// The mean of the squares of the values that each of the four looks at a plate gives, by which it divides them before it joins
    /// them. Its authors divide by the mean over whichever plates are read at once, so that a plate's text would depend on
    /// its neighbours; for a text that is the same every time, the mean over many plates belongs to the network.
    pub mean_squares: [f32; 4],
}

impl LprNetSizes {
    /// As published: plates of 94 × 24 pixels with 67 symbols. The means were measured on 250 of its authors' test plates; those on
    /// another 250 differ by 4 % at most.
    #[must_use]
    pub fn published() -> Self {
        Self { input: [94, 24], symbols: CHINESE.chars().collect(), mean_squares: [0.618, 0.288, 7.03, 0.221] }
    }
}

/// LPRNet on one thread, or on a GPU.
#[derive(Debug)]
pub struct LprNet {
    runner: Runner,
    resize: Resize,
    symbols: Vec<char>,
}

impl LprNet {
    /// Loads a checkpoint of the published size, to run on the CPU.
    ///
    /// # Errors
    /// The file is none, or of another network.
    pub fn load(file: &[u8]) -> Result<Self, VisionError> {
        Self::load_on(&Device::Cpu, file)
    }

    /// Loads a checkpoint of the published size, to run on a device.
    ///
    /// # Errors
    /// The file is none, or of another network; or the device has no room for it.
    pub fn load_on(device: &Device, file: &[u8]) -> Result<Self, VisionError> {
        let sizes = LprNetSizes::published();
        let (network, output) = Self::network(&Weights::read(file)?, &sizes)?;
        let size = sizes.input.map(|side| side as u32);
        Ok(Self { runner: Runner::new(&network, output, device)?, resize: Resize::new(size, size), symbols: sizes.symbols })
    }

    /// The network, and the value that holds a score for each symbol by column; its rows are still to be averaged.
    ///
    /// # Errors
    /// A tensor is missing or of another shape.
    pub fn network(weights: &Weights, sizes: &LprNetSizes) -> Result<(Network, Value), WeightsError> {
        let ([width, height], symbols) = (sizes.input, sizes.symbols.len());
        let (network, input) = Network::new(Shape { channels: 3, height, width });
        let mut build = Build { network, weights };
        let largest = |stride: usize| Window::inside([3, 3], [1, stride]);
        let plain = build.filter(0, [64, 3, 3, 3])?.normalised(weights, "backbone.1")?;
        let first = build.network.convolution(input, plain, Window::inside([3, 3], [1, 1]), Relu);
        let value = build.network.max_pool(first, largest(1));
        let second = build.block(value, 4, [64, 128])?;
        let value = build.every(second, 2, largest(2));
        let value = build.block(value, 8, [64, 256])?;
        let third = build.block(value, 11, [256, 256])?;
        let value = build.every(third, 4, largest(2));
        let wide = build.filter(16, [256, 64, 1, 4])?.normalised(weights, "backbone.17")?;
        let value = build.network.convolution(value, wide, Window::inside([1, 4], [1, 1]), Relu);
        let high = build.filter(20, [symbols, 256, 13, 1])?.normalised(weights, "backbone.21")?;
        let last = build.network.convolution(value, high, Window::inside([13, 1], [1, 1]), Relu);
        // All four come out as large as the last, whatever the plate's size: the paper's global context.
        let first = build.network.average_pool(first, Window::inside([5, 5], [5, 5]));
        let second = build.network.average_pool(second, Window::inside([5, 5], [5, 5]));
        let third = build.network.average_pool(third, Window::inside([4, 10], [4, 2]));
        let looks = [first, second, third, last];
        let divisors = looks.iter().zip(sizes.mean_squares).flat_map(|(look, mean)| vec![mean; build.network.shape(*look).channels]);
        let divisors = divisors.collect::<Vec<_>>();
        let context = build.network.join(&looks);
        let container = Filter::read(weights, "container.0", [symbols, divisors.len(), 1, 1], true)?.of_divided(&divisors);
        let output = build.network.convolution(context, container, Window::inside([1, 1], [1, 1]), Linear);
        Ok((build.network, output))
    }

    /// What each plate says, read as it is: cut out, straightened, in one line.
    ///
    /// # Errors
    /// The network could not be run.
    pub fn read(&mut self, plates: &[Picture]) -> Result<Vec<ReadText>, VisionError> {
        let mut texts = Vec::with_capacity(plates.len());
        let (resize, symbols) = (&mut self.resize, &self.symbols);
        let fill = |plate: usize, y: usize, row: &mut [f32]| {
            if y == 0 {
                resize.begin(&plates[plate]);
            }
            resize.row(&plates[plate], y, row, |byte| (f32::from(byte) - 127.5) / 128.0);
        };
        self.runner.run(plates.len(), fill, |_, maps| texts.push(best_path(&columns(maps), symbols)))?;
        Ok(texts)
    }
}

/// A network in the making, by the names in the checkpoint.
struct Build<'a> {
    network: Network,
    weights: &'a Weights,
}

impl Build<'_> {
    /// The paper's small basic block: 3×3 taken apart into 3×1 and 1×3, over a quarter of the channels; and the batch normalisation
    /// after it.
    fn block(&mut self, value: Value, number: usize, [inputs, outputs]: [usize; 2]) -> Result<Value, WeightsError> {
        let quarter = outputs / 4;
        let part = |part: usize, shape| Filter::read(self.weights, &format!("backbone.{number}.block.{part}"), shape, true);
        let [narrow, high] = [part(0, [quarter, inputs, 1, 1])?, part(2, [quarter, quarter, 3, 1])?];
        let [wide, broad] = [part(4, [quarter, quarter, 1, 3])?, part(6, [outputs, quarter, 1, 1])?];
        let broad = broad.normalised(self.weights, &format!("backbone.{}", number + 1))?;
        let network = &mut self.network;
        let value = network.convolution(value, narrow, Window::square(1, 1), Relu);
        let value = network.convolution(value, high, Window { size: [3, 1], stride: [1, 1], padding: [1, 0] }, Relu);
        let value = network.convolution(value, wide, Window { size: [1, 3], stride: [1, 1], padding: [0, 1] }, Relu);
        Ok(network.convolution(value, broad, Window::square(1, 1), Relu))
    }

    /// The largest under a window, of every so manieth channel.
    fn every(&mut self, value: Value, step: usize, window: Window) -> Value {
        let channels = self.network.shape(value).channels;
        let largest = self.network.max_pool(value, window);
        self.network.pick(largest, (0..channels).step_by(step))
    }

    fn filter(&self, number: usize, shape: [usize; 4]) -> Result<Filter, WeightsError> {
        Filter::read(self.weights, &format!("backbone.{number}"), shape, true)
    }
}

/// The mean over the rows: for each column, a score for each symbol.
fn columns(maps: Maps<'_>) -> Vec<Vec<f32>> {
    let Shape { channels, height, width } = maps.shape();
    let mean = |x: usize, symbol: usize| (0..height).map(|y| maps.pixel(y, x)[symbol]).sum::<f32>() / height as f32;
    (0..width).map(|x| (0..channels).map(|symbol| mean(x, symbol)).collect()).collect()
}
