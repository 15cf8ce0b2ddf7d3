//! From a definition to a plan: every name resolved, every kind checked, every bound computed. Only a plan can be built.
//!
//! ```text
//! definition + catalogue ─▶ entries and parameters ─▶ wiring (names, cycles, kinds) ─▶ memory, hash ─▶ plan
//! ```
//!
//! *Memory* is how far back a restart must read beyond what is still open: along the longest path, evidence may change a
//! result for the sum of the steps' windows, and may itself come `lateness` late.

mod catalogue;
mod examples;
mod hash;
mod wiring;

use std::collections::BTreeSet;

pub use catalogue::{Catalogue, Check, Entry, InputPort, Kind, OutputPort, REJECTED, Reading, Resource};
pub use examples::{Example, matches};

use crate::definition::{Definition, Field, Position, Problems, Source, Value, did_you_mean};
use wiring::Wiring;

/// A definition that was found to be right, ready to be built.
#[derive(Debug)]
#[non_exhaustive]
pub struct Plan<S> {
    /// The job's name.
    pub job: String,
    /// What it is for.
    pub description: String,
    /// How late evidence may come and still count, milliseconds.
    pub lateness_ms: u64,
    /// How far ahead of its arrival a record's own time may be, milliseconds.
    pub max_skew_ms: u64,
    /// How long the job clock waits for a partition that is behind, milliseconds.
    pub patience_ms: u64,
    /// The job clock advances in steps of this, milliseconds.
    pub tick_ms: u64,
    /// Files that steps use, as written: a path, or the content itself.
    pub resources: Vec<Field>,
    /// What is read.
    pub sources: Vec<PlannedSource>,
    /// What is done; each step stands after those it reads.
    pub steps: Vec<PlannedStep<S>>,
    /// What comes out.
    pub outputs: Vec<PlannedOutput>,
    /// Ports of steps that refuse records; with what sources refuse, they go to the topic [`REJECTED`].
    pub rejected: Vec<Wire>,
    /// How far back a restart must read beyond what is still open, milliseconds: the largest memory of a step and what the
    /// steps up to it look back beyond their windows; at least the lateness.
    pub memory_ms: u64,
    /// Identity of everything that bears on results: 32 hexadecimal digits. Comments, order, description and tests do not.
    pub hash: String,
    /// Examples that must hold.
    pub examples: Vec<Example>,
    /// What is probably not meant so.
    pub warnings: Problems,
}

/// A topic that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedSource {
    /// Its name in the definition.
    pub name: String,
    /// What its records are.
    pub kind: &'static str,
    /// The topic.
    pub topic: String,
    /// Whether it is a table, read whole.
    pub table: bool,
    /// How the records are written.
    pub format: String,
}

/// A step, ready to be built.
#[derive(Debug)]
pub struct PlannedStep<S> {
    /// Its name.
    pub name: String,
    /// The entry of the catalogue.
    pub entry: &'static str,
    /// The step with its parameters.
    pub step: S,
    /// For each input port of the entry, what flows into it; nothing if it was left open.
    pub inputs: Vec<Vec<Wire>>,
    /// The output ports of the entry.
    pub outputs: Vec<PlannedPort>,
    /// Its window, milliseconds.
    pub window_ms: u64,
    /// The sum of windows along the longest path up to and with it, plus the lateness, milliseconds.
    pub memory_ms: u64,
    /// The same, with what it and the steps before it look back beyond their windows.
    pub reach_ms: u64,
    /// Its parameters in full.
    pub parameters: serde_json::Value,
}

/// An output port of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedPort {
    /// Its name.
    pub name: &'static str,
    /// What comes out of it.
    pub kind: &'static str,
}

/// A topic that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedOutput {
    /// The topic.
    pub topic: String,
    /// What its rows are.
    pub kind: &'static str,
    /// What flows into it.
    pub from: Vec<Wire>,
}

/// Where records come from, by place in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wire {
    /// A source.
    Source(usize),
    /// An output port of a step.
    Step {
        /// The step.
        step: usize,
        /// The port.
        port: usize,
    },
}

