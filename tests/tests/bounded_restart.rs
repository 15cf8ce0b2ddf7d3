//! A job restarted on topics that keep only what it says it needs writes the changelog of one that never stopped and kept all.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use city::{Plan, Random, Recording, simulate};
use engine::server::{Config, Server, Submission};
use engine::transport::memory::MemoryTransport;
use engine::transport::{Progress, Transport, Writer};
use engine::{Report, Run, Settings};
use jobs::shared::TrafficHost;

use crate::product::{TABLES, Told, in_memory, job, remembering};
use crate::restart::revisions;
use crate::serve::beside;

/// Forty minutes of a small city, in which nobody stands in view for longer than the job waits.
fn recording() -> Recording {
    let mut plan = Plan { arrivals_per_hour: 250, ..Plan::new(5, 4, 2_400) };
    plan.behaviour.stopping = 1;
    simulate(&plan)
}

/// The job `city` that remembers minutes, not hours.
fn of_short_memory() -> String {
    remembering("90 s", "40 s").replace("grace: 500 ms", "red_most: 2 min\n    grace: 500 ms").replace("silence: 10 s", "silence: 8 s")
}

/// The same, telling alerts alone.
fn of_alerts_alone() -> String {
    of_short_memory().replace("  sightings: {from: sightings}\n", "").replace("  journeys: {from: journeys}\n", "")
}

/// A job of verbs over dense series, of whose sightings one verb lets some stand.
fn of_verbs(verb: &str) -> String {
    format!(
        "version: 1
job: verbs
city: city.json
lateness: 90 s
sources: {{observations: {{kind: observations}}, hotlist: {{kind: hotlist}}}}
steps:
  seen: {{step: track, from: observations}}
  some: {{step: {verb}, from: seen, by: [camera], window: 5 s}}
  pairs:
    {{step: interval_join, from: {{left: seen, right: seen}}, by: [plate.text], after: 1 s, within: 1 min, name: pair, text: pair, priority: 1}}
  series: {{step: sessionize, from: seen, by: [camera], gap: 6 s, longest: 30 s, at_least: 3, name: series, text: series, priority: 1}}
  listed: {{step: as_of_join, from: {{records: seen, hotlist: hotlist}}, by: [plate.text], name: listed, text: listed, priority: 1}}
outputs: {{sightings: {{from: some}}, alerts: {{from: [pairs, series, listed]}}}}
"
    )
}

fn run(definition: &str, recording: &Recording, memory: &MemoryTransport, workers: usize) -> Run {
    let store = Arc::new(memory.clone()) as Arc<dyn Transport>;
    let mut run = job(definition, &recording.city, &store, &store);
    (run.settings.workers, run.settings.epoch_bytes, run.settings.epochs_in_flight) = (workers, 100_000, 2);
    run
}

fn until(run: Run, commits: u64) -> Report {
    let stop = Arc::clone(&run.stop);
    run.run(&mut |report| stop.store(report.commits >= commits, Ordering::Relaxed)).unwrap()
}

/// A server on which two jobs run, the second with outputs of its own, until it has committed so often or is done.
fn serve(definitions: [&str; 2], recording: &Recording, memory: &MemoryTransport, folder: &Path, workers: usize, commits: u64) {
    let place = Arc::new(memory.clone()) as Arc<dyn Transport>;
    let stop = Arc::new(AtomicBool::new(false));
    let city = serde_json::to_value(&recording.city).and_then(serde_json::from_value).unwrap();
    let settings = Settings { workers, bounded: true, epoch_bytes: 100_000, epochs_in_flight: 2, ..Settings::default() };
    let config = Config {
        name: "centre".to_owned(),
        identity: "1".to_owned(),
        source: Arc::clone(&place),
        sink: place,
        settings,
        catalogue: folder.join("jobs.db"),
        stop: Arc::clone(&stop),
    };
    let server =
        Server::open(config, Arc::new(TrafficHost { city: Some(Arc::new(city)), remember_ms: 60_000, ..TrafficHost::default() })).unwrap();
    for definition in definitions {
        server.submit("test.yaml", definition, Submission::default()).unwrap();
    }
    let serving = server.clone();
    let running = thread::spawn(move || serving.run());
    let began = Instant::now();
    while !running.is_finished() && server.figures().commits < commits {
        assert!(began.elapsed() < Duration::from_secs(120), "it is stuck: {:?}", server.figures());
        thread::sleep(Duration::from_millis(1));
    }
    stop.store(true, Ordering::Relaxed);
    running.join().unwrap().unwrap();
}

