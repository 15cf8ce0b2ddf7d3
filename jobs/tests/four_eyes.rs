//! What one person asks for, a second one approves of: the program itself, asked over TCP.

#[allow(dead_code, reason = "used by other tests too")]
mod running;

use std::path::Path;

use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore as _};
use running::{Running, giaolo, text, token};
use serde_json::{Value, json};

const WANTED: &str = r#"{"list": "stolen", "plate": "88a-123.45", "kind": "car", "priority": 90, "reason": "case 2026-0117"}"#;

fn body(answer: &str) -> Value {
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

/// Two who manage lists, and one who writes jobs.
fn people(folder: &Path) -> [String; 3] {
    [("an", "hotlist-manager"), ("binh", "hotlist-manager"), ("chi", "job-author")]
        .map(|(name, role)| token(folder, name, role, &["--all-centres"]))
}

/// The id under which something waits.
fn waits(server: &Running, token: &str, path: &str, asked: &str) -> String {
    let (status, answer) = server.post("POST", path, Some(token), asked);
    assert_eq!(status, 202, "{answer}");
    body(&answer)["approval"].as_str().unwrap().to_owned()
}

fn listed(server: &Running, token: &str) -> Vec<Value> {
    let (status, answer) = server.ask("GET", "/v1/hotlist", Some(token));
    assert_eq!(status, 200, "{answer}");
    body(&answer).as_array().unwrap().clone()
}

#[test]
fn a_plate_is_looked_for_once_a_second_person_approves() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [an, binh, chi] = people(folder);
    let server = Running::start(folder, &[]);
    let id = waits(&server, &an, "/v1/hotlist", WANTED);
    assert_eq!(listed(&server, &an), [] as [Value; 0], "nobody approved of it yet");
    let approve = format!("/v1/approvals/{id}/approve");
    assert_eq!(server.ask("POST", &approve, Some(&an)).0, 403, "it takes another");
    assert_eq!(server.ask("POST", &approve, Some(&chi)).0, 404, "who may not do it may not approve of it, nor see it");
    assert_eq!(body(&server.ask("GET", "/v1/approvals", Some(&chi)).1), json!([]));
    let (_, waiting) = server.ask("GET", "/v1/approvals", Some(&binh));
    let waiting = body(&waiting);
    assert_eq!((&waiting[0]["who"], &waiting[0]["yours"], &waiting[0]["body"]), (&json!("an"), &json!(false), &json!(WANTED)));
    // Killed and started again, it still waits.
    drop(server);
    let server = Running::start(folder, &[]);
    let (status, answer) = server.ask("POST", &approve, Some(&binh));
    assert_eq!((status, &body(&answer)["plate"]), (201, &json!("88A12345")), "{answer}");
    assert_eq!(server.ask("POST", &approve, Some(&binh)).0, 404, "it is done once");
    let entries = listed(&server, &an);
    assert_eq!((entries.len(), &entries[0]["list"], &entries[0]["priority"]), (1, &json!("stolen"), &json!(90)));
    // A record that cannot be read takes nothing off the list.
    let store = LocalTransport::open(folder.join("city.db")).unwrap();
    store.append("hotlist", &[NewRecord { key: b"stolen/88A12345", value: Some(b"no"), ..NewRecord::default() }]).unwrap();
    assert_eq!(listed(&server, &an), entries);
    // Both names are in the audit log.
    let audit = giaolo(folder, &["audit", "list", "--json", "--state", "city.jobs.db"]);
    let rows: Vec<Value> = text(&audit).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let done = rows.iter().find(|row| row["what"] == "POST /v1/hotlist" && row["reason"] == "approved by binh").unwrap();
    assert_eq!(done["who"], "an");
    assert!(done["outcome"].as_str().unwrap().starts_with("201 "), "{done}");
    assert!(rows.iter().any(|row| row["who"] == "an" && row["outcome"] == format!("202 waits for approval {id}")));
    assert!(rows.iter().any(|row| row["who"] == "binh" && row["outcome"].as_str().is_some_and(|told| told.contains("approved, 201"))));
    // Off the list it comes at once: nobody is stopped for it.
    assert_eq!(server.ask("DELETE", "/v1/hotlist/stolen/88A12345", Some(&an)).0, 400, "a reason is needed");
    assert_eq!(server.ask("DELETE", "/v1/hotlist/stolen/88A12345?reason=found", Some(&an)).0, 200);
    assert_eq!(server.ask("DELETE", "/v1/hotlist/stolen/88A12345?reason=found", Some(&an)).0, 404);
    assert_eq!(listed(&server, &an), [] as [Value; 0]);
}

