//! Reports: what the hourly rows of the job `effectiveness` say of a span of time, for people.
//!
//! ```text
//! topic effectiveness ─▶ gather ─▶ by rule · camera · centre · hour of day · day of week ─▶ guard ─▶ text · csv · html
//!                        sums                                                    no group of less than five
//! ```

mod columns;
mod csv;
mod gather;
mod group;
mod guard;
mod html;
mod period;
mod plot;
mod text;

pub use csv::csv;
pub use gather::{Report, gather};
pub use group::{Figures, Group};
pub use html::html;
pub use period::{Period, zone};
pub use text::text;
