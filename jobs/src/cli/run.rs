//! `giaolo run`: runs a job.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, bail};
use clap::Args;
use engine::cluster::{Cluster, Follower};
use engine::plan::Plan;
use engine::transport::Transport;
use engine::transport::file::FileTransport;
use engine::{Binding, Report, Settings};
#[cfg(feature = "vision")]
use operators::vision::Processor;
use schemas::{City, Duration};

use super::loss::OnLoss;
use super::processes::Processes;
use super::progress::Progress;
use super::store::{Store, as_transport, explain};
use super::{Outcome, job};
use crate::catalogue::{ACKNOWLEDGEMENTS, ANSWERS, Context, REVIEWS, Step};
use crate::dataflow::Dataflow;
use crate::lookup::make_topic;
#[cfg(feature = "vision")]
use crate::perceive::Networks;
use crate::shared::identity;

/// The fields of a recording's lines that tell when they arrived, the best first.
pub(super) const ARRIVAL_FIELDS: &[&str] = &["received_ms", "at_ms"];

/// Run a job
///
/// Reads topics from a recording (--input), from a store in one file (--local) or from Kafka (--brokers), and writes what
/// comes out to files (--output) or back to the store. A job that is stopped with Ctrl-C commits what is done; started
/// again with the same store it goes on where it was, and neither loses nor repeats a revision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo run city --input recording/ --output results/         files in, changelogs out
  giaolo run city --input recording/ --local city.db           results and progress in one file
  giaolo run my-job.yaml --brokers kafka1:9092,kafka2:9092     live, exactly once
  giaolo run my-job.yaml --local city.db --bounded             what is there now, then stop
  giaolo run my-job.yaml --brokers kafka1:9092 --hosts hosts --process 0       on several machines: there --process 1, 2, …")]
pub(super) struct Run {
    /// A definition: a path, or the name of a ready job
    #[arg(value_name = "JOB")]
    pub(super) job: String,
    /// A folder of recordings, one file a topic (observations.ndjson, signals.ndjson, …); read to its end
    #[arg(long, value_name = "DIR")]
    pub(super) input: Option<PathBuf>,
    /// A folder for what comes out, one file a topic
    #[arg(long, value_name = "DIR", required_unless_present_any = ["local", "brokers", "hosts"])]
    pub(super) output: Option<PathBuf>,
    #[command(flatten)]
    pub(super) store: Store,
    /// The city file, instead of the one the job names [default: city.json of the recording, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(super) city: Option<PathBuf>,
    /// Threads that share the work, in each process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) workers: u16,
    /// What detectors run on: cpu, cuda, or cuda:1 for the second GPU, in a program that was built with the feature cuda
    #[cfg(feature = "vision")]
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub(super) device: Processor,
    #[command(flatten)]
    pub(super) processes: Processes,
    #[command(flatten)]
    pub(super) on_loss: OnLoss,
    /// Read to the end that is there and finish, instead of waiting for more
    #[arg(long)]
    pub(super) bounded: bool,
    /// Report progress as JSON, one line a second, and the result at the end
    #[arg(long)]
    pub(super) json: bool,
}

