//! `/metrics`: the figures in Prometheus' text format, taken when somebody asks.

use std::collections::BTreeMap;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};

use crate::gauges::{Figures, Histogram};

/// The figures as text.
pub(super) fn text(figures: Figures, jobs: Vec<(String, &'static str)>) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("giaolo");
    registry.register_collector(Box::new(Snapshot { figures, jobs }));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

/// The figures of the moment somebody asked.
#[derive(Debug)]
struct Snapshot {
    figures: Figures,
    /// Jobs and their states.
    jobs: Vec<(String, &'static str)>,
}

/// A label's name and value.
type Label<'a> = (&'static str, String);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let out = &mut encoder;
        let figures = &self.figures;
        let seconds = |ms: u64| ms as f64 / 1_000.0;
        let by = |name: &'static str, value: &str| vec![(name, value.to_owned())];
        let place = |p: &crate::gauges::PartitionFigures| vec![("topic", p.topic.clone()), ("partition", p.partition.to_string())];
        let partitions = || figures.partitions.iter();

        gauge(out, "clock", "The job clock, since the epoch", Some(Unit::Seconds), [(vec![], seconds(figures.clock_ms))])?;
        gauge(
            out,
            "clock_behind",
            "How far the job clock is behind the wall clock",
            Some(Unit::Seconds),
            [(vec![], seconds(figures.behind_ms))],
        )?;
        let held = figures.held_by.iter().map(|place| (by("partition", place), 1.0));
        gauge(out, "clock_held", "The partition for which the clock waits", None, held)?;
        let lag = partitions().map(|p| (place(p), seconds(p.lag_ms)));
        gauge(out, "partition_lag", "Age of the record taken last where there is more", Some(Unit::Seconds), lag)?;
        let caught_up = partitions().map(|p| (place(p), f64::from(u8::from(p.caught_up))));
        gauge(out, "partition_caught_up", "Whether everything there is was taken", None, caught_up)?;
        let offsets = partitions().map(|p| (place(p), p.next_offset as f64));
        gauge(out, "partition_next_offset", "The next offset to be taken", None, offsets)?;
        counter(out, "records", "Records taken, of each partition since its jobs began", partitions().map(|p| (place(p), p.records)))?;
        counter(out, "rows", "Rows committed since the start", figures.rows.iter().map(|(topic, n)| (by("topic", topic), *n)))?;
        let rejected = figures.rejected.iter().flat_map(|(topic, by)| by.iter().map(move |(reason, n)| (topic, reason, *n)));
        let rejected = rejected.map(|(topic, reason, n)| (vec![("topic", topic.clone()), ("reason", reason.clone())], n));
        counter(out, "rejected", "Records refused since the start, by why", rejected)?;
        let lost = figures.lost.iter().fold(BTreeMap::<_, u64>::new(), |mut lost, gone| {
            *lost.entry((gone.topic.clone(), gone.partition)).or_default() += gone.count();
            lost
        });
        let lost = lost.into_iter().map(|((topic, partition), n)| (vec![("topic", topic), ("partition", partition.to_string())], n));
        counter(out, "lost_records", "Offsets that were needed and gone, and are gone on without, since the start", lost)?;
        let stuck = f64::from(u8::from(figures.stuck.is_some()));
        gauge(out, "commits_stuck", "Whether commits fail and are tried again", None, [(vec![], stuck)])?;
        gauge(out, "processes_missing", "Processes that are waited for", None, [(vec![], figures.waits_for.len() as f64)])?;
        counter(out, "commits", "Commits since the start", [(vec![], figures.commits)])?;
        counter(out, "restarts", "Times the workers were started anew", [(vec![], figures.restarts)])?;
        gauge(out, "epochs_in_flight", "Epochs read and not committed", None, [(vec![], figures.epochs_in_flight as f64)])?;
        gauge(out, "in_flight", "Read and not committed", Some(Unit::Bytes), [(vec![], figures.bytes_in_flight as f64)])?;
        gauge(out, "replaying", "Whether state is being rebuilt", None, [(vec![], f64::from(u8::from(figures.replaying)))])?;
        let remembered = figures.remembered.iter().map(|(part, rows)| (by("part", part), *rows as f64));
        gauge(out, "part_remembered_rows", "Rows that a part remembers for jobs that come, on one worker", None, remembered)?;
        let passed = figures.passed.iter().map(|(part, changes)| (by("part", part), *changes));
        counter(out, "part_changes", "Rows that came out of a part or were taken back, on all workers", passed)?;
        let held = || figures.held.iter().map(|(part, held)| (by("part", part), *held));
        let rows = held().map(|(part, held)| (part, held.rows as f64));
        gauge(out, "part_held_rows", "Rows that a part holds, on all workers", None, rows)?;
        let bytes = held().map(|(part, held)| (part, held.bytes as f64));
        gauge(out, "part_held", "About how much a part holds, on all workers", Some(Unit::Bytes), bytes)?;
        let busy = figures.busy_ms.iter().map(|(part, ms)| (by("part", part), seconds(*ms)));
        gauge(out, "part_busy", "How long a part has worked on one worker", Some(Unit::Seconds), busy)?;
        let stages = || figures.stages.iter();
        let of = |job: &str| by("job", job);
        counter(out, "stage_records", "Records that a stage has taken since it was begun", stages().map(|(job, s)| (of(job), s.records)))?;
        counter(out, "stage_commits", "Commits of a stage since it was begun", stages().map(|(job, s)| (of(job), s.commits)))?;
        let counted = stages().flat_map(|(job, s)| s.counts.iter().map(move |(of, counts)| (job, of, counts)));
        let counted = counted.flat_map(|(job, of, counts)| {
            counts.iter().map(move |(what, n)| (vec![("job", job.clone()), ("of", of.clone()), ("what", (*what).to_owned())], *n))
        });
        counter(out, "stage_counted", "What a stage has counted since it was begun, by what it is of", counted)?;
        let lost = stages().map(|(job, s)| (of(job), s.lost));
        counter(out, "stage_lost_records", "Offsets that a stage needed and that were gone, since it was begun", lost)?;
        let clocks = stages().map(|(job, s)| (of(job), seconds(s.clock_ms)));
        gauge(out, "stage_clock", "The latest arrival of what a stage has committed, since the epoch", Some(Unit::Seconds), clocks)?;
        let stuck = stages().map(|(job, s)| (of(job), f64::from(u8::from(s.stuck.is_some()))));
        gauge(out, "stage_stuck", "Whether a stage fails and is tried again", None, stuck)?;
        let jobs = self.jobs.iter().map(|(job, state)| (vec![("job", job.clone()), ("state", (*state).to_owned())], 1.0));
        gauge(out, "job", "Jobs and their states", None, jobs)?;
        let latency = Latency(&figures.commit_ms);
        let family =
            out.encode_descriptor("commit_latency", "From reading an epoch to its commit", Some(&Unit::Seconds), latency.metric_type())?;
        latency.encode(family)
    }
}

fn gauge<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<Unit>,
    values: impl IntoIterator<Item = (Vec<Label<'a>>, f64)>,
) -> Result<(), std::fmt::Error> {
    let mut family = out.encode_descriptor(name, help, unit.as_ref(), ConstGauge::<f64>::TYPE)?;
    for (labels, value) in values {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn counter<'a>(
    out: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Vec<Label<'a>>, u64)>,
) -> Result<(), std::fmt::Error> {
    let mut family = out.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?;
    for (labels, value) in values {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A histogram of times, in seconds as Prometheus wants them.
struct Latency<'a>(&'a Histogram);

impl EncodeMetric for Latency<'_> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let bounds = Histogram::BOUNDS_MS.iter().map(|ms| *ms as f64 / 1_000.0).chain([f64::INFINITY]);
        let buckets: Vec<(f64, u64)> = bounds.zip(self.0.counts.iter().copied()).collect();
        let count = self.0.counts.iter().sum();
        encoder.encode_histogram::<NoLabelSet>(self.0.sum_ms as f64 / 1_000.0, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}
