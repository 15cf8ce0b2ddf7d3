//! Reads recordings: lines of JSON, or records with their length and arrival before them; either may be compressed.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::super::{Batch, Position, RawRecord, Reader, TransportError};

/// A line longer than this is not waited for: it is cut and will be rejected as unreadable.
const LINE_MOST: usize = 16 << 20;

/// Opens a recording and skips `offset` records.
pub(super) fn open(path: &Path, arrival_fields: &[String], offset: u64) -> Result<Box<dyn Reader>, TransportError> {
    let file = std::fs::File::open(path).map_err(|e| TransportError::lasting(format!("cannot open {path:?}")).because(e))?;
    let compressed = path.extension().is_some_and(|e| e == "gz");
    let input: Box<dyn Read + Send> = if compressed { Box::new(flate2::read::MultiGzDecoder::new(file)) } else { Box::new(file) };
    let name = path.to_string_lossy();
    let layout = if name.trim_end_matches(".gz").ends_with(".bin") {
        Layout::Lengths
    } else {
        Layout::Lines(arrival_fields.iter().map(|field| memchr::memmem::FinderRev::new(&format!("\"{field}\":")).into_owned()).collect())
    };
    let pending = Vec::new();
    Ok(Box::new(FileReader { path: path.to_owned(), input, layout, pending, ended: false, next: 0, skip: offset, arrival_ms: None }))
}

/// How records follow one another.
enum Layout {
    /// One a line; the finders look for the fields that tell the arrival.
    Lines(Vec<memchr::memmem::FinderRev<'static>>),
    /// Length and arrival before each.
    Lengths,
}

struct FileReader {
    path: PathBuf,
    input: Box<dyn Read + Send>,
    layout: Layout,
    /// Bytes read that end in the middle of a record.
    pending: Vec<u8>,
    ended: bool,
    next: u64,
    /// Records before this offset were read in an earlier life.
    skip: u64,
    /// The largest arrival so far.
    arrival_ms: Option<u64>,
}

impl Reader for FileReader {
    fn read(&mut self, most_bytes: usize, batch: &mut Batch) -> Result<Position, TransportError> {
        let from = batch.bytes.len();
        batch.bytes.append(&mut self.pending);
        let read = self.input.by_ref().take(most_bytes.max(1) as u64).read_to_end(&mut batch.bytes);
        let read =
            read.map_err(|e| TransportError::lasting(format!("cannot read on in {:?} after record {}", self.path, self.next)).because(e))?;
        self.ended = read == 0;
        let whole = match &self.layout {
            Layout::Lines(_) => self.take_lines(from, batch),
            Layout::Lengths => self.take_lengths(from, batch),
        };
        self.pending.extend_from_slice(&batch.bytes[whole..]);
        batch.bytes.truncate(whole);
        Ok(if self.ended { Position::End } else { Position::More })
    }
}

impl FileReader {
    /// Cuts what was read into lines; returns where the last whole one ends.
    fn take_lines(&mut self, from: usize, batch: &mut Batch) -> usize {
        let mut start = from;
        let Batch { bytes, records } = batch;
        for end in memchr::memchr_iter(b'\n', &bytes[from..]).map(|i| from + i) {
            self.take_line(start..end, bytes, records);
            start = end + 1;
        }
        if (self.ended && start < bytes.len()) || bytes.len() - start > LINE_MOST {
            self.take_line(start..bytes.len(), bytes, records);
            start = bytes.len();
        }
        start
    }

    fn take_line(&mut self, mut range: std::ops::Range<usize>, bytes: &[u8], records: &mut Vec<RawRecord>) {
        let offset = self.next;
        self.next += 1;
        if bytes[range.clone()].ends_with(b"\r") {
            range.end -= 1;
        }
        let line = &bytes[range.clone()];
        if let Layout::Lines(fields) = &self.layout {
            self.arrival_ms = self.arrival_ms.max(fields.iter().find_map(|field| number_after(field, line)));
        }
        if offset >= self.skip && !line.trim_ascii().is_empty() {
            records.push(RawRecord { offset, arrival_ms: self.arrival_ms, key: range.start..range.start, value: Some(range) });
        }
    }

