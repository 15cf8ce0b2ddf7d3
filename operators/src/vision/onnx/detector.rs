//! The detector: as many pictures at once as the network takes.

use super::boxes::Boxes;
use super::input::Input;
use super::network::Network;
use super::parameters::OnnxParameters;
use crate::vision::detect::{DetectParameters, believe};
use crate::vision::{Detection, Detector, Picture, VisionError};

/// The most pixels of input that are looked at together: five pictures of 640 × 640. What lies between a network's layers is
/// many times as much.
const PIXELS_MOST: usize = 1 << 21;

/// A detector from an ONNX file, on one thread.
#[derive(Debug)]
pub struct OnnxDetector {
    network: Network,
    input: Input,
    boxes: Boxes,
    parameters: DetectParameters,
    numbers: Vec<f32>,
}

impl OnnxDetector {
    /// Loads a network that is as described. What it gives out is as sure as this at least, permille.
    ///
    /// # Errors
    /// The bytes are no ONNX file; the network needs what tract does not know; its input or its output is not as described: the
    /// message names the tensor, what it is and what it should be.
    pub fn load(bytes: &[u8], of: &OnnxParameters, confidence_permille: u16) -> Result<Self, VisionError> {
        let network = Network::read(bytes, of.input.size, of.output.tensor.as_deref())?;
        let input = Input::new(&of.input, network.size(), network.has_planes());
        let boxes = Boxes::new(&of.output, network.size(), confidence_permille);
        if let Some(mismatch) = boxes.mismatch(&network.told()) {
            return Err(VisionError(format!("{}, {mismatch}", network.output())));
        }
        let parameters = DetectParameters { confidence_permille, overlap_permille: of.output.overlap_permille, ..Default::default() };
        Ok(Self { network, input, boxes, parameters, numbers: Vec::new() })
    }

    /// What is on some pictures, together.
    fn look(&mut self, pictures: &[Picture], at_once: usize, found: &mut Vec<Vec<Detection>>) -> Result<(), VisionError> {
        let each = self.input.len();
        self.numbers.clear();
        self.numbers.resize(at_once * each, 0.0);
        let filled = pictures.iter().zip(self.numbers.chunks_exact_mut(each));
        let placed: Vec<_> = filled.map(|(picture, numbers)| self.input.fill(picture, numbers)).collect();
        let answer = self.network.run(&self.numbers, at_once)?;
        let sides: Vec<_> = answer.shape.iter().map(|side| Some(*side)).collect();
        if let Some(mismatch) = self.boxes.mismatch(&sides) {
            return Err(VisionError(format!("{}: one picture of it is {:?}, {mismatch}", self.network.output(), answer.shape)));
        }
        let of_one = answer.shape.iter().product::<usize>();
        for (number, (picture, placed)) in pictures.iter().zip(placed).enumerate() {
            let (width, height) = picture.shows();
            let candidates = self.boxes.candidates(&answer.numbers[number * of_one..][..of_one], &answer.shape, placed);
            found.push(believe(candidates, [width, height], &self.parameters));
        }
        Ok(())
    }
}

impl Detector for OnnxDetector {
    fn detect(&mut self, pictures: &[Picture]) -> Result<Vec<Vec<Detection>>, VisionError> {
        let mut found = Vec::with_capacity(pictures.len());
        let fixed = self.network.at_once();
        let most = fixed.unwrap_or_else(|| (3 * PIXELS_MOST / self.input.len()).max(1));
        for pictures in pictures.chunks(most) {
            self.look(pictures, fixed.unwrap_or(pictures.len()), &mut found)?;
        }
        Ok(found)
    }
}
