//! `giaolo test`: runs the examples that a definition holds.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::anyhow;
#[cfg(feature = "vision")]
use anyhow::bail;
use clap::Args;
use engine::plan::{Example, matches};
use engine::transport::memory::MemoryTransport;
use engine::transport::{OutputRow, Transport};
use serde_json::Value;

use super::run::{engine_run, settings};
use super::{Outcome, job, say};
use crate::catalogue::Traffic;

/// Run the tests in job definitions, offline
///
/// Each test gives rows to sources (or to steps, whose results they then replace) and says which rows must stand at the
/// end. Every run is bounded and in memory; nothing else is read or written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo test city
  giaolo test jobs/*.yaml")]
pub(super) struct Test {
    /// Definitions: paths, or names of ready jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
}

impl Test {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let (mut passed, mut failed) = (0, 0);
        for name in &self.jobs {
            let (text, plan) = job::plan(name)?;
            for example in &plan.examples {
                let began = Instant::now();
                let problems = run(example, text.directory.as_deref())?;
                let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
                say(&format!("{}: {} … {verdict} ({} ms)\n{problems}", text.file, example.name, began.elapsed().as_millis()))?;
                if problems.is_empty() { passed += 1 } else { failed += 1 }
            }
        }
        say(&format!("{passed} passed, {failed} failed\n"))?;
        Ok(if failed == 0 { Outcome::Well } else { Outcome::NotWell })
    }
}

/// Runs an example; returns what is not as expected, nothing if all is.
fn run(example: &Example, directory: Option<&Path>) -> anyhow::Result<String> {
    let plan = example.plan(&Traffic).map_err(|problems| anyhow!("test {:?} cannot be run\n{problems}", example.name))?;
    #[cfg(feature = "vision")]
    if super::perceive::perceives(&plan)? {
        bail!("test {:?} cannot be run: pictures are not rows (hint: capture a recording, and run the job on that)", example.name);
    }
    let memory = MemoryTransport::default();
    for source in &plan.sources {
        memory.create(&source.topic, 0);
        for rows in example.given.iter().filter(|rows| rows.name.text == source.name) {
            for row in &rows.rows {
                let row = as_row(source.kind, row.to_json());
                memory.append(&source.topic, 0, arrival_ms(source.kind, &row), row.to_string().as_bytes());
            }
        }
    }
    let city = job::city(&plan, directory).unwrap_or_default();
    let (settings, transport) = (settings(&plan), Arc::new(memory.clone()) as Arc<dyn Transport>);
    let settings = engine::Settings { bounded: true, memory_ms: 0, ..settings };
    let run = engine_run(plan, city, Arc::clone(&transport), transport, settings, Arc::new(AtomicBool::new(false)));
    run.run(&mut |_| ()).map_err(job::explain_failure)?;
    let mut problems = String::new();
    let standing = standing(memory.rows());
    for expected in &example.expect {
        let mut results = standing.get(expected.name.text.as_str()).cloned().unwrap_or_default();
        for row in &expected.rows {
            match results.iter().position(|result| matches(row, result)) {
                Some(found) => drop(results.remove(found)),
                None => writeln!(problems, "  expected in {:?}, and not there: {}", expected.name.text, row.to_json())?,
            }
        }
        for result in results {
            writeln!(problems, "  in {:?}, and not expected: {result}", expected.name.text)?;
        }
    }
    Ok(problems)
}

/// A row as its topic would hold it: rows of our own tables have a revision and a status, which an example need not write.
fn as_row(kind: &str, mut row: Value) -> Value {
    if let (true, Some(fields)) = (kind == "sightings", row.as_object_mut()) {
        fields.entry("revision").or_insert(1.into());
        fields.entry("status").or_insert("provisional".into());
    }
    row
}

/// When a row given in a test arrives: at its own time; rows of tables are there from the beginning.
fn arrival_ms(kind: &str, row: &Value) -> u64 {
    let time = |field: &&str| row.get(field).and_then(Value::as_u64);
    if kind == "hotlist" { 0 } else { ["received_ms", "at_ms", "until_ms"].iter().find_map(time).unwrap_or(0) }
}

/// What stands in each output at the end: the last row of each id that was not withdrawn.
fn standing(rows: Vec<OutputRow>) -> BTreeMap<String, Vec<Value>> {
    let mut last = BTreeMap::<(String, String), Value>::new();
    for row in rows {
        last.insert((row.topic.to_string(), row.key), serde_json::from_slice(&row.value).unwrap_or_default());
    }
    last.into_iter().filter(|(_, row)| row["status"] != "withdrawn").fold(BTreeMap::new(), |mut standing, ((topic, _), row)| {
        standing.entry(topic).or_insert_with(Vec::new).push(row);
        standing
    })
}
