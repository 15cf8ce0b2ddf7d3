//! A replay: a job runs once more, on what a package holds or names, and what it says of one alert is heard.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{anyhow, ensure};
use engine::Settings;
use engine::transport::Transport;
use indicatif::{HumanCount, ProgressBar};
use schemas::{City, Id};

use super::super::job::{self, Text};
use super::super::run::{engine_run, settings};
use crate::evidence::{Recorded, Verdict, Watched};

/// A job that can be run again.
pub(super) struct Rerun<'a> {
    pub(super) text: &'a Text,
    pub(super) city: &'a City,
    pub(super) topic: &'a str,
    pub(super) alert: Id,
    pub(super) stop: Arc<AtomicBool>,
}

impl Rerun<'_> {
    /// What stands of the alert in the end.
    pub(super) fn on(&self, recorded: &Recorded, what: &str) -> anyhow::Result<Option<Verdict>> {
        let plan = job::read(self.text).map_err(|problems| anyhow!("{} cannot be used as it is\n{problems}", self.text.file))?;
        let settings = Settings { bounded: true, ..settings(&plan) };
        let watched = Watched::new(self.topic, self.alert);
        let source = Arc::new(recorded.clone()) as Arc<dyn Transport>;
        let run = engine_run(plan, self.city.clone(), source, Arc::new(watched.clone()), settings, Arc::clone(&self.stop));
        let bar = ProgressBar::new_spinner();
        let report = run.run(&mut |report| bar.set_message(format!("replays {what}: {} records", HumanCount(report.records))));
        bar.finish_and_clear();
        ensure!(report.map_err(job::explain_failure)?.finished, "stopped before the replay of {what} came to its end");
        Ok(watched.verdict())
    }
}
