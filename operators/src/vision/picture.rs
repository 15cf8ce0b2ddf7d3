//! A decoded picture.

use schemas::PixelBox;

use super::resize::Resize;

/// A decoded picture: rows from the top, pixels from the left, three bytes a pixel, blue first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    /// The size of what it shows.
    shows: (u32, u32),
    bgr: Vec<u8>,
}

impl Picture {
    /// A picture of these bytes; `None` unless there are exactly `width × height × 3`, and at least one pixel.
    #[must_use]
    pub fn new(width: u32, height: u32, bgr: Vec<u8>) -> Option<Self> {
        let bytes = u64::from(width).checked_mul(u64::from(height))?.checked_mul(3)?;
        (bytes > 0 && bytes == bgr.len() as u64).then_some(Self { width, height, shows: (width, height), bgr })
    }

    /// The same, made from a larger or smaller one: places on it are told in the pixels of that.
    #[must_use]
    pub fn showing(self, width: u32, height: u32) -> Self {
        Self { shows: (width, height), ..self }
    }

    /// Width and height of what it shows: its own, unless it was scaled while it was decoded.
    #[must_use]
    pub fn shows(&self) -> (u32, u32) {
        self.shows
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

    /// The bytes, to be changed.
    pub(super) fn bgr_mut(&mut self) -> &mut [u8] {
        &mut self.bgr
    }

    /// The bytes of one row, blue, green and red of each pixel.
    ///
    /// # Panics
    /// The picture has no such row.
    #[must_use]
    pub fn row(&self, y: u32) -> &[u8] {
        let bytes = self.width as usize * 3;
        &self.bgr[y as usize * bytes..][..bytes]
    }

    /// Blue, green and red of the pixel at a place inside the picture.
    #[must_use]
    pub fn at(&self, x: u32, y: u32) -> [u8; 3] {
        let first = (y as usize * self.width as usize + x as usize) * 3;
        [self.bgr[first], self.bgr[first + 1], self.bgr[first + 2]]
    }

    /// The picture in another size, by linear interpolation as OpenCV's `INTER_LINEAR` does it: the proportions are not
    /// kept, and a reduction by more than half skips pixels. `None` where a side is 0.
    ///
    /// ```
    /// use operators::vision::Picture;
    /// let two = Picture::new(2, 1, vec![0, 0, 0, 100, 100, 100]).unwrap();
    /// assert_eq!(two.resized(4, 1).unwrap().bgr(), [0, 0, 0, 25, 25, 25, 75, 75, 75, 100, 100, 100]);
    /// ```
    #[must_use]
    pub fn resized(&self, width: u32, height: u32) -> Option<Self> {
        if width == 0 || height == 0 {
            return None;
        }
        let bytes = width as usize * 3;
        let mut bgr = vec![0; bytes * height as usize];
        let mut resize = Resize::new([self.width, self.height], [width, height]);
        bgr.chunks_exact_mut(bytes).enumerate().for_each(|(y, row)| resize.row(self, y, row, |byte| byte));
        Some(Self { width, height, shows: (width, height), bgr })
    }

    /// The part of the picture inside a box; `None` where they do not meet.
    ///
    /// ```
    /// use operators::vision::Picture;
    /// use schemas::PixelBox;
    /// let picture = Picture::new(3, 1, vec![1, 1, 1, 2, 2, 2, 3, 3, 3]).unwrap();
    /// let right = picture.cut(PixelBox { x: 1, y: -5, width: 9, height: 9 }).unwrap();
    /// assert_eq!((right.width(), right.height(), right.bgr()), (2, 1, &[2, 2, 2, 3, 3, 3][..]));
    /// ```
    #[must_use]
    pub fn cut(&self, bounds: PixelBox) -> Option<Self> {
        let inside = |first: i32, extent: i32, most: u32| {
            let [from, until] = [i64::from(first), i64::from(first) + i64::from(extent)].map(|v| v.clamp(0, i64::from(most)) as u32);
            (from < until).then_some((from, until))
        };
        let (left, right) = inside(bounds.x, bounds.width, self.width)?;
        let (upper, lower) = inside(bounds.y, bounds.height, self.height)?;
        let bgr = (upper..lower).flat_map(|y| &self.row(y)[left as usize * 3..right as usize * 3]).copied().collect();
        Self::new(right - left, lower - upper, bgr)
    }
}
