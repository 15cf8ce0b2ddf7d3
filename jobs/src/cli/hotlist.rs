//! `giaolo hotlist`, `giaolo approvals`: which plates are looked for, and what a second person must approve of.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use schemas::PlateKind;
use serde_json::{Value, json};

use super::choice::choice;
use super::deliveries::time;
use super::remote::{Ask, Remote, encoded};
use super::submit::text;
use super::{Outcome, moment};

/// Say which plates are looked for
///
/// The lists are the topic `hotlist`, which jobs read. It takes a token of the role hotlist-manager, bound to no centre. A plate
/// that is added waits until another hotlist-manager approves of it (`giaolo approvals`), unless the server was told otherwise.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo hotlist add 88A-123.45 --list stolen --kind car --priority 90 --reason 'case 2026-0117'
  giaolo hotlist list --list stolen
  giaolo hotlist remove stolen 88A-123.45 --reason 'found'")]
pub(super) struct Hotlist {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Look for a plate
    Add {
        /// The plate
        plate: String,
        /// The list
        #[arg(long, value_name = "LIST")]
        list: String,
        /// The kind of plate
        #[arg(long, value_name = "KIND", value_parser = choice::<PlateKind>())]
        kind: PlateKind,
        /// 0 to 100, the highest first
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u8).range(..=100))]
        priority: u8,
        /// Why: a case number, not a story
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// From when; a moment, or how long ago [default: now]
        #[arg(long, value_name = "TIME", value_parser = moment::read)]
        from: Option<u64>,
        /// Until when, a moment [default: 30 days after that]
        #[arg(long, value_name = "TIME", value_parser = moment::read)]
        until: Option<u64>,
    },
    /// The plates that are looked for
    List {
        /// Of this list
        #[arg(long, value_name = "LIST")]
        list: Option<String>,
    },
    /// Look for a plate no more
    Remove {
        /// The list
        list: String,
        /// The plate
        plate: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

/// See what waits for a second person, and decide about it
///
/// On a server started with `--four-eyes` what one person asks for is done once another approves of it whom the server would let
/// do the same. It waits for a day.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo approvals                            what waits for you
  giaolo approvals approve 1f0c9a3b5d7e2468
  giaolo approvals refuse 1f0c9a3b5d7e2468    also what you asked for yourself")]
pub(super) struct Approvals {
    #[command(subcommand)]
    decision: Option<Decide>,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Decide {
    /// Let it be done
    Approve {
        /// Which, by its id
        id: String,
    },
    /// Let it not be done
    Refuse {
        /// Which, by its id
        id: String,
    },
}

impl Hotlist {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let answer = match &self.what {
            What::Add { plate, list, kind, priority, reason, from, until } => {
                let body = json!({
                    "list": list, "plate": plate, "kind": kind, "priority": priority, "reason": reason, "from_ms": from, "until_ms": until,
                });
                self.remote.ask(&Ask::Post(&body.to_string()), "/v1/hotlist", &[])?
            }
            What::List { list } => {
                let query: Vec<(&str, &str)> = list.iter().map(|list| ("list", list.as_str())).collect();
                self.remote.ask(&Ask::Get, "/v1/hotlist", &query)?
            }
            What::Remove { list, plate, reason } => {
                self.remote.ask(&Ask::Delete, &format!("/v1/hotlist/{}/{}", encoded(list), encoded(plate)), &[("reason", reason)])?
            }
        };
        self.remote.show(&answer, |answer| match answer {
            Value::Array(entries) if entries.is_empty() => "no plate is looked for\n".to_owned(),
            Value::Array(entries) => entries.iter().map(line).collect(),
            entry if entry["deleted"] == true => format!("{} is not looked for any more\n", text(entry, "plate")),
            entry => line(entry),
        })
    }
}

fn line(entry: &Value) -> String {
    let until = time(entry["until_ms"].as_u64().unwrap_or(0));
    format!(
        "{:<12} {:<12} {:<10} {:>3}  until {until}  {}\n",
        text(entry, "list"),
        text(entry, "plate"),
        text(entry, "kind"),
        entry["priority"],
        text(entry, "reason")
    )
}

impl Approvals {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let Some(decision) = &self.decision else {
            let answer = self.remote.ask(&Ask::Get, "/v1/approvals", &[])?;
            return self.remote.show(&answer, |answer| {
                let waiting = answer.as_array().map(Vec::as_slice).unwrap_or_default();
                if waiting.is_empty() { "nothing waits for your approval\n".to_owned() } else { waiting.iter().map(waits).collect() }
            });
        };
        let (id, verb) = match decision {
            Decide::Approve { id } => (id, "approve"),
            Decide::Refuse { id } => (id, "refuse"),
        };
        let answer = self.remote.ask(&Ask::Post(""), &format!("/v1/approvals/{}/{verb}", encoded(id)), &[])?;
        self.remote.show(&answer, |answer| match verb {
            "approve" => format!("approved and done: {answer}\n"),
            _ => format!("{id} is refused\n"),
        })
    }
}

fn waits(held: &Value) -> String {
    let mine = if held["yours"] == true { " (yours: it takes another)" } else { "" };
    let mut told = format!("{}  {}{mine}  until {}\n", text(held, "id"), text(held, "who"), time(held["until_ms"].as_u64().unwrap_or(0)));
    _ = writeln!(told, "  {} {}", text(held, "method"), text(held, "path"));
    text(held, "body").lines().for_each(|line| _ = writeln!(told, "  {line}"));
    told
}
