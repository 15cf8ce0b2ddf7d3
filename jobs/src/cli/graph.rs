//! `giaolo graph`: a job as a drawing.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use engine::plan::{Plan, REJECTED, Wire};

use serde_json::Value;

use super::remote::{Ask, DEFAULT_ADDRESS, Remote};
use super::{Outcome, job, say};
use crate::catalogue::{Step, span};

/// Draw a job
///
/// Sources stand on the left, outputs on the right; a step shows the catalogue's entry under its name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo graph city                              for Markdown: put it between ```mermaid and ```
  giaolo graph city --format dot | dot -Tsvg > city.svg
  giaolo graph city --live --format dot | dot -Tsvg > now.svg")]
pub(super) struct Graph {
    /// A definition: a path, or the name of a ready job
    #[arg(value_name = "JOB")]
    job: String,
    /// How to draw it
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    /// Show what a server's steps are doing: records taken, changes handed on, rows held, time worked
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = DEFAULT_ADDRESS)]
    live: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
}

impl Graph {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let (_, plan) = job::plan(&self.job)?;
        let mut drawing = draw(&plan);
        if let Some(server) = &self.live {
            let status = Remote::at(server).ask(&Ask::Get, "/v1/status", &[])?;
            drawing.boxes.iter_mut().for_each(|(id, name, text, _)| *text = live(&status["figures"], id, name).unwrap_or(text.clone()));
        }
        say(&match self.format {
            Format::Mermaid => mermaid(&drawing),
            Format::Dot => dot(&plan.job, &drawing),
        })?;
        Ok(Outcome::Well)
    }
}

/// What is drawn: boxes with an id, two lines of text and a shape, and arrows with the kind that flows.
struct Drawing {
    boxes: Vec<(String, String, String, Shape)>,
    arrows: Vec<(String, String, &'static str)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Topic,
    Step,
}

fn draw(plan: &Plan<Step>) -> Drawing {
    let mut drawing = Drawing { boxes: Vec::new(), arrows: Vec::new() };
    let id = |wire: &Wire| match wire {
        Wire::Source(source) => format!("source{source}"),
        Wire::Step { step, .. } => format!("step{step}"),
    };
    let kind = |wire: &Wire| match wire {
        Wire::Source(source) => plan.sources[*source].kind,
        Wire::Step { step, port } => plan.steps[*step].outputs[*port].kind,
    };
    for (number, source) in plan.sources.iter().enumerate() {
        drawing.boxes.push((format!("source{number}"), source.topic.clone(), format!("topic of {}", source.kind), Shape::Topic));
    }
    for (number, step) in plan.steps.iter().enumerate() {
        let lines = (step.name.clone(), format!("{}, memory {}", step.entry, span(step.memory_ms)));
        drawing.boxes.push((format!("step{number}"), lines.0, lines.1, Shape::Step));
        drawing.arrows.extend(step.inputs.iter().flatten().map(|wire| (id(wire), format!("step{number}"), kind(wire))));
    }
    let outputs = plan.outputs.iter().map(|output| (output.topic.as_str(), output.kind, output.from.as_slice()));
    for (number, (topic, of, from)) in outputs.chain([(REJECTED, REJECTED, plan.rejected.as_slice())]).enumerate() {
        drawing.boxes.push((format!("output{number}"), topic.to_owned(), format!("topic of {of}"), Shape::Topic));
        drawing.arrows.extend(from.iter().map(|wire| (id(wire), format!("output{number}"), kind(wire))));
        if topic == REJECTED {
            drawing.arrows.extend((0..plan.sources.len()).map(|source| (format!("source{source}"), format!("output{number}"), REJECTED)));
        }
    }
    drawing
}

/// What a server says of a box: of a source what was read, of a step what came out of it, what it holds and has done, of an output what came out.
fn live(figures: &Value, id: &str, name: &str) -> Option<String> {
    let number = |field: &str| figures[field][name].as_u64();
    if id.starts_with("step") {
        let (held, passed, busy_ms) = (figures["held"][name]["rows"].as_u64()?, number("passed")?, number("busy_ms")?);
        return Some(format!("{passed} changes out, holds {held} rows, worked {}", span(busy_ms)));
    }
    if id.starts_with("output") {
        return Some(format!("{} rows written", number("rows").unwrap_or(0)));
    }
    let partitions = figures["partitions"].as_array()?.iter().filter(|partition| partition["topic"] == name);
    let (mut records, mut lag_ms) = (0, 0);
    for partition in partitions {
        records += partition["records"].as_u64()?;
        lag_ms = lag_ms.max(partition["lag_ms"].as_u64()?);
    }
    Some(format!("{records} records, {} behind", span(lag_ms)))
}

fn mermaid(drawing: &Drawing) -> String {
    let mut text = String::from("flowchart LR\n");
    for (id, first, second, shape) in &drawing.boxes {
        let (open, close) = if *shape == Shape::Topic { ("[(", ")]") } else { ("[", "]") };
        _ = writeln!(text, "  {id}{open}\"{first}<br/>{second}\"{close}");
    }
    for (from, to, kind) in &drawing.arrows {
        let arrow = if *kind == REJECTED { "-.->" } else { "-->" };
        _ = writeln!(text, "  {from} {arrow}|{kind}| {to}");
    }
    text
}

fn dot(job: &str, drawing: &Drawing) -> String {
    let mut text = format!("digraph {job:?} {{\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];\n");
    for (id, first, second, shape) in &drawing.boxes {
        let shape = if *shape == Shape::Topic { "cylinder" } else { "box" };
        _ = writeln!(text, "  {id} [shape={shape}, label=\"{first}\\n{second}\"];");
    }
    for (from, to, kind) in &drawing.arrows {
        let style = if *kind == REJECTED { ", style=dashed" } else { "" };
        _ = writeln!(text, "  {from} -> {to} [label=\"{kind}\"{style}];");
    }
    text.push_str("}\n");
    text
}
