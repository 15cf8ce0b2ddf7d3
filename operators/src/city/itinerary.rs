//! A journey together with the sightings it is made of: what rules over journeys look at.

use std::sync::Arc;

use schemas::{Journey, Sighting};
use serde::{Deserialize, Serialize};

/// A journey and, in the same order, its sightings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Itinerary {
    /// The journey as others see it.
    pub journey: Arc<Journey>,
    /// The sightings that `journey.sightings` names.
    pub sightings: Vec<Arc<Sighting>>,
    /// How sure it is that each sighting and the next are one vehicle, permille: one less than sightings.
    pub certainties: Vec<u16>,
}

impl Itinerary {
    /// How sure it is that the sightings at two places, the earlier first, are one vehicle, permille.
    #[must_use]
    pub fn certainty(&self, from: usize, to: usize) -> u16 {
        certainty(self.certainties.get(from..to).unwrap_or_default())
    }
}

/// How sure all of these bonds together are, permille.
pub(super) fn certainty(bonds: &[u16]) -> u16 {
    bonds.iter().fold(1_000, |product, certainty| product * u32::from(*certainty) / 1_000) as u16
}
