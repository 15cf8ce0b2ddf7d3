//! The manifest: what a package holds, and what it says of an alert.

use std::collections::BTreeMap;

use schemas::{City, Id, Name, Status};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Verdict;

/// What a package holds, and what it says. Written as RFC 8785 has it, for all its numbers are integers and all its keys ASCII: in
/// order of the keys, without a space. These bytes are signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`Manifest::FORMAT`].
    pub format: String,
    /// The version of this shape: [`Manifest::VERSION`].
    pub version: u32,
    /// The version of the engine that packed it.
    pub engine: String,
    /// The job that told the alert.
    pub job: Job,
    /// The alert's id.
    pub alert: Id,
    /// The number of its last revision, which is what stands.
    pub revision: u32,
    /// How it stands.
    pub status: Status,
    /// Its rule.
    pub rule: Name,
    /// The sentence that it tells.
    pub text: String,
    /// Its moment, milliseconds since the epoch.
    pub at_ms: u64,
    /// By how much that may be wrong: the clock of the worst of its cameras. `null`: one of them is not on the map.
    pub error_ms: Option<u32>,
    /// Where: the cameras it names.
    pub cameras: Vec<Device>,
    /// What it says, to which a replay is held: plate, measured and limit values, their bounds among them. `null`: it was withdrawn.
    pub verdict: Option<Verdict>,
    /// All its revisions as they were committed, each with its place, oldest first.
    pub revisions: Vec<Committed>,
    /// The sightings it names, as they stand; `null` where the store has no row of one.
    pub sightings: BTreeMap<String, Option<Committed>>,
    /// The journey it names, as it stands.
    pub journey: Option<Committed>,
    /// What a replay from the store reads.
    pub inputs: Inputs,
    /// In what such a replay differed from the verdict when this was packed: in nothing, if all was well.
    pub differences: Vec<String>,
    /// What of it is packed.
    pub excerpt: Excerpt,
    /// The pictures, and the records that they were decoded from.
    pub stills: Vec<Value>,
    /// Every file of the package but this one and its signature.
    pub files: Vec<File>,
}

impl Manifest {
    /// What a manifest begins with saying.
    pub const FORMAT: &str = "giaolo evidence";
    /// The version of its shape.
    pub const VERSION: u32 = 1;

    /// The bytes that are signed.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        // By way of a value, whose fields lie in order.
        serde_json::to_value(self).map(|value| value.to_string().into_bytes()).unwrap_or_default()
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// It is none, or a newer program's.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(bytes).map_err(|error| format!("is not JSON: {error}"))?;
        match (value["format"].as_str(), value["version"].as_u64()) {
            (Some(Self::FORMAT), Some(version)) if version == u64::from(Self::VERSION) => {}
            (Some(Self::FORMAT), Some(version)) => return Err(format!("has version {version}; this program knows {}", Self::VERSION)),
            _ => return Err("is not one of evidence".to_owned()),
        }
        serde_json::from_value(value).map_err(|error| format!("cannot be understood: {error}"))
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// The hash of its definition, as its progress record has it; the definition itself is a file.
    pub definition: String,
    /// The topic that it wrote the alert to.
    pub topic: String,
}

/// A camera.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its id.
    pub camera: Name,
    /// What the map says of it; `null`: it is not there.
    pub mounted: Option<Mounted>,
}

/// How a camera is mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mounted {
    /// The monitoring centre it belongs to.
    pub centre: Name,
    /// Longitude, ten millionths of a degree.
    pub lon_e7: i32,
    /// Latitude, ten millionths of a degree.
    pub lat_e7: i32,
    /// Where it looks, degrees from north, clockwise.
    pub heading_deg: u16,
    /// By how much its clock may be wrong, milliseconds.
    pub clock_error_ms: u32,
}

impl Device {
    /// A camera as the map has it.
    #[must_use]
    pub fn of(camera: Name, city: &City) -> Self {
        let known = city.cameras.iter().find(|known| known.id == camera);
        let mounted = known.map(|known| Mounted {
            centre: known.centre,
            lon_e7: known.lon_e7,
            lat_e7: known.lat_e7,
            heading_deg: known.heading_deg,
            clock_error_ms: known.clock_error_ms,
        });
        Self { camera, mounted }
    }
}

/// A committed record, and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committed {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
    /// When it was committed, milliseconds since the epoch.
    pub arrival_ms: Option<u64>,
    /// The record.
    pub row: Value,
}

/// What a replay reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inputs {
    /// The earliest event time that bears on the alert, milliseconds since the epoch.
    pub from_ms: u64,
    /// The latest arrival that does.
    pub until_ms: u64,
    /// The partitions.
    pub partitions: Vec<Read>,
}

/// A part of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    /// The topic.
    pub topic: String,
    /// What its records are.
    pub kind: String,
    /// The partition.
    pub partition: u32,
    /// The first offset.
    pub from: u64,
    /// The offset after the last.
    pub to: u64,
    /// How many records there are.
    pub records: u64,
    /// SHA-256 of the records, each as a line.
    pub sha256: String,
    /// Whether the first that are needed are not kept any more.
    pub cut: bool,
}

/// What is packed of the inputs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Excerpt {
    /// By which rule.
    pub rule: String,
    /// How many plates were left out of the records that are packed.
    pub withheld: u64,
    /// The parts.
    pub parts: Vec<Part>,
    /// In what a replay of the parts differed from the verdict when this was packed. Where it did, only a store has all it takes. Of
    /// an alert that was withdrawn it proves nothing: none stands where little is known either.
    pub differences: Vec<String>,
}

/// The records that are packed of a partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The file that holds them.
    pub file: String,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
}

impl File {
    /// What a manifest says of a file.
    #[must_use]
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() as u64, sha256: sha256(bytes) }
    }
}

/// SHA-256, hexadecimal.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&ring::digest::digest(&ring::digest::SHA256, bytes))
}

pub(super) fn hex(digest: &ring::digest::Digest) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
