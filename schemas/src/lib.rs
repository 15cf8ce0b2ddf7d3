//! The nouns of Giaolo: every record that goes in or comes out, as plain data.
//!
//! ```text
//! city ──────────┐
//! frame ─▶ observation ─▶ sighting ─▶ journey ─▶ alert ─▶ assignment, acknowledgement, review ─▶ effectiveness
//! signal, hotlist, patrol ───────────────┘        anything that cannot be read ─▶ rejected
//! ```
//!
//! Records hold integers with the unit last in the name (`at_ms`, `length_cm`, `speed_cms`, confidences in permille),
//! so that they are `Ord + Hash` and mean the same on every machine. Keys are small and `Copy`.
//! Nothing here knows of a dataflow; bytes are the business of [`wire`].

#[macro_use]
mod text;
mod alert;
mod assignment;
mod capture_health;
mod city;
mod effectiveness;
mod frame;
mod geometry;
mod hotlist;
mod id;
mod journey;
mod observation;
mod patrol;
mod plate;
mod quantity;
mod rejected;
mod review;
mod revised;
mod sighting;
mod signal;
pub mod wire;

pub use alert::{Alert, Evidence, Quantities};
pub use assignment::{Assignment, NearUnit};
pub use capture_health::{CaptureHealth, CaptureState};
pub use city::{Camera, City, Ground, Lane, Line, LineKind, Link, Section, Zone, ZoneKind};
pub use effectiveness::{Counts, Effectiveness};
pub use frame::{Codec, Frame};
pub use geometry::{Pixel, PixelBox};
pub use hotlist::HotlistEntry;
pub use id::{Id, IdHasher};
pub use journey::Journey;
pub use observation::{Body, Class, Object, Observation};
pub use patrol::Patrol;
pub use plate::{Confidence, Plate, PlateColour, PlateKey, PlateKind, PlateText};
pub use quantity::{Duration, Length, Speed};
pub use rejected::{Place, Reason, Rejected};
pub use review::{Acknowledgement, Decision, Review, ReviewReason};
pub use revised::{Revised, Status};
pub use sighting::{Crossing, Sighting, Stay};
pub use signal::{Signal, SignalState};
pub use text::{Name, TooLong};
