//! `giaolo explain`: the manual of a step, from its parameters' own documentation.

use std::fmt::Write as _;

use anyhow::bail;
use clap::Args;
use engine::definition::did_you_mean;
use engine::plan::{Catalogue as _, Entry};
use serde_json::Value;

use super::{Outcome, say};
use crate::catalogue::{Step, Traffic};

/// Explain what a job can be made of
///
/// Without a name: the kinds of records and all steps. With the name of a step: what goes in, what comes out, and every
/// parameter with its unit, its default and the reason for it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo explain
  giaolo explain section_speed")]
pub(super) struct Explain {
    /// A step of the catalogue
    #[arg(value_name = "STEP")]
    step: Option<String>,
}

impl Explain {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let Some(name) = &self.step else {
            say(&all())?;
            return Ok(Outcome::Well);
        };
        let Some(entry) = Traffic.entry(name) else {
            let hint = did_you_mean(name, Traffic.entries().iter().map(|entry| entry.name)).unwrap_or_default();
            bail!("there is no step {name:?} in the catalogue (hint: {hint})");
        };
        say(&manual(entry))?;
        Ok(Outcome::Well)
    }
}

fn all() -> String {
    let mut text = String::from("Records that flow between steps:\n\n");
    for kind in Traffic.kinds() {
        let marks = match (kind.readable, kind.writable) {
            (true, true) => " (source, output)",
            (true, false) => " (source)",
            (false, true) => " (output)",
            (false, false) => "",
        };
        _ = writeln!(text, "  {:<14}{}{marks}", kind.name, kind.summary);
    }
    text.push_str("\nSteps:\n\n");
    for entry in Traffic.entries() {
        _ = writeln!(text, "  {:<18}{}", entry.name, entry.summary);
    }
    text.push_str("\n`giaolo explain STEP` tells the ports and parameters of a step.\n");
    text
}

/// The manual of one entry.
pub(super) fn manual(entry: &Entry<Step>) -> String {
    let mut text = format!("{}\n\n{}\n\n", entry.name, entry.summary);
    for port in entry.inputs {
        let optional = if port.optional { ", may be left open" } else { "" };
        _ = writeln!(text, "  in    {}: {}{optional}", port.name, port.kinds.join(" or "));
    }
    for port in entry.outputs {
        _ = writeln!(text, "  out   {}: {}", port.name, port.kind.unwrap_or("what came in"));
    }
    let schema = (entry.schema)();
    let properties = schema.get("properties").and_then(Value::as_object);
    let required: Vec<&str> = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    text.push_str("\nParameters:\n");
    for (name, property) in properties.into_iter().flatten() {
        let default = match property.get("default") {
            _ if required.contains(&name.as_str()) => "must be given".to_owned(),
            Some(default) => format!("default {}", written(default)),
            None => "no default".to_owned(),
        };
        _ = writeln!(text, "\n  {name}: {} ({default})", type_of(property, &schema));
        let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
        wrap(description, 100).iter().for_each(|line| _ = writeln!(text, "      {line}"));
    }
    _ = write!(text, "\nIn a job:\n\n  steps:\n    my_{0}:\n      step: {0}\n      from: {1}\n", entry.name, example(entry));
    if let Some((name, default)) = properties.into_iter().flatten().find_map(|(name, property)| Some((name, property.get("default")?))) {
        _ = writeln!(text, "      {name}: {}", written(default));
    }
    text
}

/// How a step says where its inputs come from.
fn example(entry: &Entry<Step>) -> String {
    let required: Vec<_> = entry.inputs.iter().filter(|port| !port.optional).collect();
    match required.as_slice() {
        [port] => port.name.to_owned(),
        several => format!("{{{}}}", several.iter().map(|port| format!("{0}: {0}", port.name)).collect::<Vec<_>>().join(", ")),
    }
}

/// What a parameter is, in words.
fn type_of(property: &Value, schema: &Value) -> String {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or(reference);
        let target = schema.get("$defs").and_then(|defs| defs.get(name));
        let described = target.filter(|target| target.get("enum").is_none() && target.get("oneOf").is_none());
        let words = described.and_then(|target| target.get("description")).and_then(Value::as_str);
        return words.map_or_else(|| target.map_or_else(|| name.to_lowercase(), |target| type_of(target, schema)), str::to_owned);
    }
    for several in ["oneOf", "anyOf", "enum"] {
        if let Some(choices) = property.get(several).and_then(Value::as_array) {
            let words = choices.iter().map(|choice| match choice.get("const") {
                Some(one) => written(one),
                None if several == "enum" => written(choice),
                None => type_of(choice, schema),
            });
            let words: Vec<String> = words.filter(|word| word != "nothing").collect();
            return format!("{}{}", if words.len() > 1 { "one of " } else { "" }, words.join(", "));
        }
    }
    match property.get("type") {
        Some(Value::String(name)) => match name.as_str() {
            "integer" => "whole number".to_owned(),
            "string" => "text".to_owned(),
            "boolean" => "true or false".to_owned(),
            "null" => "nothing".to_owned(),
            "array" => format!("list of {}", property.get("items").map_or_else(|| "values".to_owned(), |items| type_of(items, schema))),
            "object" => match property.get("additionalProperties").filter(|each| each.is_object()) {
                Some(each) => format!("mapping from names to {}", type_of(each, schema)),
                None => "mapping".to_owned(),
            },
            other => other.to_owned(),
        },
        Some(Value::Array(names)) => {
            let each = names.iter().map(|name| type_of(&serde_json::json!({"type": name}), schema)).filter(|word| word != "nothing");
            each.collect::<Vec<_>>().join(" or ")
        }
        _ => "value".to_owned(),
    }
}

/// A value as a definition writes it.
fn written(value: &Value) -> String {
    match value {
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null => "nothing".to_owned(),
        other => other.to_string(),
    }
}

/// Lines of at most `width` characters.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if !lines[last].is_empty() && lines[last].chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            let space = if lines[last].is_empty() { "" } else { " " };
            lines[last] += &format!("{space}{word}");
        }
    }
    lines
}
