//! The plates of vehicles that were found: cut out, found, straightened, read.
//!
//! ```text
//!   picture, boxes ─▶ the largest boxes that are large enough ─▶ find ─▶ each plate to one vehicle ─▶ read, all together
//! ```
//!
//! What is not worth looking at is not looked at, so a picture has a price that does not grow with the traffic on it: a vehicle whose
//! plate nobody could read yet is read when it has come nearer, and one that is left out now has its turn on the next picture.

use schemars::JsonSchema;
use schemas::{PixelBox, Plate};
use serde::{Deserialize, Serialize};

use super::{Detection, Picture, PlateCorners, PlateFinder, PlateReader, VisionError};

/// Which plates are read, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlateParameters {
    /// The file with the weights of the network that finds plates, from where the definition lies.
    pub finder: String,
    /// The file with the weights of the network that reads them.
    pub reader: String,
    /// How wide a vehicle's box must be, pixels. Default 100: a plate is a quarter of it at most, and its letters six pixels high.
    #[serde(default = "default_vehicle_px")]
    pub vehicle_px: u32,
    /// How high a plate must be to be read, pixels. Default 9: below that its letters are guessed.
    #[serde(default = "default_plate_px")]
    pub plate_px: u32,
    /// How many vehicles of one picture are looked at, the largest first; the others are counted as left out. Default 8.
    #[serde(default = "default_vehicles_most")]
    pub vehicles_most: u32,
}

fn default_vehicle_px() -> u32 {
    100
}

fn default_plate_px() -> u32 {
    9
}

fn default_vehicles_most() -> u32 {
    8
}

/// What finds and reads plates, on one thread.
pub struct Plates {
    parameters: PlateParameters,
    finder: Box<dyn PlateFinder>,
    reader: Box<dyn PlateReader>,
}

/// What was read on one picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReadPlates {
    /// For each detection what its plate says.
    pub(super) plates: Vec<Option<Plate>>,
    /// How many vehicles were large enough but too many.
    pub(super) left_out: u32,
}

/// A plate that was found for a vehicle: the picture and the detection by their places, and where on that picture.
struct Found {
    picture: usize,
    detection: usize,
    plate: PlateCorners,
}

impl Plates {
    /// Networks with parameters.
    #[must_use]
    pub fn new(parameters: PlateParameters, finder: Box<dyn PlateFinder>, reader: Box<dyn PlateReader>) -> Self {
        Self { parameters, finder, reader }
    }

    /// Reads the plates of what was detected on each picture; the pictures are as large as what they show.
    ///
    /// # Errors
    /// A network could not be run.
    pub(super) fn read(&mut self, pictures: &[(&Picture, &[Detection])]) -> Result<Vec<ReadPlates>, VisionError> {
        let mut all: Vec<ReadPlates> = Vec::with_capacity(pictures.len());
        let mut found = Vec::new();
        for (number, (picture, detections)) in pictures.iter().enumerate() {
            let (chosen, left_out) = self.choose(detections);
            all.push(ReadPlates { plates: vec![None; detections.len()], left_out });
            found.extend(self.find(number, picture, detections, &chosen)?);
        }
        let (width, height) = self.reader.size();
        let mut cut = Vec::with_capacity(found.len());
        found.retain(|found| match pictures[found.picture].0.straightened(&found.plate, width, height) {
            Some(plate) => {
                cut.push(plate);
                true
            }
            None => false,
        });
        for (found, plate) in found.iter().zip(self.reader.read(&cut)?) {
            all[found.picture].plates[found.detection] = plate;
        }
        Ok(all)
    }

    /// The detections that are looked at, the largest first, and how many are too many.
    fn choose(&self, detections: &[Detection]) -> (Vec<usize>, u32) {
        let least = i32::try_from(self.parameters.vehicle_px).unwrap_or(i32::MAX);
        let mut large: Vec<usize> = (0..detections.len()).filter(|i| detections[*i].bounds.width >= least).collect();
        large.sort_by_key(|i| std::cmp::Reverse(detections[*i].bounds.width));
        let most = self.parameters.vehicles_most as usize;
        let left_out = large.len().saturating_sub(most) as u32;
        large.truncate(most);
        (large, left_out)
    }

