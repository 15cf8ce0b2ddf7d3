//! The identity of a plan: a hash over everything that bears on results.

use super::{Plan, Wire};

/// FNV-1a in 128 bits: not against an enemy (who writes definitions is trusted), but wide enough against chance.
struct Fnv(u128);

impl Fnv {
    /// Adds a text, closed by its length so that parts cannot run into each other.
    fn add(&mut self, text: &str) {
        for byte in text.as_bytes().iter().copied().chain(text.len().to_le_bytes()) {
            self.0 = (self.0 ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }

    /// Adds a value, the fields of objects in order of their names.
    fn add_json(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(name, _)| *name);
                self.add("{");
                for (name, value) in fields {
                    self.add(name);
                    self.add_json(value);
                }
                self.add("}");
            }
            serde_json::Value::Array(items) => {
                self.add("[");
                items.iter().for_each(|item| self.add_json(item));
                self.add("]");
            }
            other => self.add(&other.to_string()),
        }
    }
}

/// The hash of a plan. What a wire points to is named, not numbered, so the order in the text does not matter.
pub(super) fn of<S>(plan: &Plan<S>) -> String {
    let mut hash = Fnv(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    let wires = |wires: &[Wire]| {
        let mut names: Vec<String> = wires.iter().map(|wire| plan.wire_name(*wire)).collect();
        names.sort();
        names.join(" ")
    };
    let mut lines: Vec<(String, String, serde_json::Value)> = Vec::new();
    for source in &plan.sources {
        lines.push((
            format!("source {}", source.name),
            format!("{} {} {}", source.kind, source.topic, source.format),
            serde_json::Value::Null,
        ));
    }
    for step in &plan.steps {
        let inputs: Vec<String> = step.inputs.iter().map(|input| wires(input)).collect();
        lines.push((format!("step {}", step.name), format!("{} {}", step.entry, inputs.join(", ")), step.parameters.clone()));
    }
    for output in &plan.outputs {
        lines.push((format!("output {}", output.topic), wires(&output.from), serde_json::Value::Null));
    }
    for resource in &plan.resources {
        lines.push((format!("resource {}", resource.key), String::new(), resource.value.to_json()));
    }
    lines.sort_by(|a, b| a.0.cmp(&b.0));
    hash.add(&plan.job);
    [plan.lateness_ms, plan.max_skew_ms, plan.patience_ms, plan.tick_ms].iter().for_each(|ms| hash.add(&ms.to_string()));
    for (name, wiring, parameters) in &lines {
        hash.add(name);
        hash.add(wiring);
        hash.add_json(parameters);
    }
    format!("{:032x}", hash.0)
}

impl<S> Plan<S> {
    /// What a wire comes from, as a definition writes it: `source`, `step` (its first port) or `step.port`.
    #[must_use]
    pub fn wire_name(&self, wire: Wire) -> String {
        match wire {
            Wire::Source(source) => self.sources[source].name.clone(),
            Wire::Step { step, port: 0 } => self.steps[step].name.clone(),
            Wire::Step { step, port } => format!("{}.{}", self.steps[step].name, self.steps[step].outputs[port].name),
        }
    }
}
