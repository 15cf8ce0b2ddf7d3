//! `giaolo evidence key`: makes the keys that packages are signed and checked with.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use engine::signing::{PublicKey, SigningKey};

use super::super::{Outcome, say};

/// Make a key to sign packages with, and print the public key, which checks them
///
/// The private key is written to a file that only you can read, and is never shown. Keep it where packages are made, and nowhere
/// else; hand the public key to everybody who checks them.
#[derive(Debug, Args)]
pub(super) struct Key {
    /// Where the private key goes; the file must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Key {
    pub(super) fn run(&self) -> anyhow::Result<Outcome> {
        let text = SigningKey::generate().map_err(|error| anyhow!("no key can be made: {error}"))?;
        let key = SigningKey::read(&text).map_err(|error| anyhow!("the key that was made {error}"))?;
        write_new(&self.file, format!("{text}\n").as_bytes())?;
        say(&format!("{}\n", key.public()))?;
        Ok(Outcome::Well)
    }
}

/// Writes a file that is not there yet and that only its owner can read.
pub(super) fn write_new(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let mut made = made.with_context(|| format!("{file:?} cannot be made"))?;
    made.write_all(bytes).and_then(|()| made.sync_all()).with_context(|| format!("{file:?} cannot be written"))
}

/// Reads a private key; nobody else may be able to.
pub(super) fn private(file: &Path) -> anyhow::Result<SigningKey> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("the key {file:?} cannot be read (hint: giaolo evidence key makes one)"))?;
    let mode = std::fs::metadata(file)?.permissions().mode();
    if mode & 0o077 != 0 {
        bail!("others can read the key {file:?} (hint: chmod 600, or a new key if they may have)");
    }
    SigningKey::read(&text).map_err(|error| anyhow!("the key {file:?} {error}"))
}

/// Whose signatures are trusted.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Trust {
    /// A public key that is trusted
    #[arg(long, value_name = "KEY")]
    trust: Vec<PublicKey>,
    /// A file of such keys, one a line; what stands behind # is a comment
    #[arg(long, value_name = "FILE")]
    trusted: Option<PathBuf>,
}

impl Trust {
    pub(super) fn keys(&self) -> anyhow::Result<Vec<PublicKey>> {
        let mut keys = self.trust.clone();
        if let Some(file) = &self.trusted {
            let text = std::fs::read_to_string(file).with_context(|| format!("the keys {file:?} cannot be read"))?;
            for (number, line) in (1..).zip(text.lines()) {
                let key = line.split('#').next().unwrap_or_default().trim();
                if !key.is_empty() {
                    keys.push(key.parse().map_err(|error| anyhow!("{}:{number}: the key {error}", file.display()))?);
                }
            }
        }
        Ok(keys)
    }
}
