//! The inputs of a replay: parts of partitions, as lines in a package or as they lie in a store.
//!
//! ```text
//! {"offset":1041,"arrival_ms":1767225600412,"key":"c019","value":"{\"camera\":\"c019\",…}"}      key_base64, value_base64 where
//!                                                                                              they are no text
//! ```
//!
//! A record enters a replay with its offset, its key and its arrival, for the arrival is the clock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use engine::transport::{Batch, Position, Reader, TopicStore, Transport, TransportError, Writer};
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use super::manifest::hex;
use super::{Read, Subject};

/// Bytes read at a time.
const READ_BYTES: usize = 1 << 20;

/// A record as a line. Without a value it is a tombstone.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    arrival_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    /// How many plates were left out of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    withheld: Option<u64>,
}

impl Line {
    fn of(offset: u64, arrival_ms: Option<u64>, key: &[u8], value: Option<&[u8]>) -> Self {
        let as_text = |bytes: Option<&[u8]>| match bytes.map(std::str::from_utf8) {
            None => (None, None),
            Some(Ok(text)) => (Some(text.to_owned()), None),
            Some(Err(_)) => (None, bytes.map(|bytes| BASE64.encode(bytes))),
        };
        let ((key, key_base64), (value, value_base64)) = (as_text(Some(key).filter(|key| !key.is_empty())), as_text(value));
        Self { offset, arrival_ms, key, key_base64, value, value_base64, withheld: None }
    }

    fn write(&self, into: &mut Vec<u8>) {
        // Writing to memory does not fail.
        _ = serde_json::to_writer(&mut *into, self);
        into.push(b'\n');
    }

    fn enter(self, batch: &mut Batch) -> Result<(), String> {
        let bytes = |text: Option<String>, base64: Option<String>| match base64 {
            Some(base64) => BASE64.decode(base64).map(Some).map_err(|error| error.to_string()),
            None => Ok(text.map(String::into_bytes)),
        };
        let (key, value) = (bytes(self.key, self.key_base64)?, bytes(self.value, self.value_base64)?);
        batch.push(self.offset, self.arrival_ms, &key.unwrap_or_default(), value.as_deref());
        Ok(())
    }
}

/// The records of a batch from a place on, as lines.
fn lines(batch: &Batch, from: usize, into: &mut Vec<u8>) {
    for record in &batch.records[from..] {
        Line::of(record.offset, record.arrival_ms, batch.key(record), batch.value(record)).write(into);
    }
}

/// A part of a partition, read in order; ends where the part does.
struct Part {
    reader: Box<dyn Reader>,
    to: u64,
}

impl Part {
    fn begin(store: &dyn Transport, topic: &str, partition: u32, from: u64, to: u64) -> Result<Self, TransportError> {
        Ok(Self { reader: store.reader(topic, partition, from)?, to })
    }

    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let had = batch.records.len();
        let position = self.reader.read(most_bytes, batch)?;
        let within = batch.records[had..].partition_point(|record| record.offset < self.to);
        let beyond = had + within < batch.records.len();
        let last = batch.records[had..].get(within.wrapping_sub(1)).is_some_and(|record| record.offset + 1 >= self.to);
        batch.records.truncate(had + within);
        Ok(if beyond || last || position != Position::More { Position::End } else { Position::More })
    }
}

