//! `giaolo access`: who may use a server.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use engine::access::{Addition, Register, Scopes};

use super::{Outcome, say};
use crate::access::POLICY;

/// Say who may use a server: add, list, revoke
///
/// Works on the server's state file, on its machine, while it runs or not. Once anybody has access, every request needs a
/// token. What is changed is in the audit log.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  giaolo access add lan --role viewer --centre west --state city.jobs.db      prints the token, once
  giaolo access add ops --role admin --all-centres --state city.jobs.db
  giaolo access add gateway.west.example --role viewer --centre west --certificate --state city.jobs.db
  giaolo access list --state city.jobs.db
  giaolo access revoke lan --state city.jobs.db                               at once

What roles may: viewer and reviewer see alerts, vehicles and cameras of their centres, hotlist-manager alerts and cameras;
job-author and admin submit and stop jobs, and must be bound to all centres for that; the auditor alone reads the audit log.")]
pub(super) struct Access {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Add(Add),
    List(List),
    Revoke(Revoke),
}

/// Give access, and print the token, which is not kept
#[derive(Debug, Args)]
struct Add {
    /// Whom; of a certificate, a DNS name among its subject alternative names
    #[arg(value_name = "NAME")]
    name: String,
    /// What they may do
    #[arg(long, value_parser = PossibleValuesParser::new(POLICY.roles))]
    role: String,
    /// Whose data: a monitoring centre, once for each
    #[arg(long = "centre", value_name = "CENTRE", required_unless_present = "all")]
    centres: Vec<String>,
    /// The data of all centres
    #[arg(long = "all-centres", conflicts_with = "centres")]
    all: bool,
    /// By a client certificate of that name (`serve --client-ca`), without a token
    #[arg(long)]
    certificate: bool,
    #[command(flatten)]
    state: State,
}

/// List who has or had access
#[derive(Debug, Args)]
struct List {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: State,
}

/// Take access away, at once
#[derive(Debug, Args)]
struct Revoke {
    /// Whose
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    state: State,
}

/// The state file of a server.
#[derive(Debug, Args)]
pub(super) struct State {
    /// The server's state file, as `serve --catalogue` names it; beside a store city.db it is city.jobs.db
    #[arg(long = "state", value_name = "FILE", default_value = "giaolo-jobs.db")]
    pub(super) file: PathBuf,
}

impl Access {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        match &self.command {
            Command::Add(command) => command.run(),
            Command::List(command) => command.run(),
            Command::Revoke(command) => command.run(),
        }
    }
}

impl Add {
    fn run(&self) -> anyhow::Result<Outcome> {
        if self.name.is_empty() || self.name.len() > 255 || self.name.chars().any(char::is_control) {
            bail!("a name has 1 to 255 letters (hint: lan, or gateway.west.example)");
        }
        let scopes = if self.all { Scopes::All } else { Scopes::Of(self.centres.clone()) };
        let Self { name, role, certificate, .. } = self;
        let register = Register::open(&self.state.file)?;
        let addition = Addition { name, role, scopes: &scopes, certificate: *certificate };
        match register.add(addition, &who())? {
            Some(token) => say(&format!("{}\n", token.reveal()))?,
            None => say(&format!("{name} has access by its certificate\n"))?,
        }
        Ok(Outcome::Well)
    }
}

impl List {
    fn run(&self) -> anyhow::Result<Outcome> {
        let entries = Register::open(&existing(&self.state)?)?.list()?;
        if self.json {
            say(&format!("{}\n", serde_json::to_string(&entries)?))?;
            return Ok(Outcome::Well);
        }
        let mut out = format!("{:24} {:16} {:12} {:8} centres\n", "name", "role", "by", "state");
        for entry in &entries {
            let by = if entry.certificate { "certificate" } else { "token" };
            let state = if entry.revoked_ms.is_some() { "revoked" } else { "valid" };
            let centres = entry.scopes.as_ref().map_or_else(|| "all".to_owned(), |centres| centres.join(", "));
            _ = writeln!(out, "{:24} {:16} {by:12} {state:8} {centres}", entry.name, entry.role);
        }
        say(&out)?;
        Ok(Outcome::Well)
    }
}

impl Revoke {
    fn run(&self) -> anyhow::Result<Outcome> {
        let revoked = Register::open(&existing(&self.state)?)?.revoke(&self.name, &who())?;
        let name = &self.name;
        say(&if revoked { format!("{name} has no access any more\n") } else { format!("{name} had no access\n") })?;
        Ok(if revoked { Outcome::Well } else { Outcome::NotWell })
    }
}

/// A state file that is to be looked at must be there: a new one would be empty, and look as if all were well.
pub(super) fn existing(state: &State) -> anyhow::Result<PathBuf> {
    if state.file.exists() {
        return Ok(state.file.clone());
    }
    Err(anyhow!(
        "there is no state file {:?} (hint: name the one of the server with --state; beside city.db it is city.jobs.db)",
        state.file
    ))
}

/// Who changes the state file, as the machine knows them: a name in the environment could be anybody's.
pub(super) fn who() -> String {
    std::fs::metadata("/proc/self").map_or_else(|_| "local user".to_owned(), |process| format!("local user {}", process.uid()))
}
