//! Jobs: the only crate that knows nouns, verbs and runtime. It holds sentences, no logic.
//!
//! ```text
//! definitions/*.yaml ─▶ engine: definition, plan ─▶ catalogue: build ─▶ dataflow
//!                            ▲
//!                       catalogue: kinds, entries, parameters
//! ```

pub mod catalogue;
pub mod cli;
pub mod dataflow;
pub mod ready;
