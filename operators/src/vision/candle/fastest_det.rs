//! FastestDet: a vehicle detector for processors without a GPU.
//!
//! ```text
//! picture ─▶ ShuffleNetV2 ─▶ C1, C2, C3, brought to the size of C2 ─▶ pyramid of 5×5 windows ─▶ objectness, box, classes
//! ```
//!
//! Source: <https://github.com/dog-qiuqiu/FastestDet> (BSD-3-Clause), whose checkpoints it reads; backbone: Ma et al., *ShuffleNet
//! V2: Practical Guidelines for Efficient CNN Architecture Design*, 2018, arXiv:1807.11164. Every cell of the last map says whether
//! a vehicle's centre lies in it, so there are no anchors.

use candle_core::Device;

use super::cell;
use crate::vision::detect::{Candidate, believe, coco_vehicle};
use crate::vision::network::{Activation, Filter, Maps, Network, Runner, Shape, Value, Window};
use crate::vision::resize::Resize;
use crate::vision::weights::{Weights, WeightsError};
use crate::vision::{DetectParameters, Detection, Detector, Picture, VisionError};

use Activation::{Linear, Relu};

/// How large a FastestDet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastestDetSizes {
    /// The side of its square input, in pixels; a multiple of 32.
    pub input: usize,
    /// Channels after the first convolution.
    pub stem: usize,
    /// For each of three stages its blocks and channels.
    pub stages: [(usize, usize); 3],
    /// How many categories it knows.
    pub categories: usize,
}

impl FastestDetSizes {
    /// As published: 0.24 million weights, trained on COCO.
    pub const PUBLISHED: Self = Self { input: 352, stem: 24, stages: [(4, 48), (8, 96), (4, 192)], categories: 80 };
}

/// FastestDet on one thread, or on a GPU.
#[derive(Debug)]
pub struct FastestDet {
    runner: Runner,
    resize: Resize,
    parameters: DetectParameters,
}

impl FastestDet {
    /// Loads a checkpoint of the published size, to run on the CPU.
    ///
    /// # Errors
    /// The file is none, or of another network.
    pub fn load(file: &[u8], parameters: DetectParameters) -> Result<Self, VisionError> {
        Self::load_on(&Device::Cpu, file, parameters)
    }

    /// Loads a checkpoint of the published size, to run on a device.
    ///
    /// # Errors
    /// The file is none, or of another network; or the device has no room for it.
    pub fn load_on(device: &Device, file: &[u8], parameters: DetectParameters) -> Result<Self, VisionError> {
        let sizes = FastestDetSizes::PUBLISHED;
        let (network, output) = Self::network(&Weights::read(file)?, sizes)?;
        let side = sizes.input as u32;
        Ok(Self { runner: Runner::new(&network, output, device)?, resize: Resize::new([side; 2], [side; 2]), parameters })
    }

    /// The network, and the value that holds objectness, four terms of the box and the categories, as they are before they become
    /// probabilities.
    ///
    /// # Errors
    /// A tensor is missing or of another shape.
    pub fn network(weights: &Weights, sizes: FastestDetSizes) -> Result<(Network, Value), WeightsError> {
        let input = Shape { channels: 3, height: sizes.input, width: sizes.input };
        let (network, input) = Network::new(input);
        let mut build = Build { network, weights };
        let [c1, c2, c3] = build.backbone(input, sizes)?;
        let c1 = build.network.average_pool(c1, Window::square(3, 2));
        let c3 = build.network.enlarge(c3, 2);
        let all = build.network.join(&[c1, c2, c3]);
        let channels = sizes.stages[1].1;
        let seen = build.pyramid(all, channels)?;
        let output = build.heads(seen, channels, sizes.categories)?;
        Ok((build.network, output))
    }
}

/// A network in the making, by the names in the checkpoint.
struct Build<'a> {
    network: Network,
    weights: &'a Weights,
}

