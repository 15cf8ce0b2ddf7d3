//! A decoded picture.

/// A decoded picture: rows from the top, pixels from the left, three bytes a pixel, blue first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    bgr: Vec<u8>,
}

impl Picture {
    /// A picture of these bytes; `None` unless there are exactly `width × height × 3`, and at least one pixel.
    #[must_use]
    pub fn new(width: u32, height: u32, bgr: Vec<u8>) -> Option<Self> {
        let bytes = u64::from(width) * u64::from(height) * 3;
        (bytes > 0 && bytes == bgr.len() as u64).then_some(Self { width, height, bgr })
    }

    /// Pixels from left to right.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels from top to bottom.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// The bytes: rows from the top, blue, green and red of each pixel.
    #[must_use]
    pub fn bgr(&self) -> &[u8] {
        &self.bgr
    }

    /// Blue, green and red of the pixel at a place inside the picture.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> [u8; 3] {
        let first = (y as usize * self.width as usize + x as usize) * 3;
        [self.bgr[first], self.bgr[first + 1], self.bgr[first + 2]]
    }
}
