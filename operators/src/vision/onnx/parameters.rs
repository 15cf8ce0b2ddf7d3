//! What a job says of a detector in an ONNX file: what it takes, and what its numbers mean.
//!
//! ```yaml
//! detector:
//!   onnx:
//!     weights: yolov8n.onnx
//!     input: {size: [640, 640], fit: letterbox, colours: rgb, range: unit}
//!     output: {layout: yolov8, categories: 80, classes: {car: [2], motorbike: [3], bus: [5], truck: [7]}}
//! ```
//!
//! What one field alone cannot be is refused where that field is read; what two cannot be together, where the mapping is that holds
//! them: so each fault is told with its place.

use schemars::JsonSchema;
use schemas::Class;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::table::Table;
use crate::vision::detect::{DetectParameters, coco_vehicle};

/// A detector in an ONNX file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnnxParameters {
    /// The file, from where the definition lies. It holds all of the network, its weights among it.
    pub weights: String,
    /// What the network takes.
    #[serde(default)]
    pub input: OnnxInput,
    /// What its numbers mean.
    #[serde(default, deserialize_with = "sound_output")]
    pub output: OnnxOutput,
}

/// What a network takes: how a picture becomes numbers. The defaults are those of the YOLO family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OnnxInput {
    /// Its width and height, pixels. Default none: those in the file. Where the file leaves them open they must be given.
    #[serde(deserialize_with = "possible_size")]
    pub size: Option<[u32; 2]>,
    /// How a picture of another shape is brought into it. Default letterbox.
    pub fit: Fit,
    /// The order of the three colours. Default rgb.
    pub colours: Colours,
    /// What black and white are, before mean and deviation. Default unit.
    pub range: Range,
    /// What is subtracted from each colour, in that order and range. Default 0.
    #[serde(deserialize_with = "finite")]
    pub mean: [f64; 3],
    /// What the rest is divided by. Default 1.
    #[serde(deserialize_with = "divisors")]
    pub deviation: [f64; 3],
}

/// How a picture comes into a network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// In its own proportions, in the middle, with grey on two sides.
    #[default]
    Letterbox,
    /// Whole, pressed together or drawn out.
    Stretch,
}

/// The order of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Colours {
    /// Red, green, blue.
    #[default]
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// What black and white are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// 0 and 1.
    #[default]
    Unit,
    /// 0 and 255.
    Bytes,
}

/// What a network's numbers mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OnnxOutput {
    /// The name of the tensor that holds the boxes. Default none: the file's first output.
    pub tensor: Option<String>,
    /// How boxes and scores lie in it. Default yolov8.
    pub layout: Layout,
    /// How many categories the network knows. Default 80, as in COCO.
    #[serde(deserialize_with = "possible_categories")]
    pub categories: u32,
    /// Which categories, counted from 0, are vehicles of which class. What is in none is no vehicle and ends here. Default those of COCO.
    pub classes: VehicleCategories,
    /// From what overlap on two boxes are of one vehicle and the less sure one goes: their common area, permille of the area of both.
    /// Default 450.
    #[serde(deserialize_with = "permille")]
    pub overlap_permille: u16,
}

/// How boxes and scores lie in a tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `[pictures, 4 + categories, boxes]`: middle, width and height in pixels of the input, scores. As YOLOv8, v9, v11 and v12 are
    /// exported without suppression of their own.
    #[default]
    YoloV8,
    /// `[pictures, boxes, 5 + categories]`: the same with objectness before the scores. As YOLOv5, v6 and v7 are exported.
    YoloV5,
    /// `[pictures, 5 + categories, rows, columns]`: objectness, place in the cell, size, probabilities. Takes
    /// `{colours: bgr, fit: stretch}`.
    FastestDet,
    /// A table of boxes, described here.
    Table(Table),
}

/// Which of a network's categories are vehicles of which class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VehicleCategories {
    /// Passenger cars, taxis, pick-ups.
    pub car: Vec<u32>,
    /// Motorbikes, mopeds, electric bikes.
    pub motorbike: Vec<u32>,
    /// Buses and coaches.
    pub bus: Vec<u32>,
    /// Lorries.
    pub truck: Vec<u32>,
    /// Bicycles.
    pub bicycle: Vec<u32>,
    /// Vehicles of other kinds.
    pub other: Vec<u32>,
}

impl Default for OnnxInput {
    fn default() -> Self {
        let (fit, colours, range) = Default::default();
        Self { size: None, fit, colours, range, mean: [0.0; 3], deviation: [1.0; 3] }
    }
}

impl Default for OnnxOutput {
    fn default() -> Self {
        let overlap_permille = DetectParameters::default().overlap_permille;
        Self { tensor: None, layout: Layout::default(), categories: 80, classes: VehicleCategories::coco(), overlap_permille }
    }
}

impl OnnxInput {
    /// The widest and highest an input can be, pixels: as large as 4K video is wide.
    pub const SIDE_MOST: u32 = 4_096;
}

impl OnnxOutput {
    /// The most categories a network can know.
    pub const CATEGORIES_MOST: u32 = 10_000;

    /// The class of each category; `None` where it is no vehicle.
    #[must_use]
    pub fn vehicles(&self) -> Vec<Option<Class>> {
        let mut vehicles = vec![None; self.categories as usize];
        for (class, category) in self.classes.pairs() {
            if let Some(vehicle) = vehicles.get_mut(category as usize) {
                *vehicle = Some(class);
            }
        }
        vehicles
    }

