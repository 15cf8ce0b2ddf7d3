//! The `file` transport: recordings in, changelogs out.
//!
//! ```text
//! DIR/observations.ndjson[.gz]     one record a line          partition 0
//! DIR/observations-3.ndjson[.gz]                              partition 3
//! DIR/observations.bin[.gz]        u32 length, u64 arrival in ms, payload (little endian), repeated
//! ```
//!
//! Files keep no progress: a job that writes files begins anew each time, which for a recording is the same.

mod reader;
mod writer;

use std::path::{Path, PathBuf};

use super::{Reader, Transport, TransportError, Writer};

/// A folder of recordings or changelogs.
#[derive(Clone, Debug)]
pub struct FileTransport {
    folder: PathBuf,
    arrival_fields: Vec<String>,
}

impl FileTransport {
    /// A folder. `arrival_fields` name the JSON fields that tell when a record arrived, the best first; where a line
    /// has none of them, it arrived with the line before.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, arrival_fields: &[&str]) -> Self {
        Self { folder: folder.into(), arrival_fields: arrival_fields.iter().map(ToString::to_string).collect() }
    }

    /// The files of a topic by partition.
    fn files(&self, topic: &str) -> Result<Vec<(u32, PathBuf)>, TransportError> {
        let entries = std::fs::read_dir(&self.folder).map_err(|e| {
            TransportError::lasting(format!("cannot read the folder {:?}", self.folder)).hint("It must exist and be readable.").because(e)
        })?;
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                Some((partition_of(&path, topic)?, path))
            })
            .collect();
        files.sort();
        match files.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(TransportError::lasting(format!("{:?} and {:?} are the same partition", pair[0].1, pair[1].1))
                .hint("Keep one of the two files.")),
            None => Ok(files),
        }
    }
}

/// Which partition of a topic a file holds, if it is one of its files.
fn partition_of(path: &Path, topic: &str) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let name = name.strip_suffix(".gz").unwrap_or(name);
    let stem = name.strip_suffix(".ndjson").or_else(|| name.strip_suffix(".bin"))?;
    match stem.strip_prefix(topic)? {
        "" => Some(0),
        rest => rest.strip_prefix('-')?.parse().ok(),
    }
}

impl Transport for FileTransport {
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        let files = self.files(topic)?;
        if files.is_empty() {
            return Err(TransportError::lasting(format!("there is no recording of {topic:?} in {:?}", self.folder))
                .hint(format!("Expected a file named {topic}.ndjson, {topic}.ndjson.gz or {topic}.bin.")));
        }
        Ok(files.into_iter().map(|(partition, _)| partition).collect())
    }

    fn reader(&self, topic: &str, partition: u32, offset: u64) -> Result<Box<dyn Reader>, TransportError> {
        let (_, path) = self
            .files(topic)?
            .into_iter()
            .find(|(number, _)| *number == partition)
            .ok_or_else(|| TransportError::lasting(format!("there is no partition {partition} of {topic:?} in {:?}", self.folder)))?;
        reader::open(&path, &self.arrival_fields, offset)
    }

    fn writer(&self, _job: &str, outputs: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Ok(Box::new(writer::FileWriter::create(&self.folder, outputs)?))
    }
}
