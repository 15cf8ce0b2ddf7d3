//! A journey together with the sightings it is made of: what rules over journeys look at.

use std::sync::Arc;

use schemas::{Journey, Sighting};
use serde::{Deserialize, Serialize};

/// A journey and, in the same order, its sightings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Itinerary {
    /// The journey as others see it.
    pub journey: Journey,
    /// The sightings that `journey.sightings` names.
    pub sightings: Vec<Arc<Sighting>>,
}