impl Build<'_> {
    fn backbone(&mut self, input: Value, sizes: FastestDetSizes) -> Result<[Value; 3], WeightsError> {
        let filter = self.filter("backbone.first_conv", 0, [sizes.stem, 3, 3, 3])?;
        let stem = self.network.convolution(input, filter, Window::square(3, 2), Relu);
        let (mut value, mut channels) = (self.network.max_pool(stem, Window::square(3, 2)), sizes.stem);
        let mut stages = [value; 3];
        for (number, (blocks, outputs)) in sizes.stages.into_iter().enumerate() {
            let name = |block: usize| format!("backbone.stage{}.{block}", number + 2);
            value = self.halving_block(value, &name(0), channels, outputs)?;
            for block in 1..blocks {
                value = self.block(value, &name(block), outputs)?;
            }
            (stages[number], channels) = (value, outputs);
        }
        Ok(stages)
    }

    /// A block that halves height and width: two branches over all channels.
    fn halving_block(&mut self, value: Value, name: &str, channels: usize, outputs: usize) -> Result<Value, WeightsError> {
        let half = outputs / 2;
        let side = self.depthwise(value, &format!("{name}.branch_proj"), 0, (channels, 3, 2), Linear)?;
        let side = self.pointwise(side, &format!("{name}.branch_proj"), 2, [half, channels], Relu)?;
        let main = self.main_branch(value, name, [channels, half], 2)?;
        Ok(self.network.join(&[side, main]))
    }

    /// A block over every other channel; the rest goes past it. This is the channel shuffle.
    fn block(&mut self, value: Value, name: &str, channels: usize) -> Result<Value, WeightsError> {
        let past = self.network.pick(value, (0..channels).step_by(2));
        let through = self.network.pick(value, (1..channels).step_by(2));
        let through = self.main_branch(through, name, [channels / 2; 2], 1)?;
        Ok(self.network.join(&[past, through]))
    }

    fn main_branch(&mut self, value: Value, name: &str, [inputs, half]: [usize; 2], stride: usize) -> Result<Value, WeightsError> {
        let name = format!("{name}.branch_main");
        let value = self.pointwise(value, &name, 0, [half, inputs], Relu)?;
        let value = self.depthwise(value, &name, 3, (half, 3, stride), Linear)?;
        self.pointwise(value, &name, 5, [half, half], Relu)
    }

    /// Windows of 5×5, one, two and three after another, next to each other: near and far surroundings.
    fn pyramid(&mut self, all: Value, channels: usize) -> Result<Value, WeightsError> {
        let inputs = self.network.shape(all).channels;
        let value = self.pointwise(all, "SPP.Conv1x1.conv1x1", 0, [channels, inputs], Relu)?;
        let mut levels = Vec::new();
        for level in 1..=3 {
            let mut seen = value;
            for step in 0..level {
                seen = self.depthwise(seen, &format!("SPP.S{level}"), 3 * step, (channels, 5, 1), Relu)?;
            }
            levels.push(seen);
        }
        let levels = self.network.join(&levels);
        let levels = self.pointwise(levels, "SPP.output", 0, [channels, 3 * channels], Linear)?;
        Ok(self.network.add([value, levels], Relu))
    }

    fn heads(&mut self, value: Value, channels: usize, categories: usize) -> Result<Value, WeightsError> {
        let value = self.pointwise(value, "detect_head.conv1x1.conv1x1", 0, [channels, channels], Relu)?;
        let mut heads = Vec::new();
        for (name, outputs) in [("obj", 1), ("reg", 4), ("cls", categories)] {
            let name = format!("detect_head.{name}_layers.conv5x5");
            let head = self.depthwise(value, &name, 0, (channels, 5, 1), Relu)?;
            heads.push(self.pointwise(head, &name, 3, [outputs, channels], Linear)?);
        }
        Ok(self.network.join(&heads))
    }

    fn pointwise(
        &mut self,
        value: Value,
        name: &str,
        number: usize,
        [outputs, inputs]: [usize; 2],
        activation: Activation,
    ) -> Result<Value, WeightsError> {
        let filter = self.filter(name, number, [outputs, inputs, 1, 1])?;
        Ok(self.network.convolution(value, filter, Window::square(1, 1), activation))
    }

    /// Of so many channels, with a square window of this size that moves so far.
    fn depthwise(
        &mut self,
        value: Value,
        name: &str,
        number: usize,
        (channels, size, stride): (usize, usize, usize),
        activation: Activation,
    ) -> Result<Value, WeightsError> {
        let filter = Filter::read_depthwise(self.weights, &format!("{name}.{number}"), channels, [size; 2])?;
        let filter = filter.normalised(self.weights, &format!("{name}.{}", number + 1))?;
        Ok(self.network.convolution(value, filter, Window::square(size, stride), activation))
    }

    /// A convolution and the batch normalisation that follows it.
    fn filter(&self, name: &str, number: usize, shape: [usize; 4]) -> Result<Filter, WeightsError> {
        Filter::read(self.weights, &format!("{name}.{number}"), shape, false)?.normalised(self.weights, &format!("{name}.{}", number + 1))
    }
}

impl Detector for FastestDet {
    fn detect(&mut self, pictures: &[Picture]) -> Result<Vec<Vec<Detection>>, VisionError> {
        let mut found = Vec::with_capacity(pictures.len());
        let (resize, parameters) = (&mut self.resize, &self.parameters);
        let fill = |picture: usize, y: usize, row: &mut [f32]| {
            if y == 0 {
                resize.begin(&pictures[picture]);
            }
            resize.row(&pictures[picture], y, row, |byte| f32::from(byte) / 255.0);
        };
        let take = |picture: usize, maps: Maps<'_>| {
            let size = [pictures[picture].width(), pictures[picture].height()];
            found.push(believe(candidates(maps, parameters), size, parameters));
        };
        self.runner.run(pictures.len(), fill, take)?;
        Ok(found)
    }
}

/// The vehicles in the cells.
fn candidates(maps: Maps<'_>, parameters: &DetectParameters) -> Vec<Candidate> {
    let Shape { height, width, .. } = maps.shape();
    let least = f32::from(parameters.confidence_permille) / 1_000.0;
    let mut candidates = Vec::new();
    for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
        let [object, dx, dy, w, h, ref categories @ ..] = *maps.pixel(y, x) else { continue };
        let objectness = cell::sigmoid(object);
        // No category makes it surer: most cells end here.
        if cell::confidence(objectness, 1.0) < least {
            continue;
        }
        let largest = categories.iter().copied().enumerate().max_by(|one, other| one.1.total_cmp(&other.1));
        let Some((category, logit)) = largest else { continue };
        let Some(class) = coco_vehicle(category) else { continue };
        let probability = 1.0 / categories.iter().map(|other| (other - logit).exp()).sum::<f32>();
        let (confidence, edges) = (cell::confidence(objectness, probability), cell::edges([dx, dy, w, h], [x, y], [width, height]));
        candidates.push(Candidate { class, confidence, edges });
    }
    candidates
}
