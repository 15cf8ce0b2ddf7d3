//! Meaning to alerts: one file a rule; and `nearest_patrol` and `escalate`, which say who is to go.
//!
//! Every rule decides on the bound most favourable to the driver: an alert is *certain* only if that bound still
//! violates, else it is a suspicion. What a rule says is a function of the evidence it has, so late evidence corrects it.

mod condition;
mod keyed;
mod lengths;
mod map;
mod raise;
mod template;

pub mod camera_silent;
pub mod cloned_plate;
pub mod custom;
pub mod escalate;
pub mod hotlist;
pub mod nearest_patrol;
pub mod no_stopping;
pub mod point_speed;
pub mod red_light;
pub mod section_speed;
pub mod verbs;
pub mod wrong_way;

pub use camera_silent::{CameraSilentParameters, camera_silent};
pub use cloned_plate::{ClonedPlateParameters, cloned_plate};
pub use condition::{Condition, ConditionError};
pub use custom::{CustomParameters, Subject, custom};
pub use escalate::{EscalateParameters, escalate};
pub use hotlist::{HotlistParameters, hotlist};
pub use keyed::check_by;
pub use nearest_patrol::{NearestPatrolParameters, nearest_patrol};
pub use no_stopping::{NoStoppingParameters, no_stopping};
pub use point_speed::{PointSpeedParameters, point_speed};
pub use red_light::{RedLightParameters, red_light};
pub use section_speed::{SectionSpeedParameters, section_speed};
pub use wrong_way::{WrongWayParameters, wrong_way};
