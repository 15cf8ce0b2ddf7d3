//! `giaolo report`: how well rules, cameras and centres did their work.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use engine::transport::TopicStore;
use schemas::{Effectiveness, Name};
use serde_json::Value;

use super::store::{Store, standing};
use super::{Outcome, moment, say};
use crate::report::{Period, csv, gather, html, text, zone};

/// See how well rules, cameras and centres did their work in a week
///
/// From the topic that the job `effectiveness` writes: passages and plates read, alerts told, withdrawn, confirmed and rejected,
/// precision by review, how soon alerts are told and acknowledged, violations per 1,000 passages; by rule, camera, centre, hour of
/// day and day of week. No plates are in it, and groups of fewer than five passages are told together with others.
///
/// It reads the store itself, and so it is for whoever may read all of that: no server is asked, and none bounds what is seen
/// to centres.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo run effectiveness --local city.db --city city.json       counts; beside a server: giaolo submit effectiveness
  giaolo report --local city.db                                   the week of the newest row
  giaolo report --week 2026-W48 --local city.db --html week.html  as a page, to be read or printed
  giaolo report --week 2026-11-26 --zone Asia/Ho_Chi_Minh --brokers localhost:9092 --csv > week.csv
  giaolo report --from 2026-11-01 --to 2026-12-01 --centre west --local city.db --json | jq .total")]
pub(super) struct Report {
    /// The week: 2026-W48, or any of its days; without a value that of the newest row
    #[arg(long, value_name = "WEEK", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["from", "to"])]
    week: Option<String>,
    /// What happened from this moment on: 2026-11-26T08:00, with a zone …+07:00, or '30 d' ago
    #[arg(long, value_name = "WHEN", value_parser = moment::read)]
    from: Option<u64>,
    /// What happened before this moment; without it, until now
    #[arg(long, value_name = "WHEN", value_parser = moment::read, requires = "from")]
    to: Option<u64>,
    /// Of this monitoring centre alone
    #[arg(long, value_name = "CENTRE")]
    centre: Option<Name>,
    /// Whose weeks, days and hours are meant: Asia/Ho_Chi_Minh, UTC, or local for this machine's
    #[arg(long, value_name = "ZONE", default_value = "local")]
    zone: String,
    /// The topic with the rows
    #[arg(long, value_name = "TOPIC", default_value = "effectiveness")]
    topic: String,
    #[command(flatten)]
    store: Store,
    /// As JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// As comma-separated values
    #[arg(long)]
    csv: bool,
    /// Write it as a page to this file, with plots; nothing is printed then, unless --json or --csv
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Report {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let rows = counted(&*self.store.require()?, &self.topic)?;
        if rows.is_empty() {
            let hint = "nothing was counted yet: does `giaolo run effectiveness`, or `giaolo submit effectiveness` on a server, go on?";
            bail!("topic {:?} has no rows (hint: {hint})", self.topic);
        }
        let newest_ms = rows.iter().map(|row| row.from_ms).max().unwrap_or(0);
        let period = self.period(newest_ms).map_err(|error| anyhow!(error))?;
        let report = gather(rows, &period, self.centre);
        if let Some(file) = &self.html {
            std::fs::write(file, html(&report)).with_context(|| format!("the page {file:?} could not be written"))?;
        }
        match (self.json, self.csv, &self.html) {
            (true, ..) => say(&format!("{:#}\n", serde_json::to_value(&report)?))?,
            (_, true, _) => say(&csv(&report))?,
            (.., None) => say(&text(&report))?,
            (.., Some(_)) => {}
        }
        Ok(Outcome::Well)
    }

    fn period(&self, newest_ms: u64) -> Result<Period, String> {
        let zone = zone(&self.zone)?;
        match (&self.week, self.from) {
            (Some(week), _) if !week.is_empty() => Period::read_week(week, &zone),
            (_, Some(from_ms)) => Period::between(from_ms, self.to.map_or_else(|| moment::read("0 s"), Ok)?, &zone),
            _ => Period::week_of(newest_ms, &zone),
        }
    }
}

/// The rows that stand.
fn counted(store: &dyn TopicStore, topic: &str) -> anyhow::Result<Vec<Effectiveness>> {
    let row = |row: Value| serde_json::from_value(row).map_err(|_| anyhow!("topic {topic:?} holds other rows than those of effectiveness"));
    standing(store, topic)?.into_values().map(row).collect()
}
