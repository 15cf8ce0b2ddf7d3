//! `detect`: from what a network says of a picture to detections.
//!
//! ```text
//! scores and boxes ─▶ vehicles alone ─▶ sure enough ─▶ the surest of those that overlap ─▶ Detection, in pixels
//! ```
//!
//! Networks are trained on the 80 categories of COCO, people among them. People end here: what is no vehicle never
//! leaves this file.

use schemars::JsonSchema;
use schemas::{Class, PixelBox};
use serde::{Deserialize, Serialize};

use super::Detection;

/// Which of a network's boxes are believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectParameters {
    /// The least confidence, permille. Default 400: below it a small detector sees vehicles in shadows.
    pub confidence_permille: u16,
    /// From what overlap on two boxes are of one vehicle and the less sure one goes: their common area, permille of the
    /// area of both. Default 450, as is usual.
    pub overlap_permille: u16,
    /// Whether boxes of different classes are ever of one vehicle. Default true: a van is a car and a truck to many a network, and
    /// must not become two vehicles.
    pub across_classes: bool,
}

impl Default for DetectParameters {
    fn default() -> Self {
        Self { confidence_permille: 400, overlap_permille: 450, across_classes: true }
    }
}

/// A box before it is believed: `[left, top, right, bottom]`, 1 being the picture's width and height.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) class: Class,
    pub(crate) confidence: f32,
    pub(crate) edges: [f32; 4],
}

/// The most candidates that are compared with each other; of more, the surest. A picture full of vehicles has hundreds.
const CANDIDATES_MOST: usize = 3_000;

/// The vehicle that a category of COCO is, counted from 0; `None` for people, animals and things.
#[must_use]
pub(crate) fn coco_vehicle(category: usize) -> Option<Class> {
    match category {
        1 => Some(Class::Bicycle),
        2 => Some(Class::Car),
        3 => Some(Class::Motorbike),
        5 => Some(Class::Bus),
        7 => Some(Class::Truck),
        _ => None,
    }
}

/// The candidates that are believed, the surest first, in the pixels of a picture of this width and height.
pub(crate) fn believe(mut candidates: Vec<Candidate>, size: [u32; 2], parameters: &DetectParameters) -> Vec<Detection> {
    let [least, overlap] = [parameters.confidence_permille, parameters.overlap_permille].map(|permille| f32::from(permille) / 1_000.0);
    candidates.retain(|candidate| candidate.confidence >= least && candidate.edges.iter().all(|edge| edge.is_finite()));
    candidates.sort_by(|one, other| other.confidence.total_cmp(&one.confidence));
    candidates.truncate(CANDIDATES_MOST);
    let mut kept = Vec::<Candidate>::new();
    for candidate in candidates {
        let same = |surer: &Candidate| {
            (parameters.across_classes || surer.class == candidate.class) && common(surer.edges, candidate.edges) > overlap
        };
        if !kept.iter().any(same) {
            kept.push(candidate);
        }
    }
    kept.iter().filter_map(|candidate| detection(candidate, size)).collect()
}

/// Intersection over union.
fn common(one: [f32; 4], other: [f32; 4]) -> f32 {
    let area = |[left, top, right, bottom]: [f32; 4]| (right - left).max(0.0) * (bottom - top).max(0.0);
    let both = area([one[0].max(other[0]), one[1].max(other[1]), one[2].min(other[2]), one[3].min(other[3])]);
    let either = area(one) + area(other) - both;
    if either > 0.0 { both / either } else { 0.0 }
}

/// In whole pixels inside the picture; `None` where nothing of it is inside.
fn detection(candidate: &Candidate, size: [u32; 2]) -> Option<Detection> {
    let pixel = |edge: usize| {
        let extent = size[edge % 2] as f32;
        (candidate.edges[edge] * extent).round().clamp(0.0, extent) as i32
    };
    let [left, top, right, bottom] = [0, 1, 2, 3].map(pixel);
    let bounds = PixelBox { x: left, y: top, width: right - left, height: bottom - top };
    let confidence = (candidate.confidence * 1_000.0).round().clamp(0.0, 1_000.0) as u16;
    (bounds.width > 0 && bounds.height > 0).then_some(Detection { class: candidate.class, confidence, bounds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(class: Class, confidence: f32, edges: [f32; 4]) -> Candidate {
        Candidate { class, confidence, edges }
    }

    #[test]
    fn no_person_and_no_animal_is_a_vehicle() {
        let vehicles: Vec<_> = (0..200).filter(|category| coco_vehicle(*category).is_some()).collect();
        assert_eq!(vehicles, [1, 2, 3, 5, 7]);
    }

    #[test]
    fn the_surest_of_those_that_overlap_stays() {
        let car = candidate(Class::Car, 0.8, [0.0, 0.0, 0.5, 0.5]);
        let van = candidate(Class::Truck, 0.9, [0.0, 0.0, 0.5, 0.4]);
        let far = candidate(Class::Car, 0.5, [0.6, 0.6, 1.0, 1.0]);
        let unsure = candidate(Class::Car, 0.39, [0.0, 0.9, 0.1, 1.0]);
        let all = vec![car, van, far, unsure];
        let seen =
            |parameters| believe(all.clone(), [100, 200], &parameters).iter().map(|d| (d.class, d.bounds.into())).collect::<Vec<_>>();
        let (van, far): ((_, [i32; 4]), (_, [i32; 4])) = ((Class::Truck, [0, 0, 50, 80]), (Class::Car, [60, 120, 40, 80]));
        assert_eq!(seen(DetectParameters::default()), [van, far]);
        assert_eq!(seen(DetectParameters { across_classes: false, ..Default::default() }), [van, (Class::Car, [0, 0, 50, 100]), far]);
        assert_eq!(seen(DetectParameters { overlap_permille: 900, ..Default::default() }).len(), 3);
    }

    #[test]
    fn boxes_end_at_the_picture() {
        let over = candidate(Class::Bus, 1.0, [-0.5, 0.5, 0.25, 1.5]);
        let beside = candidate(Class::Bus, 0.9, [1.1, 0.0, 1.2, 0.1]);
        let nowhere = candidate(Class::Bus, 0.9, [f32::NAN, 0.0, 1.2, 0.1]);
        let found = believe(vec![over, beside, nowhere], [80, 40], &DetectParameters::default());
        assert_eq!(found.len(), 1);
        assert_eq!(<[i32; 4]>::from(found[0].bounds), [0, 20, 20, 20]);
    }
}