    /// What does not go together, each fault in a sentence.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut pairs = self.classes.pairs();
        pairs.sort_by_key(|(_, category)| *category);
        if let Some((_, category)) = pairs.last().filter(|(_, category)| *category >= self.categories) {
            faults.push(format!("classes name the category {category}, but of {} the last is {}", self.categories, self.categories - 1));
        }
        if let Some([(_, category), _]) = pairs.array_windows().find(|[(_, one), (_, other)]| one == other) {
            faults.push(format!("classes name the category {category} twice"));
        }
        if pairs.is_empty() {
            faults.push("classes name no category: no vehicle would be found".to_owned());
        }
        if let Layout::Table(table) = &self.layout {
            faults.extend(table.faults(self.categories));
        }
        faults
    }
}

impl VehicleCategories {
    /// Those of COCO.
    #[must_use]
    pub fn coco() -> Self {
        let of = |class| (0..80).filter(|category| coco_vehicle(*category as usize) == Some(class)).collect();
        Self {
            car: of(Class::Car),
            motorbike: of(Class::Motorbike),
            bus: of(Class::Bus),
            truck: of(Class::Truck),
            bicycle: of(Class::Bicycle),
            other: of(Class::Other),
        }
    }

    fn pairs(&self) -> Vec<(Class, u32)> {
        let of = [
            (Class::Car, &self.car),
            (Class::Motorbike, &self.motorbike),
            (Class::Bus, &self.bus),
            (Class::Truck, &self.truck),
            (Class::Bicycle, &self.bicycle),
            (Class::Other, &self.other),
        ];
        of.into_iter().flat_map(|(class, categories)| categories.iter().map(move |category| (class, *category))).collect()
    }
}

fn sound_output<'de, D: Deserializer<'de>>(d: D) -> Result<OnnxOutput, D::Error> {
    let output = OnnxOutput::deserialize(d)?;
    let faults = output.faults();
    if faults.is_empty() { Ok(output) } else { Err(D::Error::custom(faults.join("; "))) }
}

fn possible_size<'de, D: Deserializer<'de>>(d: D) -> Result<Option<[u32; 2]>, D::Error> {
    let most = OnnxInput::SIDE_MOST;
    let size = Option::<[u32; 2]>::deserialize(d)?;
    match size {
        Some(size) if size.iter().any(|side| !(1..=most).contains(side)) => {
            Err(D::Error::custom(format!("width and height must be from 1 to {most} pixels, not {size:?}")))
        }
        _ => Ok(size),
    }
}

fn finite<'de, D: Deserializer<'de>>(d: D) -> Result<[f64; 3], D::Error> {
    let three = <[f64; 3]>::deserialize(d)?;
    if three.iter().all(|one| one.is_finite()) { Ok(three) } else { Err(D::Error::custom("must be three numbers, one a colour")) }
}

fn divisors<'de, D: Deserializer<'de>>(d: D) -> Result<[f64; 3], D::Error> {
    let three = finite(d)?;
    if three.iter().all(|one| *one > 0.0) { Ok(three) } else { Err(D::Error::custom("must be three numbers above 0, one a colour")) }
}

fn possible_categories<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    let (categories, most) = (u32::deserialize(d)?, OnnxOutput::CATEGORIES_MOST);
    let possible = (1..=most).contains(&categories);
    possible.then_some(categories).ok_or_else(|| D::Error::custom(format!("must be from 1 to {most}, not {categories}")))
}

fn permille<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    let share = u16::deserialize(d)?;
    if share <= 1_000 { Ok(share) } else { Err(D::Error::custom(format!("must be at most 1000, not {share}"))) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(output: serde_json::Value) -> Result<OnnxOutput, String> {
        let parameters = serde_json::from_value::<OnnxParameters>(json!({"weights": "a.onnx", "output": output}));
        parameters.map(|parameters| parameters.output).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_it_is_yolov8_taught_on_coco() {
        let output = read(json!({})).unwrap();
        assert_eq!((&output.layout, output.categories), (&Layout::YoloV8, 80));
        let vehicles: Vec<_> = (0..).zip(output.vehicles()).filter_map(|(category, class)| Some((category, class?))).collect();
        let coco = [(1, Class::Bicycle), (2, Class::Car), (3, Class::Motorbike), (5, Class::Bus), (7, Class::Truck)];
        assert_eq!(vehicles, coco);
    }

    #[test]
    fn classes_that_are_given_are_all_there_are() {
        let output = read(json!({"categories": 3, "classes": {"truck": [2], "car": [0]}})).unwrap();
        assert_eq!(output.vehicles(), [Some(Class::Car), None, Some(Class::Truck)]);
    }

    #[test]
    fn what_does_not_go_together_is_told() {
        let table = |rest: serde_json::Value| {
            let mut table = json!({"order": "boxes_first"});
            table.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            read(json!({"categories": 3, "classes": {"car": [0]}, "layout": {"table": table}})).map(drop)
        };
        assert_eq!(table(json!({})), Ok(()));
        assert_eq!(table(json!({"scores_at": 0, "box_at": 3, "objectness_at": 7, "values": 8})), Ok(()));
        let told = [
            (json!({"scores_at": 3}), "box (0 to 3) and scores (3 to 5) lie over each other"),
            (json!({"objectness_at": 6}), "scores (4 to 6) and objectness (6 to 6) lie over each other"),
            (json!({"box_at": 7, "values": 10}), "a box has 10 values, but box at 7 to 10"),
        ];
        for (wrong, wanted) in told {
            assert_eq!(table(wrong), Err(wanted.to_owned()));
        }
        let told = [
            (json!({"categories": 7}), "classes name the category 7, but of 7 the last is 6"),
            (json!({"classes": {"car": [1], "bus": [2, 1]}}), "classes name the category 1 twice"),
            (json!({"classes": {}}), "classes name no category: no vehicle would be found"),
        ];
        for (wrong, wanted) in told {
            assert_eq!(read(wrong), Err(wanted.to_owned()));
        }
    }
}
