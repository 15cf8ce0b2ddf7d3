//! Promise: 400,000 boxes a second from JSON to alerts on one worker, a million from bincode, and 1.6 times that on two.
//!
//! The job `city` as `giaolo run` runs it, from files to files; the plain program decodes, tracks, links, assembles and
//! judges sections, and writes nothing.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use benches::race::{Contender, Work, race};
use benches::recording::Recording;
use benches::{dataflows, numbers, plain, quick};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use schemas::Observation;
use schemas::wire::Format;

/// The variable of the environment that gives numbers of workers.
const WORKERS: &str = "GIAOLO_WORKERS";

fn city(criterion: &mut Criterion) {
    let recording = Recording::open();
    let results = recording.results();
    compare(&recording);
    let mut group = criterion.benchmark_group("city");
    group.throughput(Throughput::Elements(recording.boxes)).sample_size(10);
    for (name, folder) in [("json", &recording.json), ("bincode", &recording.bincode)] {
        for workers in numbers(WORKERS, &[1, 2]) {
            let run = || black_box(dataflows::run(&recording.city, folder, &results, workers));
            group.bench_function(format!("{name}, {workers} workers"), |b| b.iter(run));
        }
    }
    group.finish();
    if !quick() {
        run_race(&recording, "city, JSON to alerts", &recording.json, plain_json);
        run_race(&recording, "city, bincode to alerts", &recording.bincode, plain_bincode);
    }
}

fn run_race(recording: &Recording, name: &str, folder: &Path, plain: fn(&Recording) -> usize) {
    let results = recording.results();
    let run = |workers: usize| {
        let results = results.clone();
        move || _ = black_box(dataflows::run(&recording.city, folder, &results, workers))
    };
    let workers: Vec<(String, usize)> = numbers(WORKERS, &[1, 2]).into_iter().map(|n| (format!("the job, workers: {n}"), n)).collect();
    let plain = Contender::new("plain, one thread, fewer rules", || _ = black_box(plain(recording)));
    let jobs = workers.iter().map(|(name, workers)| Contender::new(name, run(*workers)));
    let mut contenders: Vec<Contender<'_>> = std::iter::once(plain).chain(jobs).collect();
    race(Work { name, unit: "boxes", amount: recording.boxes }, 7, &mut contenders);
}

/// Every way through the job must come to the same rows.
fn compare(recording: &Recording) {
    let results = recording.results();
    let mut runs = [(&recording.json, 1), (&recording.json, 2), (&recording.bincode, 1), (&recording.bincode, 2)]
        .map(|(folder, workers)| dataflows::run(&recording.city, folder, &results, workers).rows);
    // A rejected record is told with its text, or its bytes where there is none, but as often.
    let first = runs[0].clone();
    assert!(first.get("alerts").is_some_and(|alerts| *alerts > 0), "no alert came of the recording");
    runs.iter_mut().for_each(|rows| assert_eq!(*rows, first, "the rows depend on format or number of workers"));
    println!("{} boxes: {first:?}, by every run", recording.boxes);
}

fn plain_json(recording: &Recording) -> usize {
    let text = fs::read(recording.json.join("observations.ndjson")).expect("the recording");
    let lines = text.split(|byte| *byte == b'\n');
    let changes = plain::follow(&recording.city, lines.filter_map(|line| Format::Json.decode::<Observation>(line).ok()));
    plain::assemble(&recording.city, &changes)
}

fn plain_bincode(recording: &Recording) -> usize {
    let bytes = fs::read(recording.bincode.join("observations.bin")).expect("the recording");
    let mut rest = bytes.as_slice();
    let frames = std::iter::from_fn(|| {
        let (head, after) = rest.split_first_chunk::<12>()?;
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let (frame, after) = after.split_at_checked(length)?;
        rest = after;
        Format::Bincode.decode::<Observation>(frame).ok()
    });
    let changes = plain::follow(&recording.city, frames);
    plain::assemble(&recording.city, &changes)
}

criterion_group!(benches, city);
criterion_main!(benches);
