//! A vehicle as a finder of plates looks at it: the lowest square of its picture, where plates hang, in one size.
//!
//! ```text
//!   ┌───────┐
//!   │ roof  │
//!   ├───────┤ ╮
//!   │ front │ │ as high as wide ─▶ halved as often as it is more than twice too large ─▶ scaled
//!   │ [88A] │ │
//!   └───────┘ ╯
//! ```

use schemas::PixelBox;

use super::Picture;

/// A part of a picture in another size, and how places on it are found on the picture.
pub struct Window {
    /// The part.
    pub picture: Picture,
    /// The part's upper left corner, pixels of the picture.
    from: [f32; 2],
    /// Pixels of the picture for a pixel of the part.
    scale: [f32; 2],
}

impl Window {
    /// The lowest square of a picture, as wide as it is, or all of one that is wider than high; `None` if the side is 0.
    #[must_use]
    pub fn lowest(of: &Picture, side: u32) -> Option<Self> {
        let high = of.width().min(of.height());
        let top = of.height() - high;
        let part = of.cut(PixelBox { x: 0, y: top as i32, width: of.width() as i32, height: high as i32 })?;
        let scale = [of.width() as f32 / side as f32, high as f32 / side as f32];
        let mut part = part;
        while part.width() > 2 * side && part.height() > 2 * side {
            part = part.halved()?;
        }
        Some(Self { picture: part.resized(side, side)?, from: [0.0, top as f32], scale })
    }

    /// A place of the part, on the picture.
    #[must_use]
    pub fn outside(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [self.from[0] + x * self.scale[0], self.from[1] + y * self.scale[1]]
    }

    /// A place of the picture, on the part.
    #[must_use]
    pub fn inside(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        [(x - self.from[0]) / self.scale[0], (y - self.from[1]) / self.scale[1]]
    }
}

impl Picture {
    /// The picture in half its size, each pixel the mean of four; `None` where a side has one pixel.
    fn halved(&self) -> Option<Self> {
        let (width, height) = (self.width() / 2, self.height() / 2);
        let mut bgr = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height {
            let (upper, lower) = (self.row(2 * y), self.row(2 * y + 1));
            for (upper, lower) in upper.as_chunks::<6>().0.iter().zip(lower.as_chunks::<6>().0) {
                let mean = |k: usize| [upper[k], upper[k + 3], lower[k], lower[k + 3]].map(u16::from).iter().sum::<u16>();
                bgr.extend([0, 1, 2].map(|k| ((mean(k) + 2) / 4) as u8));
            }
        }
        Self::new(width, height, bgr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_go_into_the_window_and_back_and_lie_there_on_what_they_lay_on() {
        for (width, height) in [(300, 500), (61, 40), (128, 128), (700, 600)] {
            // A bright patch in the lower half, some tenths of the window large.
            let patch = |x: u32, y: u32| x * 10 / width == 3 && (height - y) * 10 / width.min(height) == 4;
            let bgr = (0..width * height).flat_map(|i| if patch(i % width, i / width) { [200; 3] } else { [20; 3] }).collect();
            let picture = Picture::new(width, height, bgr).unwrap();
            let window = Window::lowest(&picture, 128).unwrap();
            assert_eq!((window.picture.width(), window.picture.height()), (128, 128));
            let middle = [width as f32 * 0.35, height as f32 - width.min(height) as f32 * 0.45];
            let [x, y] = window.inside(middle);
            let [a, b] = window.outside([x, y]);
            assert!((a - middle[0]).abs() < 1e-3 && (b - middle[1]).abs() < 1e-3);
            assert!(window.picture.at(x as u32, y as u32)[0] > 180, "{width} × {height}");
            assert!(window.picture.at(x as u32 + 20, y as u32)[0] < 40, "{width} × {height}");
        }
    }

    #[test]
    fn a_picture_without_pixels_to_halve_has_a_window_all_the_same() {
        let picture = Picture::new(1, 1, vec![9; 3]).unwrap();
        assert!(Window::lowest(&picture, 128).unwrap().picture.bgr().iter().all(|v| *v == 9));
        assert!(Window::lowest(&picture, 0).is_none());
    }
}
