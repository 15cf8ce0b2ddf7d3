//! `giaolo submit`, `plan`, `replace`, `pause`, `resume`, `stop`, `list` and `status`: the jobs of a server.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use engine::definition::parse_bytes;
use indicatif::{HumanBytes, HumanCount};
use serde_json::Value;

use super::remote::{Ask, Remote};
use super::{Outcome, job};
use crate::catalogue::span;

/// What a job that begins says of the past.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum History {
    /// Nothing that is final already
    Silent,
    /// Everything the server remembers
    Emit,
}

/// Submit a job to a server
///
/// The job begins at once and knows what the server remembers of the past. Of the alerts that come of that, those that are
/// final already are not told unless --history emit says so.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo submit my-job.yaml
  giaolo submit city --history emit
  giaolo submit city --memory '512 MiB'")]
pub(super) struct Submit {
    /// A definition: a path, or the name of a ready job
    #[arg(value_name = "JOB")]
    job: String,
    /// What it says of the past
    #[arg(long, value_enum, default_value_t = History::Silent)]
    history: History,
    #[command(flatten)]
    bound: Bound,
    #[command(flatten)]
    remote: Remote,
}

/// What a job may take.
#[derive(Debug, Args)]
struct Bound {
    /// The most that what it alone holds may take, as the server estimates it (rows times their size): beyond that it fails, and
    /// the others go on. Without it there is no bound; submit a job that runs once more to give it another
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<String>,
}

/// A size as it was written, if it is one.
fn size(text: &str) -> Result<String, String> {
    parse_bytes(text).map(|_| text.to_owned())
}

/// Put another version in the place of a job that runs
///
/// It goes on with the outputs of its predecessor: what both say stays as it is, what has changed is revised, and what the
/// new version does not say any more is withdrawn.
#[derive(Debug, Args)]
pub(super) struct Replace {
    /// A definition: a path, or the name of a ready job
    #[arg(value_name = "JOB")]
    job: String,
    #[command(flatten)]
    bound: Bound,
    #[command(flatten)]
    remote: Remote,
}

/// Let a job rest; what it published stays as it is
#[derive(Debug, Args)]
pub(super) struct Pause {
    /// The job's name
    #[arg(value_name = "NAME")]
    job: String,
    #[command(flatten)]
    remote: Remote,
}

/// Let a job go on that rests: it tells what has changed meanwhile
#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The job's name
    #[arg(value_name = "NAME")]
    job: String,
    #[command(flatten)]
    remote: Remote,
}

/// Stop a job; what it published stands, and is final
#[derive(Debug, Args)]
pub(super) struct Stop {
    /// The job's name
    #[arg(value_name = "NAME")]
    job: String,
    #[command(flatten)]
    remote: Remote,
}

/// List the jobs of a server
#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    remote: Remote,
}

/// Show what a server is doing, and for whom its clock waits
///
/// The exit code is 1 while the server rebuilds its state.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    remote: Remote,
}

/// Show what submitting a job would do, without doing it
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// A definition: a path, or the name of a ready job
    #[arg(value_name = "JOB")]
    job: String,
    #[command(flatten)]
    remote: Remote,
}

impl Bound {
    /// What is asked for, and this.
    fn with<'a>(&'a self, query: [(&'a str, &'a str); 1]) -> Vec<(&'a str, &'a str)> {
        query.into_iter().chain(self.memory.as_deref().map(|memory| ("memory", memory))).collect()
    }
}

impl Submit {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let history = if matches!(self.history, History::Emit) { "emit" } else { "silent" };
        post(&self.remote, &self.job, "/v1/jobs", &self.bound.with([("history", history)]), told)
    }
}

impl Replace {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        post(&self.remote, &self.job, "/v1/jobs", &self.bound.with([("replace", "true")]), told)
    }
}

impl Plan {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        post(&self.remote, &self.job, "/v1/plan", &[], planned)
    }
}

impl Stop {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let answer = self.remote.ask(&Ask::Delete, &format!("/v1/jobs/{}", self.job), &[])?;
        self.remote.show(&answer, told)
    }
}

impl Pause {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let answer = self.remote.ask(&Ask::Post(""), &format!("/v1/jobs/{}/pause", self.job), &[])?;
        self.remote.show(&answer, told)
    }
}

impl Resume {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let answer = self.remote.ask(&Ask::Post(""), &format!("/v1/jobs/{}/resume", self.job), &[])?;
        self.remote.show(&answer, told)
    }
}

