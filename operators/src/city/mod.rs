//! Words to meaning: what cameras saw becomes vehicles on their way through the city.
//!
//! ```text
//! observations ─▶ track (vote) ─▶ sightings ─▶ link ─▶ bonds ─▶ assemble_journeys ─▶ itineraries
//! ```

pub mod confusion;
mod ground;
mod track;
mod vote;

mod link;
pub mod road;
pub mod similarity;

mod assemble_journeys;
mod itinerary;
mod journey_plate;

pub use assemble_journeys::{Assembler, JourneyParameters, Part, assemble_journeys};
pub use itinerary::Itinerary;
pub use journey_plate::journey_plate;
pub use link::{Bond, LinkParameters, Linker, link};
pub use track::{InView, RETELL_MS, TrackParameters, Tracker, track};
pub use vote::{Majority, Vote, certainty};
