//! The catalogue and the ready jobs: valid, described, and told of in full when something is wrong.

use engine::definition::{Node, Problems, schema};
use engine::plan::{Catalogue as _, Plan, matches};
use jobs::catalogue::{Step, Traffic};
use jobs::ready::READY;
use proptest::prelude::*;
use serde_json::Value;

fn read(text: &str) -> Result<Plan<Step>, Problems> {
    Plan::read(&Traffic, "job.yaml", text)
}

fn node(text: &str) -> Node {
    Node::read(text, &mut Problems::of("text")).unwrap()
}

#[test]
fn every_ready_job_is_valid_and_without_warnings() {
    for ready in READY {
        let plan = Plan::read(&Traffic, ready.name, ready.text).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(plan.job, ready.name);
        assert!(plan.warnings.list.is_empty(), "{}", plan.warnings);
        assert!(plan.examples.len() >= 2, "{} has too few tests", ready.name);
        for example in &plan.examples {
            let part = example.plan(&Traffic).unwrap_or_else(|problems| panic!("{problems}"));
            assert!(!part.outputs.is_empty() && part.steps.len() <= plan.steps.len());
        }
    }
}

#[test]
fn the_schema_accepts_every_ready_job_and_refuses_a_wrong_name() {
    let validator = jsonschema::validator_for(&schema::of(&Traffic)).unwrap();
    for ready in READY {
        let instance = node(ready.text).to_json();
        let errors: Vec<String> = validator.iter_errors(&instance).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", ready.name);
        for (right, wrong) in [("kind: ", "kin: "), ("step: track", "step: trak"), ("step: section_speed", "step: section_spied")] {
            let wrong = ready.text.replacen(right, wrong, 1);
            assert!(wrong == ready.text || !validator.is_valid(&node(&wrong).to_json()), "{} with {right}", ready.name);
        }
    }
}

#[test]
fn every_entry_has_a_manual() {
    for entry in Traffic.entries() {
        let schema = (entry.schema)();
        let properties = schema["properties"].as_object().unwrap_or_else(|| panic!("{} has no parameters", entry.name));
        let required: Vec<&Value> = schema["required"].as_array().into_iter().flatten().collect();
        for (name, property) in properties {
            let parameter = format!("{}.{name}", entry.name);
            assert!(property["description"].as_str().is_some_and(|text| text.len() > 10), "{parameter} is not described");
            assert!(property.get("default").is_some() || required.contains(&&name.as_str().into()), "{parameter} has no default");
            assert!(!["step", "from"].contains(&name.as_str()), "{parameter} is a word of the language");
        }
        assert!(entry.summary.ends_with('.') && !entry.inputs.is_empty() && !entry.outputs.is_empty(), "{}", entry.name);
    }
}

#[test]
fn every_kind_of_a_port_is_in_the_catalogue() {
    for entry in Traffic.entries() {
        let kinds =
            entry.inputs.iter().flat_map(|port| port.kinds.iter().copied()).chain(entry.outputs.iter().filter_map(|port| port.kind));
        kinds.for_each(|kind| assert!(Traffic.kind(kind).is_some(), "{} names {kind}", entry.name));
    }
}

#[test]
fn an_expected_row_matches_by_the_fields_it_names() {
    let row =
        serde_json::json!({"rule": "hotlist", "plate": {"text": "88A12345", "kind": "car"}, "evidence": [{"at_ms": 3}], "journey": null});
    for (expected, fits) in [
        ("{rule: hotlist}", true),
        ("{rule: hotlist, plate: {text: 88A12345}}", true),
        ("{evidence: [{at_ms: 3}], journey: null, absent: null}", true),
        ("{plate: {text: 88A12346}}", false),
        ("{evidence: []}", false),
        ("{absent: 1}", false),
    ] {
        assert_eq!(matches(&node(expected), &row), fits, "{expected}");
    }
}

#[test]
fn scripts() {
    datadriven::walk("tests/scripts", |file| {
        file.run(|case| match read(&case.input) {
            Ok(plan) => format!("valid, a restart reads back {}\n", jobs::catalogue::span(plan.memory_ms)),
            Err(problems) => problems.to_string(),
        });
    });
}

/// A ready job in which some bytes were replaced.
fn damaged() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((any::<prop::sample::Index>(), "[ -~\n]{0,2}"), 1..5);
    (0..READY.len(), edits).prop_map(|(ready, edits)| {
        let mut text: Vec<char> = READY[ready].text.chars().collect();
        for (at, with) in edits {
            let at = at.index(text.len());
            text.splice(at..=at, with.chars());
        }
        text.into_iter().collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_job_is_planned_or_refused(text in damaged()) {
        if let Err(problems) = read(&text) {
            prop_assert!(problems.any_error());
        }
    }
}
