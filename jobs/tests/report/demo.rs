//! From the recorded rush hour over reviews and acknowledgements to a report, on a server and with `giaolo run`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore as _};
use serde_json::{Value, json};

use crate::counted::{Sums, count, records};
use crate::page;
use crate::running::{Running, giaolo, text};

/// What has not come about by then does not.
const MOST: Duration = Duration::from_secs(120);
const REPORT: [&str; 6] = ["report", "--week", "2026-W01", "--zone", "UTC", "--local"];

fn out(folder: &Path, arguments: &[&str]) -> String {
    let output = giaolo(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn report(folder: &Path, store: &str) -> Option<Value> {
    let output = giaolo(folder, &[&REPORT[..], &[store, "--json"]].concat());
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

/// What a report says, by the names of the count.
fn told(report: &Value) -> BTreeMap<String, Sums> {
    let mut told = BTreeMap::new();
    if !report["total"].is_null() {
        told.insert("all".to_owned(), Sums::told(&report["total"]));
    }
    for (by, groups) in [("rule", &report["rules"]), ("camera", &report["cameras"]), ("hour", &report["hours"])] {
        let groups =
            groups.as_array().unwrap().iter().map(|group| (format!("{by} {}", group["name"].as_str().unwrap()), Sums::told(group)));
        told.extend(groups.filter(|(_, sums)| *sums != Sums::default()));
    }
    told
}

/// Does what officers do: acknowledges every second alert, one twice; decides of two of three, and of some of them again.
fn review(server: &Running, alerts: &[String]) {
    let post = |id: &str, what: &str, asked: &Value| {
        let began = Instant::now();
        // The server may not have read the alert yet.
        loop {
            let (status, answer) = server.post("POST", &format!("/v1/alerts/{id}/{what}"), None, &asked.to_string());
            if [200, 201].contains(&status) {
                return;
            }
            assert!(status == 404 && began.elapsed() < MOST, "{answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let (confirmed, rejected) = (json!({"decision": "confirmed"}), json!({"decision": "rejected", "reason": "broken_signal"}));
    for (n, id) in alerts.iter().enumerate() {
        if n % 2 == 0 {
            post(id, "ack", &json!({}));
        }
        match n % 6 {
            0 | 3 => post(id, "review", &confirmed),
            1 => post(id, "review", &rejected),
            4 => {
                post(id, "review", &confirmed);
                post(id, "review", &rejected);
            }
            _ => {}
        }
    }
}

#[test]
fn a_report_says_what_the_topics_hold_and_no_plate() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo");
    out(folder, &["demo", "--input", recording.to_str().unwrap(), "--local", "city.db"]);
    let city = recording.join("city.json");
    let city = city.to_str().unwrap();
    let store = LocalTransport::open(folder.join("city.db")).unwrap();
    let last: BTreeMap<String, Value> =
        records(&store, "alerts").into_iter().map(|(_, row)| (row["id"].as_str().unwrap().to_owned(), row)).collect();
    let alerts: Vec<String> = last.into_iter().filter(|(_, row)| row["status"] != "withdrawn").map(|(id, _)| id).collect();
    assert!(alerts.len() > 20, "{}", alerts.len());

    let served = ["--city", city, "--requests-per-second", "100000", "--keep-days", "3650"];
    let server = Running::start(folder, &served);
    out(folder, &["submit", "effectiveness", "--server", &server.address]);
    review(&server, &alerts);
    // Better evidence takes one back that was confirmed, and one that was rejected.
    for id in [&alerts[0], &alerts[1]] {
        let (_, mut row) = records(&store, "alerts").into_iter().rfind(|(_, row)| row["id"] == id.as_str()).unwrap();
        (row["revision"], row["status"]) = (json!(row["revision"].as_u64().unwrap() + 1), json!("withdrawn"));
        let value = row.to_string();
        store.append("alerts", &[NewRecord { partition: 0, arrival_ms: None, key: id.as_bytes(), value: Some(value.as_bytes()) }]).unwrap();
    }
    let mut expected = count(&store);
    // Fewer than five vehicles never stand alone; the recording has no such camera.
    expected.retain(|_, sums| *sums != Sums::default());
    assert!(expected.iter().all(|(name, sums)| name.starts_with("rule ") || sums.passages >= 5));
    assert!(expected["all"].confirmed > 5 && expected["all"].rejected > 5 && expected["all"].withdrawn >= 2, "{:?}", expected["all"]);
    let settled = |store: &str| {
        let began = Instant::now();
        loop {
            let found = report(folder, store).map(|report| told(&report)).unwrap_or_default();
            if found == expected {
                return;
            }
            if began.elapsed() > MOST {
                assert_eq!(found, expected);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    settled("city.db");

    // Killed, and started again: the same, and no revision twice.
    drop(server);
    let server = Running::start(folder, &served);
    review(&server, &alerts[2..3]);
    expected = count(&store);
    expected.retain(|_, sums| *sums != Sums::default());
    let settled = |store: &str| {
        let began = Instant::now();
        while report(folder, store).map(|report| told(&report)).as_ref() != Some(&expected) {
            assert!(began.elapsed() < MOST, "it does not come about");
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    settled("city.db");
    drop(server);
    let mut revisions = BTreeMap::<String, Vec<u64>>::new();
    for (_, row) in records(&store, "effectiveness") {
        revisions.entry(row["id"].as_str().unwrap().to_owned()).or_default().push(row["revision"].as_u64().unwrap());
    }
    assert!(revisions.values().all(|of| of.iter().copied().eq(1..=of.len() as u64)), "{revisions:?}");

    // Without a server, from the same topics: the same report.
    drop(store);
    std::fs::copy(folder.join("city.db"), folder.join("other.db")).unwrap();
    let other = rusqlite::Connection::open(folder.join("other.db")).unwrap();
    other.execute("DELETE FROM records WHERE topic = (SELECT id FROM topics WHERE name = 'effectiveness')", []).unwrap();
    drop(other);
    out(folder, &["run", "effectiveness", "--local", "other.db", "--city", city, "--bounded"]);
    settled("other.db");

    let store = LocalTransport::open(folder.join("city.db")).unwrap();
    let page_file = "week.html";
    out(folder, &[&REPORT[..], &["city.db", "--html", page_file]].concat());
    let page = std::fs::read_to_string(folder.join(page_file)).unwrap();
    page::check(&page);
    let shown =
        [page, out(folder, &[&REPORT[..], &["city.db"]].concat()), out(folder, &[&REPORT[..], &["city.db", "--csv"]].concat())].concat();
    let counted: String = records(&store, "effectiveness").iter().map(|(_, row)| row.to_string()).collect();
    let plates = ["alerts", "sightings"].iter().flat_map(|topic| records(&store, topic));
    let plates: Vec<String> = plates.filter_map(|(_, row)| row["plate"]["text"].as_str().map(str::to_owned)).collect();
    assert!(plates.len() > 100 && plates.iter().all(|plate| !shown.contains(plate) && !counted.contains(plate)));
}

#[test]
fn what_cannot_be_reported_is_said_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let said = |arguments: &[&str]| {
        let output = giaolo(folder.path(), arguments);
        assert!(!output.status.success());
        text(&output)
    };
    LocalTransport::open(folder.path().join("city.db")).unwrap().create_topic("effectiveness", 1).unwrap();
    assert!(said(&["report", "--local", "city.db"]).contains("giaolo run effectiveness"));
    assert!(said(&["report"]).contains("no store is named"));
    let store = LocalTransport::open(folder.path().join("city.db")).unwrap();
    let row = json!({"id": "00000000000000a1", "revision": 1, "status": "final", "from_ms": 0, "known_from_ms": 0, "centre": "w",
        "camera": "c", "rule": null, "counts": {"passages": 9, "reads": 9, "alerts": 0, "withdrawn": 0, "confirmed": 0, "rejected": 0,
        "acknowledged": 0, "prompt": 0, "telling_ms": 0, "acknowledging_ms": 0}})
    .to_string();
    store.append("effectiveness", &[NewRecord { partition: 0, arrival_ms: None, key: b"a", value: Some(row.as_bytes()) }]).unwrap();
    assert!(said(&["report", "--local", "city.db", "--zone", "Nowhere/Here"]).contains("no time zone"));
    assert!(said(&["report", "--local", "city.db", "--week", "soon"]).contains("2026-W48"));
    let page = out(folder.path(), &["report", "--local", "city.db", "--zone", "UTC"]);
    assert!(page.starts_with("week 1970-W01") && page.contains("passages                        9"), "{page}");
}
