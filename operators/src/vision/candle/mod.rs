//! The networks that are built in, each in a file of its own with where it comes from.

pub(super) mod cell;
pub mod convolution;
mod fastest_det;
pub mod finder_network;
pub mod input;
mod layer;
mod lpr_net;
mod plate_finder;
mod plate_reader;
pub mod reader_network;
mod vehicle_detector;
pub mod vehicle_network;

pub use fastest_det::{FastestDet, FastestDetSizes};
pub use lpr_net::{LprNet, LprNetSizes};
pub use plate_finder::VietnamesePlateFinder;
pub use plate_reader::VietnamesePlateReader;
pub use vehicle_detector::VehicleDetector;
