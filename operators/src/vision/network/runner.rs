//! `Runner`: a network on whichever device it is given.

use candle_core::{Device, Result, Tensor};

use super::kernel::{Layout, Region};
use super::plan::Maps;
use super::{Network, Plan, Reference, Shape, Value};
use crate::vision::VisionError;

/// A network that computes one value, picture by picture on the CPU, all pictures at once elsewhere.
#[derive(Clone, Debug)]
pub struct Runner(On);

#[derive(Clone, Debug)]
enum On {
    Cpu(Box<Plan>),
    Other { reference: Reference, device: Device, input: Shape, pictures: Vec<f32>, values: Vec<f32> },
}

impl Runner {
    /// A network on a device.
    ///
    /// # Errors
    /// The device has no room for it.
    pub fn new(network: &Network, output: Value, device: &Device) -> std::result::Result<Self, VisionError> {
        Ok(Self(match device {
            Device::Cpu => On::Cpu(Box::new(Plan::new(network, output))),
            other => return Self::by_candle(network, output, other),
        }))
    }

    /// A network in candle's operations, whatever the device.
    pub(super) fn by_candle(network: &Network, output: Value, device: &Device) -> std::result::Result<Self, VisionError> {
        Ok(Self(On::Other {
            reference: Reference::new(network, output, device).map_err(failed)?,
            device: device.clone(),
            input: network.shape(Value(0)),
            pictures: Vec::new(),
            values: Vec::new(),
        }))
    }

    /// Computes the value for pictures: `fill` writes a picture's row, all channels of a pixel, then the next pixel's; `take` gets what
    /// each picture gave.
    ///
    /// # Errors
    /// The device could not do it.
    pub fn run(
        &mut self,
        count: usize,
        mut fill: impl FnMut(usize, usize, &mut [f32]),
        mut take: impl FnMut(usize, Maps<'_>),
    ) -> std::result::Result<(), VisionError> {
        match &mut self.0 {
            On::Cpu(plan) => (0..count).for_each(|picture| take(picture, plan.run(|y, row| fill(picture, y, row)))),
            On::Other { .. } if count == 0 => {}
            On::Other { reference, device, input, pictures, values } => {
                let row = input.width * input.channels;
                pictures.resize(count * input.height * row, 0.0);
                for (number, row) in pictures.chunks_exact_mut(row).enumerate() {
                    fill(number / input.height, number % input.height, row);
                }
                let shape = compute(reference, device, (count, *input), pictures, values).map_err(failed)?;
                let layout = Layout { height: shape.height, width: shape.width, channels: shape.channels, margin: 0 };
                let region = Region { layout, first: 0, channels: shape.channels };
                let each = shape.channels * shape.height * shape.width;
                values.chunks_exact(each).enumerate().for_each(|(picture, values)| take(picture, Maps::new(values, region)));
            }
        }
        Ok(())
    }
}

/// Runs the pictures as one tensor; the values come out as they went in, all channels of a pixel next to each other.
fn compute(
    reference: &Reference,
    device: &Device,
    (count, input): (usize, Shape),
    pictures: &[f32],
    values: &mut Vec<f32>,
) -> Result<Shape> {
    let pictures = Tensor::from_slice(pictures, (count, input.height, input.width, input.channels), device)?;
    let output = reference.run(&pictures.permute((0, 3, 1, 2))?.contiguous()?)?;
    let (_, channels, height, width) = output.dims4()?;
    *values = output.permute((0, 2, 3, 1))?.flatten_all()?.to_vec1()?;
    Ok(Shape { channels, height, width })
}

fn failed(error: candle_core::Error) -> VisionError {
    VisionError(format!("network could not be run: {error}"))
}
