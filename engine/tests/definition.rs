//! The language of definitions: golden scripts for what is told of bad ones, and properties that hold for any text.
//!
//! A script gives a definition and expects either the plan, in short, or everything that is wrong with it.

mod toy;

use std::fmt::Write as _;

use engine::definition::{Problems, schema};
use engine::plan::{Plan, Wire};
use proptest::prelude::*;
use toy::{Step, Toy};

fn read(text: &str) -> Result<Plan<Step>, Problems> {
    Plan::read(&Toy, "job.yaml", text)
}

/// A plan in a few lines.
fn show(plan: &Plan<Step>) -> String {
    let mut shown = String::new();
    let wires = |wires: &[Wire]| wires.iter().map(|wire| plan.wire_name(*wire)).collect::<Vec<_>>().join(" + ");
    for source in &plan.sources {
        writeln!(shown, "source {}: {} from {} as {}", source.name, source.kind, source.topic, source.format).unwrap();
    }
    for step in &plan.steps {
        let inputs: Vec<String> = step.inputs.iter().map(|input| wires(input)).collect();
        let kinds: Vec<&str> = step.outputs.iter().map(|port| port.kind).collect();
        writeln!(
            shown,
            "step {}: {:?} ({}) gives {}, memory {} s",
            step.name,
            step.step,
            inputs.join(", "),
            kinds.join(", "),
            step.memory_ms / 1_000
        )
        .unwrap();
    }
    for output in &plan.outputs {
        writeln!(shown, "output {}: {} of {}", output.topic, output.kind, wires(&output.from)).unwrap();
    }
    if !plan.rejected.is_empty() {
        writeln!(shown, "rejected: {}", wires(&plan.rejected)).unwrap();
    }
    writeln!(shown, "memory {} s", plan.memory_ms / 1_000).unwrap();
    for example in &plan.examples {
        let part = example.plan(&Toy).unwrap();
        let names: Vec<&str> = part.steps.iter().map(|step| step.name.as_str()).collect();
        writeln!(shown, "example {:?} runs {}", example.name, names.join(", ")).unwrap();
    }
    write!(shown, "{}", plan.warnings).unwrap();
    shown
}

#[test]
fn scripts() {
    datadriven::walk("tests/definitions", |file| {
        file.run(|case| match read(&case.input) {
            Ok(plan) => show(&plan),
            Err(problems) => problems.to_string(),
        });
    });
}

const GOOD: &str = "
version: 1
job: shop
sources:
  orders: {kind: orders}
  payments: {kind: payments}
steps:
  pairs: {step: pair, from: {orders: orders, payments: payments}, within: 30 min}
  tell: {step: notify, from: pairs, priority: 3}
outputs:
  notices: {from: tell}
";

#[test]
fn the_hash_is_of_the_meaning_not_of_the_text() {
    let hash = |text: &str| read(text).unwrap().hash;
    let good = hash(GOOD);
    let same = [
        GOOD.replace("within: 30 min", "within: 0.5 h"),
        GOOD.replace(", within: 30 min", ""),
        GOOD.replace("job: shop", "description: other words\njob: shop # a comment"),
        GOOD.replace("  orders: {kind: orders}\n  payments: {kind: payments}", "  payments: {kind: payments}\n  orders: {kind: orders}"),
        GOOD.replace("job: shop", "job: shop\nlateness: 15 min"),
    ];
    for text in same {
        assert_eq!(hash(&text), good, "{text}");
    }
    let other = [
        GOOD.replace("30 min", "31 min"),
        GOOD.replace("priority: 3", "priority: 4"),
        GOOD.replace("job: shop", "job: shop2"),
        GOOD.replace("job: shop", "job: shop\nlateness: 16 min"),
        GOOD.replace("orders: {kind: orders}", "orders: {kind: orders, topic: o2}"),
        GOOD.replace("notices: {from", "notices2: {from"),
    ];
    for text in other {
        assert_ne!(hash(&text), good, "{text}");
    }
}

#[test]
fn json_is_read_alike() {
    let json = r#"{"version": 1, "job": "shop", "sources": {"orders": {"kind": "orders"}, "payments": {"kind": "payments"}},
        "steps": {"pairs": {"step": "pair", "from": {"orders": "orders", "payments": "payments"}, "within": "30 min"},
                  "tell": {"step": "notify", "from": "pairs", "priority": 3}},
        "outputs": {"notices": {"from": "tell"}}}"#;
    assert_eq!(read(json).unwrap().hash, read(GOOD).unwrap().hash);
}

fn refusal(text: &str) -> String {
    let problems = read(text).unwrap_err();
    assert!(problems.list.len() <= Problems::MOST);
    problems.list[0].message.clone()
}

#[test]
fn what_is_too_large_is_refused_at_once() {
    let large = format!("version: 1\ndescription: {}\n", "x".repeat(10 << 20));
    assert!(refusal(&large).contains("bytes long"));
    assert!(refusal(&"[".repeat(100_000)).contains("nest"), "{}", refusal(&"[".repeat(100_000)));
    assert!(refusal(&format!("a: {}", "{b: ".repeat(100))).contains("nested"));
    let mut bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n".to_owned();
    for level in 1..20 {
        let line = format!("a{level}: &a{level} [{}]\n", vec![format!("*a{}", level - 1); 10].join(", "));
        bomb.push_str(&line);
    }
    assert!(refusal(&bomb).contains("values, aliases expanded"));
    let keys: String = (0..60_000).map(|key| format!("k{key}: 1\n")).collect();
    assert!(refusal(&keys).contains("missing") || refusal(&keys).contains("unknown"));
    let steps: String = (0..2_000).map(|step| format!("  s{step}: {{step: keep, from: orders}}\n")).collect();
    let many = GOOD.replace("steps:\n", &format!("steps:\n{steps}"));
    assert!(refusal(&many).contains("at most 1000"), "{}", refusal(&many));
}

#[test]
fn the_schema_describes_every_entry() {
    let schema = schema::of(&Toy);
    assert_eq!(schema["properties"]["steps"]["additionalProperties"]["oneOf"].as_array().unwrap().len(), 3);
    assert!(schema["properties"].get("prices").is_some());
}

/// A good definition in which some bytes were replaced: nearer to what people write than random text.
fn damaged() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((0..GOOD.len(), "[ -~\n]{0,3}"), 0..6);
    edits.prop_map(|edits| {
        let mut text = GOOD.to_owned();
        for (at, with) in edits {
            let at = at.min(text.len().saturating_sub(1));
            text.replace_range(at..=at, &with);
        }
        text
    })
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,200}") {
        drop(read(&text));
    }

    #[test]
    fn a_damaged_definition_is_planned_or_refused_with_places_in_the_text(text in damaged()) {
        match read(&text) {
            Ok(plan) => prop_assert_eq!(plan.hash.len(), 32),
            Err(problems) => {
                prop_assert!(problems.any_error());
                let lines = text.lines().count() + 1;
                prop_assert!(problems.list.iter().all(|problem| (1..=lines).contains(&problem.at.line) && problem.at.column >= 1), "{problems}");
            }
        }
    }
}
