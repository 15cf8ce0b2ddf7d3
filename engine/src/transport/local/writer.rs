//! Writing: one transaction with the rows of all outputs and the progress record.

use std::collections::BTreeMap;

use serde::Serializer as _;

use super::super::progress::no_output;
use super::super::topics::check_name;
use super::super::{NewRecord, OutputRow, Progress, TransportError, Writer};
use super::database::{Database, Refusal};
use super::progress::{self, Steps};
use super::topics::{End, find, make, now_ms};
use crate::fail_point::{Stage, pass};

/// The one writer of a job.
pub(super) struct LocalWriter {
    database: Database,
    job: String,
    generation: i64,
    /// The numbers of the output topics.
    outputs: BTreeMap<String, i64>,
    steps: Steps,
}

impl LocalWriter {
    /// Takes the job over from whoever wrote it before, and makes the outputs that are not there: with one partition, since
    /// one file has one writer and more would buy nothing.
    pub(super) fn become_writer(mut database: Database, job: &str, outputs: &[String]) -> Result<Self, TransportError> {
        outputs.iter().try_for_each(|topic| check_name(topic))?;
        let generation = database.change(|transaction| progress::take_over(transaction, job))?;
        let mut writer = Self { database, job: job.to_owned(), generation, outputs: BTreeMap::new(), steps: Steps::default() };
        writer.add_outputs(outputs)?;
        Ok(writer)
    }
}

impl Writer for LocalWriter {
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        let history = progress::history(&self.database, &self.job)?;
        self.steps = Steps::default();
        history.iter().for_each(|progress| self.steps.add(progress));
        Ok(history)
    }

    fn add_outputs(&mut self, outputs: &[String]) -> Result<(), TransportError> {
        outputs.iter().try_for_each(|topic| check_name(topic))?;
        self.database.change(|transaction| outputs.iter().try_for_each(|topic| make(transaction, topic, 1).map(drop)))?;
        for topic in outputs {
            let (number, _) = find(&self.database, topic)?;
            self.outputs.insert(topic.clone(), number);
        }
        Ok(())
    }

    fn commit(&mut self, rows: &[OutputRow], progress: &Progress) -> Result<(), TransportError> {
        let Self { database, job, generation, outputs, steps } = self;
        let place = database.place();
        let needed = steps.needed(progress);
        database.change::<_, Refusal>(|transaction| {
            progress::check_writer(transaction, job, *generation, &place)?;
            let mut end = End::new(transaction);
            let now_ms = now_ms();
            for row in rows {
                let topic = *outputs.get(&*row.topic).ok_or_else(|| no_output(&row.topic, job))?;
                let record = NewRecord { partition: 0, arrival_ms: None, key: row.key.as_bytes(), value: Some(&row.value) };
                end.add(topic, &record, now_ms, headers(row).as_deref())?;
            }
            if !rows.is_empty() {
                pass(Stage::MidSend);
            }
            needed.map_or(Ok(()), |epoch| progress::forget(transaction, job, epoch))?;
            progress::add(transaction, job, progress, &place)?;
            pass(Stage::BeforeCommit);
            pass(Stage::InCommit);
            Ok(())
        })?;
        pass(Stage::AfterCommit);
        steps.add(progress);
        Ok(())
    }

    fn check(&mut self) -> Result<(), TransportError> {
        let place = self.database.place();
        self.database.change(|transaction| progress::check_writer(transaction, &self.job, self.generation, &place))
    }
}

/// A row's headers as a JSON object; nothing if it has none.
fn headers(row: &OutputRow) -> Option<String> {
    let mut object = Vec::with_capacity(256);
    let all = row.headers.iter().map(|(name, value)| (name, value));
    serde_json::Serializer::new(&mut object).collect_map(all).ok().filter(|()| !row.headers.is_empty())?;
    String::from_utf8(object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::TopicStore;
    use crate::transport::local::LocalTransport;

    /// A disk is made full by forbidding the connection to let the file grow.
    #[test]
    fn a_full_disk_passes_and_leaves_nothing() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("store.db");
        let store = LocalTransport::open(&path)?;
        let mut writer = LocalWriter::become_writer(Database::open(&path)?, "job", &["alerts".to_owned()])?;
        let row = |value: Vec<u8>| OutputRow { topic: "alerts".into(), key: "a".to_owned(), value, headers: vec![] };
        let progress = Progress { version: Progress::VERSION, job: "job".to_owned(), epoch: 1, ..Progress::default() };

        let pages: i64 = writer.database.connection.query_one("PRAGMA page_count", [], |row| row.get(0))?;
        writer.database.connection.pragma_update(None, "max_page_count", pages + 2)?;
        let full = writer.commit(&[row(vec![1; 10]), row(vec![1; 1 << 20])], &progress).unwrap_err();
        assert!(full.retry && full.message.starts_with("no room is left on the disk of"), "{full}");
        assert_eq!(store.offsets("alerts", 0)?, 0..0);

        writer.database.connection.pragma_update(None, "max_page_count", 1 << 30)?;
        writer.commit(&[row(vec![1; 10]), row(vec![1; 1 << 20])], &progress)?;
        assert_eq!(store.offsets("alerts", 0)?, 0..2);
        assert_eq!(writer.history()?, [progress]);
        Ok(())
    }
}
