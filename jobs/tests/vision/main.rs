//! From cameras to observations, with the program as a person runs it.

#![cfg(feature = "vision")]

mod capture;
mod film;
mod onnx;
mod perceive;
mod program;
mod road;
#[path = "../running/mod.rs"]
#[allow(dead_code, reason = "of what a server is asked, only a part is asked here")]
mod running;
mod served;
mod still;
mod strips;
