//! A small watch that tells of wares: a topic, a state file, and a dispatch that can be started, stopped and killed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::Standing;
use engine::dispatch::{Config, Dispatch, DispatchError, Figures, Listed, Notice, Outbox, Selection, Subject};
use engine::transport::local::LocalTransport;
use engine::transport::{NewRecord, TopicStore};
use serde::Deserialize;

/// 32 bytes, and an ed25519 key pair: RFC 8032, section 7.1, test 1.
pub(super) const SYMMETRIC: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(super) const ASYMMETRIC: &str = "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==";

pub(super) struct Wares;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wish {
    areas: Vec<String>,
    weight_least: u64,
}

impl Subject for Wares {
    type Filter = Wish;

    fn read(&self, record: &[u8]) -> Result<Notice, String> {
        let data: serde_json::Value = serde_json::from_slice(record).map_err(|error| error.to_string())?;
        let standing = match data["status"].as_str() {
            Some("provisional") => Standing::Provisional,
            Some("final") => Standing::Final,
            Some("withdrawn") => Standing::Withdrawn,
            other => return Err(format!("its status is {other:?}")),
        };
        let number = |field: &str| data[field].as_u64().ok_or(format!("{field} is missing"));
        let revision = u32::try_from(number("revision")?).map_err(|error| error.to_string())?;
        let id = data["id"].as_str().ok_or("id is missing")?.to_owned();
        Ok(Notice { subject: "ware", id, revision, standing, at_ms: number("at_ms")?, data })
    }

    fn wants(&self, wish: &Wish, notice: &Notice) -> bool {
        let area = notice.data["area"].as_str().unwrap_or_default();
        (wish.areas.is_empty() || wish.areas.iter().any(|wanted| wanted == area))
            && notice.data["weight"].as_u64().unwrap_or(0) >= wish.weight_least
    }
}

pub(super) fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A folder with a topic, a state file and secrets.
pub(super) struct Watch {
    folder: tempfile::TempDir,
    pub(super) store: Arc<LocalTransport>,
    pub(super) endpoints: String,
}

/// A dispatch under way.
pub(super) struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Figures, DispatchError>>,
}

impl Running {
    pub(super) fn stop(self) -> Result<Figures, DispatchError> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }

    pub(super) fn join(self) -> Result<Figures, DispatchError> {
        self.thread.join().unwrap()
    }
}

impl Watch {
    pub(super) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(LocalTransport::open(folder.path().join("topics.db")).unwrap());
        store.create_topic("alerts", 1).unwrap();
        std::fs::write(folder.path().join("symmetric"), SYMMETRIC).unwrap();
        std::fs::write(folder.path().join("asymmetric"), format!("{ASYMMETRIC}\n")).unwrap();
        Self { folder, store, endpoints: String::new() }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds an endpoint on this machine, with further fields.
    pub(super) fn endpoint(&mut self, name: &str, url: &str, fields: &str) {
        let secrets = format!("[{{file: {:?}}}, {{file: {:?}}}]", self.path("symmetric"), self.path("asymmetric"));
        let common = format!("url: {url:?}, secrets: {secrets}, allow_private: true, allow_http: true");
        self.endpoints += &format!("  {name}: {{{common}{}{fields}}}\n", if fields.is_empty() { "" } else { ", " });
    }

    pub(super) fn config(&self) -> String {
        format!("version: 1\nendpoints:\n{}", self.endpoints)
    }

    pub(super) fn tell(&self, id: &str, revision: u32, status: &str) {
        self.tell_of(id, revision, status, "west", 10, None);
    }

    pub(super) fn tell_of(&self, id: &str, revision: u32, status: &str, area: &str, weight: u64, arrival_ms: Option<u64>) {
        let row = serde_json::json!({"id": id, "revision": revision, "status": status, "at_ms": 1_767_250_805_133_u64, "area": area, "weight": weight});
        let value = row.to_string();
        self.store.append("alerts", &[NewRecord { partition: 0, arrival_ms, key: id.as_bytes(), value: Some(value.as_bytes()) }]).unwrap();
    }

    pub(super) fn begin(&self, bounded: bool) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let dispatch = dispatch(&self.config(), Arc::clone(&self.store), &self.path("state.db"), bounded, Arc::clone(&stop));
        Running { stop, thread: thread::spawn(move || dispatch.run(&mut |_| ())) }
    }

    pub(super) fn outbox(&self) -> Outbox {
        Outbox::look(&self.path("state.db")).unwrap()
    }

    /// Deliveries in a state, oldest first.
    pub(super) fn listed(&self, state: &str) -> Vec<Listed> {
        let selection = Selection { state: Some(state.to_owned()), ..Selection::default() };
        let mut listed = self.outbox().list(&selection, 100_000).unwrap();
        listed.reverse();
        listed
    }

    /// Waits until so many deliveries are in a state.
    pub(super) fn until(&self, state: &str, count: usize) -> Vec<Listed> {
        let began = Instant::now();
        loop {
            if self.path("state.db").exists()
                && let Ok(outbox) = Outbox::look(&self.path("state.db"))
            {
                let selection = Selection { state: Some(state.to_owned()), ..Selection::default() };
                let listed = outbox.list(&selection, 100_000).unwrap();
                if listed.len() >= count {
                    return listed;
                }
                let all = || outbox.list(&Selection::default(), 20);
                assert!(began.elapsed() < Duration::from_secs(30), "{} of {count} are {state}; {:?}", listed.len(), all());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

pub(super) fn dispatch(config: &str, store: Arc<LocalTransport>, state: &Path, bounded: bool, stop: Arc<AtomicBool>) -> Dispatch<Wares> {
    let config = Config::read("dispatch.yaml", config).unwrap_or_else(|problems| panic!("{problems}"));
    Dispatch { subject: Wares, config, store, state: state.to_owned(), bounded, stop }
}
