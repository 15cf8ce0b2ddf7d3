//! A small trade for tests of a server: entries with a key and a value, summed by key in this way or that.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::definition::{Position, Problems};
use engine::flow::Changes;
use engine::server::{Config, Host, JobView, Prepared, Server, ServerError, Submission, Work};
use engine::share::{Keep, Tap};
use engine::transport::Writer as _;
use engine::transport::memory::MemoryTransport;
use engine::{Flow, Limits, OnDataLoss, Part, Program, Raw, Refusal, RefusalReason, RunError, Settings, Shelf};

use crate::stages::copies;
use crate::sums::spec;

/// Key, time and value.
type Entry = (u64, u64, i64);

/// Long enough for a restart on a machine that is busy with other tests.
const LATENESS_MS: u64 = 3_000;
const SETTLES_MS: u64 = 200;

pub(super) fn definition(job: &str, step: &str, output: &str) -> String {
    format!("{job} {step} entries {output}")
}

/// A job of one step: `sum`, `large` (sums over 10, doubled) or `brittle` (which cannot stand a value of 666).
struct Trade {
    step: String,
    output: String,
    topic: String,
    parts: Vec<Part>,
}

struct Trader;

impl Host for Trader {
    fn prepare(&self, file: &str, text: &str) -> Result<Prepared, Problems> {
        let [job, step, topic, output] = text.split(' ').collect::<Vec<_>>()[..] else {
            let mut problems = Problems::of(file);
            problems.error(Position { line: 1, column: 1 }, "not a job", Some("write: job step topic output".to_owned()));
            return Err(problems.finish(text));
        };
        if let Some(version) = step.strip_prefix("stage") {
            return Ok(Prepared {
                job: job.to_owned(),
                definition: text.replace(' ', "-"),
                sources: BTreeMap::from([(topic.to_owned(), false)]),
                outputs: vec![output.to_owned(), "rejected".to_owned()],
                memory_ms: 0,
                plan: serde_json::json!({"step": step}),
                work: Work::Stage(copies(topic, output, version)),
            });
        }
        let part = |key: String, name: &str, stays| Part { key, name: name.to_owned(), stays };
        let parts = vec![
            part(format!("source {topic}"), topic, true),
            part(format!("step {step} {topic}"), step, false),
            part(format!("outputs {text}"), &format!("outputs of {job}"), false),
        ];
        Ok(Prepared {
            job: job.to_owned(),
            definition: text.replace(' ', "-"),
            sources: BTreeMap::from([(topic.to_owned(), false)]),
            outputs: vec![output.to_owned(), "rejected".to_owned()],
            memory_ms: LATENESS_MS + SETTLES_MS,
            plan: serde_json::json!({"step": step}),
            work: Work::Parts(Arc::new(Trade { step: step.to_owned(), output: output.to_owned(), topic: topic.to_owned(), parts })),
        })
    }
}

impl Program for Trade {
    fn parts(&self) -> &[Part] {
        &self.parts
    }

    fn limits(&self, _: usize) -> Limits {
        Limits { lateness_ms: LATENESS_MS, max_skew_ms: 100, memory_ms: LATENESS_MS + SETTLES_MS }
    }

    fn build<'scope>(&self, part: usize, flow: &mut Flow<'scope>, shelves: &[Shelf]) -> Shelf {
        let tap = |place: usize| shelves[place].downcast_ref::<Tap<Entry>>().unwrap().clone();
        match part {
            0 => {
                let entries = flow.source(&self.topic, decode, |entry| Some(entry.1));
                Rc::new(flow.share("entries", entries, Keep::Span(|entry, _| entry.1, 60_000)))
            }
            1 => {
                let sums = sums(flow.join(&tap(0)), &self.step);
                Rc::new(flow.share("sums", sums, Keep::Span(|row, _| row.1, 60_000)))
            }
            _ => {
                let rows = flow.join(&tap(1));
                flow.publish(&self.output, rows, spec(|_| 0, SETTLES_MS));
                Rc::new(())
            }
        }
    }
}

fn sums<'scope>(entries: Changes<'scope, Entry>, step: &str) -> Changes<'scope, Entry> {
    let (large, brittle) = (step == "large", step == "brittle");
    entries
        .map(|(key, at, value)| (key, (at, value)))
        .reduce(move |_, values, sum| {
            assert!(!brittle || values.iter().all(|((_, value), _)| *value != 666), "666 is too much");
            let at = values.iter().map(|((at, _), _)| *at).max().unwrap_or_default();
            let total: i64 = values.iter().map(|((_, value), count)| value * *count as i64).sum();
            if !large {
                sum.push(((at, total), 1));
            } else if total > 10 {
                sum.push(((at, total * 2), 1));
            }
        })
        .map(|(key, (at, sum)): (u64, (u64, i64))| (key, at, sum))
}

