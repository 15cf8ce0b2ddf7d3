//! Pixels to words: pictures in, what is on them out.
//!
//! ```text
//! packets ─▶ decode ─▶ Picture ─▶ detect ─▶ Detection ─▶ plates: find, straighten, read ─▶ observation
//! ```
//!
//! The steps know three contracts, [`Detector`], [`PlateFinder`] and [`PlateReader`]; which network stands behind
//! one is chosen in a job definition. All take several pictures at once, for that is what makes a network fast.

mod best_path;
pub mod candle;
mod contact_sheet;
mod decode;
mod detect;
mod ffmpeg;
mod image_file;
mod looks;
mod mark;
pub mod network;
pub mod onnx;
mod perceive;
mod picture;
mod plates;
mod prefix_search;
mod processor;
mod read_plates;
mod region;
mod resize;
mod straighten;
pub mod weights;
mod window;

pub use best_path::{ReadText, best_path};
pub use candle_core::Device;
pub use decode::{DecodeFault, DecodeLimits, Decoded, Decoder};
pub use detect::DetectParameters;
pub use ffmpeg::Image;
pub use image_file::{jpeg, png};
pub use mark::Colour;
pub use perceive::{DetectorModel, Outcome, PerceiveParameters, Perceived, Sight, Take, Task, Watched, WeightsFile};
pub use picture::Picture;
pub use plates::{PlateParameters, Plates};
pub use processor::Processor;
use schemas::{Class, PixelBox, Plate};
pub use window::Window;

/// Something found on a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detection {
    /// What it is.
    pub class: Class,
    /// How sure the network is, permille.
    pub confidence: u16,
    /// Where it is, in the pixels of what the picture shows ([`Picture::shows`]).
    pub bounds: PixelBox,
}

/// A plate found on a picture: its corners in pixels, from the upper left one clockwise as the plate is read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateCorners {
    /// The corners `[x, y]`: upper left, upper right, lower right, lower left.
    pub corners: [[f32; 2]; 4],
    /// How sure the network is, permille.
    pub confidence: u16,
}

/// A network did not do its work; the text says why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct VisionError(pub String);

impl From<weights::WeightsError> for VisionError {
    fn from(error: weights::WeightsError) -> Self {
        Self(error.to_string())
    }
}

/// Finds vehicles.
pub trait Detector: Send {
    /// The width and height it looks at pictures in, if it is one: whoever decodes gives them in this size, and saves a pass.
    fn size(&self) -> Option<(u32, u32)> {
        None
    }

    /// What is on each picture, the surest first.
    ///
    /// # Errors
    /// The network could not be run.
    fn detect(&mut self, pictures: &[Picture]) -> Result<Vec<Vec<Detection>>, VisionError>;
}

/// Finds plates on pictures of vehicles.
pub trait PlateFinder: Send {
    /// The plates on each picture, the surest first.
    ///
    /// # Errors
    /// The network could not be run.
    fn find(&mut self, vehicles: &[Picture]) -> Result<Vec<Vec<PlateCorners>>, VisionError>;
}

/// Reads plates that were cut out and straightened.
pub trait PlateReader: Send {
    /// The width and height in pixels that plates are cut out with.
    fn size(&self) -> (u32, u32);

    /// What each plate says, with a confidence for each symbol; `None` where nothing could be read.
    ///
    /// # Errors
    /// The network could not be run.
    fn read(&mut self, plates: &[Picture]) -> Result<Vec<Option<Plate>>, VisionError>;
}
