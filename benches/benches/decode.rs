//! How fast observations are read: 2.5 million boxes a second from JSON, 8 million from bincode.
//!
//! The plain program here is the cheapest thing that touches every byte: counting the lines.

use std::hint::black_box;

use benches::race::{Contender, Work, race};
use benches::recording::Recording;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use schemas::Observation;
use schemas::wire::Format;

fn decoding(criterion: &mut Criterion) {
    let recording = Recording::open();
    let encoded = |format: Format| -> Vec<Vec<u8>> { recording.observations.iter().map(|frame| encode(format, frame)).collect() };
    let (json, bincode) = (encoded(Format::Json), encoded(Format::Bincode));
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(recording.boxes)).sample_size(20);
    group.bench_function("json", |b| b.iter(|| decode(Format::Json, &json)));
    group.bench_function("bincode", |b| b.iter(|| decode(Format::Bincode, &bincode)));
    group.finish();
    if !benches::quick() {
        race(
            Work { name: "decoding", unit: "boxes", amount: recording.boxes },
            11,
            &mut [
                Contender::new("touching every byte of the JSON", || _ = black_box(touch(&json))),
                Contender::new("json", || _ = decode(Format::Json, &json)),
                Contender::new("bincode", || _ = decode(Format::Bincode, &bincode)),
            ],
        );
    }
}

fn encode(format: Format, frame: &Observation) -> Vec<u8> {
    let mut bytes = Vec::new();
    format.encode(frame, &mut bytes);
    bytes
}

fn decode(format: Format, records: &[Vec<u8>]) -> usize {
    let boxes = |record: &Vec<u8>| black_box(format.decode::<Observation>(record).expect("a valid observation")).objects.len();
    records.iter().map(boxes).sum()
}

fn touch(records: &[Vec<u8>]) -> usize {
    records.iter().map(|record| record.iter().filter(|byte| **byte == b'{').count()).sum()
}

criterion_group!(benches, decoding);
criterion_main!(benches);
