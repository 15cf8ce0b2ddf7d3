//! Nothing is told that is not written down first.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id, journey, plate, sighting};
use crate::running::{giaolo, text};
use crate::town::Town;

fn told() -> Town {
    let town = Town::found();
    town.tell("sightings", &sighting(&id(1), 1, "final", "w1", BEGAN_MS, BEGAN_MS + 9));
    town.tell("journeys", &journey(&id(2), 1, "final", &plate("88A12345", "car"), &[(&id(1), "w1")], BEGAN_MS, BEGAN_MS + 9));
    town.tell("alerts", &alert(&id(3), 1, "final", "hotlist", "west", BEGAN_MS, &[("w1", json!(id(1)), BEGAN_MS)]));
    town
}

#[test]
fn a_plate_is_asked_for_with_a_reason_and_a_case_and_all_of_it_is_in_the_audit_log() {
    let mut town = told();
    let (lan, auditor) = (town.token("lan", "viewer", &["west"]), town.token("hoa", "auditor", &[]));
    town.start(&[]);
    town.settle(&lan);
    for (query, lacks) in [("", "reason"), ("?case=7", "reason"), ("?reason=hit-and-run", "case"), ("?reason=%20&case=7", "reason")] {
        let (status, answer) = town.try_ask(&format!("/v1/vehicles/88A12345/journeys{query}"), &lan);
        assert_eq!((status, answer["error"].as_str().unwrap()), (400, format!("a {lacks} is needed").as_str()), "{query}");
        assert!(answer["hint"].as_str().unwrap().contains("?reason="));
    }
    for (plate, wrong) in [("88A%3F", "must not hold '?'"), ("--", "is empty"), ("1234567890123456", "must not be longer")] {
        let (status, answer) = town.try_ask(&format!("/v1/vehicles/{plate}/journeys?reason=a&case=7"), &lan);
        assert!(status == 400 && answer["error"].as_str().unwrap().contains(wrong), "{plate}: {answer}");
    }
    let (status, _) = town.try_ask("/v1/vehicles/88A12345/journeys?reason=a&case=7&from=9&to=8", &lan);
    assert_eq!(status, 400);
    let answer = town.ask("/v1/vehicles/88a-123.45/journeys?reason=hit-and-run&case=2026-0117", &lan);
    assert_eq!((&answer["plate"], answer["journeys"].as_array().unwrap().len()), (&json!("88A12345"), 1));
    town.ask("/v1/alerts?rule=hotlist&reason=shift", &lan);
    let rows = town.ask("/v1/audit", &auditor);
    let rows = rows["rows"].as_array().unwrap();
    let field = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
    let row = |row: &Value| ["who", "role", "what", "subject", "reason", "case", "outcome"].map(|name| field(row, name)).join(" | ");
    let all: Vec<String> = rows.iter().filter(|row| row["who"] == "lan").map(row).collect();
    for expected in [
        "lan | viewer | GET /v1/vehicles/{plate}/journeys | /v1/vehicles/88a-123.45/journeys?reason=hit-and-run&case=2026-0117 | \
         hit-and-run | 2026-0117 | 200 plate 88A12345, 1 journeys",
        "lan | viewer | GET /v1/vehicles/{plate}/journeys | /v1/vehicles/88A12345/journeys | - | - | 400",
        "lan | viewer | GET /v1/alerts | /v1/alerts?rule=hotlist&reason=shift | shift | - | 200 1 alerts",
    ] {
        assert!(all.iter().any(|row| row == expected), "{expected}\nis not in {all:#?}");
    }
    let verified = giaolo(town.folder(), &["audit", "verify", "--state", "city.jobs.db"]);
    assert!(verified.status.success(), "{}", text(&verified));
}

