//! The plate join from Kafka to Kafka, exactly once, on the product and on Apache Flink, in turn on this machine: `make peers`.
//!
//! ```text
//! reads ─▶ a broker of its own ─▶ round by round, engine by engine: one process ─▶ alerts, read committed ─▶ table
//!                                      the first passes of a process warm it up, the last one counts
//! ```
//!
//! A pass takes from the moment its engine has the first records in its hands to the moment this program, which follows the
//! topic of the alerts *read committed* all the while, holds the last of them. Before anything counts, number and checksum of
//! the alerts must be those of the plain program.

mod engine;
mod report;
mod system;
mod topics;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use benches::plain;
use benches::plate_reads::{Alerts, plate_reads};
use city::broker::Broker;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};

use self::engine::{Engine, Peer};
use self::report::Results;
use self::topics::Topics;

/// Ten minutes of reads, and something to spare.
const REMEMBERED: usize = 550_000;

/// Runs the plate join from Kafka to Kafka on Giaolo and on Apache Flink, and prints who is how fast in how much memory.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// Plate reads: three million are an hour of 200 cameras.
    #[arg(long, default_value_t = 3_000_000)]
    reads: usize,
    /// Seed of the reads.
    #[arg(long, default_value_t = 42)]
    seed: u64,
    /// Partitions of the topic of reads; a camera's reads go to one.
    #[arg(long, default_value_t = 2)]
    partitions: u32,
    /// Workers of Giaolo, and parallelism of Flink.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    workers: Vec<usize>,
    /// Which engines run.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "giaolo,flink-datastream,flink-sql")]
    engines: Vec<Engine>,
    /// How often each runs, in turn with the others.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Passes over the input in one process; the last one counts.
    #[arg(long, default_value_t = 2)]
    passes: usize,
    /// Time between two checkpoints of Flink, milliseconds.
    #[arg(long, default_value_t = 1_000)]
    checkpoint_ms: u64,
    /// Heap of Flink's process, as Java has it.
    #[arg(long, default_value = "2g")]
    heap: String,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let bar = ProgressBar::new((arguments.rounds * arguments.workers.len() * arguments.engines.len()) as u64 + 1);
    bar.set_style(ProgressStyle::with_template("{bar:30} {pos}/{len}  {msg}  {elapsed}").context("the bar")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    bar.set_message("loading the reads");
    let reads = plate_reads(arguments.seed, arguments.reads);
    let expected = plain::join(&reads, reads.len().min(REMEMBERED));
    ensure!(expected.count > 0, "no alert in {} reads: take more", reads.len());
    let broker = Broker::start().map_err(|skipped| anyhow::anyhow!("{skipped}"))?;
    let topics = Topics::new(&broker.brokers())?;
    topics.load(&reads, arguments.partitions)?;
    bar.inc(1);
    let results = race(&arguments, &broker, &topics, expected, &bar)?;
    bar.finish_and_clear();
    let text = if arguments.json { results.json(reads.len(), expected).to_string() } else { results.table(reads.len(), expected) };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

/// All engines in turn, round by round, each round begun by another one.
fn race(arguments: &Arguments, broker: &Broker, topics: &Topics, expected: Alerts, bar: &ProgressBar) -> anyhow::Result<Results> {
    let peers: Vec<Peer> = arguments
        .workers
        .iter()
        .flat_map(|workers| arguments.engines.iter().map(|engine| Peer { engine: *engine, workers: *workers }))
        .collect();
    let mut results = Results::new(&peers);
    for round in 0..arguments.rounds {
        for turn in 0..peers.len() {
            let place = (round + turn) % peers.len();
            bar.set_message(format!("round {}: {}", round + 1, peers[place]));
            let passes = peers[place].run(arguments, &broker.brokers(), topics, expected, round)?;
            results.add(place, passes);
            bar.inc(1);
        }
    }
    Ok(results)
}