#[test]
fn what_is_refused_or_no_longer_allowed_is_not_done() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [an, binh, _] = people(folder);
    let server = Running::start(folder, &[]);
    let own = waits(&server, &an, "/v1/hotlist", WANTED);
    assert_eq!(server.ask("POST", &format!("/v1/approvals/{own}/refuse"), Some(&an)).0, 200, "one may think better of it");
    assert_eq!(server.ask("POST", &format!("/v1/approvals/{own}/approve"), Some(&binh)).0, 404);
    let (status, answer) = server.post("POST", "/v1/hotlist", Some(&an), "{}");
    assert_eq!(status, 400, "nobody is asked about what cannot be done: {answer}");
    assert_eq!(body(&server.ask("GET", "/v1/approvals", Some(&binh)).1), json!([]));
    let orphan = waits(&server, &an, "/v1/hotlist", WANTED);
    assert!(giaolo(folder, &["access", "revoke", "an", "--state", "city.jobs.db"]).status.success());
    let (status, answer) = server.ask("POST", &format!("/v1/approvals/{orphan}/approve"), Some(&binh));
    assert_eq!(status, 409, "who asked may not do it any more: {answer}");
    assert_eq!(listed(&server, &binh), [] as [Value; 0]);
    // A plate that was asked for and decided about is not kept.
    for file in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|file| file.file_name().to_str().unwrap().ends_with(".db")) {
        let connection = rusqlite::Connection::open(file.path()).unwrap();
        if let Ok(kept) = connection.query_row("SELECT count(*) FROM approvals WHERE body IS NOT NULL", [], |row| row.get::<_, i64>(0)) {
            assert_eq!(kept, 0);
        }
    }
}

#[test]
fn jobs_take_four_eyes_where_the_server_is_told_so_and_lists_none_where_it_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let [an, _, chi] = people(folder);
    let dan = token(folder, "dan", "admin", &["--all-centres"]);
    let definition = include_str!("../definitions/hotlist.yaml");
    {
        let server = Running::start(folder, &["--four-eyes", "none"]);
        assert_eq!(server.post("POST", "/v1/hotlist", Some(&an), WANTED).0, 201);
        let (status, answer) = server.post("POST", "/v1/jobs", Some(&chi), "job: {");
        assert_eq!(status, 422, "{answer}");
    }
    let city = concat!(env!("CARGO_MANIFEST_DIR"), "/demo/city.json");
    let store = LocalTransport::open(folder.join("city.db")).unwrap();
    store.create_topic("sightings", 1).unwrap();
    let server = Running::start(folder, &["--four-eyes", "jobs,hotlist", "--city", city]);
    let (status, answer) = server.post("POST", "/v1/jobs", Some(&chi), "job: {");
    assert!(status == 400 && answer.contains("definition:1:"), "nobody is asked about what is no job: {answer}");
    let id = waits(&server, &chi, "/v1/jobs?file=hotlist.yaml", definition);
    assert_eq!(server.ask("POST", &format!("/v1/approvals/{id}/approve"), Some(&an)).0, 404);
    assert_eq!(body(&server.ask("GET", "/v1/jobs", Some(&chi)).1), json!([]));
    let (status, answer) = server.ask("POST", &format!("/v1/approvals/{id}/approve"), Some(&dan));
    assert_eq!((status, &body(&answer)["job"]), (201, &json!("hotlist")), "{answer}");
    assert_eq!(body(&server.ask("GET", "/v1/jobs", Some(&chi)).1)[0]["job"], "hotlist");
}
