//! The network that reads plates: a picture in, for each of two lines a row of scores for every symbol out.
//!
//! ```text
//!   112 × 32 ─▶ trunk ─▶ 28 columns × 4 rows ─fold─▶ 28 columns ─▶ line 1: 28 × (blank + 37)
//!                                                                 ├▶ line 2: 28 × (blank + 37)
//!                                                                 └▶ mean ─▶ colour
//! ```
//!
//! After the idea of connectionist temporal classification on plates without cutting symbols apart (Graves et al. 2006; LPRNet,
//! Zherzdev and Gruzdev 2018). Ours differs in how it takes two lines: the rows left at the end are folded into channels, and
//! each line of the plate has its own scores over the whole width, the second silent on a plate of one line. So the network
//! says itself where a line breaks, and on that rests whether `88A11234` is a car's plate or a motorbike's.

use candle_core::{Result, Tensor};

use super::convolution::{Convolution, through};

/// Width and height of what it takes, pixels.
pub const SIZE: (u32, u32) = (112, 32);
/// What can be read, in the order of the scores; before them comes the blank.
pub const SYMBOLS: &[u8; 37] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ\xD0";
/// Scores at each step: the blank and the symbols.
pub const SCORES: usize = SYMBOLS.len() + 1;
/// Steps from left to right.
pub const STEPS: usize = 28;
/// The colours it tells apart: white, yellow, blue, red, and none, which is a picture without colours.
pub const COLOURS: usize = 5;

const ROWS: usize = 4;

/// What comes before the fold.
pub const TRUNK: [Convolution; 5] = [
    Convolution::square("edges", 2, 3, 16),
    Convolution::square("strokes", 2, 16, 32),
    Convolution::square("parts", 1, 32, 48),
    Convolution { name: "symbols", kernel: [3, 3], stride: [2, 1], from: 48, to: 64 },
    Convolution::square("places", 1, 64, 64),
];
/// What comes after the fold.
pub const LINES: [Convolution; 2] = [
    Convolution { name: "lines", kernel: [1, 3], stride: [1, 1], from: ROWS * 64, to: 128 },
    Convolution { name: "neighbours", kernel: [1, 3], stride: [1, 1], from: 128, to: 128 },
];
/// The scores of both lines.
pub const HEAD: Convolution = Convolution::point("scores", 128, 2 * SCORES);
/// The scores of the colours.
pub const COLOUR: Convolution = Convolution::point("colour", 128, COLOURS);

/// What the network says of `n` plates.
pub struct Scores {
    /// `[n, 2, STEPS, SCORES]`, before any softmax.
    pub lines: Tensor,
    /// `[n, COLOURS]`, before any softmax.
    pub colours: Tensor,
}

/// Runs the network on pictures `[n, 32, 112, 3]`. How a layer is applied is handed in, for training does it otherwise than
/// service: `inner` ends in a cut at zero, `outer` does not.
///
/// # Errors
/// A shape does not fit.
pub fn run(
    pictures: &Tensor,
    mut inner: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
    mut outer: impl FnMut(&Convolution, &Tensor) -> Result<Tensor>,
) -> Result<Scores> {
    let n = pictures.dim(0)?;
    let x = through(&TRUNK, pictures, &mut inner)?;
    // Rows become channels: [n, 4, 28, 64] → [n, 1, 28, 4 · 64].
    let x = through(&LINES, &x.transpose(1, 2)?.contiguous()?.reshape((n, 1, STEPS, ROWS * 64))?, inner)?;
    let lines = outer(&HEAD, &x)?.reshape((n, STEPS, 2, SCORES))?.transpose(1, 2)?.contiguous()?;
    let mean = x.mean_keepdim(2)?;
    let colours = outer(&COLOUR, &mean)?.reshape((n, COLOURS))?;
    Ok(Scores { lines, colours })
}
