//! `giaolo schema`: the JSON Schema of definitions, for editors.

use clap::Args;

use super::{Outcome, say};
use crate::catalogue::Traffic;

/// Print the JSON Schema of job definitions, for editors
///
/// With it an editor completes names while one writes, shows what each parameter means and marks what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  giaolo schema > giaolo.schema.json
  and in the first line of a job:  # yaml-language-server: $schema=giaolo.schema.json")]
pub(super) struct Schema {}

impl Schema {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        say(&format!("{:#}\n", engine::definition::schema::of(&Traffic)))?;
        Ok(Outcome::Well)
    }
}
