//! What people do about alerts: who may, of what, and what becomes of it.

use std::collections::BTreeMap;
use std::process::Command;

use engine::transport::{Batch, Transport as _};
use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id};
use crate::running::text;
use crate::town::{Town, body};

fn told(town: &Town, number: u64, revision: u32, status: &str, centre: &str) {
    let camera = if centre == "west" { "w1" } else { "e1" };
    town.tell("alerts", &alert(&id(number), revision, status, "hotlist", centre, BEGAN_MS + number, &[(camera, Value::Null, BEGAN_MS)]));
}

fn post(town: &Town, token: &str, number: u64, what: &str, asked: &Value) -> (u16, Value) {
    let (status, answer) = town.server().post("POST", &format!("/v1/alerts/{}/{what}", id(number)), Some(token), &asked.to_string());
    (status, body(&answer))
}

/// What lies in a topic.
fn records(town: &Town, topic: &str) -> Vec<Value> {
    let mut records = Vec::new();
    for partition in town.store.partitions(topic).unwrap_or_default() {
        let mut batch = Batch::default();
        town.store.reader(topic, partition, 0).unwrap().read(1 << 20, &mut batch).unwrap();
        records.extend(batch.records.iter().map(|record| serde_json::from_slice::<Value>(batch.value(record).unwrap()).unwrap()));
    }
    records
}