/// Formats records can be written in.
pub const FORMATS: &[&str] = &["json", "bincode"];

impl<S> Plan<S> {
    /// Reads and checks a text; `file` is its name for messages.
    ///
    /// # Errors
    /// All problems of the text, and the warnings.
    pub fn read<C: Catalogue<Step = S>>(catalogue: &C, file: &str, text: &str) -> Result<Self, Problems> {
        let resources: Vec<&str> = catalogue.resources().iter().map(|resource| resource.name).collect();
        let mut problems = Problems::of(file);
        let plan = Definition::read(text, &resources, &mut problems).and_then(|definition| Self::of(&definition, catalogue, &mut problems));
        let problems = problems.finish(text);
        match plan {
            Some(mut plan) if !problems.any_error() => {
                plan.warnings = problems;
                Ok(plan)
            }
            _ => Err(problems),
        }
    }

    /// Checks a definition. `None` if it cannot be planned; `problems` says why. With errors in `problems` the plan must not be built.
    fn of<C: Catalogue<Step = S>>(definition: &Definition, catalogue: &C, problems: &mut Problems) -> Option<Self> {
        let sources: Vec<Option<PlannedSource>> =
            definition.sources.iter().map(|source| plan_source(source, catalogue, problems)).collect();
        let mut readings: Vec<_> = (definition.steps.iter())
            .map(|step| {
                let entry = catalogue.entry(&step.entry.text);
                let names = || catalogue.entries().iter().map(|entry| entry.name);
                let Some(entry) = entry else {
                    let message = format!("unknown entry {:?} in step {:?}", step.entry.text, step.name.text);
                    problems.error(step.entry.at, message, did_you_mean(&step.entry.text, names()));
                    return None;
                };
                (entry.read)(&mut crate::definition::Parameters::of(&step.name, &step.parameters, problems))
            })
            .collect();
        let entries: Vec<_> = definition.steps.iter().map(|step| catalogue.entry(&step.entry.text)).collect();
        let kinds: Vec<_> = sources.iter().map(|source| source.as_ref().map(|source| source.kind)).collect();
        let wiring = Wiring::of(definition, &entries, &kinds, catalogue, problems);
        for (number, (reading, entry)) in readings.iter().zip(&entries).enumerate() {
            let first = wiring.first_kinds[number];
            if let (Some(reading), Some(check), Some(kind)) = (reading, entry.and_then(|entry| entry.check), first) {
                let step = &definition.steps[number];
                check(&reading.step, kind, &mut crate::definition::Parameters::of(&step.name, &step.parameters, problems));
            }
        }
        check_resources(definition, catalogue, problems);
        let (memories, reaches) = memories(&wiring, &readings, definition.lateness_ms);
        let examples = examples::check(definition, &wiring, catalogue, problems);
        if problems.any_error() {
            return None;
        }
        let mut steps = Vec::new();
        for index in &wiring.order {
            let (reading, entry) = (readings[*index].take()?, entries[*index]?);
            steps.push(PlannedStep {
                name: definition.steps[*index].name.text.clone(),
                entry: entry.name,
                step: reading.step,
                inputs: wiring.inputs[*index].clone(),
                outputs: (entry.outputs.iter().zip(&wiring.kinds[*index]))
                    .map(|(port, kind)| kind.map(|kind| PlannedPort { name: port.name, kind }))
                    .collect::<Option<_>>()?,
                window_ms: reading.window_ms,
                memory_ms: memories[*index],
                reach_ms: reaches[*index],
                parameters: reading.parameters,
            });
        }
        let ports = steps.iter().enumerate().flat_map(|(step, planned)| {
            planned.outputs.iter().enumerate().map(move |(port, planned)| (planned.kind, Wire::Step { step, port }))
        });
        let mut plan = Self {
            job: definition.job.text.clone(),
            description: definition.description.clone(),
            lateness_ms: definition.lateness_ms,
            max_skew_ms: definition.max_skew_ms,
            patience_ms: definition.patience_ms,
            tick_ms: definition.tick_ms,
            resources: definition.resources.clone(),
            sources: sources.into_iter().collect::<Option<_>>()?,
            rejected: ports.filter(|(kind, _)| *kind == REJECTED).map(|(_, wire)| wire).collect(),
            memory_ms: reaches.iter().copied().fold(definition.lateness_ms, u64::max),
            steps,
            outputs: wiring.outputs,
            hash: String::new(),
            examples,
            warnings: Problems::default(),
        };
        plan.hash = hash::of(&plan);
        Some(plan)
    }
}

