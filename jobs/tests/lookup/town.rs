//! A town of three centres and six cameras, the store of its server, and the server.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::running::{Running, token};

/// What has not come about by then does not.
pub(crate) const MOST: Duration = Duration::from_secs(60);
/// The cameras, each with its centre.
pub(crate) const CAMERAS: [(&str, &str); 6] =
    [("w1", "west"), ("w2", "west"), ("e1", "east"), ("e2", "east"), ("s1", "south"), ("s2", "south")];
pub(crate) const CENTRES: [&str; 3] = ["west", "east", "south"];

pub(crate) struct Town {
    folder: TempDir,
    pub(crate) store: LocalTransport,
    pub(crate) server: Option<Running>,
}

impl Town {
    /// A town whose server does not run yet.
    pub(crate) fn found() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalTransport::open(folder.path().join("city.db")).unwrap();
        for topic in ["alerts", "journeys", "sightings", "capture_health"] {
            store.create_topic(topic, 2).unwrap();
        }
        let camera = |(id, centre): (&str, &str)| {
            json!({"id": id, "centre": centre, "lon_e7": 0, "lat_e7": 0, "heading_deg": 0, "fps": 5, "clock_error_ms": 50,
                "ground": [], "lanes": [], "lines": [], "zones": []})
        };
        let city = json!({"name": "town", "centres": CENTRES, "cameras": CAMERAS.map(camera), "links": [], "sections": []});
        std::fs::write(folder.path().join("city.json"), city.to_string()).unwrap();
        Self { folder, store, server: None }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn token(&self, name: &str, role: &str, centres: &[&str]) -> String {
        let bound: Vec<&str> = centres.iter().flat_map(|centre| ["--centre", centre]).collect();
        token(self.folder(), name, role, if centres.is_empty() { &["--all-centres"] } else { &bound })
    }

    /// Starts the server, or starts it again after it was killed.
    pub(crate) fn start(&mut self, more: &[&str]) {
        self.server = None;
        let keep: &[&str] = if more.contains(&"--keep-days") { &[] } else { &["--keep-days", "3650"] };
        let arguments = [&["--city", "city.json", "--requests-per-second", "100000"], keep, more].concat();
        self.server = Some(Running::start(self.folder(), &arguments));
    }

    pub(crate) fn server(&self) -> &Running {
        self.server.as_ref().unwrap()
    }

    /// Writes a record, keyed by its id or camera.
    pub(crate) fn tell(&self, topic: &str, record: &Value) {
        self.tell_at(topic, record, None);
    }

    pub(crate) fn tell_at(&self, topic: &str, record: &Value, arrival_ms: Option<u64>) {
        let key = record["id"].as_str().or(record["camera"].as_str()).unwrap();
        let partition = u32::from(key.bytes().fold(0, u8::wrapping_add) % 2);
        let value = record.to_string();
        self.store.append(topic, &[NewRecord { partition, arrival_ms, key: key.as_bytes(), value: Some(value.as_bytes()) }]).unwrap();
    }

    /// The answer to a question that is answered.
    pub(crate) fn ask(&self, path: &str, token: &str) -> Value {
        let (status, answer) = self.try_ask(path, token);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    pub(crate) fn try_ask(&self, path: &str, token: &str) -> (u16, Value) {
        let (status, answer) = self.server().ask("GET", path, Some(token));
        (status, body(&answer))
    }

    /// Waits until everything that was told was read.
    pub(crate) fn settle(&self, token: &str) {
        self.until(|| self.ask("/v1/cameras", token)["behind_ms"] == 0);
        // What was told right before may not have been looked for yet.
        std::thread::sleep(Duration::from_millis(150));
        self.until(|| self.ask("/v1/cameras", token)["behind_ms"] == 0);
    }

    pub(crate) fn until(&self, what: impl Fn() -> bool) {
        let began = Instant::now();
        while !what() {
            assert!(began.elapsed() < MOST, "it does not come about");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The JSON of an answer.
pub(crate) fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()))
}
