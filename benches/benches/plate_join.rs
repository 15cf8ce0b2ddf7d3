//! Promise: 2.4 million reads a second on one worker, within twice the plain program, and 1.8 times that on two.
//!
//! Parsing is not measured. Before anything is, the answers are compared: count and checksum of the alerts.

use std::hint::black_box;
use std::sync::Arc;

use benches::plate_reads::{Alerts, PlateRead, plate_reads};
use benches::race::{Contender, Work, race};
use benches::{dataflows, plain, quick};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const SEED: u64 = 42;

fn plate_join(criterion: &mut Criterion) {
    let sizes: &[usize] = if quick() { &[100_000] } else { &[100_000, 1_000_000, 3_000_000] };
    for size in sizes {
        let reads = Arc::new(plate_reads(SEED, *size));
        compare(&reads);
        let amount = reads.len() as u64;
        let mut group = criterion.benchmark_group("plate_join");
        group.throughput(Throughput::Elements(amount)).sample_size(10);
        group.bench_function(BenchmarkId::new("plain", size), |b| b.iter(|| black_box(plain::join(&reads, remembered(&reads)))));
        for workers in [1, 2] {
            let name = BenchmarkId::new(format!("{workers} workers"), size);
            group.bench_function(name, |b| b.iter(|| black_box(dataflows::join(&reads, workers))));
        }
        group.finish();
        if *size >= 1_000_000 {
            run_race(&reads);
        }
    }
}

fn run_race(reads: &Arc<Vec<PlateRead>>) {
    let work = Work { name: "plate join", unit: "reads", amount: reads.len() as u64 };
    let dataflow = |workers| move || _ = black_box(dataflows::join(reads, workers));
    race(
        work,
        9,
        &mut [
            Contender::new("plain, one thread", || _ = black_box(plain::join(reads, remembered(reads)))),
            Contender::new("interval_self_join, 1 worker", dataflow(1)),
            Contender::new("interval_self_join, 2 workers", dataflow(2)),
        ],
    );
}

/// Ten minutes of reads, and something to spare; all of them where there are no more.
fn remembered(reads: &[PlateRead]) -> usize {
    reads.len().min(550_000)
}

/// The plain program and the dataflow must tell the same pairs, also where reads were put in wrong and corrected.
fn compare(reads: &Arc<Vec<PlateRead>>) {
    let expected = plain::join(reads, remembered(reads));
    let found: [Alerts; 4] =
        [dataflows::join(reads, 1), dataflows::join(reads, 2), dataflows::join_corrected(reads, 1), dataflows::join_corrected(reads, 2)];
    assert!(expected.count > 0, "no alert in {} reads", reads.len());
    for found in found {
        assert_eq!(found, expected, "the dataflow and the plain program differ over {} reads", reads.len());
    }
    println!("{} reads: {} alerts, checksum {}, by every program", reads.len(), expected.count, expected.checksum);
}

criterion_group!(benches, plate_join);
criterion_main!(benches);
