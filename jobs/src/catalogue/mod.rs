//! The catalogue: what a job about traffic can be made of.
//!
//! ```text
//! kinds     what flows: frames, observations, sightings, bonds, journeys, signals, hotlist, patrols, alerts, assignments;
//!           passages, told_alerts, reviews, acknowledgements, effectiveness
//! entries   what a step can be: its ports, its parameters, its window
//! step      an entry with its parameters, read and checked
//! build     a step at work: ports in, ports out
//! ```
//!
//! A new operator is one entry in `entries`, one variant of [`Step`] and one line in `build`.

mod build;
mod conditions;
mod entries;
mod kinds;
mod port;

pub use build::{Context, build};
pub(crate) use kinds::{ACKNOWLEDGEMENTS, ANSWERS, REVIEWS};
pub use port::Port;

use engine::definition::decode;
use engine::plan::{Catalogue, Entry, Kind, Resource};
use operators::city::{JourneyParameters, LinkParameters, TrackParameters};
use operators::effectiveness::EffectivenessParameters;
use operators::rules::verbs::{
    AsOfJoinParameters, FilterParameters, IntervalJoinParameters, RetainParameters, SeriesParameters, SessionizeParameters,
};
use operators::rules::{
    CameraSilentParameters, ClonedPlateParameters, CustomParameters, EscalateParameters, HotlistParameters, NearestPatrolParameters,
    NoStoppingParameters, PointSpeedParameters, RedLightParameters, SectionSpeedParameters, WrongWayParameters,
};

use schemas::City;

/// The catalogue of steps about traffic.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic;

/// An entry of the catalogue with its parameters.
#[derive(Clone, Debug)]
pub enum Step {
    /// Frames to observations.
    #[cfg(feature = "vision")]
    Perceive(operators::vision::PerceiveParameters),
    /// Observations of one camera to vehicles in its view.
    Track(TrackParameters),
    /// Sightings to bonds between them.
    Link(LinkParameters),
    /// Sightings and bonds to journeys.
    AssembleJourneys(JourneyParameters),
    /// Mean speed between two cameras.
    SectionSpeed(SectionSpeedParameters),
    /// A device's own speed reading.
    PointSpeed(PointSpeedParameters),
    /// Driving into a junction at red.
    RedLight(RedLightParameters),
    /// Driving against a lane.
    WrongWay(WrongWayParameters),
    /// Standing where one may not.
    NoStopping(NoStoppingParameters),
    /// Plates somebody looks for.
    Hotlist(HotlistParameters),
    /// One plate in two places.
    ClonedPlate(ClonedPlateParameters),
    /// A camera that sends nothing.
    CameraSilent(CameraSilentParameters),
    /// A condition written in the definition.
    Custom(CustomParameters),
    /// The patrol unit that is to go.
    NearestPatrol(NearestPatrolParameters),
    /// See [`operators::rules::escalate()`].
    Escalate(EscalateParameters),
    /// How well rules and cameras do their work.
    Effectiveness(EffectivenessParameters),
    /// The records for which a condition holds.
    Filter(FilterParameters),
    /// The records, as long as they may change.
    Retain(RetainParameters),
    /// The first record of each series.
    Deduplicate(SeriesParameters),
    /// One record of each series a window.
    Suppress(SeriesParameters),
    /// An alert for each series.
    Sessionize(SessionizeParameters),
    /// An alert for each pair of sightings.
    IntervalJoin(IntervalJoinParameters),
    /// An alert for each record and the entry in force.
    AsOfJoin(AsOfJoinParameters),
}

impl Catalogue for Traffic {
    type Step = Step;

    fn kinds(&self) -> &[Kind] {
        kinds::KINDS
    }

    fn entries(&self) -> &[Entry<Step>] {
        entries::ENTRIES
    }

    fn resources(&self) -> &[Resource] {
        &[Resource {
            name: "city",
            summary: "The map of cameras, links and sections: the path of a city.json, or its content.",
            check: |node| decode::<City>(node).map(drop),
        }]
    }
}

/// A span of time as a person says it: `2 h 15 min`, at most two units.
#[must_use]
pub fn span(ms: u64) -> String {
    const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];
    let mut rest = ms;
    let parts = UNITS.iter().filter_map(|(unit, size)| {
        let count = rest / size;
        rest %= size;
        (count > 0).then(|| format!("{count} {unit}"))
    });
    let parts: Vec<String> = parts.take(2).collect();
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}
