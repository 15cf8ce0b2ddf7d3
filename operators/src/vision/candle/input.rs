//! Pictures as networks take them.

use candle_core::{Device, Tensor};

use crate::vision::{Picture, VisionError};

/// Pictures of one size as `[n, height, width, 3]`, each less its mean and over its deviation: night and haze then look much
/// like day, and colours stay, since all three channels share the two figures.
///
/// # Errors
/// A picture has another size.
pub fn normalised(pictures: &[Picture], width: u32, height: u32) -> Result<Tensor, VisionError> {
    let mut all = Vec::with_capacity(pictures.len() * width as usize * height as usize * 3);
    for picture in pictures {
        if (picture.width(), picture.height()) != (width, height) {
            let (w, h) = (picture.width(), picture.height());
            return Err(VisionError(format!("picture is {w} × {h}, the network takes {width} × {height}")));
        }
        let count = picture.bgr().len() as f32;
        let sum: u64 = picture.bgr().iter().map(|v| u64::from(*v)).sum();
        let squares: u64 = picture.bgr().iter().map(|v| u64::from(*v) * u64::from(*v)).sum();
        let mean = sum as f32 / count;
        let deviation = (squares as f32 / count - mean * mean).max(0.0).sqrt() + 4.0;
        all.extend(picture.bgr().iter().map(|v| (f32::from(*v) - mean) / deviation));
    }
    Tensor::from_vec(all, (pictures.len(), height as usize, width as usize, 3), &Device::Cpu).map_err(|e| VisionError(e.to_string()))
}
