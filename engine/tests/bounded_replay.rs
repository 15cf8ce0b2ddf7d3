//! A restart reads only what may still matter: its topics are cut off below that, and its changelog is that of an
//! undisturbed run; where they are cut off above it, it says what it lacks.

mod sums;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::flow::Changes;
use engine::transport::memory::MemoryTransport;
use engine::transport::{Progress, Writer};
use engine::{Binding, Flow, Held, Job, Report, Run, RunError, Settings};
use sums::{Entry, Sums, decode, spec};

/// How long after a value another of its key still counts with it.
const TOGETHER_MS: u64 = 20_000;
const LATENESS_MS: u64 = 5_000;
/// How many entries are multiplied with the same.
const FACTOR_LASTS: u64 = 300;

/// Sums the values of each key that lie in one stretch of the clock: state is bounded, and so is what a restart needs. What is
/// multiplied with is a table.
struct Stretches {
    /// Whether the sums are published; else what is said of them alone is.
    published: bool,
}

impl Job for Stretches {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let entries = flow.source("entries", decode, |entry| Some(entry.1));
        let factors = flow.table("factors", |raw| decode(raw).map(|entry| (entry.0, Some((entry.0, entry.2)))));
        let sums = sums(entries, factors);
        if self.published {
            flow.publish("sums", sums, spec(|row| row.1 / TOGETHER_MS * TOGETHER_MS, 2 * TOGETHER_MS));
        } else {
            flow.watch(sums.clone(), |row| row.1 / TOGETHER_MS * TOGETHER_MS, |row| row.1 + 2 * TOGETHER_MS);
            flow.publish("sums", sums.filter(|row| row.2 % 2 == 0), spec(|row| row.1, 2 * TOGETHER_MS));
        }
        let rejected = flow.rejections();
        flow.append("rejected", rejected, |row| (row.offset.to_string(), row.offset.to_string().into_bytes()));
    }
}

/// By key and stretch: when the last value of it was, and their sum times the key's factor.
fn sums<'scope>(entries: Changes<'scope, Entry>, factors: Changes<'scope, (u64, i64)>) -> Changes<'scope, Entry> {
    entries
        .map(|(key, at, value)| (key / 100, (key, at, value)))
        .join_map(factors, |_, (key, at, value), factor| ((*key, at / TOGETHER_MS), (*at, value * factor)))
        .reduce(|_, values, sum| {
            let at = values.iter().map(|((at, _), _)| *at).max().unwrap_or_default();
            sum.push(((at, values.iter().map(|((_, value), count)| value * *count as i64).sum()), 1));
        })
        .map(|((key, stretch), (at, sum)): ((u64, u64), (u64, i64))| (key << 32 | stretch, at, sum))
}

/// 3,000 entries, two a second, over two partitions of which one comes two seconds late; and factors, each for some time.
fn filled() -> MemoryTransport {
    filled_with(3_000, 0)
}

/// The same, so many, and with so much added to each value.
fn filled_with(entries: u64, more: u64) -> MemoryTransport {
    let memory = MemoryTransport::default();
    let entry = |key: u64, at: u64, value: u64| format!("{{\"key\":{key},\"at_ms\":{at},\"value\":{value}}}");
    for i in 0..entries {
        let at = 1_000_000 + i * 500;
        if i % FACTOR_LASTS == 0 {
            memory.append("factors", 0, at, entry(i / FACTOR_LASTS, 0, 1 + i % 7).as_bytes());
        }
        let (key, arrival) = (i / FACTOR_LASTS * 100 + i % 13, at + if i % 2 == 1 { 2_000 } else { 5 });
        memory.append("entries", (i % 2) as u32, arrival, entry(key, at, i + more).as_bytes());
    }
    memory
}

fn job(memory: &MemoryTransport, job: impl Job) -> Run {
    let bind = |source: &str| Binding {
        source: source.into(),
        transport: Arc::new(memory.clone()),
        topic: source.into(),
        table: source == "factors",
    };
    Run {
        job: Arc::new(job),
        name: "stretches".into(),
        definition: "1".into(),
        sources: vec![bind("entries"), bind("factors")],
        sink: Arc::new(memory.clone()),
        outputs: vec!["sums".into(), "rejected".into()],
        settings: Settings {
            lateness_ms: LATENESS_MS,
            memory_ms: LATENESS_MS + 2 * TOGETHER_MS,
            bounded: true,
            epoch_bytes: 300,
            epochs_in_flight: 2,
            ..Settings::default()
        },
        stop: Arc::new(AtomicBool::new(false)),
    }
}

fn until(run: Run, commits: u64) -> Result<Report, RunError> {
    let stop = Arc::clone(&run.stop);
    run.run(&mut |report| stop.store(report.commits >= commits, Ordering::Relaxed))
}

/// The revisions of every key, in order.
fn revisions(memory: &MemoryTransport) -> BTreeMap<String, Vec<String>> {
    memory.rows().into_iter().fold(BTreeMap::new(), |mut all: BTreeMap<String, Vec<String>>, row| {
        all.entry(format!("{} {}", row.topic, row.key)).or_default().push(String::from_utf8(row.value).unwrap());
        all
    })
}