#[test]
fn what_cannot_be_written_down_is_not_told() {
    let mut town = told();
    let lan = town.token("lan", "viewer", &[]);
    town.start(&[]);
    town.settle(&lan);
    let paths = [
        "/v1/vehicles/88A12345/journeys?reason=a&case=7".to_owned(),
        "/v1/alerts".to_owned(),
        format!("/v1/alerts/{}", id(3)),
        "/v1/alerts/events".to_owned(),
        "/v1/cameras".to_owned(),
    ];
    for path in &paths {
        assert_eq!(town.server().ask("GET", path, Some(&lan)).0, 200, "{path}");
    }
    // As on a full disk: the file is read as before, and every row for the log is refused.
    let state = Connection::open(town.folder().join("city.jobs.db")).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END";
    state.execute_batch(full).unwrap();
    for path in &paths {
        let (status, answer) = town.server().ask("GET", path, Some(&lan));
        assert_eq!(status, 503, "{path}: {answer}");
        for secret in ["88A12345", "w1", "hotlist", &id(1), &id(2), &id(3), "INSTANCE"] {
            assert!(!answer.contains(secret), "{path}: {answer}");
        }
        assert!(answer.contains("audit log cannot be written"), "{path}: {answer}");
    }
    state.execute_batch("DROP TRIGGER full").unwrap();
    for path in &paths {
        assert_eq!(town.server().ask("GET", path, Some(&lan)).0, 200, "{path}");
    }
}

#[test]
fn a_camera_is_silent_until_something_is_seen_by_it() {
    let mut town = told();
    let lan = town.token("lan", "viewer", &["west"]);
    let silent = |id: &str, revision, since_ms: u64, silent_ms: u64| {
        let mut alert = alert(id, revision, "provisional", "camera_silent", "west", since_ms, &[("w2", Value::Null, since_ms)]);
        alert["measured"] = json!({"silent_ms": silent_ms});
        alert["limit"] = json!({"silent_ms": 10_000});
        alert
    };
    town.tell("alerts", &silent(&id(4), 1, BEGAN_MS + 100, 10_000));
    town.tell_at("sightings", &sighting(&id(5), 1, "provisional", "w2", BEGAN_MS, BEGAN_MS + 90), Some(BEGAN_MS + 340));
    town.tell_at("sightings", &sighting(&id(5), 2, "final", "w2", BEGAN_MS, BEGAN_MS + 90), Some(BEGAN_MS + 900_000));
    town.start(&[]);
    town.settle(&lan);
    let camera = |town: &Town, index: usize| town.ask("/v1/cameras", &lan)["cameras"][index].clone();
    let w2 = camera(&town, 1);
    assert_eq!((&w2["camera"], &w2["centre"], &w2["silent"]), (&json!("w2"), &json!("west"), &json!(true)));
    assert_eq!((&w2["silent_since_ms"], &w2["seen_ms"], &w2["lag_ms"]), (&json!(BEGAN_MS + 100), &json!(BEGAN_MS + 90), &json!(250)));
    assert_eq!((camera(&town, 0)["silent"].clone(), camera(&town, 0)["seen_ms"].clone()), (json!(false), json!(BEGAN_MS + 9)));
    town.tell("alerts", &silent(&id(4), 2, BEGAN_MS + 100, 25_000));
    town.until(|| camera(&town, 1)["silent"] == false);
    town.tell("alerts", &silent(&id(6), 1, BEGAN_MS + 2_000, 10_000));
    town.until(|| camera(&town, 1)["silent"] == true);
    let health = json!({"camera": "w2", "at_ms": BEGAN_MS + 5_000, "state": "streaming", "span_ms": 1000, "frames": 5, "bit_rate": 9,
        "gaps": 0, "dropped": 0, "reconnects": 1, "own_clock": true});
    town.tell("capture_health", &health);
    town.until(|| camera(&town, 1)["silent"] == false);
    assert_eq!((&camera(&town, 1)["seen_ms"], &camera(&town, 1)["capture"]["reconnects"]), (&json!(BEGAN_MS + 5_000), &json!(1)));
}
