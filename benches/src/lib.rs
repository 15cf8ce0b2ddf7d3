//! One benchmark for each promise of the README, each run against the plain single-threaded program that does the same work.
//!
//! ```text
//! benches/city.rs        NDJSON and bincode to alerts, the whole job
//! benches/track.rs       boxes to sightings
//! benches/judge.rs       sightings to journeys to alerts
//! benches/plate_join.rs  reads of 200 cameras, joined by plate and time
//! benches/decode.rs      bytes to records
//! benches/vision.rs      pictures to vehicles and plates: networks, decoding, whole
//! benches/latency.rs     a frame to what is committed of it, under load
//! benches/restart.rs     a server that was killed, until it says something new; a job that comes late, likewise
//! benches/lookup.rs      a look-up by plate in a day of 200 cameras
//! peers/                 the join from Kafka to Kafka, and the same on Apache Flink (`make peers`)
//!
//! race       who does the same work faster: contenders run in turn, medians and ratios are printed
//! stopwatch  wall time, processor time, and that of the busiest thread
//! recording  the city that is measured      plate_reads  the reads that are joined, plate_wire: as JSON
//! serving    a server under load                 film         what is decoded
//! dataflows  the product's operators        plain        the programs they are held against
//! ```
//!
//! `cargo bench -p giaolo-benches` runs them all; `GIAOLO_RECORDING` names a folder with `city.json`, `observations.ndjson`,
//! `signals.ndjson` and `hotlist.ndjson` to be measured instead of the synthetic city, `GIAOLO_CAMERAS` how many cameras that has,
//! `GIAOLO_WORKERS` the numbers of workers in `city`, such as `1,4,16`. Without `--bench`, or with `--test`,
//! everything runs once at a small size and only the answers are compared.

pub mod dataflows;
pub mod film;
pub mod plain;
pub mod plate_reads;
pub mod plate_wire;
pub mod race;
pub mod recording;
pub mod serving;
pub mod stopwatch;

/// What the environment gives under this name, else what is given here: numbers, separated by commas.
///
/// # Panics
/// It gives something else.
#[must_use]
pub fn numbers(name: &str, otherwise: &[usize]) -> Vec<usize> {
    let Ok(text) = std::env::var(name) else { return otherwise.to_vec() };
    text.split(',').map(|number| number.parse().unwrap_or_else(|_| panic!("{name} holds {number:?}, which is no number"))).collect()
}

/// Whether everything is to run once and small: under `cargo test`, or with `--test` or `--quick`.
#[must_use]
pub fn quick() -> bool {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    !given("--bench") || given("--test") || given("--quick")
}
