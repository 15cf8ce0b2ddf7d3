//! A step at work: the operator behind an entry, between its ports.

use std::sync::Arc;

use operators::city::{InView, JourneyParameters, LinkParameters, TrackParameters, assemble_journeys, link, track};
use operators::effectiveness::{EffectivenessParameters, effectiveness};
use operators::rules::verbs::{self, AsOfJoinParameters, IntervalJoinParameters, SeriesParameters, SessionizeParameters};
use operators::rules::{
    self, CameraSilentParameters, ClonedPlateParameters, ConditionError, EscalateParameters, HotlistParameters, NearestPatrolParameters,
    RedLightParameters,
};
use operators::{Changes, Observed};
use schemas::{City, Duration};

use super::{Port, Step};

/// What steps share.
#[derive(Clone, Debug)]
pub struct Context {
    /// The map.
    pub city: Arc<City>,
    /// How late evidence may come and still count.
    pub lateness: Duration,
}

/// What a plan has ruled out.
fn checked<T>(error: ConditionError) -> T {
    unreachable!("a plan has checked this: {error}")
}

/// Alerts made of records of any kind that conditions can be asked of.
macro_rules! alerts {
    ($port:expr, |$records:ident| $verb:expr) => {
        match $port {
            Port::Journeys($records) => $verb.unwrap_or_else(checked),
            Port::Alerts($records) => $verb.unwrap_or_else(checked),
            other => {
                let $records = other.sightings();
                $verb.unwrap_or_else(checked)
            }
        }
    };
}

/// Records of the same kind, made of records of any kind that conditions can be asked of.
macro_rules! each {
    ($port:expr, |$records:ident| $verb:expr) => {
        match $port {
            Port::Journeys($records) => Port::Journeys($verb.unwrap_or_else(checked)),
            Port::Alerts($records) => Port::Alerts($verb.unwrap_or_else(checked)),
            other => {
                let $records = other.sightings();
                Port::Sightings($verb.unwrap_or_else(checked))
            }
        }
    };
}

/// Builds a step. `inputs` and what is returned are in the order of the entry's ports; `observed` tells, where a step
/// asks for it, how far the source of its first input has been read; `hold` is given what a step keeps without showing it;
/// `changing` is how long after their time what flows in
/// may still change, the windows of the steps before it included.
///
/// # Panics
/// The inputs are not those of the entry, which a plan has ruled out.
pub fn build<'scope>(
    step: &Step,
    inputs: Vec<Port<'scope>>,
    observed: impl FnOnce() -> Changes<'scope, Observed>,
    hold: impl FnOnce(Changes<'scope, InView>),
    context: &Context,
    changing: Duration,
) -> Vec<Port<'scope>> {
    let (city, lateness) = (Arc::clone(&context.city), context.lateness);
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next().unwrap_or_else(|| unreachable!("a plan gives every step all its inputs"));
    let alerts = match step.clone() {
        #[cfg(feature = "vision")]
        Step::Perceive(_) => unreachable!("a job that perceives is a stage, and no dataflow"),
        Step::Track(parameters) => {
            let (sightings, in_view, rejected) = track(next().observations(), city, TrackParameters { lateness, ..parameters });
            hold(in_view);
            return vec![Port::Sightings(sightings), Port::Rejected(rejected)];
        }
        Step::Link(parameters) => {
            return vec![Port::Bonds(link(next().sightings(), city, LinkParameters { lateness, ..parameters }))];
        }
        Step::AssembleJourneys(parameters) => {
            let parameters = JourneyParameters { lateness, ..parameters };
            return vec![Port::Journeys(assemble_journeys(next().sightings(), next().bonds(), city, parameters))];
        }
        Step::SectionSpeed(parameters) => rules::section_speed(next().journeys(), city, parameters),
        Step::PointSpeed(parameters) => rules::point_speed(next().sightings(), city, parameters),
        Step::RedLight(parameters) => {
            let (sightings, signals) = (next().sightings(), next().signals());
            rules::red_light(sightings, signals, city, RedLightParameters { lateness, ..parameters })
        }
        Step::WrongWay(parameters) => rules::wrong_way(next().sightings(), city, parameters),
        Step::NoStopping(parameters) => rules::no_stopping(next().sightings(), city, parameters),
        Step::Hotlist(parameters) => {
            let (journeys, hotlist) = (next().journeys(), next().hotlist());
            rules::hotlist(journeys, hotlist, city, HotlistParameters { lateness, ..parameters })
        }
        Step::ClonedPlate(parameters) => rules::cloned_plate(next().journeys(), city, ClonedPlateParameters { lateness, ..parameters }),
        Step::CameraSilent(parameters) => {
            rules::camera_silent(next().observations(), observed(), &city, &CameraSilentParameters { lateness, ..parameters })
        }
        Step::Custom(parameters) => match next() {
            Port::Journeys(journeys) => rules::custom(journeys, city, parameters),
            other => rules::custom(other.sightings(), city, parameters),
        }
        .unwrap_or_else(checked),
        Step::NearestPatrol(parameters) => {
            let (alerts, patrols) = (next().alerts().map(Arc::unwrap_or_clone), next().patrols());
            let parameters = NearestPatrolParameters { lateness: changing, ..parameters };
            return vec![Port::Assignments(rules::nearest_patrol(alerts, patrols, &city, parameters))];
        }
        Step::Escalate(parameters) => {
            let (answers, assignments) = (next().answers(), next().assignments());
            let parameters = EscalateParameters { lateness: changing, ..parameters };
            return vec![Port::Assignments(rules::escalate(answers, assignments, observed(), &parameters))];
        }
        Step::Effectiveness(parameters) => {
            let (passages, told, reviews, acknowledgements) = (next().passages(), next().facts(), next().facts(), next().facts());
            let facts = told.concat(reviews).concat(acknowledgements);
            return vec![Port::Effectiveness(effectiveness(passages, facts, &city, EffectivenessParameters { lateness, ..parameters }))];
        }
        Step::Filter(parameters) => return vec![each!(next(), |records| verbs::filter(records, &parameters))],
        Step::Retain(parameters) => return vec![each!(next(), |records| Ok(verbs::retain(records, &parameters)))],
        Step::Deduplicate(parameters) => {
            let parameters = SeriesParameters { lateness: changing, ..parameters };
            return vec![each!(next(), |records| verbs::deduplicate(records, &parameters))];
        }
        Step::Suppress(parameters) => {
            let parameters = SeriesParameters { lateness: changing, ..parameters };
            return vec![each!(next(), |records| verbs::suppress(records, &parameters))];
        }
        Step::Sessionize(parameters) => {
            let parameters = SessionizeParameters { lateness: changing, ..parameters };
            alerts!(next(), |records| verbs::sessionize(records, city, parameters))
        }
        Step::IntervalJoin(parameters) => {
            let (left, right) = (next().sightings(), next().sightings());
            verbs::interval_join(left, right, city, IntervalJoinParameters { lateness: changing, ..parameters }).unwrap_or_else(checked)
        }
        Step::AsOfJoin(parameters) => {
            let (left, entries) = (next(), next().hotlist());
            alerts!(left, |records| verbs::as_of_join(records, entries, city, AsOfJoinParameters { lateness: changing, ..parameters }))
        }
    };
    // By reference, for what is shared and told of alerts is held several times.
    vec![Port::Alerts(alerts.map(Arc::new))]
}
