//! The HTTP interface answers as `openapi.json` says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use engine::access::{Policy, Rule, Trail};
use engine::server::{Door, listen};
use serde_json::Value;

use super::trade::{Shop, definition};

const fn rule(method: &'static str, path: &'static str) -> Rule {
    Rule { method, path, roles: &["staff"], whole: true, trail: Trail::Look, four_eyes: None, check: None }
}

/// Every route of the engine, for one role.
static POLICY: Policy = Policy {
    roles: &["staff"],
    rules: &[
        rule("GET", "/v1/jobs"),
        rule("POST", "/v1/jobs"),
        rule("GET", "/v1/jobs/{job}"),
        rule("DELETE", "/v1/jobs/{job}"),
        rule("GET", "/v1/jobs/{job}/definition"),
        rule("POST", "/v1/jobs/{job}/pause"),
        rule("POST", "/v1/jobs/{job}/resume"),
        rule("POST", "/v1/plan"),
        rule("GET", "/v1/status"),
        rule("GET", "/v1/audit"),
        rule("GET", "/v1/approvals"),
        rule("POST", "/v1/approvals/{id}/approve"),
        rule("POST", "/v1/approvals/{id}/refuse"),
        rule("GET", "/v1/openapi.json"),
        rule("GET", "/metrics"),
    ],
};

/// Status and body of an answer.
fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn every_operation_answers_as_it_is_described() {
    let shop = Shop::open();
    let bound = listen(shop.server.clone(), Door::at("127.0.0.1:0".parse().unwrap(), &POLICY)).unwrap();
    let ask = |method: &str, path: &str, body: &str| ask(bound.address, method, path, body);
    shop.wait(|| ask("GET", "/health/ready", "").0 == 200);
    let document: Value = serde_json::from_str(&ask("GET", "/v1/openapi.json", "").1).unwrap();
    let text = definition("first", "sum", "sums");
    let (status, job) = ask("POST", "/v1/jobs?history=emit", &text);
    assert_eq!(status, 201, "{job}");
    shop.append(1, 2);
    shop.until("sums", |rows| !rows.is_empty());
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let (path, method) = (path.replace("{job}", "first"), method.to_uppercase());
            if (method.as_str(), path.as_str()) == ("DELETE", "/v1/jobs/first") {
                continue;
            }
            shop.until_running_or_paused("first");
            let (status, body) = ask(&method, &path, &text);
            assert!(operation["responses"].get(status.to_string()).is_some(), "{method} {path}: {status} {body}");
            // Nothing waits for approval where everybody may do everything.
            assert!(status < 300 || (path.contains("{id}") && status == 404), "{method} {path}: {status} {body}");
        }
    }
    let job: Value = serde_json::from_str(&ask("GET", "/v1/jobs/first", "").1).unwrap();
    let required = document["components"]["schemas"]["Job"]["required"].as_array().unwrap();
    assert!(required.iter().all(|field| job.get(field.as_str().unwrap()).is_some()), "{job}");
    let metrics = ask("GET", "/metrics", "").1;
    for figure in [
        "giaolo_records_total{topic=\"entries\",partition=\"1\"} 1",
        "giaolo_job{job=\"first\",state=\"running\"} 1",
        "_bucket{le=\"+Inf\"}",
    ] {
        assert!(metrics.contains(figure), "{figure} is not in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    assert_eq!(ask("DELETE", "/v1/jobs/first", "").0, 200);
    assert_eq!(ask("DELETE", "/v1/jobs/first", "").0, 409);
}

#[test]
fn what_cannot_be_done_is_told_with_a_hint() {
    let shop = Shop::open();
    let bound = listen(shop.server.clone(), Door::at("127.0.0.1:0".parse().unwrap(), &POLICY)).unwrap();
    let ask = |method: &str, path: &str, body: &str| {
        let (status, body) = ask(bound.address, method, path, body);
        (status, serde_json::from_str::<Value>(&body).unwrap_or(Value::String(body)))
    };
    let (status, body) = ask("POST", "/v1/jobs", "no");
    assert_eq!((status, &body["problems"][0]["line"]), (422, &1.into()), "{body}");
    let (status, body) = ask("GET", "/v1/jobs/nobody", "");
    assert_eq!((status, body["error"].as_str()), (404, Some("there is no job \"nobody\"")));
    assert!(body["hint"].as_str().unwrap().contains("giaolo list"));
    assert_eq!(ask("GET", "/v2", "").0, 404);
    assert_eq!(ask("POST", "/v1/jobs?histori=emit", "").0, 400);
    assert_eq!(ask("POST", "/v1/jobs", &"x".repeat(2 << 20)).0, 413);
}
