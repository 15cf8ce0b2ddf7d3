//! `giaolo deliveries`: what became of what patrol units were to be told.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use engine::dispatch::{Outbox, Selection};

use super::dispatch::explain;
use super::{Outcome, say};

/// See what became of deliveries, and send them again
///
/// Looks into the state file of `giaolo dispatch`, whether that runs or not. Everything that was done is kept for a week.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo deliveries list --state units.db                             the last ones, and disabled endpoints
  giaolo deliveries list dead --endpoint patrol-west --state units.db
  giaolo deliveries replay expired --endpoint patrol-west --state units.db
  giaolo deliveries enable patrol-west --state units.db               after it had said that it is gone (410)")]
pub(super) struct Deliveries {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List deliveries, the newest first
    List(List),
    /// Send what is dead or expired once more, with as much time as it had
    ///
    /// Revisions after which a newer one was told stay where they are, as does what is for a disabled endpoint. A dispatcher that
    /// runs takes them up at once.
    Replay(Replay),
    /// Let an endpoint be told again that had said that it is gone
    Enable(Enable),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    which: Which,
    /// How many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    last: u32,
    /// Print them as JSON, one a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Replay {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Enable {
    /// The endpoint
    #[arg(value_name = "NAME")]
    endpoint: String,
    /// The state file of the dispatcher
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
}

/// Which deliveries are meant.
#[derive(Debug, Args)]
struct Which {
    /// In this state [default: any]
    #[arg(value_name = "STATE")]
    standing: Option<Standing>,
    /// The state file of the dispatcher
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// To this endpoint
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Of this alert, or of this alert's revision (ID.REVISION)
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// The states of a delivery.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Standing {
    /// It waits for its first or next attempt
    Pending,
    /// It is under way
    Sending,
    /// The endpoint has it
    Delivered,
    /// A newer revision came before it was sent, or it was withdrawn
    Superseded,
    /// It was too old to be sent
    Expired,
    /// It was given up
    Dead,
}

impl Deliveries {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        match &self.command {
            Command::List(list) => list.run(),
            Command::Replay(replay) => replay.run(),
            Command::Enable(enable) => enable.run(),
        }
    }
}

impl Which {
    fn selection(&self) -> Selection {
        let state = self.standing.and_then(|standing| standing.to_possible_value()).map(|value| value.get_name().to_owned());
        Selection { endpoint: self.endpoint.clone(), state, id: self.id.clone() }
    }
}

impl List {
    fn run(&self) -> anyhow::Result<Outcome> {
        let outbox = Outbox::look(&self.which.state).map_err(explain)?;
        let rows = outbox.list(&self.which.selection(), self.last).map_err(explain)?;
        let mut out = String::new();
        if self.json {
            for row in &rows {
                writeln!(out, "{}", serde_json::to_string(row)?)?;
            }
            say(&out)?;
            return Ok(Outcome::Well);
        }
        for (endpoint, since_ms, reason) in outbox.disabled_endpoints().map_err(explain)? {
            writeln!(out, "{endpoint} is disabled since {}: {reason}", time(since_ms))?;
        }
        for row in &rows {
            let reason = row.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let what = format!("{}.{}", row.id, row.revision);
            let attempts = if row.attempts == 1 { "1 attempt".to_owned() } else { format!("{} attempts", row.attempts) };
            writeln!(out, "{}  {}  {what}  {}  {}, {attempts}{reason}", time(row.changed_ms), row.endpoint, row.kind, row.state)?;
        }
        say(if out.is_empty() { "no deliveries\n" } else { &out })?;
        Ok(Outcome::Well)
    }
}

impl Replay {
    fn run(&self) -> anyhow::Result<Outcome> {
        let Which { standing, endpoint, id, .. } = &self.which;
        anyhow::ensure!(
            standing.is_some() || endpoint.is_some() || id.is_some(),
            "what is to be sent again? (hint: say expired or dead, --endpoint NAME, or --id ID)"
        );
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let mut outbox = Outbox::look(&self.which.state).map_err(explain)?;
        let count = outbox.replay(&self.which.selection(), now_ms).map_err(explain)?;
        say(&format!("{count} will be sent again\n"))?;
        Ok(if count > 0 { Outcome::Well } else { Outcome::NotWell })
    }
}

impl Enable {
    fn run(&self) -> anyhow::Result<Outcome> {
        let was_disabled = Outbox::look(&self.state).and_then(|mut outbox| outbox.enable(&self.endpoint)).map_err(explain)?;
        let endpoint = &self.endpoint;
        say(&if was_disabled { format!("{endpoint} is told again\n") } else { format!("{endpoint} was not disabled\n") })?;
        Ok(if was_disabled { Outcome::Well } else { Outcome::NotWell })
    }
}

/// A moment as a clock in UTC shows it.
pub(super) fn time(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}