impl Run {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let (text, plan) = job::plan(&self.job)?;
        let cluster = self.cluster(&plan, text.directory.as_deref())?;
        if cluster.as_ref().is_some_and(|cluster| !cluster.leads()) {
            let city = self.city(&plan, text.directory.as_deref())?;
            let settings = Settings { cluster, ..self.settings(&plan) };
            follower(plan, city, settings, job::stop_on_signals()?).run().map_err(job::explain_failure)?;
            return Ok(Outcome::Well);
        }
        let store = self.store.open()?;
        if let (None, Some(store)) = (&self.input, &store) {
            let mut said = plan.sources.iter().filter(|source| [REVIEWS, ACKNOWLEDGEMENTS, ANSWERS].contains(&source.kind));
            said.try_for_each(|source| make_topic(&**store, &source.topic)).map_err(explain)?;
        }
        let source: Arc<dyn Transport> = match (&self.input, &store) {
            (Some(folder), _) => Arc::new(FileTransport::new(folder, ARRIVAL_FIELDS)),
            (None, Some(store)) => as_transport(store),
            (None, None) => bail!("there is nothing to read (hint: name a recording with --input, or a store with --local or --brokers)"),
        };
        let sink: Arc<dyn Transport> = match (&self.output, store) {
            (Some(folder), _) => Arc::new(FileTransport::new(folder, &[])),
            (None, Some(store)) => as_transport(&store),
            (None, None) => bail!("there is nowhere to write to (hint: name a folder with --output, or a store with --local or --brokers)"),
        };
        #[cfg(feature = "vision")]
        if super::perceive::perceives(&plan)? {
            let (settings, sink) = (self.settings(&plan), (sink, self.output.as_deref()));
            let networks =
                |parameters: &_| Networks::read(parameters, text.directory.as_deref().unwrap_or(Path::new(".")))?.on(self.device);
            return super::perceive::run(plan, networks, source, sink, settings, self.json, self.whereabouts().as_str());
        }
        let city = self.city(&plan, text.directory.as_deref())?;
        let settings = Settings { cluster, ..self.settings(&plan) };
        let mut progress = Progress::new(self.json, self.input.as_deref());
        let run = engine_run(plan, city, source, sink, settings, job::stop_on_signals()?);
        let report = run.run(&mut |report| progress.tell(report));
        let report = report.map_err(job::explain_failure)?;
        progress.finish(&report, self.whereabouts().as_str());
        Ok(Outcome::Well)
    }

    /// The processes that share the work, if there are any.
    fn cluster(&self, plan: &Plan<Step>, directory: Option<&Path>) -> anyhow::Result<Option<Arc<Cluster>>> {
        if !self.processes.are_named() {
            return Ok(None);
        }
        #[cfg(feature = "vision")]
        if super::perceive::perceives(plan)? {
            bail!("a job that perceives is not shared among processes (hint: run one job for each part of the cameras)");
        }
        self.processes.join(format!("on map {}", identity(Some(&self.city(plan, directory)?))))
    }

    fn settings(&self, plan: &Plan<Step>) -> Settings {
        Settings {
            workers: usize::from(self.workers),
            bounded: self.bounded || self.input.is_some(),
            on_data_loss: self.on_loss.get(),
            ..settings(plan)
        }
    }

    /// Where the results lie, for a person.
    fn whereabouts(&self) -> String {
        match (&self.output, &self.store.local) {
            (Some(folder), _) => format!("{}/", folder.display()),
            (None, Some(file)) => file.display().to_string(),
            (None, None) => self.store.brokers.join(","),
        }
    }

    /// The city: the file named here, else the recording's own, else what the definition says.
    fn city(&self, plan: &Plan<Step>, directory: Option<&Path>) -> anyhow::Result<City> {
        let recorded = self.input.as_ref().map(|folder| folder.join("city.json")).filter(|file| file.is_file());
        match self.city.clone().or(recorded) {
            Some(file) => read_city(&file),
            None => job::city(plan, directory),
        }
    }
}

/// The limits a plan sets.
pub(super) fn settings(plan: &Plan<Step>) -> Settings {
    Settings {
        lateness_ms: plan.lateness_ms,
        max_skew_ms: plan.max_skew_ms,
        patience_ms: plan.patience_ms,
        tick_ms: plan.tick_ms,
        memory_ms: plan.memory_ms,
        ..Settings::default()
    }
}

/// A plan made ready for the engine: every source read from one transport, every output written to another.
pub(super) fn engine_run(
    plan: Plan<Step>,
    city: City,
    source: Arc<dyn Transport>,
    sink: Arc<dyn Transport>,
    settings: Settings,
    stop: Arc<AtomicBool>,
) -> engine::Run {
    let bind = |planned: &engine::plan::PlannedSource| Binding {
        source: planned.name.clone(),
        transport: Arc::clone(&source),
        topic: planned.topic.clone(),
        table: planned.table,
    };
    engine::Run {
        name: plan.job.clone(),
        definition: plan.hash.clone(),
        sources: plan.sources.iter().map(bind).collect(),
        sink,
        outputs: plan.written(),
        settings,
        stop,
        job: Arc::new(Dataflow { context: Context { city: Arc::new(city), lateness: Duration::from_ms(plan.lateness_ms) }, plan }),
    }
}

/// A process that does its share of a plan, as it is told.
fn follower(plan: Plan<Step>, city: City, settings: Settings, stop: Arc<AtomicBool>) -> Follower {
    Follower {
        name: plan.job.clone(),
        definition: plan.hash.clone(),
        sources: plan.sources.iter().map(|source| source.name.clone()).collect(),
        host: None,
        settings,
        stop,
        job: Arc::new(Dataflow { context: Context { city: Arc::new(city), lateness: Duration::from_ms(plan.lateness_ms) }, plan }),
    }
}

/// Reads a city file.
pub(super) fn read_city(file: &Path) -> anyhow::Result<City> {
    let text = std::fs::read_to_string(file).with_context(|| format!("the city file {file:?} could not be read"))?;
    serde_json::from_str(&text).with_context(|| format!("the city file {file:?} is not right"))
}

/// What a report says in one line of JSON.
pub(super) fn report_json(report: &Report) -> serde_json::Value {
    serde_json::json!({
        "records": report.records, "bytes": report.bytes, "commits": report.commits, "clock_ms": report.clock,
        "rests_on_ms": report.rests_on_ms, "replayed": report.replayed,
        "rows": report.rows, "lost": report.lost, "replaying": report.replaying, "finished": report.finished,
    })
}