fn last(memory: &MemoryTransport) -> Progress {
    memory.clone().history().unwrap().pop().unwrap()
}

/// How much of its input the job has read.
fn read(memory: &MemoryTransport) -> u64 {
    last(memory).partitions.iter().map(|partition| partition.count).sum()
}

/// Deletes all that the next start does not need, and says how much that was.
fn cut(memory: &MemoryTransport) -> u64 {
    cut_as(memory, memory)
}

/// The same, of another place, by what is needed here.
fn cut_as(memory: &MemoryTransport, there: &MemoryTransport) -> u64 {
    let history = memory.clone().history().unwrap();
    let needed_ms = history.last().map_or(0, |last| last.rests_on_ms);
    let entered_ms = |progress: &Progress| progress.partitions.iter().map(|p| p.event_ms).fold(progress.clock, u64::max);
    let Some(from) = history.iter().rfind(|progress| entered_ms(progress) <= needed_ms) else { return 0 };
    let entries = from.partitions.iter().filter(|partition| partition.topic == "entries");
    entries.for_each(|p| there.forget("entries", p.partition, p.next_offset));
    from.partitions.iter().filter(|p| p.topic == "entries").map(|p| p.next_offset).sum()
}

fn restarted_on_topics_that_are_cut_off(published: bool) {
    let undisturbed = filled();
    assert!(until(job(&undisturbed, Stretches { published }), u64::MAX).unwrap().finished);
    let disturbed = filled();
    let (mut starts, mut late, mut replayed) = (0, 0, 0);
    for workers in [1, 2].into_iter().cycle() {
        let mut run = job(&disturbed, Stretches { published });
        run.settings.workers = workers;
        let cut = cut(&disturbed);
        let report = until(run, 7).unwrap();
        (starts, late, replayed) = (starts + 1, late + u64::from(cut > 0), replayed.max(report.replayed));
        if report.finished {
            break;
        }
    }
    assert!(starts > 15 && late > 10, "of {starts} starts {late} began late");
    assert!(replayed < 800, "a start replayed {replayed} records");
    assert_eq!(revisions(&disturbed), revisions(&undisturbed));
}

#[test]
fn a_job_restarted_on_topics_that_are_cut_off_gives_the_changelog_of_an_undisturbed_run() {
    restarted_on_topics_that_are_cut_off(true);
}

#[test]
fn so_does_one_that_publishes_only_what_it_says_of_its_tables() {
    restarted_on_topics_that_are_cut_off(false);
}

#[test]
fn a_job_that_remembers_more_than_it_says_is_found_out_and_begins_further_back() {
    // Its sums hold all values there ever were, but it says that a row rests on the last of them.
    let forgetful = |memory: &MemoryTransport| {
        let mut run = job(memory, Sums);
        (run.settings.lateness_ms, run.settings.memory_ms) = (20_000, 20_000);
        run
    };
    let [undisturbed, disturbed] = [filled(), filled()];
    until(forgetful(&undisturbed), u64::MAX).unwrap();
    let (run, read) = (forgetful(&disturbed), 4 * FACTOR_LASTS - 50);
    let stop = Arc::clone(&run.stop);
    run.run(&mut |report| stop.store(report.records >= read, Ordering::Relaxed)).unwrap();
    // The keys of these values began before that.
    assert!(last(&disturbed).rests_on_ms > 1_000_000 + (read - FACTOR_LASTS + 50) * 500);
    let report = until(forgetful(&disturbed), u64::MAX).unwrap();
    assert!(report.replayed > FACTOR_LASTS - 50, "it began at the last {} records", report.replayed);
    assert_eq!(revisions(&disturbed), revisions(&undisturbed));
}

#[test]
fn where_what_it_would_need_further_back_is_gone_it_says_so() {
    let memory = stopped();
    let mut anew = filled();
    cut_as(&memory, &anew);
    let mut history = memory.clone().history().unwrap();
    if let Some(last) = history.last_mut() {
        last.open = Some(7);
    }
    history.iter().for_each(|progress| anew.commit(&[], progress).unwrap());
    let (message, hint) = refusal(&anew);
    assert!(message.contains("entries"), "{message}");
    assert!(hint.contains("begun so far back because what it rebuilt from less was not what there was"), "{hint}");
}

/// Says nothing of what it holds until the end, and tells the runtime of it.
struct Silent;

impl Job for Silent {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let entries = flow.source("entries", decode, |entry| Some(entry.1));
        // One of the first entries is kept in mind for ever.
        let held = entries.clone().filter(|entry| entry.1 == 1_001_500);
        flow.hold(held.map(|(key, at, _)| Held { of: key, begins_ms: at, until_ms: u64::MAX, print: 7 }));
        flow.publish("sums", entries.map(|(_, at, value)| (at, at, value)), spec(|row| row.1, 1_000));
    }
}

