//! Convolutions with what they have learnt.

use candle_core::{Device, Tensor};

use super::convolution::Convolution;
use crate::vision::VisionError;
use crate::vision::weights::Weights;

/// A convolution with its weight and bias; batch norm is already part of them.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    convolution: Convolution,
    weight: Tensor,
    bias: Tensor,
}

impl Layer {
    /// Takes the weight and bias that bear the convolution's name.
    ///
    /// # Errors
    /// One is missing, has another shape, or holds what is no number.
    pub(super) fn read(weights: &Weights, convolution: Convolution) -> Result<Self, VisionError> {
        let tensor = |what: &str, shape: &[usize]| {
            let values = weights.tensor(&format!("{}.{what}", convolution.name), shape)?;
            Tensor::from_slice(values, shape, &Device::Cpu).map_err(|e| VisionError(e.to_string()))
        };
        Ok(Self { convolution, weight: tensor("weight", &convolution.weight())?, bias: tensor("bias", &[convolution.to])? })
    }

    /// Applies it, without what comes after.
    pub(super) fn linear(&self, pictures: &Tensor) -> candle_core::Result<Tensor> {
        self.convolution.apply(pictures, &self.weight)?.broadcast_add(&self.bias)
    }

    /// Applies it and cuts off what is below zero.
    pub(super) fn relu(&self, pictures: &Tensor) -> candle_core::Result<Tensor> {
        self.linear(pictures)?.relu()
    }
}

/// The layers of a network, found by their convolutions.
pub(super) struct Layers(Vec<Layer>);

impl Layers {
    /// Takes the weights and biases of all.
    ///
    /// # Errors
    /// As for [`Layer::read`].
    pub(super) fn read<'a>(weights: &Weights, all: impl IntoIterator<Item = &'a Convolution>) -> Result<Self, VisionError> {
        all.into_iter().map(|of| Layer::read(weights, *of)).collect::<Result<_, _>>().map(Self)
    }

    /// As [`Layer::linear`].
    pub(super) fn linear(&self, of: &Convolution, pictures: &Tensor) -> candle_core::Result<Tensor> {
        self.find(of)?.linear(pictures)
    }

    /// As [`Layer::relu`].
    pub(super) fn relu(&self, of: &Convolution, pictures: &Tensor) -> candle_core::Result<Tensor> {
        self.find(of)?.relu(pictures)
    }

    fn find(&self, of: &Convolution) -> candle_core::Result<&Layer> {
        match self.0.iter().find(|layer| layer.convolution == *of) {
            Some(layer) => Ok(layer),
            None => candle_core::bail!("no layer \"{}\"", of.name),
        }
    }
}
