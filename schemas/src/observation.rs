//! What a camera saw in one frame, after detection.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Name, PixelBox, Plate};

/// One camera frame after detection. Keyed by `camera`; in a camera's own order within its partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// The camera.
    pub camera: Name,
    /// The camera's own frame number.
    pub frame: u64,
    /// When the frame was taken, by the camera's clock: milliseconds since the epoch.
    pub at_ms: u64,
    /// What was detected.
    // Shared by all steps that read the frame.
    #[serde(deserialize_with = "read_objects")]
    pub objects: Arc<Vec<Object>>,
    /// In recordings only: when the line reached the centre, milliseconds since the epoch.
    #[serde(default)]
    pub received_ms: Option<u64>,
}

impl Observation {
    /// The most objects one frame may hold; more is a fault of the detector.
    pub const OBJECTS_MOST: usize = 1_000;
    /// No picture is wider or higher than this many pixels, nor a box further out.
    pub const PIXEL_MOST: i32 = 65_535;

    /// Whether the values can be true at all; the error names the first that cannot.
    ///
    /// # Errors
    /// Too many objects, a confidence above 1,000 permille, a box without extent or far outside any picture, a plate whose symbols and
    /// confidences differ in number.
    pub fn check(&self) -> Result<(), String> {
        if self.objects.len() > Self::OBJECTS_MOST {
            return Err(format!("{} objects in one frame; at most {} are allowed", self.objects.len(), Self::OBJECTS_MOST));
        }
        self.objects.iter().enumerate().try_for_each(|(i, o)| o.check().map_err(|e| format!("objects[{i}]: {e}")))
    }
}

/// Reads objects with room for eight at once: most frames have no more, and growing there step by step costs a tenth of
/// reading a frame.
fn read_objects<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Arc<Vec<Object>>, D::Error> {
    struct Objects;
    impl<'de> serde::de::Visitor<'de> for Objects {
        type Value = Vec<Object>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a sequence")
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<Object>, A::Error> {
            let mut objects = Vec::new();
            while let Some(object) = seq.next_element()? {
                if objects.is_empty() {
                    objects.reserve(seq.size_hint().map_or(8, |more| (more + 1).min(Observation::OBJECTS_MOST)));
                }
                objects.push(object);
            }
            Ok(objects)
        }
    }
    d.deserialize_seq(Objects).map(Arc::new)
}

/// One detected vehicle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Object {
    /// What it is.
    pub class: Class,
    /// The detector's confidence, permille.
    pub confidence: u16,
    /// Where it is in the picture.
    #[serde(rename = "box")]
    pub bounds: PixelBox,
    /// What was read on its plate, if anything.
    #[serde(default)]
    pub plate: Option<Plate>,
    /// The vehicle's colour, if told.
    #[serde(default)]
    pub body: Option<Body>,
    /// A calibrated device's own speed reading, cm/s.
    #[serde(default)]
    pub speed_cms: Option<u32>,
}

impl Object {
    fn check(&self) -> Result<(), String> {
        let b = self.bounds;
        if self.confidence > 1_000 {
            return Err(format!("confidence is {} permille; at most 1000 is allowed", self.confidence));
        }
        if b.width < 1 || b.height < 1 {
            return Err(format!("box is {} × {} pixels; each side must be at least 1", b.width, b.height));
        }
        let far = |v: i32| !(-Observation::PIXEL_MOST..=Observation::PIXEL_MOST).contains(&v);
        if far(b.x) || far(b.y) || far(b.width) || far(b.height) {
            return Err(format!("box reaches beyond {} pixels", Observation::PIXEL_MOST));
        }
        self.plate.as_ref().map_or(Ok(()), Plate::check)
    }
}

/// Kinds of road user that are followed. Anything else a detector names (people above all) becomes `Other` and is never tracked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Passenger car, taxi, pick-up.
    Car,
    /// Motorbike, moped, electric bike.
    Motorbike,
    /// Bus or coach.
    Bus,
    /// Lorry.
    Truck,
    /// Bicycle.
    Bicycle,
    /// Not a vehicle we know.
    #[serde(other)]
    Other,
}

/// The colour of a vehicle's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "colours explain themselves")]
pub enum Body {
    White,
    Black,
    Silver,
    Red,
    Grey,
    Blue,
    Brown,
    Green,
    Yellow,
    /// A colour we have no name for.
    #[serde(other)]
    Other,
}