fn decode(raw: &Raw<'_>) -> Result<Entry, Refusal> {
    serde_json::from_slice(raw.value.unwrap_or_default())
        .map_err(|error| Refusal { reason: RefusalReason::Unreadable, detail: error.to_string() })
}

/// A server at work on a place in memory.
pub(super) struct Shop {
    pub(super) server: Server,
    memory: MemoryTransport,
    folder: Arc<tempfile::TempDir>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(), RunError>>>,
}

impl Shop {
    pub(super) fn open() -> Self {
        let memory = MemoryTransport::default();
        memory.create("entries", 0);
        memory.create("entries", 1);
        Self::at(memory, Arc::new(tempfile::tempdir().unwrap()), 1, OnDataLoss::Fail)
    }

    fn at(memory: MemoryTransport, folder: Arc<tempfile::TempDir>, workers: usize, on_data_loss: OnDataLoss) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let config = Config {
            name: "shop".to_owned(),
            identity: "1".to_owned(),
            source: Arc::new(memory.clone()),
            sink: Arc::new(memory.clone()),
            settings: Settings {
                workers,
                epoch_gap: Duration::from_millis(5),
                look_for_partitions: Duration::from_millis(20),
                on_data_loss,
                ..Settings::default()
            },
            catalogue: folder.path().join("jobs.db"),
            stop: Arc::clone(&stop),
        };
        let server = Server::open(config, Arc::new(Trader)).unwrap();
        let running = server.clone();
        let thread = Some(std::thread::spawn(move || running.run()));
        Self { server, memory, folder, stop, thread }
    }

    /// Stops, and starts again on the same place.
    pub(super) fn restart(mut self, workers: usize) -> Self {
        self.close();
        Self::at(self.memory.clone(), Arc::clone(&self.folder), workers, OnDataLoss::Fail)
    }

    /// Stops, and starts again when the topic was made anew.
    pub(super) fn lose(mut self) -> Self {
        self.close();
        self.memory.delete("entries");
        (0..2).for_each(|partition| self.memory.create("entries", partition));
        Self::at(self.memory.clone(), Arc::clone(&self.folder), 2, OnDataLoss::Skip)
    }

    fn close(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap().unwrap();
        }
    }

    pub(super) fn submit(&self, text: &str, submission: Submission) -> Result<JobView, ServerError> {
        self.server.submit("file", text, submission)
    }

    pub(super) fn append(&self, key: u64, value: i64) {
        self.append_to((key % 2) as u32, key, value);
    }

    /// Appends to a partition, which is made if need be.
    pub(super) fn append_to(&self, partition: u32, key: u64, value: i64) {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        self.memory.append("entries", partition, now_ms, format!("[{key},{now_ms},{value}]").as_bytes());
    }

    /// What a start from here would rest on, milliseconds since the epoch.
    pub(super) fn rests_on_ms(&self) -> u64 {
        self.memory.clone().history().unwrap().last().map_or(0, |last| last.rests_on_ms)
    }

    /// The rows of an output so far.
    pub(super) fn rows(&self, output: &str) -> Vec<String> {
        let rows = self.memory.rows().into_iter().filter(|row| *row.topic == *output);
        rows.map(|row| String::from_utf8(row.value).unwrap()).collect()
    }

    /// Waits until the rows of an output are as wanted.
    pub(super) fn until(&self, output: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let began = Instant::now();
        loop {
            let rows = self.rows(output);
            if wanted(&rows) {
                return rows;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{output} is {rows:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(super) fn until_running(&self, job: &str) {
        self.wait(|| self.server.job(job).unwrap().entry.state == engine::server::State::Running);
    }

    pub(super) fn until_running_or_paused(&self, job: &str) {
        self.wait(|| self.server.job(job).unwrap().entry.state != engine::server::State::Submitted);
    }

    pub(super) fn wait(&self, wanted: impl Fn() -> bool) {
        let began = Instant::now();
        while !wanted() {
            assert!(began.elapsed() < Duration::from_secs(30), "it did not come");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.close();
        }
    }
}
