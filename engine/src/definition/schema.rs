//! JSON Schema of definitions, made from a catalogue: for editors that complete and check while one writes.

use serde_json::{Map, Value, json};

use crate::plan::{Catalogue, Entry, FORMATS, REJECTED};

/// The schema (draft 2020-12) of definitions over this catalogue.
#[must_use]
pub fn of<C: Catalogue>(catalogue: &C) -> Value {
    let mut shared = Map::new();
    let steps: Vec<Value> = catalogue.entries().iter().map(|entry| step(entry, &mut shared)).collect();
    let kinds: Vec<&str> = catalogue.kinds().iter().filter(|kind| kind.readable).map(|kind| kind.name).collect();
    let mut properties = json!({
        "version": {"const": 1, "description": "The version of this language."},
        "job": {"$ref": "#/$defs/name", "description": "The job's name: its identity."},
        "description": {"type": "string", "description": "What it is for."},
        "lateness": span("How late evidence may come after the job clock and still count; default 15 min."),
        "max_skew": span("How far ahead of its arrival a record's own time may be; default 5 s."),
        "patience": span("How long the job clock waits for a partition that is behind; default half of lateness."),
        "tick": span("The job clock advances in steps of this; default 100 ms."),
        "sources": named("What is read.", json!({
            "type": "object", "additionalProperties": false, "required": ["kind"],
            "properties": {
                "kind": {"enum": kinds, "description": "What the records are."},
                "topic": {"type": "string", "description": "The topic; the name if not given."},
                "format": {"enum": FORMATS, "default": "json", "description": "How the records are written."},
            },
        })),
        "steps": named("What is done.", json!({"type": "object", "required": ["step"], "oneOf": steps})),
        "outputs": {
            "type": "object", "description": "What comes out: topics, and the steps whose results go there.",
            "propertyNames": {"not": {"const": REJECTED}}, "minProperties": 1,
            "additionalProperties": {
                "type": "object", "additionalProperties": false, "required": ["from"], "properties": {"from": {"$ref": "#/$defs/from"}},
            },
        },
        "tests": {"type": "array", "description": "Examples that must hold.", "items": test(catalogue)},
    });
    add_resources(catalogue, &mut properties);
    let mut defs = json!({
        "name": {"type": "string", "pattern": "^[a-z0-9_-]{1,63}$"},
        "from": {
            "description": "A source, a step or step.port; or several of one kind.",
            "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
        },
        "span": {"type": "string", "pattern": "^\\s*[0-9]*(\\.[0-9]{0,3})?\\s*(ms|s|min|h|d)\\s*$"},
        "rows": {"type": ["array", "null"], "items": {"type": "object"}},
    });
    if let Value::Object(defs) = &mut defs {
        defs.append(&mut shared);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Job definition",
        "type": "object", "additionalProperties": false, "required": ["version", "job", "sources", "outputs"],
        "properties": properties,
        "$defs": defs,
    })
}

fn span(description: &str) -> Value {
    json!({"$ref": "#/$defs/span", "description": description})
}

fn named(description: &str, each: Value) -> Value {
    json!({
        "type": "object", "description": description, "propertyNames": {"$ref": "#/$defs/name"}, "additionalProperties": each,
    })
}

/// The schema of one entry as a step; what its parameters share by reference goes to `shared`.
fn step<S>(entry: &Entry<S>, shared: &mut Map<String, Value>) -> Value {
    let mut schema = (entry.schema)();
    if let Some(Value::Object(mut defs)) = schema.as_object_mut().and_then(|schema| schema.remove("$defs")) {
        shared.append(&mut defs);
    }
    let ports: Map<String, Value> = entry.inputs.iter().map(|port| (port.name.to_owned(), json!({"$ref": "#/$defs/from"}))).collect();
    let required: Vec<&str> = entry.inputs.iter().filter(|port| !port.optional).map(|port| port.name).collect();
    let mapping = json!({"type": "object", "additionalProperties": false, "required": required, "properties": ports});
    let from = if required.len() > 1 { mapping } else { json!({"anyOf": [{"$ref": "#/$defs/from"}, mapping]}) };
    let mut properties = Map::new();
    properties.insert("step".to_owned(), json!({"const": entry.name, "description": entry.summary}));
    properties.insert("from".to_owned(), from);
    if let Some(Value::Object(own)) = schema.get("properties") {
        properties.extend(own.clone());
    }
    let mut required = vec![json!("step"), json!("from")];
    required.extend(schema.get("required").and_then(Value::as_array).into_iter().flatten().cloned());
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

fn test<C: Catalogue>(catalogue: &C) -> Value {
    let rows = |description: &str| json!({"type": "object", "description": description, "additionalProperties": {"$ref": "#/$defs/rows"}});
    let mut properties = json!({
        "name": {"type": "string", "description": "What it shows, in a sentence."},
        "given": rows("Rows by source, or by step whose results they replace."),
        "expect": rows("Rows by output, each with only the fields it cares for; as many as there are results."),
    });
    add_resources(catalogue, &mut properties);
    json!({"type": "object", "additionalProperties": false, "required": ["name", "given", "expect"], "properties": properties})
}

fn add_resources<C: Catalogue>(catalogue: &C, properties: &mut Value) {
    for resource in catalogue.resources() {
        properties[resource.name] = json!({"description": resource.summary, "type": ["string", "object"]});
    }
}
