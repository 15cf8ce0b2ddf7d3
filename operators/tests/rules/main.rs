//! The rules, tested from outside: golden scripts, bounds against exact arithmetic, dataflows against recomputation.

mod bounds;
mod dataflow;
mod golden;
mod notation;
mod recomputed;
