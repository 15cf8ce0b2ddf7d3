//! `giaolo still`: the pictures that an alert rests on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use schemas::{Alert, Evidence};
use serde_json::{Value, json};

use super::run::read_city;
use super::store::{Store, explain};
use super::{Outcome, say};
use crate::evidence::sha256;
use crate::still::{Source, Still as Picture, StillError};

/// Cut out the pictures that an alert rests on
///
/// For each piece of evidence two JPEG files: the picture as it was decoded, and a copy in which the vehicles that were seen on it have
/// a box (that of the alert's vehicle a red one), with camera, time and lane. Beside them one JSON file says which records of the
/// topic each was decoded from, and the SHA-256 of every file. The frames must still be kept in their topic.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo tail alerts --local city.db | jq -r .id
  giaolo still 0123456789abcdef --local city.db --city city.json --output evidence/")]
pub(super) struct Still {
    /// The alert's id
    #[arg(value_name = "ALERT")]
    alert: String,
    #[command(flatten)]
    store: Store,
    /// A folder for the pictures
    #[arg(long, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// The city file: its lines are drawn, and tell which of several vehicles it is where no plate does
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// The topic of alerts
    #[arg(long, value_name = "TOPIC", default_value = "alerts")]
    alerts: String,
    /// The topic of frames
    #[arg(long, value_name = "TOPIC", default_value = "frames")]
    frames: String,
    /// The topic of observations
    #[arg(long, value_name = "TOPIC", default_value = "observations")]
    observations: String,
    /// The topic of sightings
    #[arg(long, value_name = "TOPIC", default_value = "sightings")]
    sightings: String,
    /// Print what was cut out as JSON
    #[arg(long)]
    json: bool,
}

impl Still {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let store = self.store.require()?;
        let city = self.city.as_deref().map(read_city).transpose()?;
        let source = Source {
            store: store.as_ref(),
            alerts: &self.alerts,
            frames: &self.frames,
            observations: &self.observations,
            sightings: &self.sightings,
            city: city.as_ref(),
        };
        let alert = source.alert(&self.alert).map_err(hint)?;
        let (manifest, outcome) = cut_out(&source, &alert, &self.output)?;
        if self.json {
            say(&format!("{manifest}\n"))?;
        } else {
            say(&table(&manifest, &self.output))?;
        }
        Ok(outcome)
    }
}

/// Writes the pictures of an alert and what they are into a folder; returns what they are.
pub(super) fn cut_out(source: &Source<'_>, alert: &Alert, folder: &Path) -> anyhow::Result<(Value, Outcome)> {
    std::fs::create_dir_all(folder).with_context(|| format!("the folder {folder:?} cannot be made"))?;
    let (stills, outcome) = pictures(source, alert, &mut |name, bytes| write(&folder.join(name), bytes))?;
    let manifest = json!({"alert": alert.id, "rule": alert.rule, "text": alert.text, "stills": stills});
    write(&folder.join(format!("{}.json", alert.id)), format!("{manifest:#}\n").as_bytes())?;
    Ok((manifest, outcome))
}

/// Cuts out the pictures of an alert, each a file; returns what they are.
pub(super) fn pictures(
    source: &Source<'_>,
    alert: &Alert,
    file: &mut dyn FnMut(&str, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<(Vec<Value>, Outcome)> {
    let (mut stills, mut outcome) = (Vec::new(), Outcome::Well);
    for (number, evidence) in alert.evidence.iter().enumerate() {
        match source.still(alert, evidence) {
            Ok(still) => stills.push(keep(&format!("{}-{}", alert.id, number + 1), &still, source.frames, evidence, file)?),
            Err(StillError::Transport(error)) => return Err(explain(error)),
            // What there is of the other evidence is of use all the same.
            Err(error) => {
                outcome = Outcome::NotWell;
                stills.push(json!({"camera": evidence.camera, "evidence_ms": evidence.at_ms, "error": error.to_string()}));
            }
        }
    }
    Ok((stills, outcome))
}

/// One picture's two files.
fn keep(
    name: &str,
    still: &Picture,
    topic: &str,
    evidence: &Evidence,
    file: &mut dyn FnMut(&str, &[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<Value> {
    let files = [("original", format!("{name}.jpg"), &still.original), ("marked", format!("{name}-marked.jpg"), &still.marked)];
    let mut told = json!({
        "camera": still.frame.camera,
        "frame": still.frame.frame,
        "at_ms": still.frame.at_ms,
        "error_ms": still.frame.error_ms,
        "evidence_ms": evidence.at_ms,
        "lane": still.lane,
        "box": still.about,
        "records": {"topic": topic, "partition": still.partition, "offsets": still.offsets},
    });
    for (what, name, bytes) in files {
        file(&name, bytes)?;
        told[what] = json!({"file": name, "sha256": sha256(bytes)});
    }
    Ok(told)
}

fn table(manifest: &Value, folder: &Path) -> String {
    let mut text = format!("{}\n", manifest["text"].as_str().unwrap_or_default());
    for still in manifest["stills"].as_array().into_iter().flatten() {
        if let Some(error) = still["error"].as_str() {
            _ = writeln!(text, "  {error}");
            continue;
        }
        for what in ["original", "marked"] {
            _ = writeln!(text, "  {}", folder.join(still[what]["file"].as_str().unwrap_or_default()).display());
        }
        if still["box"].is_null() {
            _ = writeln!(text, "  which vehicle on it the alert is about is not told (hint: --city FILE, with lines and lanes)");
        }
    }
    text
}

fn hint(error: StillError) -> anyhow::Error {
    match error {
        StillError::Transport(error) => explain(error),
        error => anyhow::anyhow!("{error} (hint: giaolo tail alerts shows the ids)"),
    }
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{path:?} cannot be written"))
}