#[test]
fn a_review_is_a_record_that_everybody_learns_of_and_the_newest_stands() {
    let mut town = Town::found();
    let (lan, viewer, east) =
        (town.token("lan", "reviewer", &["west"]), town.token("v", "viewer", &["west"]), town.token("e", "reviewer", &["east"]));
    let auditor = town.token("a", "auditor", &[]);
    told(&town, 1, 1, "provisional", "west");
    told(&town, 1, 2, "final", "west");
    told(&town, 2, 1, "final", "east");
    told(&town, 3, 1, "withdrawn", "west");
    told(&town, 4, 1, "final", "west");
    town.start(&[]);
    town.settle(&viewer);
    let wrong = json!({"decision": "rejected", "reason": "broken_signal", "note": "Đèn hỏng"});
    for (token, number, asked, expected) in [
        (&viewer, 1, wrong.clone(), 403),
        (&auditor, 1, wrong.clone(), 403),
        (&east, 1, wrong.clone(), 404),
        (&lan, 2, wrong.clone(), 404),
        (&lan, 9, wrong.clone(), 404),
        (&lan, 3, wrong.clone(), 409),
        (&lan, 1, json!({"decision": "confirmed", "revision": 1}), 409),
        (&lan, 1, json!({"decision": "rejected"}), 400),
        (&lan, 1, json!({"decision": "confirmed", "reason": "escort"}), 400),
        (&lan, 1, json!({"decision": "perhaps"}), 400),
        (&lan, 1, json!({"decision": "confirmed", "whom": "me"}), 400),
        (&lan, 1, json!([]), 400),
    ] {
        let (status, answer) = post(&town, token, number, "review", &asked);
        assert_eq!(status, expected, "{number} {asked}: {answer}");
    }
    assert!(records(&town, "reviews").is_empty(), "what was refused left nothing");
    assert_eq!(post(&town, &lan, 1, "review", &json!({"decision": "confirmed"})).0, 201);
    let (status, review) = post(&town, &lan, 1, "review", &wrong);
    assert_eq!(status, 201);
    let expected = json!({"alert": id(1), "revision": 2, "decision": "rejected", "reason": "broken_signal", "note": "Đèn hỏng",
        "who": "lan", "at_ms": review["at_ms"]});
    assert_eq!(review, expected);
    assert_eq!(records(&town, "reviews").last(), Some(&expected));
    let shown = |number: u64| town.ask(&format!("/v1/alerts/{}", id(number)), &viewer);
    town.until(|| shown(1)["review"]["decision"] == "rejected");
    assert_eq!((&shown(1)["review"], &shown(4)["review"]), (&expected, &Value::Null));
    let by = |review: &str| {
        let page = town.ask(&format!("/v1/alerts?review={review}"), &viewer);
        page["alerts"].as_array().unwrap().iter().map(|alert| alert["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((by("rejected"), by("confirmed"), by("none")), (vec![id(1)], vec![], vec![id(4), id(3)]));
    // Killed, and its file thrown away: the topics tell it all again.
    town.server = None;
    for file in ["city.view.db", "city.view.db-wal", "city.view.db-shm"] {
        _ = std::fs::remove_file(town.folder().join(file));
    }
    town.start(&[]);
    town.settle(&viewer);
    assert_eq!(town.ask(&format!("/v1/alerts/{}", id(1)), &viewer)["review"], expected);
    let rows = town.ask("/v1/audit", &auditor);
    let mut outcomes = BTreeMap::<String, usize>::new();
    for row in rows["rows"].as_array().unwrap().iter().filter(|row| row["what"] == "POST /v1/alerts/{id}/review" && row["who"] == "lan") {
        *outcomes.entry(row["outcome"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    let expected = [
        ("201 confirmed, revision 2", 1),
        ("201 rejected broken_signal, revision 2", 1),
        ("400", 5),
        ("404", 2),
        ("409", 2),
        ("asked", 11),
    ];
    assert_eq!(outcomes, expected.map(|(outcome, count)| (outcome.to_owned(), count)).into());
}

#[test]
fn the_first_who_acknowledges_counts_and_a_program_says_who_that_is() {
    let mut town = Town::found();
    let (lan, binh) = (town.token("lan", "viewer", &["west"]), town.token("binh", "reviewer", &["west"]));
    told(&town, 1, 1, "provisional", "west");
    town.start(&[]);
    town.settle(&lan);
    let (status, first) = post(&town, &lan, 1, "ack", &json!({"revision": 1}));
    assert_eq!((status, &first["who"], &first["revision"]), (201, &json!("lan"), &json!(1)));
    town.until(|| town.ask(&format!("/v1/alerts/{}", id(1)), &binh)["acknowledged"] == first);
    assert_eq!(post(&town, &binh, 1, "ack", &json!({})), (200, first.clone()));
    assert_eq!(post(&town, &binh, 1, "ack", &json!({"revision": 7})).0, 409);
    assert_eq!(records(&town, "acknowledgements"), [first]);
    // Alerts that change afterwards keep what was said about them.
    told(&town, 1, 2, "final", "west");
    town.until(|| town.ask(&format!("/v1/alerts/{}", id(1)), &binh)["revision"] == 2);
    assert_eq!(town.ask(&format!("/v1/alerts/{}", id(1)), &binh)["acknowledged"]["who"], "lan");

    let giaolo = |token: &str, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_giaolo"));
        command.args(arguments).args(["--server", &town.server().address]).env("GIAOLO_TOKEN", token).output().unwrap()
    };
    let one = id(1);
    let said = text(&giaolo(&binh, &["ack", &one]));
    assert_eq!(said, format!("lan sees to {one}\n"));
    let said = text(&giaolo(&binh, &["review", &one, "rejected", "--reason", "wrong-plate", "--revision", "2"]));
    assert_eq!(said, format!("{one} is rejected at revision 2\n"));
    town.until(|| text(&giaolo(&binh, &["alerts", &one])).contains("rejected (wrong_plate) by binh"));
    let refused = giaolo(&binh, &["review", &one, "rejected"]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    let refused = giaolo(&binh, &["review", &one, "rejected", "--reason", "other"]);
    assert!(!refused.status.success() && text(&refused).contains("needs a note"), "{}", text(&refused));
    let refused = giaolo(&lan, &["review", &one, "confirmed"]);
    assert!(!refused.status.success() && text(&refused).contains("this role may not do that"), "{}", text(&refused));
}
