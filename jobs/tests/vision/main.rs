//! From cameras to observations, with the program as a person runs it.

#![cfg(feature = "vision")]

mod capture;
mod film;
mod onnx;
mod perceive;
mod program;
mod road;
mod still;
mod strips;
