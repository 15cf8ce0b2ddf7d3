//! The ready job `city` as `giaolo run` runs it: files in, changelogs out.

use std::path::Path;
use std::sync::Arc;

use engine::plan::Plan;
use engine::transport::Transport;
use engine::transport::file::FileTransport;
use engine::{Binding, Report, Run, Settings};
use jobs::catalogue::{Context, Step, Traffic};
use jobs::dataflow::Dataflow;
use jobs::ready::ready;
use schemas::{City, Duration};

/// The ready job `city`, planned.
///
/// # Panics
/// The program carries no such job, or it cannot be planned.
#[must_use]
pub(super) fn plan() -> Plan<Step> {
    let text = ready("city").expect("the ready job `city`").text;
    Plan::read(&Traffic, "city.yaml", text).unwrap_or_else(|problems| panic!("the ready job is wrong:\n{problems}"))
}

/// Runs the job over a folder of recordings to its end.
///
/// # Panics
/// The run failed: there is nothing to measure then.
pub fn run(city: &City, input: &Path, output: &Path, workers: usize) -> Report {
    let plan = plan();
    let source: Arc<dyn Transport> = Arc::new(FileTransport::new(input, &["received_ms", "at_ms"]));
    let bind = |planned: &engine::plan::PlannedSource| Binding {
        source: planned.name.clone(),
        transport: Arc::clone(&source),
        topic: planned.topic.clone(),
        table: planned.table,
    };
    let limits = Settings { workers, bounded: true, ..Settings::default() };
    let limits = Settings { lateness_ms: plan.lateness_ms, max_skew_ms: plan.max_skew_ms, tick_ms: plan.tick_ms, ..limits };
    let run = Run {
        name: plan.job.clone(),
        definition: plan.hash.clone(),
        sources: plan.sources.iter().map(bind).collect(),
        sink: Arc::new(FileTransport::new(output, &[])),
        outputs: plan.written(),
        settings: Settings { patience_ms: plan.patience_ms, memory_ms: plan.memory_ms, ..limits },
        stop: Arc::default(),
        job: Arc::new(Dataflow { context: Context { city: Arc::new(city.clone()), lateness: Duration::from_ms(plan.lateness_ms) }, plan }),
    };
    run.run(&mut |_| ()).unwrap_or_else(|error| panic!("the job failed: {error}"))
}
