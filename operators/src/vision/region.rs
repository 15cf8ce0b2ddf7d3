//! A region: the part of a camera's picture in which vehicles are looked for.

use schemas::PixelBox;

use super::{Detection, Image, Picture, VisionError};

/// What a detector looks at, and where on the camera's picture that lies.
pub(super) struct Part {
    /// What it looks at.
    pub(super) picture: Picture,
    /// Where its upper left corner lies, pixels of the whole picture.
    pub(super) corner: [i32; 2],
}

impl Part {
    /// What lies in a region of a picture, or all of it where there is none, in the size that a detector asks for if it asks; `None`
    /// where the region lies outside of the picture. `whole` is the picture in its full size, where it has been converted already.
    ///
    /// # Errors
    /// The picture cannot be converted.
    pub(super) fn of(
        image: &Image<'_>,
        whole: Option<&Picture>,
        region: Option<PixelBox>,
        size: Option<(u32, u32)>,
    ) -> Result<Option<Self>, VisionError> {
        let full = (image.width(), image.height());
        let Some(region) = region else {
            let (width, height) = size.unwrap_or(full);
            return Ok(Some(Self { picture: image.picture(width, height)?, corner: [0, 0] }));
        };
        let part = match whole {
            Some(whole) => whole.cut(region),
            None => image.picture(full.0, full.1)?.cut(region),
        };
        let Some(part) = part else { return Ok(None) };
        let shows = (part.width(), part.height());
        let scaled = match size {
            Some((width, height)) => part.resized(width, height).map(|picture| picture.showing(shows.0, shows.1)),
            None => Some(part),
        };
        Ok(scaled.map(|picture| Self { picture, corner: [region.x, region.y].map(|corner| corner.max(0)) }))
    }
}

/// Something found on a part with this corner, in the pixels of the whole picture.
pub(super) fn on_whole(found: Detection, corner: [i32; 2]) -> Detection {
    let PixelBox { x, y, .. } = found.bounds;
    Detection { bounds: PixelBox { x: x + corner[0], y: y + corner[1], ..found.bounds }, ..found }
}
