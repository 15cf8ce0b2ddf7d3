//! `giaolo audit`: what was done on a server, and whether the log of it is whole.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use engine::audit::{Audit as Log, AuditError, Head};

use super::access::{State, existing};
use super::{Outcome, say};

/// Rows read at a time.
const ROWS: u32 = 1_000;

/// Read and check a server's audit log
///
/// Each row holds a hash over the row before. A row that was altered, put in, or removed from within is found. Rows removed at
/// the end, or a log written anew by who can write the file, are found only against a head kept elsewhere: `verify` prints
/// one, and the server tells one every hour in its log.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo audit verify --state city.jobs.db
  giaolo audit verify --state city.jobs.db --head 1042:9f3c…       and nothing up to there was removed or written anew
  giaolo audit list --state city.jobs.db --json")]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
    List(List),
}

/// Check that no row was altered or removed; prints the head
#[derive(Debug, Args)]
struct Verify {
    /// A head that was kept elsewhere: NUMBER:HASH
    #[arg(long, value_name = "HEAD")]
    head: Option<Head>,
    #[command(flatten)]
    state: State,
}

/// List what was done
#[derive(Debug, Args)]
struct List {
    /// Print rows as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: State,
}

impl Audit {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        match &self.command {
            Command::Verify(command) => command.run(),
            Command::List(command) => command.run(),
        }
    }
}

impl Verify {
    fn run(&self) -> anyhow::Result<Outcome> {
        match Log::open(&existing(&self.state)?)?.verify(self.head.as_ref()) {
            Ok(head) => say(&format!("whole, {} rows; keep this head elsewhere: {head}\n", head.seq)).map(|()| Outcome::Well),
            Err(error @ AuditError::State(_)) => Err(error.into()),
            Err(error) => say(&format!("not whole: {error}\n")).map(|()| Outcome::NotWell),
        }
    }
}

impl List {
    fn run(&self) -> anyhow::Result<Outcome> {
        let (log, mut after) = (Log::open(&existing(&self.state)?)?, 0);
        loop {
            let rows = log.list(after, ROWS)?;
            let Some(last) = rows.last() else { return Ok(Outcome::Well) };
            after = last.seq;
            let mut out = String::new();
            for row in &rows {
                if self.json {
                    _ = writeln!(out, "{}", serde_json::to_string(row)?);
                } else {
                    let said =
                        |name: &str, value: &Option<String>| value.as_ref().map(|value| format!(", {name} {value:?}")).unwrap_or_default();
                    let time = super::deliveries::time(row.at_ms);
                    let (role, why) = (row.role.as_deref().unwrap_or("-"), said("reason", &row.reason) + &said("case", &row.case));
                    _ = writeln!(out, "{:6} {time} {} ({role}) {} {:?}: {}{why}", row.seq, row.who, row.what, row.subject, row.outcome);
                }
            }
            say(&out)?;
        }
    }
}
