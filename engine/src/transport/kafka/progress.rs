//! The two topics of progress records: the newest of each job for ever, and all of them for a week.

use std::thread;
use std::time::{Duration, Instant};

use super::super::{Batch, Position, Progress, Reader, TransportError};
use super::cluster::{Cluster, Wanted};
use super::reader::KafkaReader;

/// The newest record of each job, keyed by job.
pub(super) const LATEST: &str = "giaolo-progress";

/// All records of all jobs, keyed by job.
pub(super) const HISTORY: &str = "giaolo-history";

/// Compacted, in segments of an hour so that compaction comes round to it.
const LATEST_SETTINGS: [(&str, &str); 2] = [("cleanup.policy", "compact"), ("segment.ms", "3600000")];

/// A week, which is Kafka's default for the inputs: a history longer than they are could not be replayed. A restart needs of
/// both what it rests on ([`Progress::rests_on_ms`]): hours, as a rule.
const HISTORY_SETTINGS: [(&str, &str); 3] = [("cleanup.policy", "delete"), ("retention.ms", "604800000"), ("retention.bytes", "-1")];

/// How long another job's open transaction may hide what lies behind it: a broker ends one after a minute, and looks for such
/// every ten seconds.
const OPEN: Duration = Duration::from_secs(90);

/// The topics that every writer needs. One partition each: the order of the records is the order of the commits.
pub(super) fn topics() -> [Wanted<'static>; 2] {
    [
        Wanted { topic: LATEST, partitions: Some(1), settings: &LATEST_SETTINGS },
        Wanted { topic: HISTORY, partitions: Some(1), settings: &HISTORY_SETTINGS },
    ]
}

/// A job's committed progress records, oldest first. To be read by its writer: nobody else can add to it meanwhile.
pub(super) fn history(cluster: &Cluster, job: &str) -> Result<Vec<Progress>, TransportError> {
    let mut history = records(cluster, HISTORY, job)?;
    // After a week without a commit only the newest record is left.
    if let Some(latest) = records(cluster, LATEST, job)?.pop()
        && history.last().is_none_or(|last| last.epoch < latest.epoch)
    {
        history.push(latest);
    }
    Ok(history)
}

/// A job's records in one topic, as of now.
///
/// The end is the log's own (high watermark). What is committed may end earlier while another job's transaction is open, and
/// ours may lie behind it: so wait until the committed end has passed it, and only then read until nothing is left. The last
/// offsets are never delivered, since they are the marks that end transactions.
fn records(cluster: &Cluster, topic: &str, job: &str) -> Result<Vec<Progress>, TransportError> {
    let kept = cluster.offsets(topic, 0)?;
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let mut reader = KafkaReader::begin(cluster, topic, 0, 0)?;
    await_committed(cluster, &reader, topic, kept.end)?;
    let place = format!("topic “{topic}” of {}", cluster.place());
    let (mut found, mut batch) = (Vec::new(), Batch::default());
    let mut deadline = Instant::now() + OPEN;
    loop {
        batch.clear();
        let position = reader.read(1 << 20, &mut batch)?;
        for record in batch.records.iter().filter(|record| batch.key(record) == job.as_bytes()) {
            if let Some(value) = batch.value(record) {
                found.push(Progress::from_json(value, &place)?);
            }
        }
        match position {
            Position::CaughtUp | Position::End => return Ok(found),
            Position::More if !batch.records.is_empty() => deadline = Instant::now() + OPEN,
            Position::More if Instant::now() > deadline => {
                return Err(TransportError::passing(format!("{place} cannot be read to its end")));
            }
            Position::More => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Waits until everything before an offset is committed or aborted.
fn await_committed(cluster: &Cluster, reader: &KafkaReader, topic: &str, end: u64) -> Result<(), TransportError> {
    let deadline = Instant::now() + OPEN;
    loop {
        if reader.committed_end()? >= end {
            return Ok(());
        }
        if Instant::now() > deadline {
            let message = format!("a transaction in topic “{topic}” of {} does not end", cluster.place());
            return Err(TransportError::passing(message).hint(
                "A broker that died may have left it open for ever. `kafka-transactions.sh find-hanging` tells, and `abort` ends it; \
                 until then nobody can read what was committed after it.",
            ));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
