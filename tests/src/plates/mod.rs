//! Vietnamese plates, drawn: what networks are trained on and judged by.
//!
//! ```text
//!   Issue ──▶ Face ◀── Lettering        what stands on it, in which style
//!              │
//!            Pose ──▶ Image ──▶ spoil   how a camera has it: turned, lit, blurred, noisy, compressed
//!              │
//!           corners, text               what is true
//! ```
//!
//! Everything is our own drawing. Fonts that are installed can join in as further letterings; none is part of this project.

mod alphabet;
mod face;
mod figures;
mod image;
mod issue;
mod jpeg;
mod lettering;
mod noise;
mod pose;
mod sample;
mod weather;

pub use alphabet::SYMBOLS;
pub use face::Face;
pub use figures::{Figures, Read};
pub use image::Image;
pub use issue::{Colour, Issue, Kind};
pub use lettering::{Corner, Lettering, MASK};
pub use noise::{noise, scatter};
pub use pose::{Homography, Pose};
pub use sample::{Sample, Workshop};
pub use weather::{Set, backdrop, spoil};
