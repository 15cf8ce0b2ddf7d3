//! An image being drawn: three numbers a pixel, 0 to 255, blue first.

/// Rows from the top, pixels from the left.
#[derive(Clone, Debug)]
pub struct Image {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Blue, green and red.
    pub pixels: Vec<[f32; 3]>,
}

impl Image {
    /// An image whose pixels are what the function says of their middles.
    #[must_use]
    pub fn painted(width: usize, height: usize, paint: impl Fn(f32, f32) -> [f32; 3]) -> Self {
        let pixels = (0..width * height).map(|i| paint((i % width) as f32 + 0.5, (i / width) as f32 + 0.5)).collect();
        Self { width, height, pixels }
    }

    /// The image as bytes, three a pixel, blue first.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.pixels.iter().flatten().map(|v| (v + 0.5).clamp(0.0, 255.0) as u8).collect()
    }

    /// Lays a shape over the image: the function tells a place's colour, or that the shape is not there. Each pixel is asked
    /// at `fine × fine` places, within the box left, top, right, bottom.
    pub fn lay(&mut self, bounds: [f32; 4], fine: usize, paint: impl Fn(f32, f32) -> Option<[f32; 3]>) {
        let end = |v: f32, most: usize| (v.max(0.0) as usize).min(most);
        let [left, top, right, bottom] = bounds;
        let all = (fine * fine) as f32;
        for y in end(top.floor(), self.height)..end(bottom.ceil(), self.height) {
            for x in end(left.floor(), self.width)..end(right.ceil(), self.width) {
                let (mut sum, mut hits) = ([0.0; 3], 0.0);
                for i in 0..fine * fine {
                    let (dx, dy) = (((i % fine) as f32 + 0.5) / fine as f32, ((i / fine) as f32 + 0.5) / fine as f32);
                    if let Some(colour) = paint(x as f32 + dx, y as f32 + dy) {
                        (0..3).for_each(|k| sum[k] += colour[k]);
                        hits += 1.0;
                    }
                }
                let pixel = &mut self.pixels[y * self.width + x];
                (0..3).for_each(|k| pixel[k] = (sum[k] + pixel[k] * (all - hits)) / all);
            }
        }
    }

    /// A part of the image.
    #[must_use]
    pub fn part(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let (width, height) = (width.min(self.width - left), height.min(self.height - top));
        let row = |y: usize| self.pixels[(top + y) * self.width + left..][..width].iter().copied();
        Self { width, height, pixels: (0..height).flat_map(row).collect() }
    }
}
