//! The network that finds vehicles: for every cell of the picture, whether the middle of a vehicle lies in it, where its edges are,
//! and what it is.
//!
//! ```text
//!   384 × 216 ─▶ near: 48 × 27 ─▶ far: 24 × 14 cells ─▶ for each cell 1 score + middle (x, y) + size (x, y) + classes
//! ```
//!
//! One scale and no anchors, after CenterNet (Zhou et al. 2019): a camera over a stop line has vehicles of few sizes.

use candle_core::{Result, Tensor};
use schemas::Class;

use super::convolution::{Convolution, through};

/// Width and height of what it takes, pixels.
pub const SIZE: (u32, u32) = (384, 216);
/// Width and height of a cell, pixels.
pub const CELL: u32 = 16;
/// What it tells apart, in the order of the scores.
pub const CLASSES: [Class; 4] = [Class::Car, Class::Truck, Class::Bus, Class::Motorbike];
/// What it says of a cell: a score; how far the middle is from the cell's own, in cells; the logarithm of the width and of the height
/// in [`UNIT`]; a score for each class.
pub const VALUES: usize = 5 + CLASSES.len();
/// What a vehicle's size is told in, pixels.
pub const UNIT: f32 = 40.0;

/// All layers but the last.
pub const TRUNK: [Convolution; 8] = [
    Convolution::square("edges", 2, 3, 12),
    Convolution::square("parts", 2, 12, 24),
    Convolution::square("panes", 2, 24, 32),
    Convolution::square("faces", 1, 32, 32),
    Convolution::square("bodies", 2, 32, 64),
    Convolution::square("vehicles", 1, 64, 64),
    Convolution::square("around", 1, 64, 64),
    Convolution::square("street", 1, 64, 64),
];
/// What is said of each cell.
pub const HEAD: Convolution = Convolution::point("cells", 64, VALUES);

/// Runs the network on pictures `[n, height, width, 3]`: [`VALUES`] for each cell. How a layer is applied is handed in, for
/// training does it otherwise than service: `inner` ends in a cut at zero, `outer` does not.
///
/// # Errors
/// A shape does not fit.
pub fn run(
    pictures: &Tensor,
    inner: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
    mut outer: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    outer(&HEAD, &through(&TRUNK, pictures, inner)?)
}
