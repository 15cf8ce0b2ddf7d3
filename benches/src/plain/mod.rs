//! The plain single-threaded programs that the product is held against: the same work in one loop, without a dataflow.

mod city;
mod join;

pub use city::{Change, assemble, follow, moment_of};
pub use join::join;