    /// The surest plate of each chosen vehicle that is large enough to be read. A plate is one vehicle's: boxes overlap, and what two
    /// vehicles were to share, the one whose middle is nearer keeps.
    fn find(&mut self, number: usize, picture: &Picture, detections: &[Detection], chosen: &[usize]) -> Result<Vec<Found>, VisionError> {
        let boxes: Vec<(usize, PixelBox)> = chosen.iter().map(|i| (*i, amid(detections[*i].bounds))).collect();
        let vehicles: Vec<(usize, PixelBox, Picture)> =
            boxes.into_iter().filter_map(|(i, bounds)| picture.cut(bounds).map(|cut| (i, bounds, cut))).collect();
        let cutouts: Vec<Picture> = vehicles.iter().map(|(_, _, cut)| cut.clone()).collect();
        let plates = self.finder.find(&cutouts)?;
        let mut all: Vec<Found> = Vec::with_capacity(vehicles.len());
        for ((detection, bounds, _), plates) in vehicles.iter().zip(plates) {
            let [left, top] = [bounds.x.max(0) as f32, bounds.y.max(0) as f32];
            let place = |plate: PlateCorners| PlateCorners { corners: plate.corners.map(|[x, y]| [x + left, y + top]), ..plate };
            let large = |plate: &PlateCorners| plate.extent()[1] >= self.parameters.plate_px as f32;
            // What the picture's edge cuts off would be read all the same, and wrong.
            let size = [picture.width() as f32, picture.height() as f32];
            let whole = |plate: &PlateCorners| plate.corners.iter().all(|corner| (0..2).all(|k| (0.0..=size[k]).contains(&corner[k])));
            all.extend(plates.into_iter().map(place).find(|plate| large(plate) && whole(plate)).map(|plate| Found {
                picture: number,
                detection: *detection,
                plate,
            }));
        }
        let off = |found: &Found| {
            let bounds = detections[found.detection].bounds;
            (found.plate.middle()[0] - bounds.x as f32 - bounds.width as f32 / 2.0).abs()
        };
        let same = |one: &Found, other: &Found| one.plate.is_also(&other.plate);
        let beaten: Vec<bool> = (0..all.len())
            .map(|i| (0..all.len()).any(|j| j != i && same(&all[i], &all[j]) && (off(&all[j]), j) < (off(&all[i]), i)))
            .collect();
        let mut beaten = beaten.into_iter();
        all.retain(|_| !beaten.next().unwrap_or(false));
        Ok(all)
    }
}

/// A vehicle's box with a little around it: detectors do not box to the pixel.
fn amid(bounds: PixelBox) -> PixelBox {
    let (x, y) = (bounds.width / 16, bounds.height / 16);
    PixelBox { x: bounds.x - x, y: bounds.y - y, width: bounds.width + 2 * x, height: bounds.height + 2 * y }
}

#[cfg(test)]
mod tests {
    use schemas::{Class, Confidence, PlateColour, PlateKind, PlateText};

    use super::*;

    /// Finds a plate wherever a pixel is red, twenty pixels wide around it.
    struct Red;

    impl PlateFinder for Red {
        fn find(&mut self, vehicles: &[Picture]) -> Result<Vec<Vec<PlateCorners>>, VisionError> {
            let of = |vehicle: &Picture| {
                let places = (0..vehicle.height()).flat_map(|y| (0..vehicle.width()).map(move |x| (x, y)));
                let red = places.filter(|(x, y)| vehicle.at(*x, *y)[2] > 128);
                let plate = |(x, y): (u32, u32)| {
                    let (x, y) = (x as f32 + 0.5, y as f32 + 0.5);
                    let corners = [[x - 10.0, y - 5.0], [x + 10.0, y - 5.0], [x + 10.0, y + 5.0], [x - 10.0, y + 5.0]];
                    PlateCorners { corners, confidence: 900 }
                };
                red.map(plate).collect()
            };
            Ok(vehicles.iter().map(of).collect())
        }
    }