    /// Cuts what was read into records with length and arrival before them; returns where the last whole one ends.
    fn take_lengths(&mut self, from: usize, batch: &mut Batch) -> usize {
        const HEAD: usize = 12;
        let mut start = from;
        while let Some((head, rest)) = batch.bytes[start..].split_at_checked(HEAD) {
            let (length, arrival) = head.split_at(4);
            let length = length.try_into().map_or(0, u32::from_le_bytes) as usize;
            let arrival = arrival.try_into().map_or(0, u64::from_le_bytes);
            // A length no record can have, or a recording that was cut: what is left becomes one record, to be rejected.
            let cut = length > LINE_MOST || (rest.len() < length && self.ended);
            if rest.len() < length && !cut {
                break;
            }
            let value = start + HEAD..start + HEAD + if cut { rest.len() } else { length };
            self.arrival_ms = self.arrival_ms.max((!cut).then_some(arrival));
            if self.next >= self.skip {
                let key = value.start..value.start;
                batch.records.push(RawRecord { offset: self.next, arrival_ms: self.arrival_ms, key, value: Some(value.clone()) });
            }
            self.next += 1;
            start = value.end;
        }
        start
    }
}

/// The unsigned number behind the last occurrence of `"field":` in a line of JSON.
fn number_after(field: &memchr::memmem::FinderRev<'_>, line: &[u8]) -> Option<u64> {
    let at = field.rfind(line)? + field.needle().len();
    let digits = line[at..].trim_ascii_start();
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&digits[..length]).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(content: &[u8], name: &str, skip: u64, step: usize) -> Vec<(u64, Option<u64>, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut reader = open(&path, &["received_ms".into(), "at_ms".into()], skip).unwrap();
        let mut all = Vec::new();
        loop {
            let mut batch = Batch::default();
            let position = reader.read(step, &mut batch).unwrap();
            let text = |r: &RawRecord| String::from_utf8_lossy(batch.value(r).unwrap()).into_owned();
            all.extend(batch.records.iter().map(|r| (r.offset, r.arrival_ms, text(r))));
            if position == Position::End {
                return all;
            }
        }
    }

    #[test]
    fn lines_keep_their_number_and_arrive_no_earlier_than_the_line_before() {
        let content = b"{\"at_ms\":5}\n\n{\"at_ms\":9,\"received_ms\": 7}\r\nbroken\n{\"at_ms\":6}";
        for step in [1, 3, 7, 1000] {
            let all = read_all(content, "t.ndjson", 0, step);
            let short: Vec<_> = all.iter().map(|(offset, arrival, _)| (*offset, *arrival)).collect();
            assert_eq!(short, [(0, Some(5)), (2, Some(7)), (3, Some(7)), (4, Some(7))], "step {step}");
            assert_eq!(all[2].2, "broken");
        }
        assert_eq!(read_all(content, "t.ndjson", 3, 1000).len(), 2, "begins where it is told to");
    }

    #[test]
    fn records_with_length_come_whole_and_a_cut_one_is_kept_for_rejection() {
        let mut content = Vec::new();
        for (arrival, payload) in [(10u64, "first"), (20, ""), (15, "third")] {
            content.extend((payload.len() as u32).to_le_bytes());
            content.extend(arrival.to_le_bytes());
            content.extend(payload.as_bytes());
        }
        let whole = [(0, Some(10), "first".to_owned()), (1, Some(20), String::new()), (2, Some(20), "third".to_owned())];
        for step in [1, 5, 1000] {
            assert_eq!(read_all(&content, "t.bin", 0, step), whole, "step {step}");
        }
        let cut = read_all(&content[..content.len() - 2], "t.bin", 0, 4);
        assert_eq!(cut.last(), Some(&(2, Some(20), "thi".to_owned())));
    }
}
