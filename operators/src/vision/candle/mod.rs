//! The networks that are built in, each in a file of its own with where it comes from.

mod fastest_det;
mod lpr_net;

pub use fastest_det::{FastestDet, FastestDetSizes};
pub use lpr_net::{LprNet, LprNetSizes};
