//! Promise: `track` takes two million boxes a second on a worker.

use std::hint::black_box;
use std::sync::Arc;

use benches::dataflows::{Frame, track};
use benches::plain::{follow, moment_of};
use benches::race::{Contender, Work, race};
use benches::recording::Recording;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use operators::Arrived;
use schemas::{Name, Place};

fn tracking(criterion: &mut Criterion) {
    let recording = Recording::open();
    let city = Arc::new(recording.city.clone());
    let frames = frames(&recording);
    let expected = follow(&city, &recording.observations).len();
    assert_eq!(track(&city, frames.clone()), expected, "the dataflow tells as many changes as the plain program");
    let mut group = criterion.benchmark_group("track");
    group.throughput(Throughput::Elements(recording.boxes)).sample_size(10);
    group.bench_function("plain", |b| {
        b.iter_batched(|| recording.observations.clone(), |frames| black_box(follow(&city, frames)), BatchSize::PerIteration);
    });
    group.bench_function("1 worker", |b| {
        b.iter_batched(|| frames.clone(), |frames| black_box(track(&city, frames)), BatchSize::PerIteration);
    });
    group.finish();
    if !benches::quick() {
        race(
            Work { name: "track", unit: "boxes", amount: recording.boxes },
            11,
            &mut [
                Contender::prepared("plain, one thread", || recording.observations.clone(), |frames| _ = black_box(follow(&city, frames))),
                Contender::prepared("track, 1 worker", || frames.clone(), |frames| _ = black_box(track(&city, frames))),
            ],
        );
    }
}

/// The frames as the engine hands them to the dataflow.
fn frames(recording: &Recording) -> Vec<Frame> {
    let mut now = 0;
    let place = |offset| Place { topic: Name::of("observations"), partition: 0, offset };
    let arrive = |(offset, record): (u64, &schemas::Observation)| {
        now = moment_of(record).max(now);
        (Arrived { place: place(offset), record: record.clone() }, now, 1)
    };
    (0..).zip(&recording.observations).map(arrive).collect()
}

criterion_group!(benches, tracking);
criterion_main!(benches);
