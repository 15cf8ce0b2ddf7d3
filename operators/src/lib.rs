//! The verbs of Giaolo: collections in, collections out. No I/O and no wall clock.
//!
//! ```text
//! stream   for any stream: fold, interval_join, as_of_join, retain, deduplicate, suppress, sessionize, offload
//! city     words to meaning: track ─▶ link ─▶ assemble_journeys
//! rules    meaning to alerts: section_speed, red_light, hotlist …
//! effectiveness   alerts and what people say of them to counts, hour by hour
//! vision   pixels to words: decode, detect, read plates (feature `vision`)
//! ```
//!
//! Time is the *job clock*: milliseconds, the timestamp of every change. Event times are data inside the records.
//! Every operator is a plain state machine over plain data (tested without a dataflow) and a thin function that
//! puts it into one.

mod arrived;
pub mod city;
pub mod effectiveness;
pub mod rules;
pub mod stream;
#[cfg(feature = "vision")]
pub mod vision;

pub use arrived::{Arrived, Observed};
pub use stream::{Changes, Clock};
