//! Places in a camera's picture, in whole pixels: x grows to the right, y downwards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A point in the picture, written `[x, y]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[i32; 2]", into = "[i32; 2]")]
pub struct Pixel {
    /// Pixels from the left edge.
    pub x: i32,
    /// Pixels from the top edge.
    pub y: i32,
}

impl From<[i32; 2]> for Pixel {
    fn from([x, y]: [i32; 2]) -> Self {
        Self { x, y }
    }
}

impl From<Pixel> for [i32; 2] {
    fn from(p: Pixel) -> Self {
        [p.x, p.y]
    }
}

/// A box in the picture, written `[x, y, width, height]`; its bottom centre is the vehicle's front on the ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(from = "[i32; 4]", into = "[i32; 4]")]
pub struct PixelBox {
    /// Left edge.
    pub x: i32,
    /// Top edge.
    pub y: i32,
    /// Width; a valid box has at least 1.
    pub width: i32,
    /// Height; a valid box has at least 1.
    pub height: i32,
}

impl From<[i32; 4]> for PixelBox {
    fn from([x, y, width, height]: [i32; 4]) -> Self {
        Self { x, y, width, height }
    }
}

impl From<PixelBox> for [i32; 4] {
    fn from(b: PixelBox) -> Self {
        [b.x, b.y, b.width, b.height]
    }
}
