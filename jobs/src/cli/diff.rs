//! `giaolo diff`: two versions of a job side by side, and the alerts in which they differ.

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use engine::transport::TopicStore;
use schemas::Id;
use serde_json::Value;

use super::remote::{Ask, Remote};
use super::store::{Store, explain};
use super::tail::follow;
use super::{Outcome, job, say};
use crate::comparison::{Comparison, Version};

/// A topic that is not there by then is not made any more.
const PATIENCE: Duration = Duration::from_secs(30);

/// Run two versions of a job side by side and show the alerts in which they differ
///
/// Both run on what the server remembers and on what comes; the rows, first those of the past, are printed as they are
/// committed: an alert as the first tells it, and as the second does. Nothing of them reaches the jobs' own outputs. Ctrl-C
/// ends the comparison.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo diff city my-city.yaml --local city.db
  giaolo diff old.yaml new.yaml --brokers localhost:9092 --json | jq 'select(.second == null)'")]
pub(super) struct Diff {
    /// A definition: a path, or the name of a ready job
    #[arg(value_name = "FIRST")]
    first: String,
    /// Another one
    #[arg(value_name = "SECOND")]
    second: String,
    #[command(flatten)]
    store: Store,
    #[command(flatten)]
    remote: Remote,
}

impl Diff {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let store = self.store.require()?;
        let version = |name: &String| -> anyhow::Result<Version> {
            let found = job::find(name)?;
            Ok(Version { file: found.file, text: found.text })
        };
        let (first, second) = (version(&self.first)?, version(&self.second)?);
        let name = format!("diff-{}", Id::of("diff").with(first.text.as_bytes()).with(second.text.as_bytes()).finish());
        let text = serde_json::to_string(&Comparison { compare: name.clone(), first, second })?;
        self.remote.ask(&Ask::Post(&text), "/v1/jobs", &[("history", "emit")])?;
        let shown = self.show(store.as_ref(), &name);
        self.remote.ask(&Ask::Delete, &format!("/v1/jobs/{name}"), &[])?;
        shown.map(|()| Outcome::Well)
    }

    fn show(&self, store: &dyn TopicStore, topic: &str) -> anyhow::Result<()> {
        let (stop, began) = (job::stop_on_signals()?, Instant::now());
        writeln!(std::io::stderr(), "giaolo: differences also go to topic {topic}; Ctrl-C ends the comparison")?;
        while store.partitions(topic).is_err() && !stop.load(Ordering::Relaxed) {
            if began.elapsed() > PATIENCE {
                bail!("the comparison does not begin (hint: `giaolo list` says why; is this the server's store?)");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let mut readers = Vec::new();
        for partition in store.partitions(topic).map_err(explain)? {
            let from = store.offsets(topic, partition).map_err(explain)?.start;
            readers.push(store.reader(topic, partition, from).map_err(explain)?);
        }
        follow(&mut readers, &stop, &|row| self.print(row))
    }

    fn print(&self, row: &[u8]) -> anyhow::Result<()> {
        let text = String::from_utf8_lossy(row);
        say(&if self.remote.json { format!("{text}\n") } else { people(&serde_json::from_str(&text)?) })
    }
}

/// `- ` the first alone tells it, `+ ` the second alone, `~ ` they tell it differently, `= ` they agree again.
fn people(row: &Value) -> String {
    let text = |side: &str| row[side]["text"].as_str().unwrap_or_default().to_owned();
    let shown = match (row["first"].is_object(), row["second"].is_object()) {
        _ if row["status"] == "withdrawn" => format!("= {}", text("first") + &text("second")),
        (true, false) => format!("- {}", text("first")),
        (false, _) => format!("+ {}", text("second")),
        (true, true) => format!("~ {}\n  {}", text("first"), text("second")),
    };
    format!("{shown}\n")
}
