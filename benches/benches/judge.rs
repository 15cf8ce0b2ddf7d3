//! Promise: `link`, `assemble_journeys` and the rules take 150,000 sightings a second on a worker.
//!
//! A sighting is counted once, however often it is revised; the changes are several times as many.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

use benches::dataflows::judge;
use benches::plain::{Change, assemble, follow};
use benches::race::{Contender, Work, race};
use benches::recording::Recording;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn judging(criterion: &mut Criterion) {
    let recording = Recording::open();
    let city = Arc::new(recording.city.clone());
    let changes = follow(&city, &recording.observations);
    let sightings = changes.iter().map(|(sighting, _, _)| sighting.id).collect::<BTreeSet<_>>().len() as u64;
    let input = || (changes.clone(), recording.signals.clone(), recording.hotlist.clone());
    let standing = judge(&city, changes.clone(), recording.signals.clone(), recording.hotlist.clone());
    let once = last_told(&changes);
    println!("{sightings} sightings in {} changes: {standing} alerts stand", changes.len());
    assert!(standing > 0, "no alert came of the recording");
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(sightings)).sample_size(20);
    group.bench_function("plain, fewer rules", |b| b.iter(|| black_box(assemble(&city, &changes))));
    let run = |(changes, signals, hotlist)| black_box(judge(&city, changes, signals, hotlist));
    group.bench_function("1 worker", |b| b.iter_batched(input, run, BatchSize::PerIteration));
    group.finish();
    if !benches::quick() {
        race(
            Work { name: "link, journeys and rules", unit: "sightings", amount: sightings },
            21,
            &mut [
                Contender::new("plain, one thread, fewer rules", || _ = black_box(assemble(&city, &changes))),
                Contender::prepared("1 worker", input, |given| _ = run(given)),
            ],
        );
        let told_once = || (once.clone(), recording.signals.clone(), recording.hotlist.clone());
        race(
            Work { name: "the same where each sighting is told once, as it stood at last", unit: "sightings", amount: once.len() as u64 },
            21,
            &mut [
                Contender::new("plain, one thread, fewer rules", || _ = black_box(assemble(&city, &once))),
                Contender::prepared("1 worker", told_once, |given| _ = run(given)),
            ],
        );
    }
}

/// Of each sighting the revision that stood at last, at its moment.
fn last_told(changes: &[Change]) -> Vec<Change> {
    let mut standing = BTreeMap::new();
    for change in changes {
        match change.2 {
            1.. => _ = standing.insert(change.0.id, change),
            // What is taken back may have been replaced before.
            _ => _ = standing.get(&change.0.id).is_some_and(|told| told.0 == change.0).then(|| standing.remove(&change.0.id)),
        }
    }
    let mut last: Vec<Change> = standing.into_values().cloned().collect();
    last.sort_by_key(|(_, now, _)| *now);
    last
}

criterion_group!(benches, judging);
criterion_main!(benches);
