//! `giaolo capture`: cameras and recordings into a topic.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use engine::capture::{Config, Health};
use engine::definition::BYTES_MOST;

use super::store::{Store, explain};
use super::{Outcome, job, say};
use crate::capture::Captured;

/// The most bytes of a picture in a file's store: what a frame may have.
const LOCAL_MOST: usize = schemas::Frame::BYTES_MOST;
/// The most bytes of a picture on Kafka, whose records have a million bytes unless brokers and clients say otherwise.
const KAFKA_MOST: usize = 1_000_000 - schemas::Frame::PARAMETERS_MOST - 1_024;

/// Capture cameras and recordings
///
/// Takes what cameras send (RTSP over TCP; H.264, H.265, Motion JPEG) as it is into the topic `frames`, keyed by camera, with the
/// time each picture was taken and by how much that may be wrong. Nothing is decoded. A camera that fails is tried again after
/// 1 to 30 seconds and delays no other. How well it goes is told in the topic `capture_health`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo capture cameras.yaml --check                                  is the configuration right?
  giaolo capture cameras.yaml --local city.db
  giaolo capture cameras.yaml --brokers kafka1:9092 --partitions 8

A configuration (deploy/capture.yaml is one with all its fields explained):
  version: 1
  cameras:
    c001:
      url: rtsp://10.20.0.11/stream1
      credentials: {env: C001_CREDENTIALS}      # user:password
    yard:
      file: recordings/yard.mp4")]
pub(super) struct Capture {
    /// The configuration
    #[arg(value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    store: Store,
    /// Partitions of topics that are made
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    partitions: u32,
    /// Only read the configuration, credentials included, and say what is wrong with it
    #[arg(long)]
    check: bool,
    /// Report how well it goes as JSON, one line for each camera and time
    #[arg(long)]
    json: bool,
}

impl Capture {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let config = read(&self.config)?;
        let names: Vec<&str> = config.cameras.iter().map(|camera| camera.name.as_str()).collect();
        if self.check {
            say(&format!("{}: valid: {} from {}\n", self.config.display(), config.topic, names.join(", ")))?;
            return Ok(Outcome::Well);
        }
        // A camera may come back; a recording that is not there was named wrongly, and waiting for it would look like work.
        let missing: Vec<String> = config.missing().map(|(camera, path)| format!("camera {camera:?}: there is no file {path:?}")).collect();
        let hint = || format!("(hint: recordings are named from where {} lies)", self.config.display());
        anyhow::ensure!(missing.is_empty(), "{} {}", missing.join("\n"), hint());
        let store = self.store.require()?;
        writeln!(std::io::stderr(), "giaolo: capturing {} (Ctrl-C stops; what was read is written first)", names.join(", "))?;
        let capture = engine::capture::Capture {
            config,
            store: store.as_ref(),
            records: &Captured,
            partitions: self.partitions,
            bytes_most: if self.store.local.is_some() { LOCAL_MOST } else { KAFKA_MOST },
            stop: job::stop_on_signals()?,
        };
        capture.run(&mut |health| _ = self.tell(health)).map_err(explain)?;
        Ok(Outcome::Well)
    }

    fn tell(&self, health: &Health) -> anyhow::Result<()> {
        if self.json {
            return say(&format!("{}\n", serde_json::to_string(health)?));
        }
        let Health { camera, state, frames, bit_rate, gaps, dropped, reconnects, .. } = health;
        let (state, kbits) = (serde_json::to_value(state)?, bit_rate / 1_000);
        let error = health.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        say(&format!(
            "{camera:<16} {:<10} {frames:>6} frames {kbits:>7} kbit/s {gaps:>3} gaps {dropped:>4} dropped {reconnects:>3} reconnects{error}\n",
            state.as_str().unwrap_or_default()
        ))
    }
}

impl Capture {
    /// The command with nothing but a configuration and a store.
    pub(super) fn of(config: PathBuf, store: Store) -> Self {
        Self { config, store, partitions: 1, check: false, json: false }
    }
}

fn read(path: &Path) -> anyhow::Result<Config> {
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| format!("{path:?} could not be opened"))?;
    // One byte more than is allowed, so that the reader's own check sees that it is too long.
    file.take(BYTES_MOST as u64 + 1).read_to_string(&mut text).with_context(|| format!("{path:?} could not be read as text"))?;
    let file = path.display().to_string();
    let config = Config::read(&file, &text).map_err(|problems| anyhow::anyhow!("{file} cannot be used as it is\n{problems}"))?;
    Ok(config.from_folder(path.parent().unwrap_or(Path::new("."))))
}
