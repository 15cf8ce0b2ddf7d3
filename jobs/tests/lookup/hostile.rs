//! No sequence of bytes brings the server down, nor one of its handlers: requests that are right, changed at random, sent as they are.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use city::mutate::{again_and_again, below, change, one};
use serde_json::{Value, json};

use crate::records::{BEGAN_MS, alert, id};
use crate::town::Town;

/// What is sent on one connection, and what comes back until it is closed.
fn talk(address: &str, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("the server is there");
    stream.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    // The server may close before all of it is sent.
    _ = stream.write_all(sent);
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut part) {
        answer.extend_from_slice(&part[..read]);
        if answer.len() > 1 << 20 {
            break;
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn no_request_brings_the_server_down() {
    let mut town = Town::found();
    let tokens = ["admin", "reviewer", "hotlist-manager", "auditor"].map(|role| town.token(role, role, &[]));
    town.tell("alerts", &alert(&id(3), 1, "final", "hotlist", "west", BEGAN_MS, &[("w1", Value::Null, BEGAN_MS)]));
    town.start(&["--four-eyes", "none"]);
    town.settle(&tokens[1]);
    let [admin, reviewer, lists, auditor] = &tokens;
    let wanted = json!({"list": "stolen", "plate": "88A-123.45", "kind": "car", "priority": 90, "reason": "case 1"}).to_string();
    let looked = json!({"decision": "rejected", "reason": "other", "note": "no", "revision": 1}).to_string();
    let job = include_str!("../../definitions/section-speed.yaml");
    let alert = format!("/v1/alerts/{}", id(3));
    let right: [(String, &str, &str); 11] = [
        ("GET /v1/alerts?from=1&to=2000000000000&rule=hotlist&state=final&limit=9&cursor=5.00000000000000a1".to_owned(), reviewer, ""),
        (format!("GET {alert}?reason=a&case=7"), reviewer, ""),
        ("GET /v1/vehicles/88A-123.45/journeys?from=1&to=2&reason=a&case=7&limit=3".to_owned(), reviewer, ""),
        (format!("POST {alert}/review"), reviewer, &looked),
        (format!("POST {alert}/ack"), reviewer, r#"{"revision": 1}"#),
        ("POST /v1/hotlist".to_owned(), lists, &wanted),
        ("DELETE /v1/hotlist/stolen/88A12345?reason=found".to_owned(), lists, ""),
        ("GET /v1/audit?after=3&limit=5".to_owned(), auditor, ""),
        ("POST /v1/plan?file=job.yaml".to_owned(), admin, job),
        ("POST /v1/approvals/00000000000000a1/approve".to_owned(), lists, ""),
        ("GET /v1/cameras".to_owned(), admin, ""),
    ];
    let address = &town.server().address;
    let (mut answered, mut refused) = (0, 0);
    again_and_again(|random| {
        let ((line, token, body), (other, _, other_body)) = (one(random, &right), one(random, &right));
        let mut parts = [line.clone(), format!("authorization: Bearer {token}"), (*body).to_owned()].map(String::into_bytes);
        // Mostly one part of it, so that what comes after the head is read too; sometimes all of it, as it goes over the wire.
        let place = below(random, 4);
        if let Some(part) = parts.get_mut(place) {
            change(part, [other.as_bytes(), b"Basic ", other_body.as_bytes()][place], random);
        }
        let [line, token, body] = &parts;
        let head = format!(" HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        let mut sent = [line, head.as_bytes(), token, b"\r\n\r\n", body].concat();
        if place == 3 {
            change(&mut sent, other.as_bytes(), random);
        }
        let answer = talk(address, &sent);
        assert!(!answer.starts_with("HTTP/1.1 5"), "{}\n{answer}", String::from_utf8_lossy(&sent));
        if answer.starts_with("HTTP/1.1 2") { answered += 1 } else { refused += 1 }
    });
    assert!(answered > 3 && refused > 30, "{answered} answered, {refused} refused: the changes are too few or too many");
    assert!(talk(address, b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").starts_with("HTTP/1.1 200"));
}
