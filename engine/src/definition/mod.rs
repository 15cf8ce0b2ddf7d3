//! Job definitions: one strict, versioned YAML document (JSON alike) that says what is read, what is done and what comes out.
//!
//! ```text
//! text ─▶ node (a tree with places) ─▶ definition (this module: shape only) ─▶ plan (checked against the catalogue)
//! ```
//!
//! ```yaml
//! version: 1
//! job: section-speed
//! sources:                                  # name: what is read
//!   observations: {kind: observations}
//! steps:                                    # name: an entry of the catalogue, where its input comes from, its parameters
//!   sightings: {step: track, from: observations}
//!   speed: {step: point_speed, from: sightings, limit: 60 km/h}
//! outputs:                                  # topic: the steps whose results go there
//!   alerts: {from: speed}
//! ```
//!
//! A name is an identity: of a step in metrics and in the graph, of a source or an output in the topics. Reading never stops at
//! the first problem; what was understood goes on to the plan, so that a person sees everything at once. Definitions hold no
//! credentials: clusters and secrets belong to the configuration of the server.

mod decode;
mod faults;
mod fields;
mod node;
mod parameters;
mod problem;
mod read;
pub mod schema;
mod span;

pub use decode::{DecodeError, FieldFault, decode, decode_fields};
pub(crate) use fields::{read_fields, tell};
pub use node::{BYTES_MOST, DEPTH_MOST, Field, NODES_MOST, Node, Value};
pub use parameters::Parameters;
pub use problem::{Position, Problem, Problems, Severity, did_you_mean};
pub use span::{parse_bytes, parse_ms};

/// A text and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// The text.
    pub text: String,
    /// Where it stands.
    pub at: Position,
}

/// What a definition says, before it is held against the catalogue.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// The job's name: its identity in the progress record and the source of its events.
    pub job: Word,
    /// What it is for, in a sentence or two.
    pub description: String,
    /// How late evidence may come after the job clock and still count, milliseconds.
    pub lateness_ms: u64,
    /// How far ahead of its arrival a record's own time may be, milliseconds.
    pub max_skew_ms: u64,
    /// How long the job clock waits for a partition that is behind, milliseconds.
    pub patience_ms: u64,
    /// The job clock advances in steps of this, milliseconds.
    pub tick_ms: u64,
    /// Further top-level fields: files the catalogue's steps need, by name (a path, or the content itself).
    pub resources: Vec<Field>,
    /// What is read.
    pub sources: Vec<Source>,
    /// What is done.
    pub steps: Vec<Step>,
    /// What comes out.
    pub outputs: Vec<Output>,
    /// Examples that must hold.
    pub tests: Vec<Test>,
}

/// Default of [`Definition::lateness_ms`]: a camera that was cut off for a quarter of an hour still counts.
pub const LATENESS_MS: u64 = 15 * 60_000;
/// Default of [`Definition::max_skew_ms`]: clocks of cameras that are synchronised at all differ by less.
pub const MAX_SKEW_MS: u64 = 5_000;
/// Default of [`Definition::tick_ms`]: a person does not notice a tenth of a second, and a replay has few moments.
pub const TICK_MS: u64 = 100;

/// A topic that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name in this definition.
    pub name: Word,
    /// What its records are: a kind of the catalogue.
    pub kind: Word,
    /// The topic; the name if not given.
    pub topic: Word,
    /// How the records are written; `json` if not given.
    pub format: Word,
}

/// A step: an entry of the catalogue at work.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name: its identity, its metric label and its node in the graph.
    pub name: Word,
    /// The entry of the catalogue.
    pub entry: Word,
    /// Where its inputs come from.
    pub inputs: Vec<Input>,
    /// Everything else that was written: the entry's parameters.
    pub parameters: Vec<Field>,
}

/// Where an input comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The port; `None` where only one name was written, for entries with one port.
    pub port: Option<Word>,
    /// Sources, steps, or `step.port`; several of one kind run together.
    pub from: Vec<Word>,
}

/// A topic that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// The topic.
    pub topic: Word,
    /// Sources or steps whose results go there, all of one kind.
    pub from: Vec<Word>,
}

/// An example: rows in, rows out.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// What it shows, in a sentence.
    pub name: Word,
    /// Resources that replace those of the job.
    pub resources: Vec<Field>,
    /// Rows by source; or by step, whose results they then replace.
    pub given: Vec<Rows>,
    /// Rows by output. Each row names only the fields it cares for; there must be as many rows as results.
    pub expect: Vec<Rows>,
}

/// Rows of a source, a step or an output.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Its name.
    pub name: Word,
    /// The rows.
    pub rows: Vec<Node>,
}
