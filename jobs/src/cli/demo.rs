//! `giaolo demo`: a recorded rush hour becomes journeys and alerts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use engine::transport::TopicStore;
use indicatif::HumanCount;

use super::loss::OnLoss;
use super::processes::Processes;
use super::run::Run;
use super::store::{Store, standing};
use super::{Outcome, say};

/// See it work on a recorded rush hour
///
/// Runs the ready job `city` on the recording that comes with the program, with the embedded store, and ends with a table of
/// what was found. Stopped with Ctrl-C, it goes on where it was when it is run again.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The recording
    #[arg(long, value_name = "DIR", default_value = "jobs/demo")]
    input: PathBuf,
    /// Where the results go, a store in one file
    #[arg(long, value_name = "FILE", default_value = "results/demo.db")]
    local: PathBuf,
    /// Begin with the films of cameras instead: what `make_film` wrote, `input/` in it. Always anew
    #[cfg(feature = "vision")]
    #[arg(long, value_name = "DIR", conflicts_with = "input")]
    film: Option<PathBuf>,
    /// The job that looks at them
    #[cfg(feature = "vision")]
    #[arg(long, value_name = "JOB", default_value = "jobs/definitions/perceive-drawn.yaml", requires = "film")]
    perceive: String,
    /// Begin anew, even if there are results
    #[arg(long)]
    again: bool,
}

impl Demo {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        #[cfg(feature = "vision")]
        if let Some(film) = &self.film {
            return super::film::run(film, &self.perceive, &self.local);
        }
        ensure!(
            self.input.is_dir(),
            "there is no recording in {:?} (hint: run it in the project's folder, or name one with --input)",
            self.input
        );
        if let Some(folder) = self.local.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if self.again {
            forget(&self.local);
        }
        let store = || Store { local: Some(self.local.clone()), brokers: Vec::new() };
        let goes_on = self.local.exists();
        let (job, input) = ("city".to_owned(), Some(self.input.clone()));
        Run {
            job,
            input,
            output: None,
            store: store(),
            city: None,
            workers: 1,
            #[cfg(feature = "vision")]
            device: operators::vision::Processor::Cpu,
            processes: Processes::default(),
            on_loss: OnLoss::default(),
            bounded: true,
            json: false,
        }
        .run()
        // What is there may be of another version of the program, and is only a demo.
        .map_err(|error| {
            if goes_on { error.context("it cannot go on from the results that are there; `--again` begins anew") } else { error }
        })?;
        let store = store().require()?;
        let file = self.local.display();
        say(&format!(
            "{}\nTry next:\n  giaolo tail alerts --local {file}        the alerts\n  giaolo topics --local {file}             what else is there\n  \
             giaolo explain                                   what a job can be made of\n  giaolo graph city                                the job as a drawing\n",
            summary(store.as_ref())?
        ))?;
        Ok(Outcome::Well)
    }
}

/// Removes a store.
pub(super) fn forget(local: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        _ = std::fs::remove_file(format!("{}{suffix}", local.display()));
    }
}

/// What was found, as tables.
pub(super) fn summary(store: &dyn TopicStore) -> anyhow::Result<String> {
    let mut text = String::new();
    let sightings = standing(store, "sightings")?;
    let journeys = standing(store, "journeys")?;
    let alerts = standing(store, "alerts")?;
    writeln!(text, "\n{:>8} vehicles seen at a camera", HumanCount(sightings.len() as u64))?;
    let across = journeys.values().filter(|journey| journey["sightings"].as_array().is_some_and(|s| s.len() > 1)).count();
    writeln!(text, "{:>8} journeys, {} of them across several cameras", HumanCount(journeys.len() as u64), HumanCount(across as u64))?;
    let mut by_rule = BTreeMap::<String, (u64, u64, String)>::new();
    for alert in alerts.values() {
        let entry = by_rule.entry(alert["rule"].as_str().unwrap_or_default().to_owned()).or_default();
        entry.0 += 1;
        entry.1 += u64::from(alert["certain"] == true);
        alert["text"].as_str().unwrap_or_default().clone_into(&mut entry.2);
    }
    writeln!(text, "{:>8} alerts\n\n{:<16} {:>7} {:>8}  for example", HumanCount(alerts.len() as u64), "rule", "alerts", "certain")?;
    for (rule, (count, certain, example)) in by_rule {
        writeln!(text, "{rule:<16} {count:>7} {certain:>8}  {example}")?;
    }
    Ok(text)
}
