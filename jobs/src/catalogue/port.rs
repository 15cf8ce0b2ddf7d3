//! What flows between steps, by kind.

use std::sync::Arc;

use operators::city::{Bond, Itinerary};
use operators::effectiveness::{Fact, Passage};
use operators::{Arrived, Changes};
use schemas::{Acknowledgement, Alert, Assignment, Effectiveness, HotlistEntry, Observation, Patrol, Rejected, Sighting, Signal};

/// What flows out of a source or a step.
#[derive(Clone)]
pub enum Port<'scope> {
    /// What cameras saw, frame by frame, each with its place in the partition.
    Observations(Changes<'scope, Arrived<Observation>>),
    /// One vehicle through one camera's view.
    Sightings(Changes<'scope, Arc<Sighting>>),
    /// Two sightings that are one vehicle.
    Bonds(Changes<'scope, Bond>),
    /// One vehicle through the city, with its sightings.
    Journeys(Changes<'scope, Arc<Itinerary>>),
    /// What traffic signals show.
    Signals(Changes<'scope, Signal>),
    /// Plates somebody looks for.
    Hotlist(Changes<'scope, HotlistEntry>),
    /// Where patrol units are.
    Patrols(Changes<'scope, Patrol>),
    /// What a person is told.
    Alerts(Changes<'scope, Arc<Alert>>),
    /// Who is to go.
    Assignments(Changes<'scope, Assignment>),
    /// Who sees to alerts.
    Answers(Changes<'scope, Acknowledgement>),
    /// Vehicles that passed cameras.
    Passages(Changes<'scope, Passage>),
    /// What is known of alerts.
    Facts(Changes<'scope, Fact>),
    /// How well rules and cameras do their work.
    Effectiveness(Changes<'scope, Effectiveness>),
    /// Records that could not be taken.
    Rejected(Changes<'scope, Rejected>),
}

impl<'scope> Port<'scope> {
    /// Both together. Panics if they are of two kinds, which a plan has ruled out.
    #[must_use]
    pub fn concat(self, other: Self) -> Self {
        match (self, other) {
            (Self::Observations(a), Self::Observations(b)) => Self::Observations(a.concat(b)),
            (Self::Sightings(a), Self::Sightings(b)) => Self::Sightings(a.concat(b)),
            (Self::Bonds(a), Self::Bonds(b)) => Self::Bonds(a.concat(b)),
            (Self::Journeys(a), Self::Journeys(b)) => Self::Journeys(a.concat(b)),
            (Self::Signals(a), Self::Signals(b)) => Self::Signals(a.concat(b)),
            (Self::Hotlist(a), Self::Hotlist(b)) => Self::Hotlist(a.concat(b)),
            (Self::Patrols(a), Self::Patrols(b)) => Self::Patrols(a.concat(b)),
            (Self::Alerts(a), Self::Alerts(b)) => Self::Alerts(a.concat(b)),
            (Self::Assignments(a), Self::Assignments(b)) => Self::Assignments(a.concat(b)),
            (Self::Answers(a), Self::Answers(b)) => Self::Answers(a.concat(b)),
            (Self::Passages(a), Self::Passages(b)) => Self::Passages(a.concat(b)),
            (Self::Facts(a), Self::Facts(b)) => Self::Facts(a.concat(b)),
            (Self::Effectiveness(a), Self::Effectiveness(b)) => Self::Effectiveness(a.concat(b)),
            (Self::Rejected(a), Self::Rejected(b)) => Self::Rejected(a.concat(b)),
            _ => unreachable!("a plan lets only one kind flow into a port"),
        }
    }
}

/// Takes the changes out of a port whose kind the plan has checked.
macro_rules! ports {
    ($($name:ident: $variant:ident of $record:ty;)*) => {
        impl<'scope> Port<'scope> {$(
            #[doc = concat!("The ", stringify!($name), " in it. Panics if it holds another kind, which a plan has ruled out.")]
            #[must_use]
            pub fn $name(self) -> Changes<'scope, $record> {
                match self {
                    Self::$variant(changes) => changes,
                    _ => unreachable!("a plan lets only {} flow here", stringify!($name)),
                }
            }
        )*}
    };
}

ports! {
    observations: Observations of Arrived<Observation>;
    sightings: Sightings of Arc<Sighting>;
    bonds: Bonds of Bond;
    journeys: Journeys of Arc<Itinerary>;
    signals: Signals of Signal;
    hotlist: Hotlist of HotlistEntry;
    patrols: Patrols of Patrol;
    alerts: Alerts of Arc<Alert>;
    assignments: Assignments of Assignment;
    answers: Answers of Acknowledgement;
    passages: Passages of Passage;
    facts: Facts of Fact;
    effectiveness: Effectiveness of Effectiveness;
    rejected: Rejected of Rejected;
}
