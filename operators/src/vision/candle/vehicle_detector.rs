//! Finds vehicles: [the network](super::vehicle_network) with its weights, and what its cells mean.

use super::input::normalised;
use super::layer::Layers;
use super::vehicle_network::{CELL, CLASSES, HEAD, SIZE, TRUNK, UNIT, VALUES, run};
use crate::vision::detect::{Candidate, believe};
use crate::vision::weights::Weights;
use crate::vision::{DetectParameters, Detection, Detector, Picture, VisionError};

/// A detector of vehicles on one thread.
pub struct VehicleDetector {
    layers: Layers,
    parameters: DetectParameters,
}

impl VehicleDetector {
    /// The detector with the weights of a model file.
    ///
    /// # Errors
    /// The bytes are no such file, or hold other weights; the message names the tensor and the shape it should have.
    pub fn load(bytes: &[u8], parameters: DetectParameters) -> Result<Self, VisionError> {
        let weights = Weights::read(bytes)?;
        Ok(Self { layers: Layers::read(&weights, TRUNK.iter().chain([&HEAD]))?, parameters })
    }
}

impl Detector for VehicleDetector {
    fn size(&self) -> Option<(u32, u32)> {
        Some(SIZE)
    }

    fn detect(&mut self, pictures: &[Picture]) -> Result<Vec<Vec<Detection>>, VisionError> {
        let fault = |e: candle_core::Error| VisionError(format!("could not run the detector of vehicles: {e}"));
        let mut found = Vec::with_capacity(pictures.len());
        for picture in pictures {
            let one = normalised(std::slice::from_ref(picture), SIZE.0, SIZE.1)?;
            let cells = run(&one, |of, x| self.layers.relu(of, x), |of, x| self.layers.linear(of, x)).map_err(fault)?;
            let cells: Vec<f32> = cells.flatten_all().and_then(|cells| cells.to_vec1()).map_err(fault)?;
            let (width, height) = picture.shows();
            found.push(believe(candidates(&cells, &self.parameters), [width, height], &self.parameters));
        }
        Ok(found)
    }
}

/// The vehicles in the cells.
fn candidates(cells: &[f32], parameters: &DetectParameters) -> Vec<Candidate> {
    let least = f32::from(parameters.confidence_permille) / 1_000.0;
    let columns = SIZE.0.div_ceil(CELL) as usize;
    let sure = cells.chunks_exact(VALUES).enumerate().filter_map(|(place, cell)| {
        let confidence = 1.0 / (1.0 + (-cell[0]).exp());
        (confidence >= least).then_some((place, cell, confidence))
    });
    sure.map(|(place, cell, confidence)| {
        let [x, y] = [place % columns, place / columns].map(|at| at as f32 + 0.5);
        let extent = [SIZE.0, SIZE.1].map(|side| side as f32);
        let [cx, cy] = [(x + cell[1]) * CELL as f32 / extent[0], (y + cell[2]) * CELL as f32 / extent[1]];
        let [w, h] = [0, 1].map(|k| cell[3 + k].exp() * UNIT / extent[k] / 2.0);
        let class = (0..CLASSES.len()).max_by(|a, b| cell[5 + a].total_cmp(&cell[5 + b])).unwrap_or(0);
        Candidate { class: CLASSES[class], confidence, edges: [cx - w, cy - h, cx + w, cy + h] }
    })
    .collect()
}
