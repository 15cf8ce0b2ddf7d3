//! How a run is told to a person, or to a program: a bar while it lasts, a table at its end.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use engine::Report;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};

use super::run::report_json;
use super::say;

/// How often a program is told.
const EVERY: Duration = Duration::from_secs(1);

/// Tells how far a run is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    began: Instant,
    told: Instant,
}

impl Progress {
    /// For a person: a bar over the bytes of the recording, where there is one; for a program: a line of JSON a second.
    pub(super) fn new(json: bool, recording: Option<&Path>) -> Self {
        let bar = (!json).then(|| match recording.and_then(plain_bytes) {
            Some(bytes) => ProgressBar::new(bytes).with_style(style("{bar:40} {percent:>3} %  {msg}  {elapsed}, {eta} left")),
            None => ProgressBar::no_length().with_style(style("{spinner}  {msg}  {elapsed}")),
        });
        Self { bar, began: Instant::now(), told: Instant::now() }
    }

    /// Tells.
    pub(super) fn tell(&mut self, report: &Report) {
        if let Some(bar) = &self.bar {
            let what = if report.replaying { "rebuilding state" } else { "city time" };
            let rows = |topic| report.rows.get(topic).copied().unwrap_or(0);
            bar.set_position(report.bytes);
            bar.set_message(format!(
                "{what} {}  {} records  {} alert revisions",
                time_of_day(report.clock),
                HumanCount(report.records),
                HumanCount(rows("alerts"))
            ));
        } else if self.told.elapsed() >= EVERY {
            self.told = Instant::now();
            _ = say(&format!("{}\n", report_json(report)));
        }
    }

    /// Tells how it ended, and what to do next.
    pub(super) fn finish(&self, report: &Report, whereabouts: &str) {
        let Some(bar) = &self.bar else {
            _ = say(&format!("{}\n", report_json(report)));
            return;
        };
        bar.finish_and_clear();
        let seconds = self.began.elapsed().as_secs_f64().max(0.001);
        let ended = match (report.finished, report.commits) {
            (true, 0) => "This job had been finished before; nothing was left to do.".to_owned(),
            (true, _) => format!("Finished: {} records ({}) in {seconds:.1} s.", HumanCount(report.records), HumanBytes(report.bytes)),
            (false, _) => {
                format!("Stopped at {}; what was read is committed. Run the same command to go on.", time_of_day(report.clock))
            }
        };
        _ = say(&format!("{ended}\n{}Results: {whereabouts}\n", table(&report.rows)));
    }
}

fn table(rows: &BTreeMap<String, u64>) -> String {
    rows.iter().map(|(topic, count)| format!("  {topic:<14} {:>12} rows\n", HumanCount(*count).to_string())).collect()
}

/// A moment as a clock in UTC shows it.
fn time_of_day(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "the end".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Bytes of a folder's recordings as they will be read; about that where several were compressed into one file.
fn plain_bytes(folder: &Path) -> Option<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".gz") {
            bytes += unpacked_bytes(&entry.path())?;
        } else if name.ends_with(".ndjson") || name.ends_with(".bin") {
            bytes += entry.metadata().ok()?.len();
        }
    }
    Some(bytes)
}

/// How much a gzip file holds, as its last four bytes tell (RFC 1952, section 2.3.1).
fn unpacked_bytes(file: &Path) -> Option<u64> {
    let mut file = std::fs::File::open(file).ok()?;
    file.seek(SeekFrom::End(-4)).ok()?;
    let mut size = [0; 4];
    file.read_exact(&mut size).ok()?;
    Some(u64::from(u32::from_le_bytes(size)))
}
