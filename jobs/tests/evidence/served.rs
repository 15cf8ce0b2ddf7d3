//! Alerts of a server's jobs: the definition is the one that was submitted, and the audit log is the server's.

use std::time::{Duration, Instant};

use crate::running::{Running, giaolo, text};
use crate::town::{Town, manifest, well};

#[test]
fn the_definition_that_was_submitted_is_packed_and_that_is_written_down_first() {
    let town = Town::fed();
    // No ready job: only the server knows it.
    let definition = jobs::ready::ready("city").unwrap().text.replace("grace: 500 ms", "grace: 510 ms");
    std::fs::write(town.path("mine.yaml"), &definition).unwrap();
    let server = Running::start(town.folder(), &["--city", "city.json"]);
    well(town.folder(), &["submit", "mine.yaml", "--server", &server.address]);
    let began = Instant::now();
    let id = loop {
        assert!(began.elapsed() < Duration::from_secs(90), "no alert becomes final");
        std::thread::sleep(Duration::from_millis(500));
        let tail = giaolo(town.folder(), &["topics", "--local", "city.db"]);
        if !text(&tail).contains("alerts") {
            continue;
        }
        let of_rule = |row: &serde_json::Value| row["rule"] == "red_light" && row["status"] == "final";
        if let Some((id, _)) = town.alerts().into_iter().find(|(_, row)| of_rule(row)) {
            break id;
        }
    };
    drop(server);

    let told = manifest(&town.pack(&id, "served.zip"));
    assert_eq!((&told["differences"], &told["excerpt"]["differences"]), (&serde_json::json!([]), &serde_json::json!([])));
    let packed = crate::town::files(&std::fs::read(town.path("served.zip")).unwrap());
    assert_eq!(String::from_utf8(packed["definition.yaml"].clone()).unwrap(), definition);

    let rows = |what: &str| -> Vec<serde_json::Value> {
        let list = well(town.folder(), &["audit", "list", "--state", "city.jobs.db", "--json"]);
        list.lines().map(|line| serde_json::from_str(line).unwrap()).filter(|row: &serde_json::Value| row["what"] == what).collect()
    };
    let [packing] = &rows("evidence")[..] else { panic!("packed once") };
    assert_eq!((&packing["subject"], &packing["reason"], &packing["case"]), (&id.clone().into(), &"objection".into(), &"7".into()));
    let sum = well_sum(&town, "served.zip");
    assert!(packing["outcome"].as_str().unwrap().ends_with(&format!("SHA-256 {sum}")), "{packing}");
    well(town.folder(), &["evidence", "verify", "served.zip", "--trust", &town.public, "--state", "city.jobs.db"]);
    well(town.folder(), &["evidence", "replay", "served.zip", "--trust", &town.public, "--local", "city.db"]);
    assert_eq!((rows("evidence verify").len(), rows("evidence replay").len()), (1, 1));

    // Another map is not the one the server ran on.
    let map = std::fs::read_to_string(town.path("city.json")).unwrap();
    std::fs::write(town.path("other.json"), map.replacen("\"clock_error_ms\":", "\"clock_error_ms\":1", 1)).unwrap();
    let other = giaolo(
        town.folder(),
        &["evidence", &id, "--local", "city.db", "--city", "other.json", "--key", "own.key", "--reason", "a", "--case", "7"],
    );
    assert!(text(&other).contains("is not the one that the server ran on"), "{}", text(&other));

    // Where nothing can be written down, nothing is packed.
    std::fs::write(town.path("broken.db"), "no database at all").unwrap();
    let untold = town.try_pack(&id, "untold.zip", &["--state", "broken.db"]);
    assert!(!untold.status.success() && text(&untold).contains("what is not written down is not told"), "{}", text(&untold));
    assert!(!town.path("untold.zip").exists());
}

/// A file's SHA-256, by another program.
fn well_sum(town: &Town, file: &str) -> String {
    let output = std::process::Command::new("sha256sum").arg(town.path(file)).output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..64].to_owned()
}
