//! What a definition may use: kinds of records and entries for steps. The engine knows their shape; who runs it gives the words.

use crate::definition::{DecodeError, Node, Parameters};

/// The kind of records that were refused. Sources refuse records, and so may steps, by a port of this kind; all of them go
/// to the topic of this name, whether the definition says so or not, so that nothing is dropped silently.
pub const REJECTED: &str = "rejected";

/// The words a definition is made of.
pub trait Catalogue {
    /// A step whose parameters are known to be right.
    type Step;

    /// The kinds of records that flow between steps.
    fn kinds(&self) -> &[Kind];

    /// What a step can be.
    fn entries(&self) -> &[Entry<Self::Step>];

    /// Top-level fields that name a file (or hold its content) for steps to use.
    fn resources(&self) -> &[Resource];

    /// The kind of that name.
    fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds().iter().find(|kind| kind.name == name)
    }

    /// The entry of that name.
    fn entry(&self, name: &str) -> Option<&Entry<Self::Step>> {
        self.entries().iter().find(|entry| entry.name == name)
    }
}

/// A kind of records.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What one record is, in a phrase.
    pub summary: &'static str,
    /// Whether a source can be of this kind.
    pub readable: bool,
    /// Whether a source of this kind is a table: a newer record of a key replaces the older one, whenever it came. A restart
    /// reads it from the first record kept.
    pub table: bool,
    /// Whether an output can be of this kind.
    pub writable: bool,
    /// JSON Schema of one record.
    pub schema: fn() -> serde_json::Value,
    /// Whether a row written by hand is a record of this kind.
    pub check: fn(&Node) -> Result<(), DecodeError>,
}

/// What a step can be.
#[derive(Clone, Copy, Debug)]
pub struct Entry<S> {
    /// Its name.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// What goes in.
    pub inputs: &'static [InputPort],
    /// What comes out; the first is meant where a step is named without a port.
    pub outputs: &'static [OutputPort],
    /// JSON Schema of its parameters.
    pub schema: fn() -> serde_json::Value,
    /// Reads its parameters.
    pub read: fn(&mut Parameters<'_>) -> Option<Reading<S>>,
    /// Checks what can only be said once it is known which kind flows into its first input.
    pub check: Option<Check<S>>,
}

/// Checks a step against the kind that flows into its first input; what is wrong is told to the parameters.
pub type Check<S> = fn(&S, &str, &mut Parameters<'_>);

/// A way in.
#[derive(Clone, Copy, Debug)]
pub struct InputPort {
    /// Its name.
    pub name: &'static str,
    /// The kinds it takes.
    pub kinds: &'static [&'static str],
    /// Whether it may be left open.
    pub optional: bool,
}

/// A way out.
#[derive(Clone, Copy, Debug)]
pub struct OutputPort {
    /// Its name.
    pub name: &'static str,
    /// The kind it gives; `None`: the kind that came in by the first input.
    pub kind: Option<&'static str>,
}

/// A step whose parameters were read.
#[derive(Clone, Debug)]
pub struct Reading<S> {
    /// The step.
    pub step: S,
    /// How long after an event further evidence may still change what this step says of it, milliseconds.
    pub window_ms: u64,
    /// How much further back than that it looks for what was in force at the time, milliseconds. Nobody waits for it, but a
    /// restart must know it.
    pub looks_back_ms: u64,
    /// The parameters in full, defaults included: part of what makes two definitions the same.
    pub parameters: serde_json::Value,
}

/// A file that steps use.
#[derive(Clone, Copy, Debug)]
pub struct Resource {
    /// The field.
    pub name: &'static str,
    /// What it holds, in a phrase.
    pub summary: &'static str,
    /// Whether content written in place of a path can be that.
    pub check: fn(&Node) -> Result<(), DecodeError>,
}
