//! The networks that find a plate on a vehicle: one tells roughly where it is, the other, looking closely, where exactly.
//!
//! ```text
//!   vehicle ─▶ 128 × 128 ─▶ 16 × 16 cells ─▶ for each cell 1 score + 4 corners × (x, y)
//!                                                │
//!              96 × 40, straightened with what is around it ─▶ 1 score + 4 corners × (x, y), moved a little
//! ```
//!
//! Corners and not boxes, after WPOD-NET (Silva and Jung 2018), because a plate is read straightened; points found as cells with
//! offsets, after CenterNet (Zhou et al. 2019). A plate is four pixels high on the first picture, and a reader wants its edges to a
//! thirtieth of its height: hence the second, on which every plate, of one line or two, is as wide and as high as any other.

use candle_core::{Result, Tensor};

use super::convolution::{Convolution, through};

/// Width and height of what looks at a vehicle, pixels.
pub const SIDE: u32 = 128;
/// Width and height of a cell, pixels.
pub const CELL: u32 = 8;
/// What either says: a score, and for four corners, the upper left one first and then clockwise, how far off they are.
pub const VALUES: usize = 9;
/// What a corner's distance of one from the middle of a cell is, pixels.
pub const REACH: f32 = 16.0;
/// Width and height of what looks closely, pixels.
pub const CLOSE: (u32, u32) = (96, 40);
/// How much more than the plate it sees on each side, as a part of the plate's width and height. Its corners are moved by parts of them
/// too.
pub const AROUND: [f64; 2] = [0.2, 0.5];

/// What looks at a vehicle.
pub const TRUNK: [Convolution; 6] = [
    Convolution::square("edges", 2, 3, 12),
    Convolution::square("strokes", 2, 12, 20),
    Convolution::square("parts", 2, 20, 32),
    Convolution::square("plates", 1, 32, 48),
    Convolution::square("around", 1, 48, 48),
    Convolution::square("vehicle", 1, 48, 48),
];
/// What is said of each cell.
pub const CELLS: Convolution = Convolution::point("cells", 48, VALUES);

/// What looks closely.
pub const CLOSE_TRUNK: [Convolution; 4] = [
    Convolution::square("close_edges", 2, 3, 12),
    Convolution::square("close_strokes", 2, 12, 24),
    Convolution::square("close_parts", 2, 24, 32),
    Convolution::square("close_sides", 1, 32, 32),
];
/// What sees all of it.
pub const CLOSE_WHOLE: Convolution = Convolution::point("close_whole", 12 * 5 * 32, 96);
/// What is said of it.
pub const CLOSE_HEAD: Convolution = Convolution::point("close_corners", 96, VALUES);

/// Looks at vehicles `[n, 128, 128, 3]`: [`VALUES`] for each cell. How a layer is applied is handed in, for training does it otherwise
/// than service: `inner` ends in a cut at zero, `outer` does not.
///
/// # Errors
/// A shape does not fit.
pub fn look(
    vehicles: &Tensor,
    inner: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
    mut outer: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    outer(&CELLS, &through(&TRUNK, vehicles, inner)?)
}

/// Looks closely at plates `[n, 40, 96, 3]`: [`VALUES`] for each.
///
/// # Errors
/// A shape does not fit.
pub fn look_closely(
    plates: &Tensor,
    mut inner: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
    mut outer: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let n = plates.dim(0)?;
    let x = through(&CLOSE_TRUNK, plates, &mut inner)?;
    let x = inner(&CLOSE_WHOLE, &x.contiguous()?.reshape((n, 1, 1, CLOSE_WHOLE.from))?)?;
    outer(&CLOSE_HEAD, &x)?.reshape((n, VALUES))
}
