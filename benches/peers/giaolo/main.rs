//! The plate join on the product's engine, from Kafka to Kafka, several times over the same input: what Flink's side does too.
//!
//! ```text
//! reads (JSON) ─▶ engine::Run ─▶ interval_self_join ─▶ alerts (JSON), in one transaction with the progress
//! ```

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use benches::dataflows::too_fast;
use benches::plate_wire;
use clap::Parser;
use engine::transport::Transport;
use engine::transport::kafka::{KafkaConfig, KafkaTransport};
use engine::{Binding, Flow, Job, Raw, Refusal, RefusalReason, Run, Settings};

/// How long after its time a read is still taken, milliseconds: reads are up to two seconds out of order.
const LATENESS_MS: u64 = 10_000;

/// Joins plate reads on the product's engine; the program `peers` runs it.
#[derive(Parser)]
struct Arguments {
    /// Some of the brokers, `host:port`.
    brokers: String,
    /// The topic of the reads.
    input: String,
    /// What the topics of the alerts begin with; the number of the pass follows.
    output: String,
    /// Timely workers.
    workers: usize,
    /// How often the job is run over the input.
    passes: usize,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    for pass in 0..arguments.passes {
        say(&format!("pass {pass}"));
        run(&arguments, &format!("{}-{pass}", arguments.output))?;
    }
    Ok(())
}

/// Runs the job once, to the end that the input has now.
fn run(arguments: &Arguments, output: &str) -> anyhow::Result<()> {
    let config = KafkaConfig { brokers: arguments.brokers.clone(), ..KafkaConfig::default() };
    let kafka: Arc<dyn Transport> = Arc::new(KafkaTransport::new(config)?);
    let limits = Settings { workers: arguments.workers, bounded: true, ..Settings::default() };
    let run = Run {
        job: Arc::new(PlateJoin { output: output.to_owned(), told: Arc::default() }),
        name: output.to_owned(),
        definition: "plate join".to_owned(),
        sources: vec![Binding { source: "reads".to_owned(), transport: Arc::clone(&kafka), topic: arguments.input.clone(), table: false }],
        sink: kafka,
        outputs: vec![output.to_owned()],
        settings: Settings { lateness_ms: LATENESS_MS, ..limits },
        stop: Arc::default(),
    };
    run.run(&mut |_| ()).with_context(|| format!("{output} failed"))?;
    Ok(())
}

/// The job: reads in, alerts out.
struct PlateJoin {
    output: String,
    /// Whether the runner has been told that the first read is there.
    told: Arc<AtomicBool>,
}

impl Job for PlateJoin {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let told = Arc::clone(&self.told);
        let decode = move |raw: &Raw<'_>| {
            if !told.load(Ordering::Relaxed) && !told.swap(true, Ordering::Relaxed) {
                say(&format!("began {}", now_ms()));
            }
            plate_wire::read(raw.value.unwrap_or_default())
                .map_err(|error| Refusal { reason: RefusalReason::Unreadable, detail: error.to_string() })
        };
        let reads = flow.source("reads", decode, |read| Some(read.at_ms));
        let alerts = too_fast(reads, |a, b| (a.plate, a.id, b.id));
        let key = |plate| plate_wire::symbols(plate).escape_ascii().to_string();
        flow.append(&self.output, alerts, move |(plate, a, b)| (key(*plate), plate_wire::alert(*plate, *a, *b)));
    }
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listens any more only where the runner has gone.
    _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