/// How far back each step remembers: by the windows alone, and with what is looked back for beyond them.
fn memories<S>(wiring: &Wiring, readings: &[Option<Reading<S>>], lateness_ms: u64) -> (Vec<u64>, Vec<u64>) {
    let along = |span: fn(&Reading<S>) -> u64| {
        let spans: Vec<u64> = readings.iter().map(|reading| reading.as_ref().map_or(0, span)).collect();
        wiring.memories(&spans, lateness_ms)
    };
    (along(|reading| reading.window_ms), along(|reading| reading.window_ms.saturating_add(reading.looks_back_ms)))
}

impl<S> Plan<S> {
    /// The topics that are written, [`REJECTED`] last.
    #[must_use]
    pub fn written(&self) -> Vec<String> {
        let named = self.outputs.iter().map(|output| output.topic.clone()).filter(|topic| topic != REJECTED);
        named.chain([REJECTED.to_owned()]).collect()
    }
}

/// Content that stands in place of a file must be what the file would hold.
fn check_resources<C: Catalogue>(definition: &Definition, catalogue: &C, problems: &mut Problems) {
    let all = definition.resources.iter().chain(definition.tests.iter().flat_map(|test| &test.resources));
    for field in all {
        let Some(resource) = catalogue.resources().iter().find(|resource| resource.name == field.key) else { continue };
        let checked = match &field.value.value {
            Value::Text(_) => Ok(()),
            Value::Map(_) => (resource.check)(&field.value),
            _ => {
                let message = format!("{:?} must be a path or the content itself, not {}", field.key, field.value.describe());
                problems.error(field.value.at, message, None);
                Ok(())
            }
        };
        if let Err(error) = checked {
            let message = format!("wrong content of {:?}: {}", field.key, error.message);
            problems.error(error.at.unwrap_or(field.value.at), message, error.hint);
        }
    }
}

fn plan_source<C: Catalogue>(source: &Source, catalogue: &C, problems: &mut Problems) -> Option<PlannedSource> {
    let readable = || catalogue.kinds().iter().filter(|kind| kind.readable).map(|kind| kind.name);
    let name = &source.name.text;
    if !FORMATS.contains(&source.format.text.as_str()) {
        let hint = did_you_mean(&source.format.text, FORMATS.iter().copied());
        problems.error(source.format.at, format!("unknown format {:?} in source {name:?}", source.format.text), hint);
    }
    match catalogue.kind(&source.kind.text) {
        Some(kind) if kind.readable => Some(PlannedSource {
            name: name.clone(),
            kind: kind.name,
            topic: source.topic.text.clone(),
            table: kind.table,
            format: source.format.text.clone(),
        }),
        Some(kind) => {
            let hint = Some(format!("sources can be of kind {}", readable().collect::<Vec<_>>().join(", ")));
            problems.error(source.kind.at, format!("{:?} cannot be read from a topic, in source {name:?}", kind.name), hint);
            None
        }
        None => {
            let hint = did_you_mean(&source.kind.text, readable());
            problems.error(source.kind.at, format!("unknown kind {:?} in source {name:?}", source.kind.text), hint);
            None
        }
    }
}

/// Names that are used more than once, with the place of the later use.
fn repeated<'a>(names: impl Iterator<Item = (&'a str, Position)>) -> Vec<(&'a str, Position)> {
    let mut seen = BTreeSet::new();
    names.filter(|(name, _)| !seen.insert(*name)).collect()
}
