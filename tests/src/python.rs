//! Programs of other languages that judge what the product says to other systems: those of `tests/python/requirements.txt`, which
//! `make python` installs.

use std::path::{Path, PathBuf};

use crate::broker::Skipped;

/// A program that came with them, such as `python` itself.
///
/// # Errors
/// They are not installed.
///
/// # Panics
/// They are not, and `REQUIRE_LIVE=1`.
pub fn program(name: &str) -> Result<PathBuf, Skipped> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python");
    let there = folder.join("ready").exists().then(|| folder.join("bin").join(name));
    there.ok_or_else(|| Skipped::because(format!("no {name} in {}; \"make python\" fetches it", folder.display())))
}
