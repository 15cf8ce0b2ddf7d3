//! What this transport keeps of jobs: the newest progress record of each for ever, all of them for a week, and who writes each.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};

use super::super::progress::TIMES;
use super::super::{Progress, TransportError};
use super::cluster::{Cluster, Wanted};
use super::committed::Committed;

/// The newest record of each job, keyed by job.
pub(super) const LATEST: &str = "giaolo-progress";

/// All records of all jobs, keyed by job.
pub(super) const HISTORY: &str = "giaolo-history";

/// Who writes each job, keyed by job: whoever became its writer last.
pub(super) const WRITERS: &str = "giaolo-writers";

/// How keys begin under which writers show themselves among the records of jobs. No job has a name with spaces.
const SHOWN: &str = "writer of ";

/// Compacted, in segments of an hour so that compaction comes round to it.
const NEWEST_SETTINGS: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("segment.ms", "3600000")];

/// A week, which is Kafka's default for the inputs: a history longer than they are could not be replayed. A restart needs of
/// both what it rests on ([`Progress::rests_on_ms`]): hours, as a rule.
const HISTORY_SETTINGS: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "604800000"), ("retention.bytes", "-1")];

/// How many records at the end of a topic are looked at first: a minute of a busy job.
const REACH: u64 = 1_000;

/// The topics that every writer needs. One partition each: the order of the records is the order of the commits.
pub(super) fn topics() -> [Wanted<'static>; 3] {
    [
        Wanted { topic: WRITERS, partitions: Some(1), settings: &NEWEST_SETTINGS },
        Wanted { topic: LATEST, partitions: Some(1), settings: &NEWEST_SETTINGS },
        Wanted { topic: HISTORY, partitions: Some(1), settings: &HISTORY_SETTINGS },
    ]
}

/// A job's committed progress records, oldest first, as far back as a restart may reach. To be read by its writer: nobody else
/// can add to it meanwhile.
pub(super) fn history(cluster: &Cluster, job: &str) -> Result<Vec<Progress>, TransportError> {
    let reaches_back = |found: &[Progress]| {
        let since_ms = found.last().and_then(|last| last.since_ms(TIMES));
        since_ms.is_some_and(|since_ms| found.iter().any(|before| before.entered_until_ms() <= since_ms))
    };
    let mut history = records(cluster, HISTORY, job, reaches_back)?;
    // After a week without a commit only the newest record is left.
    if let Some(latest) = records(cluster, LATEST, job, |found| !found.is_empty())?.pop()
        && history.last().is_none_or(|last| last.epoch < latest.epoch)
    {
        history.push(latest);
    }
    Ok(history)
}

/// The key under which the writer of a job shows itself in the topics of progress.
pub(super) fn shown(job: &str) -> String {
    format!("{SHOWN}{job}")
}

/// The newest progress record of every job, by name; none where no job was ever run.
pub(super) fn latest(cluster: &Cluster) -> Result<Vec<Progress>, TransportError> {
    if cluster.existing(LATEST)?.is_none() {
        return Ok(Vec::new());
    }
    let kept = cluster.offsets(LATEST, 0)?;
    let of_jobs = |key: &[u8]| !key.starts_with(SHOWN.as_bytes());
    let all = if kept.is_empty() { Vec::new() } else { read_from(cluster, LATEST, of_jobs, 0..kept.end, Progress::from_json)? };
    let newest: BTreeMap<_, _> = all.into_iter().map(|record| (record.job.clone(), record)).collect();
    Ok(newest.into_values().collect())
}

/// Who announced itself last as the writer of a job.
pub(super) fn writer(cluster: &Cluster, job: &str) -> Result<Option<String>, TransportError> {
    let name = |value: &[u8], _: &str| Ok(String::from_utf8_lossy(value).into_owned());
    Ok(tail(cluster, WRITERS, job, name, |found| !found.is_empty())?.pop())
}

fn records(cluster: &Cluster, topic: &str, job: &str, enough: impl Fn(&[Progress]) -> bool) -> Result<Vec<Progress>, TransportError> {
    tail(cluster, topic, job, Progress::from_json, enough)
}

/// A job's records at the end of a topic as of now, oldest first: all, or so many that they are enough.
fn tail<T>(
    cluster: &Cluster,
    topic: &str,
    job: &str,
    read: impl Fn(&[u8], &str) -> Result<T, TransportError>,
    enough: impl Fn(&[T]) -> bool,
) -> Result<Vec<T>, TransportError> {
    let its = |key: &[u8]| key == job.as_bytes();
    let kept = cluster.offsets(topic, 0)?;
    let mut reach = REACH;
    while reach < kept.end - kept.start {
        let found = read_from(cluster, topic, its, kept.end - reach..kept.end, &read)?;
        if enough(&found) {
            return Ok(found);
        }
        reach *= 4;
    }
    if kept.is_empty() { Ok(Vec::new()) } else { read_from(cluster, topic, its, 0..kept.end, &read) }
}

/// The records of some keys in one topic, from an offset on.
fn read_from<T>(
    cluster: &Cluster,
    topic: &str,
    wanted: impl Fn(&[u8]) -> bool,
    offsets: Range<u64>,
    read: impl Fn(&[u8], &str) -> Result<T, TransportError>,
) -> Result<Vec<T>, TransportError> {
    let place = format!("topic “{topic}” of {}", cluster.place());
    let mut found = Vec::new();
    Committed::begin(cluster, topic, 0, offsets)?.visit(|batch, record| {
        if let Some(value) = batch.value(record).filter(|_| wanted(batch.key(record))) {
            found.push(read(value, &place)?);
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(found)
}
