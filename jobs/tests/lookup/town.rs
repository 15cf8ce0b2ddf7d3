//! A town of three centres and six cameras, the store of its server, and the server.

use std::path::Path;
use std::time::{Duration, Instant};

use city::postgres::{PASSWORD, Postgres};
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
    /// Where its view is, if not in a file, and what more its server is told of that.
    pub(crate) postgres: Option<Postgres>,
    place: Vec<String>,
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
        Self { folder, store, server: None, postgres: None, place: Vec::new() }
    }

    /// A town whose view is in a database; none where there is no PostgreSQL.
    pub(crate) fn found_on_postgres() -> Option<Self> {
        // What it answers with on the network is signed by itself.
        let identity = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let (certificate, key) = (identity.cert.pem(), identity.signing_key.serialize_pem());
        let postgres = Postgres::start_encrypted(Some((&certificate, &key))).inspect_err(|skipped| println!("{skipped}")).ok()?;
        let mut town = Self::found();
        std::fs::write(town.folder().join("password"), format!("{PASSWORD}\n")).unwrap();
        std::fs::write(town.folder().join("authority.pem"), certificate).unwrap();
        let place = ["--view", &postgres.url(), "--view-password", "password", "--view-ca", "authority.pem"];
        (town.place, town.postgres) = (place.map(str::to_owned).to_vec(), Some(postgres));
        Some(town)
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
        let place: Vec<&str> = self.place.iter().map(String::as_str).collect();
        let arguments = [&["--city", "city.json", "--requests-per-second", "100000"], keep, &place, more].concat();
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
