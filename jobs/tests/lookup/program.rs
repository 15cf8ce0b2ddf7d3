//! The commands, as a person uses them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id, journey, plate, sighting};
use crate::running::{giaolo, text};
use crate::town::Town;

fn command(folder: &Path, server: &str, token: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_giaolo"));
    command.args(arguments).args(["--server", server]).current_dir(folder).env("GIAOLO_TOKEN", token);
    command
}

#[test]
fn a_person_sees_alerts_a_vehicle_and_cameras() {
    let mut town = Town::found();
    let (west, bound, auditor) = (town.token("w", "viewer", &[]), town.token("b", "viewer", &["west"]), town.token("x", "auditor", &[]));
    town.tell("sightings", &sighting(&id(1), 1, "final", "w1", BEGAN_MS, BEGAN_MS + 9));
    let car = plate("29MĐ112345", "ebike");
    town.tell("journeys", &journey(&id(2), 1, "final", &car, &[(&id(1), "w1")], BEGAN_MS, BEGAN_MS + 9));
    town.tell("alerts", &alert(&id(3), 1, "final", "hotlist", "west", BEGAN_MS, &[("w1", json!(id(1)), BEGAN_MS), ("e1", Value::Null, 1)]));
    town.tell("alerts", &alert(&id(4), 1, "final", "hotlist", "west", BEGAN_MS + 5, &[("w1", json!(id(1)), BEGAN_MS)]));
    town.start(&[]);
    town.settle(&west);
    let (folder, server) = (town.folder(), town.server().address.clone());
    let run = |token: &str, arguments: &[&str]| command(folder, &server, token, arguments).output().unwrap();
    let says = |output: &Output, parts: &[&str]| {
        let said = text(output);
        parts.iter().for_each(|part| assert!(said.contains(part), "{part:?} is not in {said}"));
    };
    says(&run(&west, &["alerts"]), &[&id(3), &id(4), "2026-01-01 07:00:00", "hotlist (final)", "was seen at w1 and e1."]);
    says(&run(&west, &["alerts", "-n", "1"]), &[&id(4), "--cursor 1767250800005."]);
    says(&run(&west, &["alerts", "--to", "2025-01-01", "--rule", "hotlist"]), &["no alerts"]);
    says(
        &run(&bound, &["alerts", &id(3)]),
        &["another centre's cameras saw", "measured   speed_cms 1800", "w1  west", "record     alerts/"],
    );
    let missing = run(&west, &["alerts", &id(5)]);
    assert!(!missing.status.success());
    says(&missing, &["there is no such alert"]);
    let found = run(&west, &["lookup", "29-mđ1 123.45", "--reason", "hit & run", "--case", "7/26"]);
    assert!(found.status.success());
    says(&found, &["29MĐ112345 (ebike, white), journey", "94 % sure", "2026-01-01 07:00:00  w1  west"]);
    says(&run(&west, &["lookup", "88A12345", "--reason", "r", "--case", "7"]), &["no journeys"]);
    assert_eq!(run(&west, &["lookup", "88A12345", "--reason", "r"]).status.code(), Some(2), "a case is needed");
    says(&run(&west, &["lookup", "88A?", "--reason", "r", "--case", "7"]), &["must not hold '?'"]);
    let refused = run(&auditor, &["lookup", "88A12345", "--reason", "r", "--case", "7"]);
    assert!(!refused.status.success());
    says(&refused, &["this role may not do that"]);
    let cameras = run(&bound, &["cameras", "--json"]);
    let cameras: Value = serde_json::from_slice(&cameras.stdout).unwrap();
    assert_eq!(cameras["cameras"].as_array().unwrap().len(), 2);
    says(&run(&west, &["cameras"]), &["w1               west         2026-01-01 07:00:00", "e2               east         never"]);

    let mut follow = command(folder, &server, &west, &["alerts", "--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["event"], "begin");
    town.tell("alerts", &alert(&id(6), 1, "final", "hotlist", "west", BEGAN_MS + 9, &[("w1", json!(id(1)), BEGAN_MS)]));
    let event = next();
    assert_eq!((&event["event"], &event["data"]["id"]), (&json!("alert"), &json!(id(6))));
    follow.kill().unwrap();
    follow.wait().unwrap();
}

#[test]
fn a_database_that_is_not_who_it_is_to_be_gets_no_password() {
    let Some(mut town) = Town::found_on_postgres() else { return };
    let stranger = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    std::fs::write(town.folder().join("authority.pem"), stranger.cert.pem()).unwrap();
    let url = town.postgres.as_ref().unwrap().url();
    let refused = |more: &[&str]| {
        let serve = ["serve", "--local", "city.db", "--listen", "127.0.0.1:0", "--view"];
        let output = giaolo(town.folder(), &[&serve[..], more].concat());
        assert!(!output.status.success());
        text(&output)
    };
    let told = refused(&[&url, "--view-password", "password", "--view-ca", "authority.pem"]);
    assert!(told.contains("the database cannot be used") && told.contains("certificate"), "{told}");
    std::fs::write(town.folder().join("password"), "not it").unwrap();
    let told = refused(&[&url, "--view-password", "password"]);
    assert!(told.contains("password authentication failed") && !told.contains("not it"), "{told}");
    let told = refused(&["postgresql://giaolo:sesame@127.0.0.1/postgres"]);
    assert!(told.contains("PGPASSWORD") && !told.contains("sesame"), "{told}");
    assert!(refused(&["postgresql://giaolo@db.example/city"]).contains("--view-ca"));
    town.postgres = None;
}
