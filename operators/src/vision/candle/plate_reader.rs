//! Reads Vietnamese plates: [the network](super::reader_network) with its weights, and what its scores mean.
//!
//! ```text
//! plate ─▶ network ─▶ scores ─▶ sure of every symbol ──────────────────────────────▶ what it says
//!                               else ─▶ looks a little beside it ─▶ network ─▶ what they say together
//! ```

use candle_core::Tensor;

use super::input::normalised;
use super::layer::Layers;
use super::reader_network::{COLOUR, COLOURS, HEAD, LINES, SCORES, SIZE, STEPS, SYMBOLS, TRUNK, run};
use crate::vision::looks::{LOOKS, looks};
use crate::vision::read_plates::{PlateScores, plate};
use crate::vision::weights::Weights;
use crate::vision::{Picture, PlateReader, VisionError};

/// How many plates go through the network at once: more would not be faster, but take more memory.
const BATCH: usize = 32;
/// Where a symbol is less sure than this, permille, the plate is looked at again.
const SURE: u16 = 900;

/// A reader of Vietnamese plates of one or two lines.
pub struct VietnamesePlateReader {
    layers: Layers,
    temperature: f32,
}

impl VietnamesePlateReader {
    /// The reader with the weights of a model file.
    ///
    /// # Errors
    /// The bytes are no such file, or hold other weights; the message names the tensor and the shape it should have.
    pub fn load(bytes: &[u8]) -> Result<Self, VisionError> {
        let weights = Weights::read(bytes)?;
        let all = TRUNK.iter().chain(&LINES).chain([&HEAD, &COLOUR]);
        let layers = Layers::read(&weights, all)?;
        let temperature = weights.tensor("temperature", &[1])?[0];
        if temperature <= 0.0 {
            return Err(VisionError(format!("tensor temperature is {temperature}, must be above 0")));
        }
        Ok(Self { layers, temperature })
    }

    /// The plates that so many pictures each show.
    fn seen(&self, pictures: &[Picture], each: usize) -> Result<Vec<Option<schemas::Plate>>, VisionError> {
        let (lines, colours) = self.scores(pictures)?;
        let looks = lines.chunks_exact(2 * STEPS * SCORES).zip(colours.chunks_exact(COLOURS)).map(|(both, colours)| {
            let (upper, lower) = both.split_at(STEPS * SCORES);
            PlateScores { lines: [upper, lower], colours, symbols: SYMBOLS, temperature: self.temperature }
        });
        Ok(looks.collect::<Vec<_>>().chunks(each).map(plate).collect())
    }

    /// The scores of both lines and of the colours, plate by plate.
    fn scores(&self, plates: &[Picture]) -> Result<(Vec<f32>, Vec<f32>), VisionError> {
        let pictures = normalised(plates, SIZE.0, SIZE.1)?;
        let scores = run(&pictures, |of, x| self.layers.relu(of, x), |of, x| self.layers.linear(of, x)).map_err(fault)?;
        let flat = |t: &Tensor| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).map_err(fault);
        Ok((flat(&scores.lines)?, flat(&scores.colours)?))
    }
}

impl PlateReader for VietnamesePlateReader {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn read(&mut self, plates: &[Picture]) -> Result<Vec<Option<schemas::Plate>>, VisionError> {
        let mut all = Vec::with_capacity(plates.len());
        for plates in plates.chunks(BATCH) {
            all.extend(self.seen(plates, 1)?);
        }
        let unsure: Vec<usize> = (0..all.len()).filter(|i| !all[*i].is_some_and(|plate| is_sure(&plate))).collect();
        for few in unsure.chunks(BATCH / LOOKS) {
            let pictures: Vec<Picture> = few.iter().flat_map(|i| looks(&plates[*i])).collect();
            few.iter().zip(self.seen(&pictures, LOOKS)?).for_each(|(i, plate)| all[*i] = plate);
        }
        Ok(all)
    }
}

fn is_sure(plate: &schemas::Plate) -> bool {
    plate.confidence.values().iter().all(|confidence| *confidence >= SURE)
}