/// Reads a part of a partition record by record, for as long as it is asked to.
pub(super) fn each(
    store: &dyn Transport,
    (topic, partition): (&str, u32),
    (from, to): (u64, u64),
    mut take: impl FnMut(&Batch) -> bool,
) -> Result<(), TransportError> {
    let (mut part, mut batch) = (Part::begin(store, topic, partition, from, to)?, Batch::default());
    loop {
        batch.clear();
        let position = part.read(READ_BYTES, &mut batch)?;
        if !take(&batch) || position == Position::End {
            return Ok(());
        }
        if batch.records.is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}

/// Reads a part of a partition: how many records it holds, and what they are.
///
/// # Errors
/// The store cannot be read, or does not keep it any more.
pub fn measure(store: &dyn Transport, read: &mut Read) -> Result<(), TransportError> {
    let (mut records, mut digest, mut text) = (0, Context::new(&SHA256), Vec::new());
    if read.from < read.to {
        each(store, (&read.topic, read.partition), (read.from, read.to), |batch| {
            text.clear();
            lines(batch, 0, &mut text);
            digest.update(&text);
            records += batch.records.len() as u64;
            true
        })?;
    }
    (read.records, read.sha256) = (records, hex(&digest.finish()));
    Ok(())
}

/// What is packed of a part of a partition, as lines, and how many plates were left out of it.
///
/// # Errors
/// As for [`measure`].
pub fn excerpt(store: &dyn Transport, read: &Read, subject: &Subject) -> Result<(Vec<u8>, u64), TransportError> {
    let (mut text, mut withheld) = (Vec::new(), 0);
    if read.from < read.to {
        each(store, (&read.topic, read.partition), (read.from, read.to), |batch| {
            for record in &batch.records {
                let key = batch.key(record);
                let Some(kept) = subject.keep(&read.kind, key, batch.value(record)) else { continue };
                withheld += kept.withheld;
                let line = Line::of(record.offset, record.arrival_ms, key, kept.value.as_deref());
                Line { withheld: Some(kept.withheld).filter(|withheld| *withheld > 0), ..line }.write(&mut text);
            }
            true
        })?;
    }
    Ok((text, withheld))
}

/// Where the records of a part come from.
#[derive(Clone)]
pub enum Content {
    /// A file of a package.
    File(Arc<Vec<u8>>),
    /// The store.
    Store(Arc<dyn TopicStore>),
}

/// The topics of a replay.
#[derive(Clone, Default)]
pub struct Recorded {
    parts: Vec<(Read, Content)>,
    /// SHA-256 of what was read from a store.
    digests: Arc<Mutex<BTreeMap<(String, u32), String>>>,
}

impl Recorded {
    /// Parts of partitions, each with where it comes from.
    #[must_use]
    pub fn of(parts: Vec<(Read, Content)>) -> Self {
        Self { parts, digests: Arc::default() }
    }

    /// The partitions that are not what they were: known of those in a store once they were read to their end.
    #[must_use]
    pub fn changed(&self) -> Vec<&Read> {
        let digests = self.digests.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = |read: &&Read| digests.get(&(read.topic.clone(), read.partition)).is_some_and(|digest| *digest != read.sha256);
        self.parts.iter().map(|(read, _)| read).filter(changed).collect()
    }
}

impl Transport for Recorded {
    /// A topic that the alert does not rest on is empty.
    fn partitions(&self, topic: &str) -> Result<Vec<u32>, TransportError> {
        let known: Vec<u32> = self.parts.iter().filter(|(read, _)| read.topic == topic).map(|(read, _)| read.partition).collect();
        Ok(if known.is_empty() { vec![0] } else { known })
    }

    fn reader(&self, topic: &str, partition: u32, _: u64) -> Result<Box<dyn Reader>, TransportError> {
        let found = self.parts.iter().find(|(read, _)| (&*read.topic, read.partition) == (topic, partition));
        match found {
            None => Ok(Box::new(FileReader { file: Arc::default(), at: 0 })),
            Some((read, _)) if read.from >= read.to => Ok(Box::new(FileReader { file: Arc::default(), at: 0 })),
            Some((_, Content::File(file))) => Ok(Box::new(FileReader { file: Arc::clone(file), at: 0 })),
            Some((read, Content::Store(store))) => Ok(Box::new(StoreReader {
                part: Part::begin(&**store, topic, partition, read.from, read.to)?,
                digest: Some(Context::new(&SHA256)),
                of: (read.topic.clone(), read.partition),
                digests: Arc::clone(&self.digests),
            })),
        }
    }

    fn writer(&self, job: &str, _: &[String]) -> Result<Box<dyn Writer>, TransportError> {
        Err(TransportError::lasting(format!("the inputs of job {job:?} are not written to")))
    }
}

struct FileReader {
    file: Arc<Vec<u8>>,
    at: usize,
}

impl Reader for FileReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let enough = batch.bytes.len() + most_bytes;
        while self.at < self.file.len() {
            if batch.bytes.len() >= enough {
                return Ok(Position::More);
            }
            let rest = &self.file[self.at..];
            let line = &rest[..rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())];
            let read = serde_json::from_slice::<Line>(line).map_err(|error| error.to_string());
            read.and_then(|line| line.enter(batch))
                .map_err(|error| TransportError::lasting(format!("a record of the package cannot be read: {error}")))?;
            self.at += line.len() + 1;
        }
        Ok(Position::End)
    }
}

struct StoreReader {
    part: Part,
    digest: Option<Context>,
    of: (String, u32),
    digests: Arc<Mutex<BTreeMap<(String, u32), String>>>,
}

impl Reader for StoreReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let Some(digest) = &mut self.digest else { return Ok(Position::End) };
        let had = batch.records.len();
        let position = self.part.read(most_bytes, batch)?;
        let mut text = Vec::new();
        lines(batch, had, &mut text);
        digest.update(&text);
        if position == Position::End
            && let Some(digest) = self.digest.take()
        {
            self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(self.of.clone(), hex(&digest.finish()));
        }
        Ok(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_it_was_whatever_its_bytes() {
        let records: [(&[u8], Option<&[u8]>); 5] =
            [(b"c1", Some(b"{\"a\": 1}")), (b"", Some(b"")), (b"gone", None), (b"\xff\n", Some(b"\xfe\x00")), (b"line", Some(b"a\nb"))];
        let mut text = Vec::new();
        for (offset, (key, value)) in records.iter().enumerate() {
            Line::of(offset as u64 * 7, (offset != 1).then_some(9), key, *value).write(&mut text);
        }
        let (mut reader, mut batch) = (FileReader { file: Arc::new(text.clone()), at: 0 }, Batch::default());
        while reader.read(1, &mut batch).unwrap() == Position::More {}
        let read: Vec<_> = batch.records.iter().map(|record| (batch.key(record), batch.value(record))).collect();
        assert_eq!(read, records);
        assert_eq!(batch.records.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 7, 14, 21, 28]);
        assert_eq!((batch.records[0].arrival_ms, batch.records[1].arrival_ms), (Some(9), None));
        let mut again = Vec::new();
        lines(&batch, 0, &mut again);
        assert_eq!(again, text);
    }
}
