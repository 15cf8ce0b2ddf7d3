//! Look-ups on a real broker: what jobs commit there is found, and what people say goes there and comes back.

use std::time::{Duration, Instant};

use city::broker::Broker;
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::transport::{NewRecord, TopicStore as _};
use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id, journey, plate, sighting};
use crate::running::{Running, token};
use crate::town::{MOST, body};

#[test]
fn on_a_broker_what_jobs_told_is_found_and_what_people_say_comes_back() {
    let Ok(mut broker) = Broker::start().inspect_err(|skipped| println!("{skipped}")) else { return };
    let (folder, brokers) = (tempfile::tempdir().unwrap(), broker.brokers());
    let folder = folder.path();
    let store = KafkaTransport::new(KafkaConfig { brokers: brokers.clone(), ..KafkaConfig::default() }).unwrap();
    let tell = |topic: &str, record: &Value| {
        let (key, value) = (record["id"].as_str().unwrap(), record.to_string());
        store
            .append(topic, &[NewRecord { partition: 1, key: key.as_bytes(), value: Some(value.as_bytes()), ..NewRecord::default() }])
            .unwrap();
    };
    ["alerts", "journeys", "sightings"].iter().for_each(|topic| broker.create_topic(topic, 2));
    tell("sightings", &sighting(&id(1), 1, "final", "w1", BEGAN_MS, BEGAN_MS + 9));
    tell("journeys", &journey(&id(2), 1, "final", &plate("88A12345", "car"), &[(&id(1), "w1")], BEGAN_MS, BEGAN_MS + 9));
    tell("alerts", &alert(&id(3), 1, "provisional", "hotlist", "west", BEGAN_MS, &[("w1", json!(id(1)), BEGAN_MS)]));

    let people = [("lan", "reviewer"), ("an", "hotlist-manager")];
    let [lan, an] = people.map(|(name, role)| token(folder, name, role, &["--all-centres"]));
    let start = || Running::start_on(folder, &["--brokers", &brokers], &["--catalogue", "city.jobs.db", "--four-eyes", "none"]);
    let server = start();
    let until = |server: &Running, token: &str, path: &str, what: &dyn Fn(u16, &Value) -> bool| {
        let began = Instant::now();
        loop {
            let (status, answer) = server.ask("GET", path, Some(token));
            if what(status, &body(&answer)) {
                return body(&answer);
            }
            assert!(began.elapsed() < MOST, "{path}: {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let path = format!("/v1/alerts/{}", id(3));
    let row = |answer: &Value| answer["evidence"][0]["row"].clone();
    let told = until(&server, &lan, &path, &|status, answer| status == 200 && row(answer)["id"] == id(1).as_str());
    assert_eq!((&told["revision"], &told["record"]["partition"], &row(&told)["boxes"]), (&json!(1), &json!(1), &json!(9)));
    let plate = "/v1/vehicles/88A-123.45/journeys?reason=hit-and-run&case=7";
    until(&server, &lan, plate, &|_, answer| answer["journeys"][0]["parts"][0]["from_ms"] == BEGAN_MS);

    // What people say goes through topics, also to a server that was killed meanwhile, and while the broker was away.
    assert_eq!(server.post("POST", &format!("{path}/ack"), Some(&lan), "").0, 201);
    let wanted = json!({"list": "stolen", "plate": "88A-123.45", "kind": "car", "reason": "case 1"}).to_string();
    assert_eq!(server.post("POST", "/v1/hotlist", Some(&an), &wanted).0, 201);
    drop(server);
    broker.shut_down();
    broker.restart();
    let server = start();
    until(&server, &lan, &path, &|_, answer| answer["acknowledged"]["who"] == "lan");
    until(&server, &an, "/v1/hotlist", &|_, answer| answer[0]["plate"] == "88A12345");
    let rejected = json!({"decision": "rejected", "reason": "wrong_plate"}).to_string();
    assert_eq!(server.post("POST", &format!("{path}/review"), Some(&lan), &rejected).0, 201);
    until(&server, &lan, "/v1/alerts?review=rejected", &|_, answer| answer["alerts"][0]["review"]["who"] == "lan");
    broker.stop();
    until(&server, &lan, &path, &|status, answer| status == 200 && answer["review"]["who"] == "lan" && row(answer).is_null());
    broker.restart();
    tell("alerts", &alert(&id(3), 2, "final", "hotlist", "west", BEGAN_MS, &[("w1", json!(id(1)), BEGAN_MS)]));
    until(&server, &lan, &path, &|_, answer| answer["revision"] == 2 && row(answer)["id"] == id(1).as_str());
}
