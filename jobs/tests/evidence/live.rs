//! The same on a real broker: packed from it, verified without it, and replayed from it.

use city::broker::Broker;
use serde_json::{Value, json};

use crate::running::{giaolo, text};
use crate::town::{manifest, recording, well};

#[test]
fn what_was_told_on_a_broker_is_packed_and_gives_the_same_verdict_again() {
    let Ok(broker) = Broker::start().inspect_err(|skipped| println!("{skipped}")) else { return };
    let (folder, brokers) = (tempfile::tempdir().unwrap(), broker.brokers());
    let folder = folder.path();
    std::fs::copy(format!("{}/city.json", recording()), folder.join("city.json")).unwrap();
    let public = well(folder, &["evidence", "key", "own.key"]).trim().to_owned();
    well(folder, &["feed", &recording(), "--brokers", &brokers]);
    well(folder, &["run", "city", "--brokers", &brokers, "--bounded", "--json"]);
    let rows = well(folder, &["tail", "alerts", "--brokers", &brokers, "--last", "5000"]);
    let rows: Vec<Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for rule in ["section_speed", "red_light"] {
        let alert = rows.iter().find(|row| row["rule"] == rule && row["status"] == "final").unwrap_or_else(|| panic!("no {rule}"));
        let (id, file) = (alert["id"].as_str().unwrap(), format!("{rule}.zip"));
        let store = ["--brokers", brokers.as_str(), "--city", "city.json"];
        let asked = ["evidence", id, "--reason", "objection", "--case", "7", "--output", &file, "--key", "own.key"];
        well(folder, &[&asked[..], &store].concat());
        let package = std::fs::read(folder.join(&file)).unwrap();
        assert_eq!((&manifest(&package)["alert"], &manifest(&package)["differences"]), (&json!(id), &json!([])), "{rule}");
        let verified = giaolo(folder, &["evidence", "verify", &file, "--trust", &public]);
        assert!(verified.status.success(), "{rule}: {}", text(&verified));
        let replayed = giaolo(folder, &["evidence", "replay", &file, "--trust", &public, "--brokers", &brokers, "--json"]);
        assert!(replayed.status.success(), "{rule}: {}", text(&replayed));
        assert_eq!(serde_json::from_slice::<Value>(&replayed.stdout).unwrap()["same"], true, "{rule}");
    }
}
