//! How fast records are read: `decode_speed observations.ndjson` reads every line as JSON, then the same as bincode, on one
//! core, five times each, and prints boxes a second.

use std::{hint::black_box, time::Instant};

use schemas::{Observation, wire::Format};

fn main() {
    let path = std::env::args().nth(1).expect("the path of a recording of observations, one JSON object a line");
    let text = std::fs::read(path).expect("a readable file");
    let lines: Vec<&[u8]> = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    let records: Vec<Vec<u8>> = lines.iter().map(|line| as_bincode(line)).collect();
    measure(Format::Json, &lines);
    measure(Format::Bincode, &records.iter().map(Vec::as_slice).collect::<Vec<_>>());
}

fn as_bincode(line: &[u8]) -> Vec<u8> {
    let record: Observation = Format::Json.decode(line).expect("a valid observation");
    let mut bytes = Vec::new();
    Format::Bincode.encode(&record, &mut bytes);
    bytes
}

fn measure(format: Format, records: &[&[u8]]) {
    let bytes: usize = records.iter().map(|record| record.len()).sum();
    for _ in 0..5 {
        let begin = Instant::now();
        let boxes: usize = records.iter().map(|record| decode(format, record).objects.len()).sum();
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{format:8} {boxes} boxes, {bytes} bytes: {:.2} M boxes/s, {:.0} MB/s",
            boxes as f64 / seconds / 1e6,
            bytes as f64 / seconds / 1e6
        );
    }
}

fn decode(format: Format, record: &[u8]) -> Observation {
    black_box(format.decode(black_box(record)).expect("a valid observation"))
}
