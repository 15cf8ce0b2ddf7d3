//! Any other detector, from an ONNX file that a user brings, run by tract.
//!
//! ```text
//! picture ─▶ input: fitted, in the network's colours and range ─▶ network ─▶ boxes: as the job says they lie ─▶ believe ─▶ Detection
//! ```
//!
//! Sources: the [format](https://onnx.ai/onnx/repo-docs/IR.html), and what runs it: [tract](https://github.com/sonos/tract). Of the
//! crates that can, tract is the faster one on a processor (YOLOv8n at 640 × 640 on one thread: 151 ms, candle-onnx 457), knows more
//! operators, and needs no compiler of protocol buffers to be built.
//!
//! A file and what a job says of it come from outside: what does not fit is told with the tensor's name, what was found and what is
//! described. What the file says of other files is refused, so that nothing else is ever read.

#[cfg(feature = "onnx")]
mod boxes;
#[cfg(feature = "onnx")]
mod detector;
#[cfg(feature = "onnx")]
mod input;
#[cfg(feature = "onnx")]
mod network;
mod parameters;
mod table;

#[cfg(feature = "onnx")]
pub use detector::OnnxDetector;
pub use parameters::{Colours, Fit, Layout, OnnxInput, OnnxOutput, OnnxParameters, Range, VehicleCategories};
pub use table::{Activation, BoxForm, BoxUnit, Order, Table};
