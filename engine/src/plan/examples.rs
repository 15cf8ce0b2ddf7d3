//! The examples of a definition: rows in, rows out, run on the part of the job that they name.
//!
//! A test may give rows to a *step* instead of a source: they stand for that step's results, and what lies before it is cut off.

use std::collections::BTreeSet;

use super::{Catalogue, Kind, Plan, Wire, wiring::Wiring};
use crate::definition::{Definition, Node, Problems, Rows, Source, Test, Value, Word, did_you_mean};

/// An example, ready to be run: a job of its own, its input and its expected output.
#[derive(Clone, Debug)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// The part of the job it runs; every step it gives rows to has become a source.
    pub definition: Definition,
    /// Rows by source.
    pub given: Vec<Rows>,
    /// Rows by output: as many as there are results, each with only the fields it cares for.
    pub expect: Vec<Rows>,
}

impl Example {
    /// The plan of the example.
    ///
    /// # Errors
    /// The part does not stand by itself; the message says what is missing.
    pub fn plan<C: Catalogue>(&self, catalogue: &C) -> Result<Plan<C::Step>, Problems> {
        let mut problems = Problems::of(&self.name);
        Plan::of(&self.definition, catalogue, &mut problems).ok_or(problems)
    }
}

/// Whether a result is what an example expects: every field that is named is there and equal, to any depth; lists are equal
/// item by item. Numbers are equal by value.
#[must_use]
pub fn matches(expected: &Node, result: &serde_json::Value) -> bool {
    match (&expected.value, result) {
        (Value::Map(fields), serde_json::Value::Object(object)) => {
            fields.iter().all(|field| matches(&field.value, object.get(&field.key).unwrap_or(&serde_json::Value::Null)))
        }
        (Value::List(items), serde_json::Value::Array(array)) => {
            items.len() == array.len() && items.iter().zip(array).all(|(item, value)| matches(item, value))
        }
        _ => expected.to_json() == *result,
    }
}

/// Checks the tests of a definition and makes examples of them.
pub(super) fn check<C: Catalogue>(definition: &Definition, wiring: &Wiring, catalogue: &C, problems: &mut Problems) -> Vec<Example> {
    for (name, at) in super::repeated(definition.tests.iter().map(|test| (test.name.text.as_str(), test.name.at))) {
        problems.error(at, format!("two tests are called {name:?}"), None);
    }
    (definition.tests.iter()).map(|test| check_one(test, definition, wiring, catalogue, problems)).collect()
}

fn check_one<C: Catalogue>(test: &Test, definition: &Definition, wiring: &Wiring, catalogue: &C, problems: &mut Problems) -> Example {
    let mut replaced = Vec::new();
    for given in &test.given {
        let name = given.name.text.as_str();
        if let Some(source) = definition.sources.iter().find(|source| source.name.text == name) {
            check_given(given, catalogue.kind(&source.kind.text), problems);
        } else if let Some(step) = definition.steps.iter().position(|step| step.name.text == name) {
            let kind = wiring.kinds[step].first().copied().flatten().and_then(|kind| catalogue.kind(kind));
            match kind {
                Some(kind) if kind.readable => {
                    replaced.push((step, kind.name));
                    check_given(given, Some(kind), problems);
                }
                Some(kind) => problems.error(given.name.at, format!("rows of kind {} cannot be given in a test", kind.name), None),
                None => {}
            }
        } else {
            let sources = definition.sources.iter().map(|source| source.name.text.as_str());
            let hint = did_you_mean(name, sources.chain(definition.steps.iter().map(|step| step.name.text.as_str())));
            problems.error(given.name.at, format!("there is no source or step {name:?} to give rows to"), hint);
        }
    }
    for expected in &test.expect {
        let topic = expected.name.text.as_str();
        let output = wiring.outputs.iter().find(|output| output.topic == topic);
        match output.and_then(|output| catalogue.kind(output.kind)) {
            Some(kind) => expected.rows.iter().for_each(|row| check_expected(row, topic, kind, problems)),
            None if definition.outputs.iter().any(|output| output.topic.text == topic) => {}
            None => {
                let hint = did_you_mean(topic, definition.outputs.iter().map(|output| output.topic.text.as_str()));
                problems.error(expected.name.at, format!("there is no output {topic:?} to expect rows from"), hint);
            }
        }
    }
    let definition = cut(definition, test, &replaced, wiring);
    Example { name: test.name.text.clone(), definition, given: test.given.clone(), expect: test.expect.clone() }
}

fn check_given(given: &Rows, kind: Option<&Kind>, problems: &mut Problems) {
    let Some(kind) = kind else { return };
    for (number, row) in given.rows.iter().enumerate() {
        if let Err(error) = (kind.check)(row) {
            let message = format!("row {} of {:?} is not a record of kind {}: {}", number + 1, given.name.text, kind.name, error.message);
            problems.error(error.at.unwrap_or(row.at), message, error.hint);
        }
    }
}

/// An expected row must be a mapping whose fields the kind has; `revision` and `status` every row has.
fn check_expected(row: &Node, topic: &str, kind: &Kind, problems: &mut Problems) {
    let schema = (kind.schema)();
    let Some(known) = schema.get("properties").and_then(|properties| properties.as_object()) else { return };
    if !matches!(row.value, Value::Map(_)) {
        problems.error(row.at, format!("a row of {topic:?} must be a mapping, not {}", row.describe()), None);
    }
    let known: Vec<&str> = known.keys().map(String::as_str).chain(["revision", "status"]).collect();
    for field in row.fields().iter().filter(|field| !known.contains(&field.key.as_str())) {
        let hint = did_you_mean(&field.key, known.iter().copied());
        problems.error(field.at, format!("rows of {topic:?} ({}) have no field {:?}", kind.name, field.key), hint);
    }
}

/// The part of a definition that leads from what a test gives to what it expects.
fn cut(definition: &Definition, test: &Test, replaced: &[(usize, &'static str)], wiring: &Wiring) -> Definition {
    let mut part = definition.clone();
    part.tests.clear();
    part.outputs.retain(|output| test.expect.iter().any(|expected| expected.name.text == output.topic.text));
    for resource in &test.resources {
        part.resources.retain(|field| field.key != resource.key);
        part.resources.push(resource.clone());
    }
    let mut needed = BTreeSet::new();
    let mut next: Vec<Wire> = (wiring.outputs.iter())
        .filter(|output| part.outputs.iter().any(|kept| kept.topic.text == output.topic))
        .flat_map(|output| output.from.clone())
        .collect();
    while let Some(wire) = next.pop() {
        if let Wire::Step { step, .. } = wire
            && let Some(step) = wiring.order.get(step)
            && needed.insert(*step)
            && !replaced.iter().any(|(gone, _)| gone == step)
        {
            next.extend(wiring.inputs[*step].iter().flatten());
        }
    }
    let mut number = 0..;
    part.steps.retain(|_| number.next().is_some_and(|step| needed.contains(&step) && !replaced.iter().any(|(gone, _)| *gone == step)));
    for (step, kind) in replaced {
        let name = definition.steps[*step].name.clone();
        part.sources.push(Source { kind: Word::new(kind, name.at), topic: name.clone(), format: Word::new("json", name.at), name });
    }
    part
}
