//! What `JOB` means on the command line: a path, or the name of a ready job.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, bail};
use engine::definition::{BYTES_MOST, Problems, did_you_mean};
use engine::plan::Plan;
use schemas::City;

use crate::catalogue::{Step, Traffic};
use crate::ready::{READY, ready};

/// A definition as it was found.
pub(super) struct Text {
    /// Its name for messages: the path, or the ready job's name with `.yaml`.
    pub(super) file: String,
    /// The text.
    pub(super) text: String,
    /// Where it lies, for files it names; `None` for a ready job.
    pub(super) directory: Option<PathBuf>,
}

/// Finds a definition. A file of that name is preferred to a ready job.
pub(super) fn find(job: &str) -> anyhow::Result<Text> {
    let path = Path::new(job);
    if path.is_file() {
        let mut text = String::new();
        let file = std::fs::File::open(path).with_context(|| format!("{job:?} could not be opened"))?;
        // One byte more than is allowed, so that the definition's own check sees that it is too long.
        file.take(BYTES_MOST as u64 + 1).read_to_string(&mut text).with_context(|| format!("{job:?} could not be read as text"))?;
        return Ok(Text { file: job.to_owned(), text, directory: path.parent().map(Path::to_owned) });
    }
    if let Some(ready) = ready(job) {
        return Ok(Text { file: format!("{job}.yaml"), text: ready.text.to_owned(), directory: None });
    }
    let hint = did_you_mean(job, READY.iter().map(|ready| ready.name)).unwrap_or_default();
    bail!("there is no file and no ready job {job:?} (hint: {hint})")
}

/// Finds and plans a job; what is wrong with it becomes the error, warnings go to standard error.
pub(super) fn plan(job: &str) -> anyhow::Result<(Text, Plan<Step>)> {
    let text = find(job)?;
    let plan = read(&text).map_err(|problems| anyhow::anyhow!("{} cannot be used as it is\n{problems}", text.file))?;
    write!(std::io::stderr(), "{}", plan.warnings)?;
    Ok((text, plan))
}

/// Plans a definition.
pub(super) fn read(text: &Text) -> Result<Plan<Step>, Problems> {
    Plan::read(&Traffic, &text.file, &text.text)
}

/// The city a definition names: a path, from where the definition lies, or the city itself.
pub(super) fn city(plan: &Plan<Step>, directory: Option<&Path>) -> anyhow::Result<City> {
    let Some(field) = plan.resources.iter().find(|field| field.key == "city") else {
        bail!("no city is known (hint: name a city.json with --city)");
    };
    let value = field.value.to_json();
    match value.as_str() {
        Some(path) => super::run::read_city(&directory.unwrap_or(Path::new(".")).join(path)),
        None => serde_json::from_value(value).context("the city in the definition is not right"),
    }
}

/// A flag that SIGINT and SIGTERM set; the second time they end the program at once.
pub(super) fn stop_on_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// A failure with the advice it carries.
pub(super) fn explain_failure(error: engine::RunError) -> anyhow::Error {
    let hint = match error {
        engine::RunError::Transport(error) => return super::store::explain(error),
        engine::RunError::OtherDefinition { .. } => {
            "Results of two definitions would be mixed. Give the changed job another name, or use another store."
        }
        engine::RunError::Astray(_) => {
            "Its state cannot be had again, for this program works otherwise than the one that ran it. Give the job another name."
        }
        engine::RunError::Gone(_) => "It was lost too often. See why it ends; what was committed stands, and all go on from there.",
        engine::RunError::Work { .. } => "What was committed stands; started again, it goes on from there.",
        engine::RunError::Worker { .. } => "This is a bug; the lines above say where. What was committed stands.",
    };
    anyhow::anyhow!("{error} (hint: {hint})")
}
