//! `giaolo run` of a job that perceives: a stage, not a dataflow.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Error, bail};
use engine::plan::Plan;
use engine::stage::StageRun;
use engine::transport::Transport;
use engine::{Binding, Settings};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use operators::vision::PerceiveParameters;

use super::{Outcome, job, say};
use crate::catalogue::Step;
use crate::perceive::{Figures, Networks, Perceive, WeightsError, parts, refused};

/// How often a program is told.
const EVERY: Duration = Duration::from_secs(1);

/// Whether a job perceives. One that does has no other steps.
pub(super) fn perceives(plan: &Plan<Step>) -> anyhow::Result<bool> {
    parts(plan).map(|parts| parts.is_some()).map_err(Error::msg)
}

/// Runs it. What it says goes to a sink, which may be a folder.
pub(super) fn run(
    plan: Plan<Step>,
    networks: impl FnOnce(&PerceiveParameters) -> Result<Networks, WeightsError>,
    source: Arc<dyn Transport>,
    (sink, folder): (Arc<dyn Transport>, Option<&Path>),
    settings: Settings,
    json: bool,
    whereabouts: &str,
) -> anyhow::Result<Outcome> {
    let Some((read, parameters, output)) = parts(&plan).map_err(Error::msg)? else { bail!("there is nothing to perceive") };
    let networks = networks(parameters)?;
    let sights = (0..settings.workers).map(|_| networks.sight()).collect::<Result<_, _>>()?;
    let mut stage = Perceive::start(parameters, sights, &output.topic).context("no thread can be started")?;
    let figures = stage.figures();
    let run = StageRun {
        stage: &mut stage,
        name: plan.job.clone(),
        definition: plan.hash.clone(),
        goes_on_from_others: false,
        source: Binding { source: read.name.clone(), transport: source, topic: read.topic.clone(), table: false },
        sink,
        outputs: plan.written(),
        refused,
        settings,
        stop: job::stop_on_signals()?,
    };
    let mut told = Instant::now();
    let bar = (!json).then(|| ProgressBar::no_length().with_style(style()));
    let report = run.run(&mut |report| {
        if let Some(bar) = &bar {
            bar.set_message(state(&figures));
            bar.tick();
        } else if told.elapsed() >= EVERY {
            told = Instant::now();
            _ = say(&format!("{}\n", line(report, &figures)));
        }
    });
    bar.iter().for_each(ProgressBar::finish_and_clear);
    let report = report.map_err(job::explain_failure)?;
    if let Some(folder) = folder {
        in_order(&folder.join(format!("{}.ndjson", output.topic)))?;
    }
    say(&if json { format!("{}\n", line(&report, &figures)) } else { format!("{}results in {whereabouts}\n", table(&figures)) })?;
    Ok(Outcome::Well)
}

/// Puts a recording of observations in order of time. Cameras are looked at as it comes, a few seconds of one and then of another, and
/// what reads a recording takes its lines to have come in as they stand there.
fn in_order(file: &Path) -> anyhow::Result<()> {
    #[derive(serde::Deserialize)]
    struct Taken {
        at_ms: u64,
    }
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        // Nothing was seen.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("{file:?} could not be read")),
    };
    let at_ms = |line: &&str| serde_json::from_str::<Taken>(line).map_or(0, |taken| taken.at_ms);
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_by_cached_key(at_ms);
    let ordered: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
    let beside = file.with_extension("part");
    std::fs::write(&beside, ordered).and_then(|()| std::fs::rename(&beside, file)).with_context(|| format!("{file:?} cannot be written"))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner}  {msg}  {elapsed}").unwrap_or_else(|_| ProgressStyle::default_spinner())
}

/// How far it is, in one line.
fn state(figures: &Figures) -> String {
    let all = figures.now().into_values().fold([0; 4], |[frames, seen, vehicles, plates], c| {
        let told = c.seen + c.unwanted + c.dropped + c.passed_over + c.refused;
        [frames + told, seen + c.seen, vehicles + c.vehicles, plates + c.plates]
    });
    let [frames, seen, vehicles, plates] = all.map(|count| HumanCount(count).to_string());
    format!("{frames} frames  {seen} looked at  {vehicles} vehicles  {plates} plates read")
}

fn line(report: &engine::Report, figures: &Figures) -> serde_json::Value {
    let mut line = super::run::report_json(report);
    line["cameras"] = serde_json::json!(figures.now());
    line
}

fn table(figures: &Figures) -> String {
    let heads = ["seen", "unwanted", "dropped", "passed over", "refused", "vehicles", "plates", "left out"];
    let row = |name: &str, cells: [String; 8]| cells.iter().fold(format!("{name:<24}"), |row, cell| row + &format!(" {cell:>11}")) + "\n";
    let mut out = row("camera", heads.map(str::to_owned));
    for (camera, c) in figures.now() {
        let counts = [c.seen, c.unwanted, c.dropped, c.passed_over, c.refused, c.vehicles, c.plates, c.left_out];
        out += &row(camera.as_str(), counts.map(|count| count.to_string()));
    }
    out
}
