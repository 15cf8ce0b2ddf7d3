//! How good a run's sightings, journeys and alerts are against the truth.
//!
//! The measures are those of the project's score program, figure for figure: sightings against passages one to one; journeys by
//! passage-IDF1 (Ristani et al., Performance measures and a data set for multi-target, multi-camera tracking, 2016, with one
//! passage as the unit); each rule by precision and recall, where a case inside the clocks' own error may be answered either way.
//!
//! ```
//! use city::{judge::{Outputs, judge}, Plan, simulate};
//! let recording = simulate(&Plan::small(7));
//! let score = judge(&recording.truth, &recording.city, &Outputs::default());
//! assert_eq!(score.sightings.recall, Some(0.0));
//! ```

mod assignment;
#[cfg(test)]
mod cases;
mod journeys;
mod outputs;
mod rules;
mod sightings;

use std::collections::BTreeMap;

use serde::Serialize;

pub use outputs::{Alert, Crossing, Evidence, Journey, Outputs, Read, Sighting};

use crate::records::City;
use crate::truth::{Outage, Passage, Truth, Vehicle};

/// All figures. Shares are rounded to four places and absent where there is nothing to share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Sightings.
    pub sightings: SightingScore,
    /// Journeys.
    pub journeys: JourneyScore,
    /// Section control.
    pub section_speed: SectionScore,
    /// Red light.
    pub red_light: RuleScore,
    /// Wrong way.
    pub wrong_way: RuleScore,
    /// Stopping.
    pub no_stopping: RuleScore,
    /// One plate on two vehicles.
    pub cloned_plate: RuleScore,
    /// Wanted plates.
    pub hotlist: HotlistScore,
    /// Dead cameras.
    pub camera_silent: RuleScore,
    /// Speed by calibrated devices; not in the score program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_speed: Option<PointScore>,
    /// Alerts that were taken back.
    pub withdrawn: usize,
}

/// Sightings against passages: same camera, same lane where told, the stop line crossed within 600 ms and the clock's error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SightingScore {
    /// Passages that could be seen.
    pub truth: usize,
    /// Passages that were.
    pub found: usize,
    /// Found of true.
    pub recall: Option<f64>,
    /// True of those that crossed a stop line.
    pub precision: Option<f64>,
    /// Plates read exactly, of readable vehicles found.
    pub plate_exact: Option<f64>,
}

/// Journeys against vehicles.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JourneyScore {
    /// Plates exact, of journeys that hold two or more passages of a readable vehicle.
    pub plate_exact: Option<f64>,
    /// Vehicles that could be seen.
    pub vehicles: usize,
    /// Journeys that stand.
    pub journeys: usize,
    /// Harmonic mean of the next two.
    pub idf1: Option<f64>,
    /// Sightings that bear their vehicle's journey, of all.
    pub idp: Option<f64>,
    /// Passages that bear it, of all.
    pub idr: Option<f64>,
}

/// Alerts of a rule against what happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RuleScore {
    /// Cases that must be told.
    pub truth: usize,
    /// Alerts.
    pub alerts: usize,
    /// Cases told, of those that must be.
    pub recall: Option<f64>,
    /// Alerts that are right.
    pub precision: Option<f64>,
}

/// Section control, with what it measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SectionScore {
    /// Precision and recall.
    #[serde(flatten)]
    pub rule: RuleScore,
    /// Alerts, suspicions included, whose lower bound lies above what was really driven. Must be zero.
    pub bound_above_truth: usize,
    /// Median error of the measured speed.
    pub median_error_cms: Option<f64>,
}

/// Wanted plates, one case per passage.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HotlistScore {
    /// Passages of wanted vehicles.
    pub truth: usize,
    /// Sightings told.
    pub alerts: usize,
    /// Passages told.
    pub recall: Option<f64>,
    /// Passages told for certain.
    pub recall_certain: Option<f64>,
    /// Right ones of those told for certain.
    pub precision: Option<f64>,
}

/// Alerts of speed devices, each against the vehicle it names.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PointScore {
    /// Alerts.
    pub alerts: usize,
    /// Alerts whose vehicle did pass that device then.
    pub matched: usize,
    /// Alerts whose lower bound lies above what was really driven. Must be zero.
    pub bound_above_truth: usize,
}

/// Scores what a run put out against what happened in the city.
#[must_use]
pub fn judge(truth: &Truth, city: &City, outputs: &Outputs) -> Score {
    let ground = Ground::of(truth, city);
    let found = sightings::find(&ground, &outputs.sightings);
    Score {
        sightings: sightings::score(&ground, &found),
        journeys: journeys::score(&ground, &found, &outputs.journeys),
        section_speed: rules::section_speed(&ground, &outputs.alerts),
        red_light: rules::red_light(&ground, &outputs.alerts),
        wrong_way: rules::wrong_way(&ground, &outputs.alerts),
        no_stopping: rules::no_stopping(&ground, &outputs.alerts),
        cloned_plate: rules::cloned_plate(&ground, &outputs.alerts),
        hotlist: rules::hotlist(&ground, &outputs.alerts),
        camera_silent: rules::camera_silent(&ground, &outputs.alerts),
        point_speed: (!truth.point_speed.is_empty()).then(|| rules::point_speed(&ground, &outputs.alerts)),
        withdrawn: outputs.withdrawn_alerts,
    }
}

/// The truth, prepared for asking.
struct Ground<'a> {
    truth: &'a Truth,
    /// Passages over a stop line while the camera lived.
    passages: Vec<&'a Passage>,
    vehicles: BTreeMap<&'a str, &'a Vehicle>,
    clock_error_ms: BTreeMap<&'a str, i64>,
}

impl<'a> Ground<'a> {
    fn of(truth: &'a Truth, city: &'a City) -> Self {
        let clock_error_ms = city.cameras.iter().map(|c| (c.id.as_str(), c.clock_error_ms)).collect();
        let vehicles = truth.vehicles.iter().map(|v| (v.vehicle.as_str(), v)).collect();
        let mut ground = Self { truth, passages: Vec::new(), vehicles, clock_error_ms };
        let lit = |p: &&Passage| p.stop_ms.is_some_and(|at| !ground.dark(&p.camera, at));
        ground.passages = truth.passages.iter().filter(lit).collect();
        ground
    }

    /// Whether a camera was dead then, or within three seconds of it.
    fn dark(&self, camera: &str, at_ms: i64) -> bool {
        let covers = |o: &Outage| o.camera == camera && (o.from_ms - 3_000..=o.to_ms + 3_000).contains(&at_ms);
        self.truth.outages.iter().any(covers)
    }

    fn error_ms(&self, camera: &str) -> i64 {
        self.clock_error_ms.get(camera).copied().unwrap_or(0)
    }

    fn readable(&self, vehicle: &str) -> bool {
        self.vehicles.get(vehicle).is_some_and(|v| v.readable)
    }
}

/// A share, rounded to four places; none of nothing.
fn rate(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 / whole as f64))
}

fn rounded(share: f64) -> f64 {
    format!("{share:.4}").parse().unwrap_or(share)
}
