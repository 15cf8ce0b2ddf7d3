//! Writes changelogs: one line a row, one file an output.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::super::{OutputRow, Progress, TransportError, Writer};

/// The changelogs of a job in a folder; made empty when the job begins.
pub(super) struct FileWriter {
    folder: PathBuf,
    files: BTreeMap<String, (PathBuf, BufWriter<File>)>,
}

impl FileWriter {
    pub(super) fn create(folder: &Path, outputs: &[String]) -> Result<Self, TransportError> {
        let mut writer = Self { folder: folder.to_owned(), files: BTreeMap::new() };
        writer.add_outputs(outputs)?;
        Ok(writer)
    }

    fn write(&mut self, row: &OutputRow) -> Result<(), TransportError> {
        let Some((path, file)) = self.files.get_mut(&*row.topic) else {
            return Err(TransportError::lasting(format!("{:?} is not an output of this job", row.topic)));
        };
        let written = file.write_all(&row.value).and_then(|()| file.write_all(b"\n"));
        written.map_err(|e| TransportError::lasting(format!("cannot write to {path:?}")).because(e))
    }
}

impl Writer for FileWriter {
    fn history(&mut self) -> Result<Vec<Progress>, TransportError> {
        Ok(Vec::new())
    }

    fn add_outputs(&mut self, outputs: &[String]) -> Result<(), TransportError> {
        let failed = |what: &Path, e| TransportError::lasting(format!("cannot write to {what:?}")).because(e);
        std::fs::create_dir_all(&self.folder).map_err(|e| failed(&self.folder, e))?;
        for topic in outputs {
            let path = self.folder.join(format!("{topic}.ndjson"));
            let file = File::create(&path).map_err(|e| failed(&path, e))?;
            self.files.insert(topic.clone(), (path, BufWriter::new(file)));
        }
        Ok(())
    }

    fn commit(&mut self, rows: &[OutputRow], _progress: &Progress) -> Result<(), TransportError> {
        rows.iter().try_for_each(|row| self.write(row))?;
        for (path, file) in self.files.values_mut() {
            file.flush().map_err(|e| TransportError::lasting(format!("cannot write to {path:?}")).because(e))?;
        }
        Ok(())
    }
}
