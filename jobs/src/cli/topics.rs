//! `giaolo topics`: what a store holds.

use std::fmt::Write as _;

use clap::Args;

use super::store::{Store, explain};
use super::{Outcome, say};

/// List the topics of a store
///
/// For each topic its partitions and about how many records they hold.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  giaolo topics --local city.db")]
pub(super) struct Topics {
    #[command(flatten)]
    store: Store,
    /// Print the list as JSON: for each topic the offsets kept, by partition
    #[arg(long)]
    json: bool,
}

impl Topics {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let topics = self.store.require()?.topics().map_err(explain)?;
        let mut text = String::new();
        if self.json {
            let rows = topics.iter().map(|topic| {
                let offsets: Vec<_> = topic.partitions.iter().map(|kept| [kept.start, kept.end]).collect();
                serde_json::json!({"topic": topic.name, "partitions": offsets})
            });
            writeln!(text, "{:#}", rows.collect::<serde_json::Value>())?;
        } else {
            writeln!(text, "{:<32} {:>10} {:>12}", "topic", "partitions", "records")?;
            for topic in &topics {
                let records: u64 = topic.partitions.iter().map(|kept| kept.end - kept.start).sum();
                writeln!(text, "{:<32} {:>10} {:>12}", topic.name, topic.partitions.len(), records)?;
            }
        }
        say(&text)?;
        Ok(Outcome::Well)
    }
}