#[test]
fn what_a_step_holds_without_showing_it_counts() {
    let memory = filled();
    until(job(&memory, Silent), 60).unwrap();
    assert_eq!(last(&memory).rests_on_ms, 1_001_500 - Settings::default().max_skew_ms);
    let read = read(&memory);
    assert_eq!(until(job(&memory, Silent), u64::MAX).unwrap().replayed, read);
}

/// Stopped after so many commits.
fn stopped() -> MemoryTransport {
    let memory = filled();
    until(job(&memory, Stretches { published: true }), 60).unwrap();
    memory
}

/// Why a start is refused, and what to do about it.
fn refusal(memory: &MemoryTransport) -> (String, String) {
    match until(job(memory, Stretches { published: true }), 1).unwrap_err() {
        RunError::Transport(error) => {
            assert!(!error.retry);
            (error.to_string(), error.hint.unwrap_or_default())
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_topic_that_is_cut_off_too_high_is_refused_and_what_is_needed_is_said() {
    let memory = stopped();
    let read = last(&memory).partitions[0].next_offset;
    memory.forget("entries", 0, read);
    let (message, hint) = refusal(&memory);
    assert!(message.contains("of topic “entries”, partition 0") && message.contains(&format!("the oldest is {read}")), "{message}");
    assert!(hint.contains("This start needs what arrived since 1970-01-01T00:"), "{hint}");
    assert!(hint.contains("before the last commit"), "{hint}");
}

#[test]
fn a_topic_that_was_made_anew_is_refused() {
    let memory = stopped();
    let read = last(&memory).partitions[0].next_offset;
    // Shorter than where the restart begins, shorter than what was read, and as long but another.
    for (entries, changed, expected) in [(6, 0, "was never written"), (2 * read - 2, 0, "ends at"), (3_000, 1, "is not what it was")] {
        let mut anew = filled_with(entries, changed);
        memory.clone().history().unwrap().iter().for_each(|progress| anew.commit(&[], progress).unwrap());
        let (message, hint) = refusal(&anew);
        assert!(message.contains(expected) && message.contains("entries"), "{message}");
        assert!(hint.contains("another name"), "{hint}");
    }
}

#[test]
fn a_history_with_a_gap_is_refused() {
    let mut memory = filled();
    let history = stopped().history().unwrap();
    let first = history.len() - 2;
    history.iter().skip(first).for_each(|progress| memory.commit(&[], progress).unwrap());
    let error = until(job(&memory, Stretches { published: true }), 1).unwrap_err().to_string();
    assert!(error.contains(&format!("lacks its commits 1 to {first}")), "{error}");
}

#[test]
fn progress_of_an_earlier_program_means_that_everything_is_read_again() {
    let mut memory = filled();
    for progress in stopped().history().unwrap() {
        memory.commit(&[], &Progress { rests_on_ms: 0, open: None, ..progress }).unwrap();
    }
    let read = read(&memory);
    assert_eq!(until(job(&memory, Stretches { published: true }), u64::MAX).unwrap().replayed, read);
}

/// Publishes every entry for itself; it settles soon.
struct Each;

impl Job for Each {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let entries = flow.source("entries", decode, |entry| Some(entry.1));
        flow.publish("sums", entries, spec(|row| row.1, 100));
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Adds an entry every few milliseconds, each with a key of its own.
fn trickle(memory: &MemoryTransport, entries: u64) -> JoinHandle<()> {
    let memory = memory.clone();
    thread::spawn(move || {
        for key in 0..entries {
            let entry = format!("{{\"key\":{key},\"at_ms\":{},\"value\":1}}", now_ms());
            memory.append("entries", 0, now_ms(), entry.as_bytes());
            thread::sleep(Duration::from_millis(4));
        }
    })
}

#[test]
fn a_live_job_started_again_and_again_reads_only_the_last_moments_and_tells_all_once() {
    const ENTRIES: u64 = 1_000;
    let memory = MemoryTransport::default();
    memory.create("entries", 0);
    memory.create("factors", 0);
    let writer = trickle(&memory, ENTRIES);
    let (began, mut starts, mut replayed, mut told) = (Instant::now(), 0, 0, BTreeMap::new());
    while told.len() < ENTRIES as usize || told.values().any(|revisions: &Vec<String>| revisions.len() < 2) {
        assert!(began.elapsed() < Duration::from_secs(60), "{} of {ENTRIES} were told", told.len());
        let mut run = job(&memory, Each);
        run.settings =
            Settings { lateness_ms: 300, memory_ms: 400, max_skew_ms: 50, idle_commit: Duration::from_millis(50), ..Settings::default() };
        replayed = until(run, 12).unwrap().replayed;
        cut(&memory);
        (starts, told) = (starts + 1, revisions(&memory));
    }
    writer.join().unwrap();
    assert!(starts > 5 && replayed < ENTRIES / 2, "the last of {starts} starts replayed {replayed} records");
    for (key, revisions) in told {
        let key = u64::from_str_radix(key.trim_start_matches("sums "), 16).unwrap();
        assert_eq!(revisions, [format!("{key} 1 1 provisional"), format!("{key} 1 2 final")]);
    }
}
