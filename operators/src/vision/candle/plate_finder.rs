//! Finds plates on vehicles: [the networks](super::finder_network) with their weights, and what their scores mean.

use candle_core::Tensor;

use super::finder_network::{
    AROUND, CELL, CELLS, CLOSE, CLOSE_HEAD, CLOSE_TRUNK, CLOSE_WHOLE, REACH, SIDE, TRUNK, VALUES, look, look_closely,
};
use super::input::normalised;
use super::layer::Layers;
use crate::vision::weights::Weights;
use crate::vision::window::Window;
use crate::vision::{Picture, PlateCorners, PlateFinder, VisionError};

/// How sure it must be of a cell to look more closely, permille: what it sees there, the close look judges.
const WORTH_A_LOOK: u16 = 250;
/// How sure the close look must be of a plate, permille.
const SURE: u16 = 500;
/// How many places of a vehicle are looked at closely.
const PLACES: usize = 2;
/// How often: the second time from where the first one ended.
const LOOKS: usize = 2;

/// A finder of plates of one line or two.
pub struct VietnamesePlateFinder {
    layers: Layers,
}

impl VietnamesePlateFinder {
    /// The finder with the weights of a model file.
    ///
    /// # Errors
    /// The bytes are no such file, or hold other weights; the message names the tensor and the shape it should have.
    pub fn load(bytes: &[u8]) -> Result<Self, VisionError> {
        let weights = Weights::read(bytes)?;
        let all = TRUNK.iter().chain([&CELLS]).chain(&CLOSE_TRUNK).chain([&CLOSE_WHOLE, &CLOSE_HEAD]);
        Ok(Self { layers: Layers::read(&weights, all)? })
    }

    /// Where plates may be on each vehicle, the surest first.
    fn places(&self, vehicles: &[Picture]) -> Result<Vec<Vec<PlateCorners>>, VisionError> {
        let windows = vehicles.iter().map(|vehicle| {
            Window::lowest(vehicle, SIDE).ok_or_else(|| VisionError("a vehicle without pixels cannot be looked at".to_owned()))
        });
        let windows = windows.collect::<Result<Vec<Window>, _>>()?;
        let mut found = Vec::with_capacity(vehicles.len());
        for window in &windows {
            let one = normalised(std::slice::from_ref(&window.picture), SIDE, SIDE)?;
            let cells = look(&one, |of, x| self.layers.relu(of, x), |of, x| self.layers.linear(of, x)).map_err(fault)?;
            found.push(places(&flat(&cells)?, window));
        }
        Ok(found)
    }

    /// Looks closely: the corners moved to where they are, and how sure it is that there is a plate.
    fn closely(&self, vehicle: &Picture, plate: PlateCorners) -> Result<Option<PlateCorners>, VisionError> {
        let Some(close) = vehicle.straightened_with(&plate, CLOSE.0, CLOSE.1, AROUND) else { return Ok(None) };
        let one = normalised(&[close], CLOSE.0, CLOSE.1)?;
        let values = look_closely(&one, |of, x| self.layers.relu(of, x), |of, x| self.layers.linear(of, x)).map_err(fault)?;
        let values = flat(&values)?;
        let moved = plate.moved(std::array::from_fn(|i| [values[1 + 2 * i], values[2 + 2 * i]]));
        Ok(moved.map(|moved| PlateCorners { confidence: permille(values[0]), ..moved }))
    }
}

impl PlateFinder for VietnamesePlateFinder {
    fn find(&mut self, vehicles: &[Picture]) -> Result<Vec<Vec<PlateCorners>>, VisionError> {
        let mut all = self.places(vehicles)?;
        for (vehicle, plates) in vehicles.iter().zip(&mut all) {
            let mut sure = Vec::with_capacity(plates.len());
            for place in plates.drain(..) {
                let mut plate = Some(place);
                for _ in 0..LOOKS {
                    plate = match plate {
                        Some(plate) => self.closely(vehicle, plate)?,
                        None => None,
                    };
                }
                sure.extend(plate.filter(|plate| plate.confidence >= SURE));
            }
            sure.sort_by_key(|plate| std::cmp::Reverse(plate.confidence));
            // Two looks that began at two places may have ended at one.
            let mut kept: Vec<PlateCorners> = Vec::with_capacity(sure.len());
            for plate in sure {
                if !kept.iter().any(|surer| surer.is_also(&plate)) {
                    kept.push(plate);
                }
            }
            *plates = kept;
        }
        Ok(all)
    }
}

/// The surest cells, each with its corners on the picture that the window is of. Where neighbours say the same the surest speaks.
fn places(cells: &[f32], window: &Window) -> Vec<PlateCorners> {
    let columns = (SIDE / CELL) as usize;
    let sure = cells.chunks_exact(VALUES).enumerate().filter(|(_, cell)| permille(cell[0]) >= WORTH_A_LOOK);
    let mut sure: Vec<(usize, &[f32])> = sure.collect();
    sure.sort_by(|a, b| b.1[0].total_cmp(&a.1[0]));
    let mut kept: Vec<PlateCorners> = Vec::with_capacity(PLACES);
    for (place, cell) in sure {
        let middle = [place % columns, place / columns].map(|at| (at as f32 + 0.5) * CELL as f32);
        let corner = |i: usize| window.outside([0, 1].map(|k| middle[k] + cell[1 + 2 * i + k] * REACH));
        let plate = PlateCorners { corners: std::array::from_fn(corner), confidence: permille(cell[0]) };
        let finite = plate.corners.as_flattened().iter().all(|v| v.is_finite());
        if finite && !kept.iter().any(|surer| surer.is_also(&plate)) {
            kept.push(plate);
            if kept.len() == PLACES {
                break;
            }
        }
    }
    kept
}

/// A score as a probability.
fn permille(score: f32) -> u16 {
    (1_000.0 / (1.0 + (-score).exp())) as u16
}

fn flat(values: &Tensor) -> Result<Vec<f32>, VisionError> {
    values.flatten_all().and_then(|values| values.to_vec1()).map_err(fault)
}

fn fault(e: candle_core::Error) -> VisionError {
    VisionError(format!("could not run the finder of plates: {e}"))
}
