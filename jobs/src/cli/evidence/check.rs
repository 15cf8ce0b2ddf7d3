//! `giaolo evidence verify` and `replay`: what a package is worth.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use engine::audit::Deed;
use schemas::City;
use serde_json::json;

use super::super::job::{self, Text};
use super::super::store::Store;
use super::super::{Outcome, say};
use super::Trail;
use super::key::Trust;
use super::pack::{same, told};
use super::replay::Rerun;
use crate::evidence::{Checked, Content, DEFINITION, MAP, Manifest, Recorded, check, differences};

/// Check that a package is whole and whose it is
///
/// Needs no server and no store. Every byte counts: a file that was altered, removed, added or renamed is told, and so is a
/// signature by a key that is not trusted. The exit code is 1 if anything is wrong.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    package: Package,
}

/// Run the job again on what a package holds, or on all that it names, and compare the verdicts
///
/// Without a store, on the excerpt of the inputs that is packed. With one, on every record of the named offsets, which must still
/// be what they were. The package must be whole. The exit code is 1 if the verdict is another.
#[derive(Debug, Args)]
pub(super) struct Replay {
    #[command(flatten)]
    package: Package,
    #[command(flatten)]
    store: Store,
}

/// A package, and what is needed to look at it.
#[derive(Debug, Args)]
struct Package {
    /// The package
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    trust: Trust,
    #[command(flatten)]
    trail: Trail,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

impl Package {
    fn checked(&self) -> anyhow::Result<Checked> {
        let bytes = std::fs::read(&self.file).with_context(|| format!("{:?} cannot be read", self.file))?;
        Ok(check(&bytes, &self.trust.keys()?))
    }

    /// That it was looked at is written down before anything of it is told.
    fn log(&self, beside: Option<&std::path::Path>, what: &str, checked: &Checked, outcome: &str) -> anyhow::Result<()> {
        let subject = checked.manifest.as_ref().map_or_else(|| self.file.display().to_string(), |manifest| manifest.alert.to_string());
        self.trail.append(beside, Deed { what, subject: &subject, outcome, ..Deed::default() })
    }
}

impl Verify {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let checked = self.package.checked()?;
        let whole = checked.problems.is_empty();
        self.package.log(None, "evidence verify", &checked, if whole { "whole" } else { "not whole" })?;
        if self.package.json {
            let signed_by = checked.signed_by.map(|key| key.to_string());
            // What is not whole is not to be believed.
            let manifest = checked.manifest.filter(|_| whole);
            say(&format!("{}\n", json!({"whole": whole, "signed_by": signed_by, "problems": checked.problems, "manifest": manifest})))?;
        } else if let (true, Some(manifest), Some(key)) = (whole, &checked.manifest, checked.signed_by) {
            say(&told(manifest, &format!("{}: whole, signed by {key}", self.package.file.display())))?;
        } else {
            say(&refusal(&self.package, &checked))?;
        }
        Ok(if whole { Outcome::Well } else { Outcome::NotWell })
    }
}

fn refusal(package: &Package, checked: &Checked) -> String {
    format!(
        "{}: NOT whole\n{}",
        package.file.display(),
        checked.problems.iter().map(|problem| format!("  {problem}\n")).collect::<String>()
    )
}

impl Replay {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let checked = self.package.checked()?;
        let Some(manifest) = checked.manifest.as_ref().filter(|_| checked.problems.is_empty()) else {
            bail!("{}what is not whole is not replayed", refusal(&self.package, &checked));
        };
        let beside = self.store.local.is_some().then(|| self.store.beside("jobs"));
        self.package.log(beside.as_deref(), "evidence replay", &checked, "replayed")?;
        let store = self.store.open()?;
        let from = if store.is_some() { "store" } else { "package" };
        let recorded = match store {
            Some(store) => {
                Recorded::of(manifest.inputs.partitions.iter().map(|read| (read.clone(), Content::Store(Arc::clone(&store)))).collect())
            }
            None => packed(manifest, &checked)?,
        };
        let again = rerun(manifest, &checked, &recorded)?;
        let mut told = differences(manifest.verdict.as_ref(), again.as_ref());
        for read in recorded.changed() {
            told.push(format!(
                "{}/{} is not what it was: other records lie between offsets {} and {}",
                read.topic, read.partition, read.from, read.to
            ));
        }
        if self.package.json {
            say(&format!("{}\n", json!({"alert": manifest.alert, "from": from, "same": told.is_empty(), "differences": told})))?;
        } else if told.is_empty() {
            say(&format!("{}: {}, from the {from}\n", manifest.alert, same(manifest)))?;
        } else {
            let hint = if from == "package" { " (hint: --local FILE or --brokers LIST replays all records that it names)" } else { "" };
            say(&format!("{}: NOT the same, from the {from}: {}{hint}\n", manifest.alert, told.join("; ")))?;
        }
        Ok(if told.is_empty() { Outcome::Well } else { Outcome::NotWell })
    }
}

/// The excerpt that is packed.
fn packed(manifest: &Manifest, checked: &Checked) -> anyhow::Result<Recorded> {
    let part = |part: &crate::evidence::Part| {
        let read = manifest.inputs.partitions.iter().find(|read| (&read.topic, read.partition) == (&part.topic, part.partition));
        Some((read?.clone(), Content::File(Arc::new(checked.files.get(&part.file)?.clone()))))
    };
    let parts: Option<Vec<_>> = manifest.excerpt.parts.iter().map(part).collect();
    parts.map(Recorded::of).context("the manifest names parts of its inputs that it does not hold")
}

fn rerun(manifest: &Manifest, checked: &Checked, recorded: &Recorded) -> anyhow::Result<Option<crate::evidence::Verdict>> {
    let file = |name: &str| checked.files.get(name).with_context(|| format!("the package holds no {name}"));
    let text = String::from_utf8(file(DEFINITION)?.clone()).context("the definition is no text")?;
    let text = Text { file: DEFINITION.to_owned(), text, directory: None };
    let city: City = serde_json::from_slice(file(MAP)?).context("the map is not right")?;
    let plan = job::read(&text).map_err(|problems| anyhow!("{DEFINITION} cannot be used as it is\n{problems}"))?;
    if plan.hash != manifest.job.definition {
        bail!(
            "this program understands the definition otherwise than engine {}, which packed it (hint: use that version)",
            manifest.engine
        );
    }
    let stop = job::stop_on_signals()?;
    Rerun { text: &text, city: &city, topic: &manifest.job.topic, alert: manifest.alert, stop }.on(recorded, "what it rests on")
}
