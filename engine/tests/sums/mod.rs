//! A job of no traffic at all: a running sum for each key, to try the runtime with.

use engine::{Flow, Job, Raw, Refusal, RefusalReason, RowSpec, Standing};

pub(super) type Entry = (u64, u64, i64);

/// `key at value`, one a line.
pub(super) fn decode(raw: &Raw<'_>) -> Result<Entry, Refusal> {
    let refuse = || Refusal { reason: RefusalReason::Unreadable, detail: "not an entry".into() };
    let entry: serde_json::Value = serde_json::from_slice(raw.value.unwrap_or_default()).map_err(|_| refuse())?;
    let number = |name: &str| entry[name].as_i64().ok_or_else(refuse);
    Ok((number("key")? as u64, number("at_ms")? as u64, number("value")?))
}

/// Sums the values of each key; a sum settles a second after its last value.
pub(super) struct Sums;

impl Job for Sums {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let entries = flow.source("entries", decode, |entry| Some(entry.1));
        let sums = entries
            .map(|(key, at, value)| (key, (at, value)))
            .reduce(|_, values, sum| {
                let at = values.iter().map(|((at, _), _)| *at).max().unwrap_or_default();
                sum.push(((at, values.iter().map(|((_, value), count)| value * *count as i64).sum()), 1));
            })
            .map(|(key, (at, sum)): (u64, (u64, i64))| (key, at, sum));
        flow.publish("sums", sums, spec(|row| row.1, 1_000));
        let rejected = flow.rejections();
        flow.append("rejected", rejected, |row| {
            (row.offset.to_string(), format!("{} {:?} {}", row.offset, row.reason, String::from_utf8_lossy(&row.record)).into_bytes())
        });
    }
}

/// Publishes key, value, revision and standing; a row settles so long after its time, and nothing rests on it for longer.
pub(super) fn spec(begins_ms: fn(&Entry) -> u64, settles_after_ms: u64) -> RowSpec<Entry> {
    RowSpec {
        id: Box::new(|row| row.0),
        settles_ms: Box::new(move |row| row.1 + settles_after_ms),
        begins_ms: Box::new(begins_ms),
        rests_ms: Box::new(move |row| row.1 + settles_after_ms),
        at_ms: Box::new(|row| row.1),
        encode: Box::new(|row, revision, standing| format!("{} {} {revision} {}", row.0, row.2, standing.name()).into_bytes()),
        decode: Box::new(told),
        ce_type: "sum",
        content_type: "text/plain",
    }
}

/// What `spec` encodes; it does not tell the row's time, which is no later than now.
fn told(bytes: &[u8]) -> Option<(Entry, u32, Standing)> {
    let [key, value, revision, standing] = std::str::from_utf8(bytes).ok()?.split(' ').collect::<Vec<_>>()[..] else { return None };
    let row = (key.parse().ok()?, engine::wall_ms(), value.parse().ok()?);
    Some((row, revision.parse().ok()?, Standing::of(standing)?))
}
