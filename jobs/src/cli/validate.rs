//! `giaolo validate`: everything that is wrong with jobs, each with its line.

use std::fmt::Write as _;

use clap::Args;
use engine::definition::Problems;
use engine::plan::Plan;
use serde_json::json;

use super::{Outcome, job, say};
use crate::catalogue::{Step, span};

/// Check jobs without running them
///
/// All problems are told at once, each with its line, its column and, where one is known, a suggestion. Nothing is read
/// or written but the definitions.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo validate city
  giaolo validate jobs/*.yaml
  giaolo validate --json my-job.yaml | jq '.[].problems[] | \"\\(.line): \\(.message)\"'")]
pub(super) struct Validate {
    /// Definitions: paths, or names of ready jobs
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Validate {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let mut well = Outcome::Well;
        let (mut text, mut rows) = (String::new(), Vec::new());
        for name in &self.jobs {
            let found = job::find(name)?;
            let read = job::read(&found);
            if read.is_err() {
                well = Outcome::NotWell;
            }
            match &read {
                Ok(plan) => writeln!(text, "{}{}: {}", plan.warnings, found.file, summary(plan))?,
                Err(problems) => writeln!(text, "{problems}{}: {}", found.file, count(problems))?,
            }
            rows.push(match read {
                Ok(plan) => json!({
                    "file": found.file, "valid": true, "job": plan.job, "hash": plan.hash, "memory_ms": plan.memory_ms,
                    "problems": plan.warnings.list,
                }),
                Err(problems) => json!({"file": found.file, "valid": false, "problems": problems.list}),
            });
        }
        say(&if self.json { format!("{:#}\n", serde_json::Value::Array(rows)) } else { text })?;
        Ok(well)
    }
}

fn summary(plan: &Plan<Step>) -> String {
    format!(
        "valid: {} sources, {} steps, {} outputs, {} tests; a restart reads back {}",
        plan.sources.len(),
        plan.steps.len(),
        plan.outputs.len(),
        plan.examples.len(),
        span(plan.memory_ms)
    )
}

fn count(problems: &Problems) -> String {
    match problems.list.len() {
        1 => "one problem".to_owned(),
        Problems::MOST => format!("the first {} problems", Problems::MOST),
        several => format!("{several} problems"),
    }
}
