//! Jobs: the only crate that knows nouns, verbs and runtime. It holds sentences, no logic.
//!
//! ```text
//! definitions/*.yaml ─▶ engine: definition, plan ─▶ catalogue: build ─▶ dataflow
//!                            ▲
//!                       catalogue: kinds, entries, parameters
//!
//! lookup: committed outputs ─▶ tables ─▶ answers
//! capture: packets ─▶ frames          perceive: frames ─▶ a pool of networks ─▶ observations
//! report: rows of the job `effectiveness` ─▶ tables, pages
//! still: an alert ─▶ the frames it rests on ─▶ pictures
//! evidence: an alert ─▶ all it rests on, signed ─▶ the same verdict again
//! ```

pub mod access;
#[cfg(feature = "vision")]
pub mod capture;
pub mod catalogue;
pub mod cli;
pub mod comparison;
pub mod dataflow;
pub mod dispatch;
pub mod evidence;
pub mod lookup;
#[cfg(feature = "vision")]
pub mod perceive;
pub mod ready;
pub mod report;
pub mod shared;
#[cfg(feature = "vision")]
pub mod still;

/// Records come and go by the million: with this allocator a city takes a quarter less processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