impl List {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let answer = self.remote.ask(&Ask::Get, "/v1/jobs", &[])?;
        self.remote.show(&answer, listed)
    }
}

impl Status {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let answer = self.remote.ask(&Ask::Get, "/v1/status", &[])?;
        self.remote.show(&answer, status)?;
        Ok(if answer["ready"] == true { Outcome::Well } else { Outcome::NotWell })
    }
}

fn post(remote: &Remote, job: &str, path: &str, query: &[(&str, &str)], people: fn(&Value) -> String) -> anyhow::Result<Outcome> {
    let found = job::find(job)?;
    let query: Vec<(&str, &str)> = query.iter().copied().chain([("file", found.file.as_str())]).collect();
    let answer = remote.ask(&Ask::Post(&found.text), path, &query)?;
    remote.show(&answer, people)
}

/// A field that is text.
pub(super) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn names(value: &Value) -> String {
    let names: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn told(job: &Value) -> String {
    format!("{} is {}; it writes {}\n", text(job, "job"), text(job, "state"), names(&job["outputs"]))
}

fn listed(jobs: &Value) -> String {
    let jobs: Vec<&Value> = jobs.as_array().into_iter().flatten().collect();
    let width = jobs.iter().map(|job| text(job, "job").len()).max().unwrap_or(0);
    let mut out = String::new();
    for job in &jobs {
        let reason = job["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        let bound = job["memory_most"].as_u64().map(|most| format!(", at most {}", HumanBytes(most))).unwrap_or_default();
        let held = job["held_bytes"].as_u64().filter(|held| *held > 0 || !bound.is_empty());
        let held = held.map(|held| format!("; holds about {}{bound}", HumanBytes(held))).unwrap_or_default();
        _ = writeln!(out, "{:width$}  {:9}  {}{held}{reason}", text(job, "job"), text(job, "state"), names(&job["outputs"]));
    }
    if jobs.is_empty() { "no jobs (hint: giaolo submit city)\n".to_owned() } else { out }
}

fn planned(plan: &Value) -> String {
    let mut out = String::new();
    _ = writeln!(out, "{} would", text(plan, "job"));
    for source in plan["forecast"]["sources"].as_array().into_iter().flatten() {
        _ = writeln!(out, "  read      {}", measured(source, &plan["memory_ms"]));
    }
    _ = writeln!(out, "  write     {}", names(&plan["writes"]));
    _ = writeln!(out, "  share     {}", names(&plan["shares"]));
    _ = writeln!(out, "  build     {}", names(&plan["builds"]));
    _ = writeln!(out, "  rest on   evidence up to {} old", span(plan["memory_ms"].as_u64().unwrap_or(0)));
    if let Some(records) = plan["forecast"]["restart"]["records"].as_u64() {
        let restart = &plan["forecast"]["restart"];
        let takes =
            restart["ms"].as_u64().map_or("a time not measured yet".to_owned(), |ms| format!("about {}", span(ms.next_multiple_of(1_000))));
        let bytes = HumanBytes(restart["bytes"].as_u64().unwrap_or(0));
        _ = writeln!(out, "  restart   read back {} records, {bytes}, in {takes}", HumanCount(records));
    }
    for (path, change) in plan["differs"].as_object().into_iter().flatten() {
        _ = writeln!(out, "  change    {path}: {} → {}", change[0], change[1]);
    }
    if plan["unchanged"] == true {
        out.push_str("  change    nothing: this version runs\n");
    } else if plan["replaces"].is_string() {
        out.push_str("  replace   the version that runs (giaolo replace)\n");
    }
    if let Some(conflict) = plan["conflict"].as_str() {
        _ = writeln!(out, "  be refused: {conflict}");
    }
    out
}

/// A topic that is to be read: what comes, and for how long it is kept.
fn measured(source: &Value, memory_ms: &Value) -> String {
    let mut told = text(source, "topic").to_owned();
    if source["table"] == true {
        told.push_str(", whole");
    } else if let Some(rate) = source["records_per_s"].as_f64() {
        _ = write!(told, ", {rate:.1} records/s, {}/s", HumanBytes(source["bytes_per_s"].as_f64().unwrap_or(0.0) as u64));
    } else {
        told.push_str(", where nothing came yet to be measured");
    }
    if let Some(kept_ms) = source["kept_ms"].as_u64() {
        _ = write!(told, ", from {} ago on", span(kept_ms));
    }
    if source["short"] == true {
        let needed = span(memory_ms.as_u64().unwrap_or(0));
        _ = write!(told, ": older ones were deleted, and a restart needs {needed} (raise the topic's retention)");
    }
    told
}

fn status(status: &Value) -> String {
    let figures = &status["figures"];
    let number = |field: &str| figures[field].as_u64().unwrap_or(0);
    let mut out = String::new();
    let clock = match number("clock_ms") {
        0 => "has not begun".to_owned(),
        _ => format!("is {} behind the wall clock", span(number("behind_ms"))),
    };
    let state = if status["ready"] == true { "at work" } else { "rebuilding its state" };
    _ = writeln!(out, "{state}; the clock {clock}");
    for process in figures["waits_for"].as_array().into_iter().flatten() {
        _ = writeln!(out, "waits for process {}", process.as_str().unwrap_or_default());
    }
    if let Some(stuck) = figures["stuck"].as_str() {
        _ = writeln!(out, "nothing can be committed, and it is tried again: {stuck}");
    }
    for lost in figures["lost"].as_array().into_iter().flatten() {
        let why = if lost["remade"] == true { "the topic was made anew or cut off" } else { "they are kept no longer" };
        let (topic, partition, from, until) = (text(lost, "topic"), &lost["partition"], &lost["from"], &lost["until"]);
        _ = writeln!(out, "goes on without {topic}/{partition} from {from} to {until}: {why}");
    }
    if let Some(place) = figures["held_by"].as_str() {
        _ = writeln!(out, "the clock waits for {place}");
    }
    _ = writeln!(out, "{} commits, {} epochs in flight, {} restarts", number("commits"), number("epochs_in_flight"), number("restarts"));
    if let Some(failure) = figures["failure"].as_str() {
        _ = writeln!(out, "started anew the last time because {failure}");
    }
    for partition in figures["partitions"].as_array().into_iter().flatten() {
        let lag = match partition["caught_up"] == true {
            true => "caught up".to_owned(),
            false => format!("{} behind", span(partition["lag_ms"].as_u64().unwrap_or(0))),
        };
        _ = writeln!(out, "  read  {}/{}  {} records, {lag}", text(partition, "topic"), partition["partition"], partition["records"]);
    }
    for (topic, rows) in figures["rows"].as_object().into_iter().flatten() {
        _ = writeln!(out, "  wrote {topic}  {rows} rows");
    }
    for (job, stage) in figures["stages"].as_object().into_iter().flatten() {
        let state = match stage["stuck"].as_str() {
            Some(stuck) => format!("does not go on, and it is tried again: {stuck}"),
            None if stage["replaying"] == true => "reads again what it needs to go on".to_owned(),
            None => "at work".to_owned(),
        };
        let lost = stage["lost"].as_u64().filter(|lost| *lost > 0).map(|lost| format!(", {lost} gone without"));
        _ = writeln!(out, "  stage {job}  {} records, {} commits{}; {state}", stage["records"], stage["commits"], lost.unwrap_or_default());
        for (topic, rows) in stage["rows"].as_object().into_iter().flatten() {
            _ = writeln!(out, "    wrote {topic}  {rows} rows");
        }
        for (of, counts) in stage["counts"].as_object().into_iter().flatten() {
            let counts = counts.as_object().into_iter().flatten().filter(|(_, n)| n.as_u64() != Some(0));
            let counts: Vec<String> = counts.map(|(what, n)| format!("{n} {}", what.replace('_', " "))).collect();
            _ = writeln!(out, "    of {of}  {}", counts.join(", "));
        }
    }
    for (topic, reasons) in figures["rejected"].as_object().into_iter().flatten() {
        let reasons: Vec<String> = reasons.as_object().into_iter().flatten().map(|(reason, n)| format!("{n} {reason}")).collect();
        _ = writeln!(out, "  refused {topic}  {}", reasons.join(", "));
    }
    for (part, held) in figures["held"].as_object().into_iter().flatten() {
        let (rows, bytes) = (held["rows"].as_u64().unwrap_or(0), HumanBytes(held["bytes"].as_u64().unwrap_or(0)));
        let busy_ms = figures["busy_ms"][part].as_u64().unwrap_or(0);
        if rows > 0 || busy_ms > 0 {
            _ = writeln!(out, "  part  {part}  holds {rows} rows, about {bytes}, worked {}", span(busy_ms));
        }
    }
    out + &listed(&status["jobs"])
}
