//! A job whose sums rest on stretches of time, and the facts it is run on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::transport::{Transport, visit};
use engine::{Binding, Flow, Job, OnDataLoss, Raw, Refusal, RefusalReason, Report, RowSpec, Run, RunError, Settings, Standing};

use crate::place::{ENTRIES, Place};
use crate::sums;

/// How long a stretch lasts in which the values of a key are summed.
pub(crate) const STRETCH_MS: u64 = 20_000;
pub(crate) const LATENESS_MS: u64 = 30_000;

/// Key, time and value.
type Entry = (u64, u64, i64);
/// Id, beginning of the stretch, and sum.
type Row = (u64, u64, i64);

/// The job.
pub(crate) struct Sums;

impl Job for Sums {
    fn build<'scope>(&self, flow: &mut Flow<'scope>) {
        let sums = flow
            .source(ENTRIES, entry, |entry| Some(entry.1))
            .map(|(key, at_ms, value)| ((key, at_ms / STRETCH_MS * STRETCH_MS), value))
            .reduce(|_, values, sum| sum.push((values.iter().map(|(value, count)| *value * *count as i64).sum::<i64>(), 1)))
            .map(|((key, begins_ms), sum): ((u64, u64), i64)| (key << 44 | begins_ms, begins_ms, sum));
        flow.publish("sums", sums, spec());
        let rejected = flow.rejections();
        flow.append("rejected", rejected, |row| (row.offset.to_string(), format!("{:?}", row.reason).into_bytes()));
    }
}

fn entry(raw: &Raw<'_>) -> Result<Entry, Refusal> {
    serde_json::from_slice(raw.value.unwrap_or_default())
        .map_err(|error| Refusal { reason: RefusalReason::Unreadable, detail: error.to_string() })
}

fn spec() -> RowSpec<Row> {
    RowSpec {
        decode: Box::new(|bytes| {
            let [id, sum, revision, standing] = std::str::from_utf8(bytes).ok()?.split(' ').collect::<Vec<_>>()[..] else { return None };
            let id: u64 = id.parse().ok()?;
            Some(((id, begins_ms(id), sum.parse().ok()?), revision.parse().ok()?, Standing::of(standing)?))
        }),
        ..sums::spec(|row| row.1, STRETCH_MS)
    }
}

/// When the stretch of an id begins.
pub(crate) fn begins_ms(id: u64) -> u64 {
    id & ((1 << 44) - 1)
}

/// The job at a place: what is there, and then the end.
pub(crate) fn job(place: &dyn Place, on_data_loss: OnDataLoss) -> Run {
    let store = place.connect();
    Run {
        job: Arc::new(Sums),
        name: "sums".into(),
        definition: "1".into(),
        sources: vec![Binding { source: ENTRIES.into(), transport: Arc::clone(&store), topic: ENTRIES.into(), table: false }],
        sink: store,
        outputs: vec!["sums".into(), "rejected".into()],
        settings: Settings {
            lateness_ms: LATENESS_MS,
            memory_ms: LATENESS_MS + STRETCH_MS,
            epoch_bytes: 400,
            epochs_in_flight: 2,
            idle_commit: Duration::from_millis(50),
            bounded: true,
            on_data_loss,
            ..Settings::default()
        },
        stop: Arc::new(AtomicBool::new(false)),
    }
}

/// Runs until so many records were read that were not before, or to the end.
pub(crate) fn until(run: Run, records: u64) -> Result<Report, RunError> {
    let stop = Arc::clone(&run.stop);
    run.run(&mut |report| stop.store(report.records - report.replayed >= records, Ordering::Relaxed))
}

/// A row as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) sum: i64,
    pub(crate) revision: u32,
    pub(crate) standing: Standing,
}

/// The last word on every id; checks that revisions are 1, 2, 3 … and nothing comes after final.
pub(crate) fn table(store: &dyn Transport) -> BTreeMap<u64, Told> {
    let mut table: BTreeMap<u64, Told> = BTreeMap::new();
    visit(store, "sums", 0, 0, |batch, record| {
        let bytes = batch.value(record).unwrap();
        let (row, revision, standing) = (spec().decode)(bytes).unwrap();
        let before = table.insert(row.0, Told { sum: row.2, revision, standing });
        assert_eq!(revision, before.as_ref().map_or(0, |before| before.revision) + 1, "of {row:?} after {before:?}");
        assert!(before.as_ref().is_none_or(|before| before.standing != Standing::Final), "{row:?} after {before:?}");
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    table
}

/// How far the job has come at a place.
pub(crate) fn progress(place: &dyn Place) -> engine::transport::Progress {
    place.connect().writer("sums", &[]).unwrap().history().unwrap().pop().unwrap()
}