    /// Reads the blue in the middle as two digits.
    struct Blue;

    impl PlateReader for Blue {
        fn size(&self) -> (u32, u32) {
            (21, 11)
        }

        fn read(&mut self, plates: &[Picture]) -> Result<Vec<Option<Plate>>, VisionError> {
            let read = |plate: &Picture| {
                let text = format!("{:02}", plate.at(10, 5)[0]).parse::<PlateText>().ok()?;
                let confidence = Confidence::of(&vec![900; text.len()])?;
                Some(Plate { text, kind: PlateKind::Car, colour: PlateColour::White, confidence })
            };
            Ok(plates.iter().map(read).collect())
        }
    }

    fn read(marks: &[(u32, u32, u8)], boxes: &[[i32; 4]], most: u32) -> (Vec<Option<String>>, u32) {
        let mut picture = Picture::new(400, 200, vec![0; 400 * 200 * 3]).unwrap();
        for (x, y, number) in marks {
            for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let at = ((y + dy) * 400 + x + dx) as usize * 3;
                picture.bgr_mut()[at] = *number;
                picture.bgr_mut()[at + 2] = if (dx, dy) == (0, 0) { 255 } else { 0 };
            }
        }
        let parameters = PlateParameters { finder: String::new(), reader: String::new(), vehicle_px: 50, plate_px: 8, vehicles_most: most };
        let detections: Vec<Detection> =
            boxes.iter().map(|bounds| Detection { class: Class::Car, confidence: 900, bounds: (*bounds).into() }).collect();
        let all = Plates::new(parameters, Box::new(Red), Box::new(Blue)).read(&[(&picture, &detections)]).unwrap();
        (all[0].plates.iter().map(|plate| plate.map(|plate| plate.text.to_string())).collect(), all[0].left_out)
    }

    fn texts(of: &[Option<&str>]) -> Vec<Option<String>> {
        of.iter().map(|text| text.map(str::to_owned)).collect()
    }

    #[test]
    fn each_vehicle_has_the_plate_that_is_on_it_and_small_ones_are_not_looked_at() {
        let marks = [(60, 150, 41), (200, 150, 42), (320, 100, 43)];
        let boxes = [[160, 60, 80, 110], [20, 60, 80, 110], [300, 80, 40, 40]];
        assert_eq!(read(&marks, &boxes, 8), (texts(&[Some("42"), Some("41"), None]), 0));
    }

    #[test]
    fn of_too_many_the_largest_are_read_and_the_others_counted() {
        let marks = [(60, 150, 41), (200, 150, 42), (320, 150, 43)];
        let boxes = [[30, 60, 60, 110], [150, 60, 100, 110], [280, 60, 90, 110]];
        assert_eq!(read(&marks, &boxes, 2), (texts(&[None, Some("42"), Some("43")]), 1));
    }

    #[test]
    fn a_plate_that_the_edge_of_the_picture_cuts_off_is_not_read() {
        let boxes = [[20, 60, 80, 140], [300, 60, 100, 140]];
        assert_eq!(read(&[(60, 196, 41), (350, 190, 42)], &boxes, 8).0, texts(&[None, Some("42")]));
    }

    #[test]
    fn a_plate_under_two_boxes_is_that_of_the_one_in_whose_middle_it_is() {
        let boxes = [[20, 60, 180, 110], [60, 60, 80, 110]];
        assert_eq!(read(&[(98, 150, 41)], &boxes, 8).0, texts(&[None, Some("41")]));
        assert_eq!(read(&[(112, 150, 41)], &boxes, 8).0, texts(&[Some("41"), None]));
        assert_eq!(read(&[(104, 150, 41)], &boxes, 8).0.iter().flatten().count(), 1, "never both, and never none");
    }
}
