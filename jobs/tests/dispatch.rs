//! `giaolo dispatch` and `giaolo deliveries` as a person meets them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread;

use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore as _};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn giaolo(arguments: &[&str]) -> Output {
    let secrets = ["PATROL_WEST_SECRET", "STATION_EAST_SECRET", "STATION_EAST_SECRET_BEFORE"].map(|name| (name, SECRET));
    Command::new(env!("CARGO_BIN_EXE_giaolo")).args(arguments).envs(secrets).output().unwrap()
}

fn out(arguments: &[&str]) -> String {
    let output = giaolo(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A gateway that answers with one status after the other; what it was sent comes through the channel.
fn gateway(statuses: &'static [u16]) -> (u16, mpsc::Receiver<serde_json::Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for (stream, status) in listener.incoming().map_while(Result::ok).zip(statuses) {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
            write!(reader.get_mut(), "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
    });
    (port, receiver)
}

fn alert(id: u64, priority: u8) -> String {
    format!(
        r#"{{"revision":1,"status":"provisional","id":"{id:016x}","rule":"hotlist","certain":true,"priority":{priority},
        "at_ms":1767250805133,"centre":"west","plate":{{"text":"88A12345","kind":"car","colour":"white","confidence":[990,985,1000,1,0,251,250,912]}},
        "journey":null,"evidence":[],"measured":{{}},"limit":{{}},"text":"88A12345 stands on the list stolen"}}"#
    )
}

fn store(path: &Path, alerts: &[String]) {
    let store = LocalTransport::open(path).unwrap();
    store.create_topic("alerts", 1).unwrap();
    let records: Vec<_> = alerts.iter().map(|alert| NewRecord { value: Some(alert.as_bytes()), ..NewRecord::default() }).collect();
    store.append("alerts", &records).unwrap();
}

#[test]
fn the_sample_is_valid_and_what_is_wrong_is_told() {
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/dispatch.yaml");
    assert!(out(&["dispatch", sample, "--check"]).ends_with("dispatch.yaml: valid: alerts to patrol-west, station-east\n"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("units.yaml");
    std::fs::write(&path, std::fs::read_to_string(sample).unwrap().replace("certain_only", "certainly")).unwrap();
    let wrong = giaolo(&["dispatch", path.to_str().unwrap(), "--check"]);
    let told = String::from_utf8(wrong.stderr).unwrap();
    assert!(wrong.status.code() == Some(1) && told.contains("unknown field \"certainly\" in endpoint \"patrol-west\""), "{told}");
}

#[test]
fn a_unit_is_told_and_what_failed_is_listed_and_sent_again() {
    let (port, received) = gateway(&[410, 200, 200]);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let [units, city, state] = ["units.yaml", "city.db", "state.db"].map(at);
    let endpoint =
        format!("url: 'http://127.0.0.1:{port}/', secrets: [{{env: PATROL_WEST_SECRET}}], allow_private: true, allow_http: true");
    std::fs::write(&units, format!("version: 1\nendpoints:\n  unit: {{{endpoint}, concurrency: 1, filter: {{priority_least: 50}}}}\n"))
        .unwrap();
    store(Path::new(&city), &[alert(1, 40), alert(2, 60), alert(3, 70)]);
    let dispatch = ["dispatch", &units, "--local", &city, "--state", &state, "--bounded"];

    let output = giaolo(&dispatch);
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && log.contains("the endpoint is disabled"), "{log}");
    assert!(!log.contains("88A12345") && !log.contains("whsec"), "{log}");
    let told = received.recv().unwrap();
    assert_eq!((&told["type"], &told["data"]["plate"]["text"]), (&"alert.raised".into(), &"88A12345".into()));
    let listed = out(&["deliveries", "list", "--state", &state]);
    assert!(listed.starts_with("unit is disabled since ") && listed.matches("dead, ").count() == 2, "{listed}");

    out(&["deliveries", "enable", "unit", "--state", &state]);
    assert_eq!(out(&["deliveries", "replay", "dead", "--state", &state]), "2 will be sent again\n");
    assert_eq!(giaolo(&["deliveries", "replay", "dead", "--state", &state]).status.code(), Some(1));
    let figures = out(&[&dispatch[..], &["--json"]].concat());
    let figures: serde_json::Value = serde_json::from_str(figures.lines().last().unwrap()).unwrap();
    assert_eq!((&figures["endpoints"][0]["name"], &figures["endpoints"][0]["delivered"]), (&"unit".into(), &2.into()));
    let listed = out(&["deliveries", "list", "delivered", "--state", &state, "--json"]);
    assert_eq!(listed.lines().count(), 2);
    assert!(!listed.contains("88A12345"), "{listed}");
}
