//! `Filter`: the weights of a convolution, with the batch normalisation behind it folded in.

use crate::vision::weights::{Weights, WeightsError};

/// What batch normalisation adds to a variance, PyTorch's default.
const EPSILON: f32 = 1e-5;

/// The weights of a convolution: every output sees all channels, or (depthwise) only the one of its own number.
#[derive(Clone, Debug)]
pub struct Filter {
    outputs: usize,
    channels: usize,
    depthwise: bool,
    size: [usize; 2],
    /// By output, channel, row and column; by output, row and column where depthwise.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Filter {
    /// The filter `name` of a model file, of the shape `[outputs, channels, height, width]` as PyTorch has it (depthwise: one channel),
    /// with its bias if `biased`.
    ///
    /// # Errors
    /// A tensor is missing or of another shape.
    pub fn read(weights: &Weights, name: &str, shape: [usize; 4], biased: bool) -> Result<Self, WeightsError> {
        let [outputs, channels, height, width] = shape;
        let bias = match biased {
            true => weights.tensor(&format!("{name}.bias"), &[outputs])?.to_vec(),
            false => vec![0.0; outputs],
        };
        let weights = weights.tensor(&format!("{name}.weight"), &shape)?.to_vec();
        Ok(Self { outputs, channels, depthwise: false, size: [height, width], weights, bias })
    }

    /// The depthwise filter `name` of a model file, without a bias.
    ///
    /// # Errors
    /// The tensor is missing or of another shape.
    pub fn read_depthwise(weights: &Weights, name: &str, channels: usize, size: [usize; 2]) -> Result<Self, WeightsError> {
        let filter = Self::read(weights, name, [channels, 1, size[0], size[1]], false)?;
        Ok(Self { channels, depthwise: true, ..filter })
    }

    /// The filter with the batch normalisation `name` after it: `y = (x − mean) / √(variance + ε) · weight + bias`.
    ///
    /// # Errors
    /// A tensor is missing or of another shape, or a variance is negative.
    pub fn normalised(mut self, weights: &Weights, name: &str) -> Result<Self, WeightsError> {
        let tensor = |part: &str| weights.tensor(&format!("{name}.{part}"), &[self.outputs]);
        let [scale, shift, mean] = [tensor("weight")?, tensor("bias")?, tensor("running_mean")?];
        let variance = tensor("running_var")?;
        let each = self.weights.len() / self.outputs;
        for output in 0..self.outputs {
            let scale = scale[output] / (variance[output] + EPSILON).sqrt();
            if !scale.is_finite() {
                return Err(WeightsError::NotFinite { name: format!("{name}.running_var"), shape: vec![self.outputs] });
            }
            self.weights[output * each..][..each].iter_mut().for_each(|weight| *weight *= scale);
            self.bias[output] = (self.bias[output] - mean[output]) * scale + shift[output];
        }
        Ok(self)
    }

    /// The filter over channels that are divided by something first, each by a divisor of its own.
    #[must_use]
    pub fn of_divided(mut self, divisors: &[f32]) -> Self {
        let each = self.size[0] * self.size[1];
        for (weights, divisor) in self.weights.chunks_exact_mut(each).zip(divisors.iter().cycle()) {
            weights.iter_mut().for_each(|weight| *weight /= divisor);
        }
        self
    }

    /// The depthwise filter whose sums are means.
    pub(super) fn mean(channels: usize, size: [usize; 2]) -> Self {
        let count = size[0] * size[1];
        let weights = vec![1.0 / count as f32; channels * count];
        Self { outputs: channels, channels, depthwise: true, size, weights, bias: vec![0.0; channels] }
    }

    /// A filter of these weights, by output, channel, row and column, for tests.
    #[cfg(test)]
    pub(super) fn of(outputs: usize, channels: usize, depthwise: bool, size: [usize; 2], weights: Vec<f32>, bias: Vec<f32>) -> Self {
        Self { outputs, channels, depthwise, size, weights, bias }
    }

    /// How many channels come out.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// How many go in.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Whether each output sees one channel only.
    #[must_use]
    pub fn depthwise(&self) -> bool {
        self.depthwise
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// The weight of a channel at a row and column for an output; depthwise, of the one channel it sees.
    pub(super) fn weight(&self, output: usize, channel: usize, [row, column]: [usize; 2]) -> f32 {
        let seen = if self.depthwise { output } else { output * self.channels + channel };
        self.weights[(seen * self.size[0] + row) * self.size[1] + column]
    }

    /// All weights, as PyTorch has them.
    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// What is added, for each output.
    pub(super) fn bias(&self) -> &[f32] {
        &self.bias
    }
}