/// Deletes what the next start does not need; says how many frames that are.
fn cut(memory: &MemoryTransport) -> u64 {
    let history = memory.clone().history().unwrap();
    let needed_ms = history.last().map_or(0, |last| last.rests_on_ms);
    let entered_ms = |progress: &Progress| progress.partitions.iter().map(|p| p.event_ms).fold(progress.clock, u64::max);
    let Some(from) = history.iter().rfind(|progress| entered_ms(progress) <= needed_ms) else { return 0 };
    let kept = |topic: &str| from.partitions.iter().find(|p| p.topic == topic).map_or(0, |p| p.next_offset);
    // The list of who is looked for is a table, and kept.
    ["observations", "signals"].iter().for_each(|topic| memory.forget(topic, 0, kept(topic)));
    kept("observations")
}

/// Restarts a job again and again, and holds its changelog to that of one that never stopped.
fn restarted_on_topics_that_are_cut_off(definition: &str) {
    let recording = recording();
    let undisturbed = in_memory(&recording);
    assert!(until(run(definition, &recording, &undisturbed, 1), u64::MAX).finished);
    let disturbed = in_memory(&recording);
    let (mut starts, mut late, mut replayed) = (0, 0, 0);
    for workers in [1, 2].into_iter().cycle() {
        let run = run(definition, &recording, &disturbed, workers);
        let cut = cut(&disturbed);
        let report = until(run, 1);
        (starts, late) = (starts + 1, late + u64::from(cut > 0));
        if report.finished {
            break;
        }
        replayed = replayed.max(report.replayed);
    }
    assert!(late > 15, "of {starts} starts {late} began late");
    assert!(replayed < recording.observations.len() as u64 * 2 / 3, "a start replayed {replayed} of {}", recording.observations.len());
    let (expected, found) = (Told::in_memory(&undisturbed), Told::in_memory(&disturbed));
    assert!(revisions(&expected).len() > 50);
    assert_eq!(revisions(&found), revisions(&expected));
    assert_eq!(found.rejected(), expected.rejected());
}

#[test]
fn the_city_restarted_on_topics_that_are_cut_off_writes_the_changelog_of_an_undisturbed_run() {
    restarted_on_topics_that_are_cut_off(&of_short_memory());
}

#[test]
fn so_do_two_jobs_on_a_server_and_share_what_they_have_in_common() {
    let recording = recording();
    let undisturbed = in_memory(&recording);
    assert!(until(run(&of_short_memory(), &recording, &undisturbed, 1), u64::MAX).finished);
    let (disturbed, folder) = (in_memory(&recording), tempfile::tempdir().unwrap());
    let second = beside(&of_short_memory());
    let (mut random, mut late) = (Random::of(4, 79), 0);
    for workers in [1, 2].into_iter().cycle().take(200) {
        late += u64::from(cut(&disturbed) > 0);
        let commits = random.range(1, 4).unsigned_abs();
        serve([&of_short_memory(), &second], &recording, &disturbed, folder.path(), workers, commits);
        if disturbed.clone().history().unwrap().last().is_some_and(|last| last.finished) {
            break;
        }
    }
    assert!(late > 5, "{late} starts began late");
    let (expected, found) = (Told::in_memory(&undisturbed), Told::in_memory(&disturbed));
    assert_eq!(revisions(&found), revisions(&expected));
    assert_eq!(found.rejected(), expected.rejected());
    for topic in TABLES {
        assert_eq!(found.rows(topic), found.rows(&format!("{topic}-2")), "{topic} of the second job");
    }
}

#[test]
fn so_does_a_job_of_verbs() {
    restarted_on_topics_that_are_cut_off(&of_verbs("suppress"));
    restarted_on_topics_that_are_cut_off(&of_verbs("deduplicate"));
}

#[test]
fn so_does_a_job_that_tells_alerts_alone() {
    restarted_on_topics_that_are_cut_off(&of_alerts_alone());
}
