//! The networks that a definition names: their files are read once, and networks made of them as often as need be.

use std::path::{Component, Path, PathBuf};

use operators::vision::candle::{FastestDet, VehicleDetector, VietnamesePlateFinder, VietnamesePlateReader};
use operators::vision::onnx::OnnxParameters;
use operators::vision::{
    DetectParameters, Detector, DetectorModel, Device, PerceiveParameters, PlateParameters, Plates, Processor, Sight, VisionError,
};

/// The most bytes of a file of weights.
const MOST: u64 = 1 << 30;

/// The files of weights that a definition names.
pub struct Networks {
    parameters: PerceiveParameters,
    device: Device,
    detector: File,
    /// The finder's and the reader's, where plates are read.
    plates: Option<[File; 2]>,
}

/// A file of weights.
struct File {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// The networks of a definition cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// A file cannot be read.
    #[error("the weights {path:?} could not be read: {error}")]
    Unread {
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        error: std::io::Error,
    },
    /// They are not those of a network.
    #[error("the weights {paths} cannot be used: {error}")]
    Unusable {
        /// Where they lie.
        paths: String,
        /// What is wrong with them.
        error: VisionError,
    },
    /// What they are to run on cannot be used.
    #[error("{0}")]
    Device(VisionError),
    /// They are named by a path that leaves the folder.
    #[error("{0:?} is not in the folder of weights")]
    Outside(String),
}

impl Networks {
    /// Reads the files, from where the definition lies.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn read(parameters: &PerceiveParameters, directory: &Path) -> Result<Self, WeightsError> {
        let file = |name: &str| File::read(directory.join(name));
        let plates = parameters.plates.as_ref().map(|of| Ok([file(&of.finder)?, file(&of.reader)?])).transpose()?;
        Ok(Self { parameters: parameters.clone(), device: Device::Cpu, detector: file(parameters.detector.weights())?, plates })
    }

    /// The same, with a detector that runs elsewhere than on the CPU, if it can. What finds and reads plates stays on the CPU.
    ///
    /// # Errors
    /// It cannot, or there is no such device.
    pub fn on(self, processor: Processor) -> Result<Self, WeightsError> {
        let moves = matches!(self.parameters.detector, DetectorModel::FastestDet(_));
        if processor != Processor::Cpu && !moves {
            let hint = "fastest_det runs on a GPU; this detector runs with --device cpu";
            return Err(WeightsError::Device(VisionError(format!("the detector cannot run on {processor} (hint: {hint})"))));
        }
        Ok(Self { device: processor.open().map_err(WeightsError::Device)?, ..self })
    }

    /// As [`read`](Self::read), for a definition that somebody else sent: its files are in this folder and nowhere else.
    ///
    /// # Errors
    /// One of them is named outside of it, or cannot be read.
    pub fn read_within(parameters: &PerceiveParameters, folder: &Path) -> Result<Self, WeightsError> {
        let plates = parameters.plates.iter().flat_map(|of| [of.finder.as_str(), of.reader.as_str()]);
        let within = |name: &&str| Path::new(name).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        match plates.chain([parameters.detector.weights()]).find(|name| !within(name)) {
            Some(outside) => Err(WeightsError::Outside(outside.to_owned())),
            None => Self::read(parameters, folder),
        }
    }

    /// The networks of one thread.
    ///
    /// # Errors
    /// The files are not those of these networks.
    pub fn sight(&self) -> Result<Sight, WeightsError> {
        let detector = detector(&self.detector.bytes, &self.parameters, &self.device).map_err(|error| self.detector.unusable(error))?;
        let sight = Sight::new(self.parameters.clone(), detector);
        let (Some(of), Some([finder, reader])) = (&self.parameters.plates, &self.plates) else { return Ok(sight) };
        let plates = plates(&finder.bytes, &reader.bytes, of);
        let paths = || format!("{:?} and {:?}", finder.path, reader.path);
        Ok(sight.reading(plates.map_err(|error| WeightsError::Unusable { paths: paths(), error })?))
    }
}

impl File {
    fn read(path: PathBuf) -> Result<Self, WeightsError> {
        let read = || {
            let size = std::fs::metadata(&path)?.len();
            if size > MOST {
                return Err(std::io::Error::other(format!("it has {size} bytes; at most {MOST} are read")));
            }
            std::fs::read(&path)
        };
        match read() {
            Ok(bytes) => Ok(Self { path, bytes }),
            Err(error) => Err(WeightsError::Unread { path, error }),
        }
    }

    fn unusable(&self, error: VisionError) -> WeightsError {
        WeightsError::Unusable { paths: format!("{:?}", self.path), error }
    }
}

/// What finds and reads plates for a job, with the weights of both.
///
/// # Errors
/// They are not those of these networks.
pub fn plates(finder: &[u8], reader: &[u8], of: &PlateParameters) -> Result<Plates, VisionError> {
    let (finder, reader) = (VietnamesePlateFinder::load(finder)?, VietnamesePlateReader::load(reader)?);
    Ok(Plates::new(of.clone(), Box::new(finder), Box::new(reader)))
}

/// The detector that a job asks for, with its weights, on a device if it can run there; it gives out what is as sure as the job asks
/// for.
///
/// # Errors
/// They are not those of this network.
pub fn detector(weights: &[u8], of: &PerceiveParameters, device: &Device) -> Result<Box<dyn Detector>, VisionError> {
    let parameters = DetectParameters { confidence_permille: of.confidence, ..DetectParameters::default() };
    Ok(match &of.detector {
        DetectorModel::FastestDet(_) => Box::new(FastestDet::load_on(device, weights, parameters)?),
        DetectorModel::DrawnVehicles(_) => Box::new(VehicleDetector::load(weights, parameters)?),
        DetectorModel::Onnx(described) => onnx(weights, described, of.confidence)?,
    })
}

#[cfg(feature = "onnx")]
fn onnx(weights: &[u8], described: &OnnxParameters, confidence: u16) -> Result<Box<dyn Detector>, VisionError> {
    Ok(Box::new(operators::vision::onnx::OnnxDetector::load(weights, described, confidence)?))
}

#[cfg(not(feature = "onnx"))]
fn onnx(_: &[u8], _: &OnnxParameters, _: u16) -> Result<Box<dyn Detector>, VisionError> {
    Err(VisionError("this program was built without ONNX (hint: build it with the feature `onnx`)".to_owned()))
}
