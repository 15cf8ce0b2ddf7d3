//! The job that is simulated: plain operators of no trade, with a table, rows that are taken back, and partitions observed.
//!
//! ```text
//! entries ─⋈ factors (table) ─▶ sums by key and stretch ─ even ones ─▶ sums
//! entries, observed ─▶ stretches of a partition ─────────────────────▶ watches
//! ```

use super::facts::{GROUP, STRETCH_MS};
use crate::changelog::{RowSpec, Standing};
use crate::flow::{Flow, Job, Raw, Refusal, RefusalReason};

/// A row: its id, where its stretch begins, and its value.
type Row = (u64, u64, i64);

/// The job.
pub(super) struct Stretches;

impl Job for Stretches {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let entries = flow.source("entries", entry, |(_, at_ms, _)| Some(*at_ms));
        let factors = flow.table("factors", |raw| factor(raw).map(|(group, factor)| (group, factor.map(|factor| (group, factor)))));
        flow.watch(entries.clone(), |(_, at_ms, _)| begins_ms(*at_ms), |(_, at_ms, _)| begins_ms(*at_ms) + STRETCH_MS);
        let sums = entries
            .map(|(key, at_ms, value)| (key / GROUP, (key, begins_ms(at_ms), value)))
            .join_map(factors, |_, (key, begins_ms, value), factor| ((*key, *begins_ms), value * factor))
            .reduce(|_, values, sum| sum.push((values.iter().map(|(value, count)| *value * *count as i64).sum::<i64>(), 1)))
            .map(|((key, begins_ms), sum): ((u64, u64), i64)| (key << 48 | begins_ms, begins_ms, sum));
        flow.watch(sums.clone(), |row| row.1, |row| row.1 + STRETCH_MS);
        flow.publish("sums", sums.filter(|row| row.2 % 2 == 0), spec());
        let marks = flow.observed("entries").map(|mark| (mark.partition, begins_ms(mark.until_ms)));
        let watches = marks.map(|(partition, begins_ms)| (u64::from(partition) << 48 | begins_ms, begins_ms, 0));
        flow.publish("watches", watches, spec());
        let rejected = flow.rejections();
        flow.append("rejected", rejected, |row| {
            let reason = format!("{:?}", row.reason).to_lowercase();
            (row.offset.to_string(), format!("{}/{} {} {reason}", row.topic, row.partition, row.offset).into_bytes())
        });
    }
}

fn begins_ms(at_ms: u64) -> u64 {
    at_ms / STRETCH_MS * STRETCH_MS
}

fn spec() -> RowSpec<Row> {
    RowSpec {
        id: Box::new(|row| row.0),
        settles_ms: Box::new(|row| row.1 + STRETCH_MS),
        begins_ms: Box::new(|row| row.1),
        rests_ms: Box::new(|row| row.1 + STRETCH_MS),
        at_ms: Box::new(|row| row.1),
        encode: Box::new(|row, revision, standing| format!("{} {revision} {} {}", row.0, standing.name(), row.2).into_bytes()),
        decode: Box::new(told),
        ce_type: "row",
        content_type: "text/plain",
    }
}

/// What `spec` encodes.
fn told(bytes: &[u8]) -> Option<(Row, u32, Standing)> {
    let [id, revision, standing, value] = std::str::from_utf8(bytes).ok()?.split(' ').collect::<Vec<_>>()[..] else { return None };
    let id: u64 = id.parse().ok()?;
    Some(((id, id & ((1 << 48) - 1), value.parse().ok()?), revision.parse().ok()?, Standing::of(standing)?))
}

fn numbers(raw: &Raw<'_>) -> Result<Vec<i64>, Refusal> {
    let refuse = || Refusal { reason: RefusalReason::Unreadable, detail: "not numbers".to_owned() };
    let text = std::str::from_utf8(raw.value.unwrap_or_default()).map_err(|_| refuse())?;
    text.split_whitespace().map(|word| word.parse().map_err(|_| refuse())).collect()
}

/// `key at value`.
fn entry(raw: &Raw<'_>) -> Result<(u64, u64, i64), Refusal> {
    match numbers(raw)?[..] {
        [key, at_ms, value] => Ok((key.unsigned_abs(), at_ms.unsigned_abs(), value)),
        _ => Err(Refusal { reason: RefusalReason::Invalid, detail: "not an entry".to_owned() }),
    }
}

/// `group factor`, keyed by group; a tombstone removes it.
fn factor(raw: &Raw<'_>) -> Result<(u64, Option<i64>), Refusal> {
    let refuse = || Refusal { reason: RefusalReason::Unreadable, detail: "no group".to_owned() };
    let group = std::str::from_utf8(raw.key).ok().and_then(|key| key.parse().ok()).ok_or_else(refuse)?;
    let factor = raw.value.is_some().then(|| numbers(raw)).transpose()?;
    Ok((group, factor.and_then(|numbers| numbers.first().copied())))
}
