//! `giaolo evidence`: all that an alert rests on in one file, signed; and what such a file is worth.
//!
//! ```text
//! evidence ALERT    find the job ─▶ gather ─▶ replay ─▶ sign ─▶ audit log ─▶ FILE.zip         key    a pair of keys
//! verify, replay    FILE.zip ─▶ whole? ─▶ the same verdict again?
//! ```

mod check;
mod find;
mod key;
mod pack;
mod replay;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use engine::audit::{Audit, Deed};

use super::Outcome;
use super::access::who;

/// Pack what an alert rests on into one signed file, and check such files
///
/// The package is a zip file: a manifest with what the alert says, its bounds and what a replay reads, an ed25519 signature over
/// it, the job's definition, the map, an excerpt of the inputs, and pictures where there are frames. Packed is what is about the
/// alert's vehicle: plates of others are left out. The named inputs are replayed before it is signed, and the package says whether
/// the verdict was the same. The same alert gives the same bytes; when, by whom and why it was packed is in the audit log.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "Examples:
  giaolo evidence key evidence.key                                     once: prints the public key, for those who check
  giaolo evidence 713ce87499fe4dca --local city.db --city city.json --key evidence.key --reason 'objection' --case 2026-0117
  giaolo evidence verify 713ce87499fe4dca.zip --trust whpk_…           needs no server and no store
  giaolo evidence replay 713ce87499fe4dca.zip --trust whpk_…           from what is packed
  giaolo evidence replay 713ce87499fe4dca.zip --trust whpk_… --local city.db
                                                                       from all records that it names

Other programs check the signature too:
  unzip FILE.zip manifest.json manifest.sig
  jq -r .signature manifest.sig | base64 -d > signature
  openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in manifest.json -sigfile signature"
)]
pub(super) struct Evidence {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    pack: pack::Pack,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(check::Verify),
    Replay(check::Replay),
    Key(key::Key),
}

impl Evidence {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        match &self.command {
            Some(Command::Verify(command)) => command.run(),
            Some(Command::Replay(command)) => command.run(),
            Some(Command::Key(command)) => command.run(),
            None => self.pack.run(),
        }
    }
}

/// The audit log of the server whose alerts these are.
#[derive(Debug, Args)]
struct Trail {
    /// The server's state file, which holds the audit log [default: the one beside the store, if there is one]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
}

impl Trail {
    /// Writes down what is about to be told; where that fails, it must not be told. Without a log there is nowhere to write.
    fn append(&self, beside: Option<&Path>, deed: Deed<'_>) -> anyhow::Result<()> {
        let found = self.state.as_deref().or_else(|| beside.filter(|file| file.exists()));
        let Some(file) = found else { return Ok(()) };
        anyhow::ensure!(file.exists(), "there is no state file {file:?} (hint: name the one of the server with --state)");
        let append = || Audit::open(file)?.append(&Deed { who: &who(), ..deed });
        append().with_context(|| format!("what is not written down is not told: {file:?}"))
    }
}
