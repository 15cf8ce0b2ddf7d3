//! `giaolo dispatch`: tells patrol units of alerts.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use engine::definition::BYTES_MOST;
use engine::dispatch::{Config, Dispatch as Dispatcher, DispatchError, Figures};

use super::store::Store;
use super::{Outcome, job, say};
use crate::dispatch::{Alerts, Wanted};

/// How often a person is told how it goes, if anything has changed.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Tell patrol units of alerts
///
/// Reads committed alerts from a store and posts them to webhooks (Standard Webhooks 1.0), as a file says. Each message is
/// signed; its webhook-id is the alert's id and revision, the same at every attempt. Of a unit that was away, the newest
/// revision is told, never an older one after it; what is older than expires_after is not told at all. Units are told
/// independently of each other. Stopped or killed, started again with the same state file it goes on where it was.
///
/// The first start begins with the oldest alerts that are kept; those that have expired are listed as such.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo dispatch units.yaml --check                                  is the configuration right?
  giaolo dispatch units.yaml --local city.db
  giaolo dispatch units.yaml --brokers kafka1:9092 --state units.db
  giaolo deliveries list dead --state units.db                        what became of what, and why

A configuration (deploy/dispatch.yaml is one with all its fields explained):
  version: 1
  endpoints:
    patrol-west:
      url: https://gateway.example/hooks/alerts
      secrets: [{env: PATROL_WEST_SECRET}]      # whsec_… (HMAC-SHA256) or whsk_… (ed25519)
      filter: {centres: [west], priority_least: 50, certain_only: true}")]
pub(super) struct Dispatch {
    /// The configuration
    #[arg(value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    store: Store,
    /// What waits, what was told, and how far the topic was read [default: beside the store in one file, else giaolo-dispatch.db]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Tell what is there, and stop once nothing waits any more
    #[arg(long)]
    bounded: bool,
    /// Only read the configuration, secrets included, and say what is wrong with it
    #[arg(long)]
    check: bool,
    /// Report as JSON: how it goes on standard output, one line a second; what happens on standard error
    #[arg(long)]
    pub(super) json: bool,
}

impl Dispatch {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let config = read(&self.config)?;
        if self.check {
            let names: Vec<&str> = config.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect();
            say(&format!("{}: valid: {} to {}\n", self.config.display(), config.topic, names.join(", ")))?;
            return Ok(Outcome::Well);
        }
        let dispatcher = Dispatcher {
            subject: Alerts,
            config,
            store: self.store.require()?,
            state: self.state.clone().unwrap_or_else(|| self.store.beside("dispatch")),
            bounded: self.bounded,
            stop: job::stop_on_signals()?,
        };
        writeln!(std::io::stderr(), "giaolo: state in {} (Ctrl-C stops; what is under way is ended first)", dispatcher.state.display())?;
        let (mut told, mut before) = (Instant::now(), Figures::default());
        let figures = dispatcher.run(&mut |figures| {
            if self.json {
                _ = serde_json::to_string(figures).map(|line| say(&format!("{line}\n")));
            } else if told.elapsed() >= TELL_EVERY && *figures != before {
                (told, before) = (Instant::now(), figures.clone());
                _ = write!(std::io::stderr(), "{}", table(figures));
            }
        });
        let figures = figures.map_err(explain)?;
        say(&if self.json { format!("{}\n", serde_json::to_string(&figures)?) } else { table(&figures) })?;
        Ok(Outcome::Well)
    }
}

fn read(path: &Path) -> anyhow::Result<Config<Wanted>> {
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| format!("{path:?} could not be opened"))?;
    // One byte more than is allowed, so that the reader's own check sees that it is too long.
    file.take(BYTES_MOST as u64 + 1).read_to_string(&mut text).with_context(|| format!("{path:?} could not be read as text"))?;
    let file = path.display().to_string();
    Config::read(&file, &text).map_err(|problems| anyhow::anyhow!("{file} cannot be used as it is\n{problems}"))
}

/// A failure with the advice it carries.
pub(super) fn explain(error: DispatchError) -> anyhow::Error {
    let hint = error.hint().map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    let error = anyhow::Error::from(error);
    anyhow::anyhow!("{error:#}{hint}")
}

fn table(figures: &Figures) -> String {
    let width = figures.endpoints.iter().map(|endpoint| endpoint.name.len()).max().unwrap_or(0).max(8);
    let mut out = String::new();
    _ = writeln!(
        out,
        "{:width$}  {:8} {:>8} {:>9} {:>8} {:>8} {:>8} {:>10}",
        "endpoint", "state", "waiting", "delivered", "failed", "expired", "dead", "superseded"
    );
    for endpoint in &figures.endpoints {
        let tally = &endpoint.tally;
        _ = writeln!(
            out,
            "{:width$}  {:8} {:>8} {:>9} {:>8} {:>8} {:>8} {:>10}",
            endpoint.name, endpoint.state, endpoint.waiting, tally.delivered, tally.failed, tally.expired, tally.dead, tally.superseded
        );
    }
    out
}
