//! `Reference`: a network layer by layer in candle's own operations, on any device that candle knows.
//!
//! It is what the kernels are held to, and how a network runs on a GPU.

use candle_core::{Device, Result, Tensor};

use super::{Activation, Filter, Layer, Network, Value, Window};

/// A network in candle's operations.
#[derive(Clone, Debug)]
pub struct Reference {
    layers: Vec<Layer>,
    /// For a convolution its filter and bias.
    filters: Vec<Option<[Tensor; 2]>>,
    output: Value,
}

impl Reference {
    /// A network that computes one value on a device.
    ///
    /// # Errors
    /// The device has no room for the weights.
    pub fn new(network: &Network, output: Value, device: &Device) -> Result<Self> {
        let filters = network.layers.iter().map(|layer| match layer {
            Layer::Convolution { filter, .. } => Ok(Some(tensors(filter, device)?)),
            _ => Ok(None),
        });
        Ok(Self { layers: network.layers.clone(), filters: filters.collect::<Result<_>>()?, output })
    }

    /// Computes the value for pictures, both by picture, channel, row and column.
    ///
    /// # Errors
    /// The device could not do it.
    pub fn run(&self, pictures: &Tensor) -> Result<Tensor> {
        let mut values = Vec::<Tensor>::with_capacity(self.layers.len());
        for (layer, filter) in self.layers.iter().zip(&self.filters).take(self.output.0 + 1) {
            let of = |value: &Value| &values[value.0];
            let value = match layer {
                Layer::Input => pictures.clone(),
                Layer::Convolution { of: value, filter: shape, window, activation } => {
                    let [weights, bias] = filter.as_ref().ok_or_else(|| candle_core::Error::msg("a convolution has a filter"))?;
                    activated(convolution(of(value), (weights, bias), shape, *window)?, *activation)?
                }
                Layer::MaxPool { of: value, window } => {
                    // The values at the edges, once more beyond them, never exceed themselves.
                    padded(of(value), window.padding, Tensor::pad_with_same)?
                        .max_pool2d_with_stride(pair(window.size), pair(window.stride))?
                }
                Layer::AveragePool { of: value, window } => padded(of(value), window.padding, Tensor::pad_with_zeros)?
                    .avg_pool2d_with_stride(pair(window.size), pair(window.stride))?,
                Layer::Enlarge { of: value, times } => {
                    let (_, _, height, width) = of(value).dims4()?;
                    of(value).upsample_nearest2d(height * times, width * times)?
                }
                Layer::Pick { of: value, channels } => {
                    let channels: Vec<_> = channels.iter().map(|channel| *channel as u32).collect();
                    of(value).index_select(&Tensor::new(channels, of(value).device())?, 1)?
                }
                Layer::Join { of: values } => Tensor::cat(&values.iter().map(of).collect::<Vec<_>>(), 1)?,
                Layer::Add { of: [one, other], activation } => activated((of(one) + of(other))?, *activation)?,
            };
            values.push(value);
        }
        values.pop().ok_or_else(|| candle_core::Error::msg("a network has layers"))
    }
}

fn tensors(filter: &Filter, device: &Device) -> Result<[Tensor; 2]> {
    let [height, width] = filter.size();
    let channels = if filter.depthwise() { 1 } else { filter.channels() };
    let weights = Tensor::from_slice(filter.weights(), (filter.outputs(), channels, height, width), device)?;
    let bias = Tensor::from_slice(filter.bias(), (1, filter.outputs(), 1, 1), device)?;
    Ok([weights, bias])
}

/// candle's convolutions move as far down as across and have one padding; where ours do not, it is padded before, and thinned out after.
fn convolution(of: &Tensor, (weights, bias): (&Tensor, &Tensor), filter: &Filter, window: Window) -> Result<Tensor> {
    let of = padded(of, window.padding, Tensor::pad_with_zeros)?;
    let [down, across] = window.stride;
    let sums = if filter.depthwise() {
        tap_by_tap(&of, weights, filter.size(), window.stride)?
    } else if down == across {
        of.conv2d(weights, 0, down, 1, 1)?
    } else {
        thinned(&of.conv2d(weights, 0, 1, 1, 1)?, window.stride)?.contiguous()?
    };
    sums.broadcast_add(bias)
}

/// A depthwise convolution as a sum over its window: candle's own goes through the channels one by one, which a GPU bears badly.
fn tap_by_tap(of: &Tensor, weights: &Tensor, [rows, columns]: [usize; 2], stride: [usize; 2]) -> Result<Tensor> {
    let (_, channels, height, width) = of.dims4()?;
    let taps = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let terms = taps.map(|(row, column)| {
        let seen = of.narrow(2, row, height - rows + 1)?.narrow(3, column, width - columns + 1)?;
        let weight = weights.narrow(2, row, 1)?.narrow(3, column, 1)?.reshape((1, channels, 1, 1))?;
        thinned(&seen, stride)?.broadcast_mul(&weight)
    });
    terms.reduce(|sum, term| sum? + term?).unwrap_or_else(|| Err(candle_core::Error::msg("a window has taps")))
}

/// Every so manieth row, and every so manieth column.
fn thinned(of: &Tensor, [down, across]: [usize; 2]) -> Result<Tensor> {
    every(&every(of, 2, down)?, 3, across)
}

fn every(of: &Tensor, dimension: usize, step: usize) -> Result<Tensor> {
    if step == 1 {
        return Ok(of.clone());
    }
    let kept: Vec<_> = (0..of.dim(dimension)? as u32).step_by(step).collect();
    of.contiguous()?.index_select(&Tensor::new(kept, of.device())?, dimension)
}

fn padded(of: &Tensor, [rows, columns]: [usize; 2], pad: impl Fn(&Tensor, usize, usize, usize) -> Result<Tensor>) -> Result<Tensor> {
    let of = if rows > 0 { pad(of, 2, rows, rows)? } else { of.clone() };
    if columns > 0 { pad(&of, 3, columns, columns) } else { Ok(of) }
}

fn activated(of: Tensor, activation: Activation) -> Result<Tensor> {
    if activation == Activation::Relu { of.relu() } else { Ok(of) }
}

fn pair([height, width]: [usize; 2]) -> (usize, usize) {
    (height, width)
}
