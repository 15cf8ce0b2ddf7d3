//! Strips of a camera's pictures with what was seen on them, to be looked at by a person.

use std::ops::Range;
use std::path::Path;

use operators::vision::{Colour, DecodeLimits, Decoded, Decoder, Picture, png};
use schemas::{City, Frame, Observation};

use crate::program::records;

/// Every so many pictures one is on a strip.
const EVERY: usize = 4;
/// Pictures in a row, and the width and height of each.
const SHEET: (u32, (u32, u32)) = (4, (576, 324));
const BOX: Colour = [0, 255, 255];
const LINE: Colour = [255, 255, 0];

/// The pictures of one camera, drawn on.
pub(crate) struct Strip(Vec<(u64, Picture)>);

impl Strip {
    /// All pictures of a store with one camera, with their boxes, how sure each is, and the lines of the map.
    pub(crate) fn of(store: &Path, observations: &[Observation], city: &str) -> Self {
        let city: City = serde_json::from_str(city).unwrap();
        let mut pictures = Vec::new();
        let mut decoder = Decoder::new(DecodeLimits::default());
        let mut tell = |at_ms: u64, decoded: Decoded<'_>| {
            if let Decoded::Picture(image) = decoded {
                pictures.push((at_ms, image.picture(image.width(), image.height()).unwrap()));
            }
        };
        for frame in records::<Frame>(store, "frames") {
            decoder.decode(&frame, true, frame.at_ms, &mut tell);
        }
        decoder.finish(&mut tell);
        for (at_ms, picture) in &mut pictures {
            let objects = observations.iter().filter(|seen| seen.at_ms == *at_ms).flat_map(|seen| seen.objects.iter());
            city.cameras[0].lines.iter().for_each(|line| picture.draw_line(line.from, line.to, LINE, 1));
            for object in objects {
                picture.draw_box(object.bounds, BOX, 2);
                picture.write(&object.confidence.to_string(), object.bounds.x, object.bounds.y, 1);
            }
            picture.write(&format!("{} ms", *at_ms % 60_000), 0, 0, 2);
        }
        Self(pictures)
    }

    /// Writes those of a span of the minute into a PNG file.
    pub(crate) fn write(&self, at_ms: &Range<u64>, path: &Path) {
        let shown = self.0.iter().filter(|(at, _)| at_ms.contains(&(at % 60_000))).step_by(EVERY);
        let shown: Vec<_> = shown.map(|(_, picture)| picture.clone()).collect();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, png(&Picture::contact_sheet(&shown, SHEET.0, SHEET.1).unwrap()).unwrap()).unwrap();
        println!("{} pictures in {}", shown.len(), path.display());
    }
}
