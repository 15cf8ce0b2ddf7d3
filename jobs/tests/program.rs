//! The program as a person meets it.

use std::process::{Command, Output};

fn giaolo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_giaolo")).args(arguments).output().unwrap()
}

fn out(arguments: &[&str]) -> String {
    let output = giaolo(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn validate_tells_problems_as_text_and_as_json_and_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, jobs::ready::ready("section-speed").unwrap().text.replace("half_width", "half_with")).unwrap();
    let path = path.to_str().unwrap();
    assert!(out(&["validate", "city", "section-speed"]).contains("city.yaml: valid: "));
    let wrong = giaolo(&["validate", "city", path]);
    assert_eq!(wrong.status.code(), Some(1));
    let text = String::from_utf8(wrong.stdout).unwrap();
    assert!(text.contains(r#"unknown field "half_with" in step "section_speed" (hint: did you mean "half_width"?)"#), "{text}");
    let json: serde_json::Value = serde_json::from_slice(&giaolo(&["validate", "--json", path]).stdout).unwrap();
    assert_eq!(json[0]["problems"][0]["hint"], "did you mean \"half_width\"?");
    assert!(json[0]["problems"][0]["line"].as_u64().unwrap() > 10);
}

#[test]
fn explain_covers_every_step_and_helps_with_wrong_names() {
    use engine::plan::Catalogue as _;
    let all = out(&["explain"]);
    for entry in jobs::catalogue::Traffic.entries() {
        assert!(all.contains(&format!("  {}", entry.name)));
        let manual = out(&["explain", entry.name]);
        let schema = (entry.schema)();
        schema["properties"].as_object().unwrap().keys().for_each(|name| assert!(manual.contains(&format!("\n  {name}: ")), "{manual}"));
    }
    let wrong = giaolo(&["explain", "section_spied"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean \"section_speed\"?"));
}

#[test]
fn graph_draws_every_step_and_topic() {
    for format in ["mermaid", "dot"] {
        let drawing = out(&["graph", "city", "--format", format]);
        for name in ["observations", "sightings", "journeys", "section_speed", "alerts", "rejected"] {
            assert!(drawing.contains(name), "{name} in {drawing}");
        }
    }
}

#[test]
fn a_job_that_is_not_there_is_an_error_with_a_suggestion() {
    let wrong = giaolo(&["validate", "citty"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("did you mean \"city\"?"));
    assert_eq!(giaolo(&["walk"]).status.code(), Some(2));
}
