//! A rush hour whose alerts stand in a store.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use zip::ZipArchive;

use crate::running::{giaolo, text};

/// The recording that comes with the program.
pub(crate) fn recording() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("demo").display().to_string()
}

pub(crate) fn well(folder: &Path, arguments: &[&str]) -> String {
    let output = giaolo(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A folder with a store, a map, and a key.
pub(crate) struct Town {
    folder: TempDir,
    pub(crate) public: String,
}

impl Town {
    /// A store with the recording in it, and a key.
    pub(crate) fn fed() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::copy(format!("{}/city.json", recording()), folder.path().join("city.json")).unwrap();
        well(folder.path(), &["feed", &recording(), "--local", "city.db"]);
        let public = well(folder.path(), &["evidence", "key", "own.key"]).trim().to_owned();
        Self { folder, public }
    }

    /// One whose job ran to its end; it is shared, and nobody changes it.
    pub(crate) fn judged() -> &'static Self {
        static TOWN: OnceLock<Town> = OnceLock::new();
        TOWN.get_or_init(|| {
            let town = Self::fed();
            well(town.folder(), &["run", "city", "--local", "city.db", "--bounded", "--json"]);
            town
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// The alerts as they stand, by id.
    pub(crate) fn alerts(&self) -> BTreeMap<String, Value> {
        let rows = well(self.folder(), &["tail", "alerts", "--local", "city.db", "--last", "5000"]);
        let rows = rows.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| (row["id"].as_str().unwrap().to_owned(), row)).collect()
    }

    /// The first alert of a rule that stands so.
    pub(crate) fn alert(&self, rule: &str, status: &str) -> Value {
        let alert = self.alerts().into_values().find(|row| row["rule"] == rule && row["status"] == status);
        alert.unwrap_or_else(|| panic!("no {status} alert of {rule}"))
    }

    pub(crate) fn try_pack(&self, id: &str, file: &str, more: &[&str]) -> Output {
        let usual = ["evidence", id, "--local", "city.db", "--city", "city.json", "--reason", "objection", "--case", "7", "--output", file];
        let key: &[&str] = if more.contains(&"--key") { &[] } else { &["--key", "own.key"] };
        giaolo(self.folder(), &[&usual, key, more].concat())
    }

    /// Packs an alert; returns the package's bytes.
    pub(crate) fn pack(&self, id: &str, file: &str) -> Vec<u8> {
        let output = self.try_pack(id, file, &[]);
        assert!(output.status.success(), "{}", text(&output));
        std::fs::read(self.path(file)).unwrap()
    }

    pub(crate) fn verify(&self, file: &str) -> Output {
        giaolo(self.folder(), &["evidence", "verify", file, "--trust", &self.public])
    }
}

/// The files of a package.
pub(crate) fn files(package: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(package)).unwrap();
    let mut file = |index| {
        let (mut file, mut bytes) = (archive.by_index(index).unwrap(), Vec::new());
        file.read_to_end(&mut bytes).unwrap();
        (file.name().unwrap().into_owned(), bytes)
    };
    (0..ZipArchive::new(Cursor::new(package)).unwrap().len()).map(&mut file).collect()
}

pub(crate) fn manifest(package: &[u8]) -> Value {
    serde_json::from_slice(&files(package)["manifest.json"]).unwrap()
}
