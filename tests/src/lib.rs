//! A synthetic city with known truth, and a judge of what is made of it.
//!
//! ```text
//!   Plan ─▶ roads, lights, traffic ─▶ cameras ─▶ noise ─▶ Recording { city, observations, signals, hotlist }
//!                     └──────────────────────────────────▶ Truth ─▶ judge ◀─ sightings, journeys, alerts of the product
//! ```
//!
//! Nothing here shares code with the product: formats, geometry and measures are written a second time, so that a mistake made
//! once cannot hide. The same [`Plan`] gives the same bytes for ever.
//!
//! ```
//! let recording = city::simulate(&city::Plan::small(7));
//! assert_eq!(recording.city.cameras.len(), 4);
//! assert!(recording.observations.len() > 1_000);
//! ```

pub mod broker;
mod camera;
pub mod changelog;
#[cfg(test)]
mod consistency;
pub mod faults;
pub mod film;
mod incidents;
mod interleave;
pub mod judge;
mod lights;
pub mod line;
mod load;
pub mod mutate;
mod passages;
mod perceive;
mod plan;
pub mod plates;
pub mod postgres;
pub mod python;
mod random;
mod recording;
pub mod records;
mod resident;
mod roads;
mod simulate;
mod staged;
mod traffic;
pub mod truth;

pub use interleave::interleave;
pub use load::Load;
pub use plan::{Behaviour, EPOCH_MS, Lens, Noise, Plan};
pub use random::Random;
pub use recording::Recording;
pub use resident::resident_bytes;
pub use simulate::simulate;