fn fault(e: candle_core::Error) -> VisionError {
    VisionError(format!("could not run the plate reader: {e}"))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicU32, Ordering};

    use candle_core::{DType, Device, Result, Tensor};

    use super::{COLOUR, HEAD, LINES, SIZE, TRUNK, VietnamesePlateReader};
    use crate::vision::{Picture, PlateReader};

    /// Weights that have learnt nothing, drawn as training begins with them.
    fn untaught() -> Result<HashMap<String, Tensor>> {
        let mut all = HashMap::from([("temperature".to_owned(), Tensor::new(&[1.0f32], &Device::Cpu)?)]);
        for of in TRUNK.iter().chain(&LINES).chain([&HEAD, &COLOUR]) {
            let deviation = (2.0 / of.weight()[0] as f32).sqrt();
            all.insert(format!("{}.weight", of.name), Tensor::randn(0f32, deviation, &of.weight()[..], &Device::Cpu)?);
            all.insert(format!("{}.bias", of.name), Tensor::zeros(of.to, DType::F32, &Device::Cpu)?);
        }
        Ok(all)
    }

    fn bytes(tensors: &HashMap<String, Tensor>) -> Vec<u8> {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let name = format!("giaolo-plate-reader-{}-{}", std::process::id(), FILES.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        candle_core::safetensors::save(tensors, &path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        bytes
    }

    /// What is said of weights in which one tensor is another, or missing.
    fn refused(name: &str, by: Option<Result<Tensor>>) -> String {
        let mut tensors = untaught().unwrap();
        tensors.remove(name);
        tensors.extend(by.map(|tensor| (name.to_owned(), tensor.unwrap())));
        VietnamesePlateReader::load(&bytes(&tensors)).err().map_or(String::new(), |e| e.to_string())
    }

    #[test]
    fn weights_that_are_no_weights_are_refused_by_name() {
        let cpu = &Device::Cpu;
        assert!(VietnamesePlateReader::load(b"no weights").err().unwrap().to_string().starts_with("not a model file"));
        let lacks = refused("lines.bias", None);
        assert!(lacks.starts_with("tensor lines.bias with the shape [128] is missing"), "{lacks}");
        let narrow = refused("edges.weight", Some(Tensor::zeros((27, 8), DType::F32, cpu)));
        assert_eq!(narrow, "tensor edges.weight has the shape [27, 8], but [27, 16] is wanted");
        let no_number = refused("edges.bias", Some(Tensor::full(f32::NAN, 16, cpu)));
        assert_eq!(no_number, "tensor edges.bias with the shape [16] holds values that are not finite");
        let cold = refused("temperature", Some(Tensor::zeros(1, DType::F32, cpu)));
        assert_eq!(cold, "tensor temperature is 0, must be above 0");
    }

    #[test]
    fn a_file_cut_short_anywhere_is_refused() {
        let whole = bytes(&untaught().unwrap());
        for end in [0, 7, 8, 100, whole.len() / 2, whole.len() - 1] {
            assert!(VietnamesePlateReader::load(&whole[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn many_plates_are_read_as_one_by_one_and_another_size_is_an_error() {
        let mut reader = VietnamesePlateReader::load(&bytes(&untaught().unwrap())).unwrap();
        let drawn = |seed: u32| {
            let noise = (0..SIZE.0 * SIZE.1 * 3).map(|i| ((i ^ seed.wrapping_mul(77)).wrapping_mul(2_654_435_761) >> 24) as u8);
            Picture::new(SIZE.0, SIZE.1, noise.collect()).unwrap()
        };
        let plates: Vec<Picture> = (0..70).map(drawn).collect();
        let together = reader.read(&plates).unwrap();
        let apart: Vec<_> = plates.iter().map(|plate| reader.read(std::slice::from_ref(plate)).unwrap()[0]).collect();
        assert_eq!(together.len(), 70);
        let texts = |read: &[Option<schemas::Plate>]| read.iter().map(|plate| plate.map(|p| p.text)).collect::<Vec<_>>();
        assert_eq!(texts(&together), texts(&apart));
        assert!(reader.read(&[]).unwrap().is_empty());
        let small = Picture::new(8, 8, vec![0; 8 * 8 * 3]).unwrap();
        assert_eq!(reader.read(&[small]).unwrap_err().to_string(), "picture is 8 × 8, the network takes 112 × 32");
    }
}
