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
    let required = required(&schema);
    text.push_str("\nParameters:\n");
    for (name, property) in properties.into_iter().flatten() {
        text.push('\n');
        parameter(&mut text, 2, (name.as_str(), property), required.contains(&name.as_str()), &schema);
    }
    _ = write!(text, "\nIn a job:\n\n  steps:\n    my_{0}:\n      step: {0}\n      from: {1}\n", entry.name, example(entry));
    if let Some((name, default)) = properties.into_iter().flatten().find_map(|(name, property)| Some((name, property.get("default")?))) {
        _ = writeln!(text, "      {name}: {}", written(default));
    }
    text
}

/// The levels that mappings within parameters are followed.
const LEVELS: usize = 8;

/// A parameter, and what is within it, each level further in.
fn parameter(text: &mut String, indent: usize, (name, property): (&str, &Value), required: bool, schema: &Value) {
    let default = match property.get("default") {
        _ if required => "must be given".to_owned(),
        Some(default) if !default.is_object() => format!("default {}", written(default)),
        Some(_) => "may be left out".to_owned(),
        None => "no default".to_owned(),
    };
    _ = writeln!(text, "{:indent$}{name}: {} ({default})", "", type_of(property, schema));
    describe(text, indent + 4, property);
    within(text, indent + 4, property, schema);
}

/// What a parameter can be, where its type does not say it: the fields of a mapping, the meanings of words.
fn within(text: &mut String, indent: usize, property: &Value, schema: &Value) {
    if indent > 4 * LEVELS {
        return;
    }
    let property = target(property, schema);
    for choice in ["oneOf", "anyOf"].into_iter().filter_map(|several| property.get(several)?.as_array()).flatten() {
        let fields = choice.get("properties").and_then(Value::as_object);
        match (choice.get("const"), fields.and_then(|fields| fields.iter().next())) {
            (Some(word), _) => {
                _ = writeln!(text, "{:indent$}{}", "", written(word));
                describe(text, indent + 4, choice);
            }
            (None, Some((word, held))) => {
                _ = writeln!(text, "{:indent$}{{{word}: …}}", "");
                describe(text, indent + 4, choice);
                within(text, indent + 4, held, schema);
            }
            (None, None) => within(text, indent, choice, schema),
        }
    }
    for (name, field) in property.get("properties").and_then(Value::as_object).into_iter().flatten() {
        parameter(text, indent, (name.as_str(), field), required(property).contains(&name.as_str()), schema);
    }
}

/// The description of a part of a schema, if it has one.
fn describe(text: &mut String, indent: usize, part: &Value) {
    let description = part.get("description").and_then(Value::as_str);
    description.iter().flat_map(|words| wrap(words, 100)).for_each(|line| _ = writeln!(text, "{:indent$}{line}", ""));
}

/// The fields that must be given.
fn required(schema: &Value) -> Vec<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a schema refers to.
fn target<'s>(property: &'s Value, schema: &'s Value) -> &'s Value {
    let name = property.get("$ref").and_then(Value::as_str).and_then(|reference| reference.rsplit('/').next());
    name.and_then(|name| schema.get("$defs")?.get(name)).unwrap_or(property)
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
        // What is told in full below it needs no words of its own.
        let told = ["enum", "oneOf", "properties"];
        let described = target.filter(|target| told.iter().all(|way| target.get(way).is_none()));
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
                None => match property.get("properties").and_then(Value::as_object).map(|fields| fields.keys().collect::<Vec<_>>()) {
                    Some(only) if only.len() == 1 => format!("{{{}: …}}", only[0]),
                    _ => "mapping".to_owned(),
                },
            },
            other => other.to_owned(),
        },
        Some(Value::Array(names)) => {
            let one = |name: &Value| {
                let mut one = property.clone();
                one["type"] = name.clone();
                type_of(&one, schema)
            };
            let each = names.iter().map(one).filter(|word| word != "nothing");
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
