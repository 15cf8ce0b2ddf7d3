//! A table of boxes as a network gives it: where in it the boxes and their scores are.

use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parameters::Layout;

/// A table of boxes: which of a box's values is what. Places are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Which axis comes first after the pictures.
    pub order: Order,
    /// Where the four numbers of the box begin. Default 0.
    #[serde(default)]
    pub box_at: u32,
    /// What those four are. Default cxcywh.
    #[serde(default)]
    pub form: BoxForm,
    /// What they are counted in. Default pixels.
    #[serde(default)]
    pub unit: BoxUnit,
    /// Where it stands how sure it is that there is anything; each score is multiplied by it. Default none.
    #[serde(default)]
    pub objectness_at: Option<u32>,
    /// Where the scores of the categories begin. Default 4.
    #[serde(default = "behind_the_box")]
    pub scores_at: u32,
    /// How many values a box has. Default none: as many as are described. More where others follow that say nothing of boxes.
    #[serde(default)]
    pub values: Option<u32>,
    /// What is still to be done to scores and objectness. Default none: they are shares of 1.
    #[serde(default)]
    pub activation: Activation,
}

/// The order of a table's axes after the pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// `[pictures, boxes, values]`: a box's values lie beside each other.
    BoxesFirst,
    /// `[pictures, values, boxes]`: a value of all boxes, then the next.
    ValuesFirst,
}

/// What the four numbers of a box are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoxForm {
    /// Middle, width, height.
    #[default]
    Cxcywh,
    /// Left, top, right, bottom.
    Xyxy,
    /// Left, top, width, height.
    Xywh,
}

/// What boxes are counted in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BoxUnit {
    /// Pixels of the input.
    #[default]
    Pixels,
    /// Shares of the input's width and height, from 0 to 1.
    Unit,
}

/// What makes a share of 1 from a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// Nothing: it is one.
    #[default]
    None,
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
}

fn behind_the_box() -> u32 {
    4
}

impl Table {
    /// YOLOv8: no objectness, a value of all boxes after the other.
    const YOLO_V8: Self = Self {
        order: Order::ValuesFirst,
        box_at: 0,
        form: BoxForm::Cxcywh,
        unit: BoxUnit::Pixels,
        objectness_at: None,
        scores_at: 4,
        values: None,
        activation: Activation::None,
    };
    /// YOLOv5: objectness, a box after the other.
    const YOLO_V5: Self = Self { order: Order::BoxesFirst, objectness_at: Some(4), scores_at: 5, ..Self::YOLO_V8 };

    /// How many values a box has.
    #[must_use]
    pub fn values(&self, categories: u32) -> u32 {
        self.values.unwrap_or_else(|| self.parts(categories).into_iter().map(|(_, part)| part.end).max().unwrap_or(0))
    }

    /// What lies where.
    fn parts(&self, categories: u32) -> Vec<(&'static str, Range<u32>)> {
        let part = |from: u32, extent: u32| from..from.saturating_add(extent);
        let mut parts = vec![("box", part(self.box_at, 4)), ("scores", part(self.scores_at, categories))];
        parts.extend(self.objectness_at.map(|at| ("objectness", part(at, 1))));
        parts
    }

    /// What cannot be, each fault in a sentence.
    pub(super) fn faults(&self, categories: u32) -> Vec<String> {
        let parts = self.parts(categories);
        let mut faults = Vec::new();
        for (place, (one, here)) in parts.iter().enumerate() {
            for (other, there) in &parts[place + 1..] {
                if here.start < there.end && there.start < here.end {
                    let [here, there] = [here, there].map(|part| format!("{} to {}", part.start, part.end - 1));
                    faults.push(format!("{one} ({here}) and {other} ({there}) lie over each other"));
                }
            }
            if let Some(values) = self.values.filter(|values| here.end > *values) {
                faults.push(format!("a box has {values} values, but {one} at {} to {}", here.start, here.end - 1));
            }
        }
        faults
    }
}

impl Layout {
    /// The table it is; `None` where it is a map of cells.
    #[must_use]
    pub fn table(&self) -> Option<Table> {
        match self {
            Self::YoloV8 => Some(Table::YOLO_V8),
            Self::YoloV5 => Some(Table::YOLO_V5),
            Self::FastestDet => None,
            Self::Table(table) => Some(table.clone()),
        }
    }

    /// Its word in a definition.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::YoloV8 => "yolov8",
            Self::YoloV5 => "yolov5",
            Self::FastestDet => "fastestdet",
            Self::Table(_) => "table",
        }
    }
}
