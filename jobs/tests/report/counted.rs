//! What a report must say, counted from the topics by itself: it shares no code with the operator, nor with the report.

use std::collections::BTreeMap;

use engine::transport::local::LocalTransport;
use engine::transport::{Batch, Position, Transport as _};
use serde_json::Value;

/// The records of a topic, each with when the log took it.
pub(crate) fn records(store: &LocalTransport, topic: &str) -> Vec<(u64, Value)> {
    let mut records = Vec::new();
    for partition in store.partitions(topic).unwrap() {
        let mut reader = store.reader(topic, partition, 0).unwrap();
        let mut batch = Batch::default();
        loop {
            batch.clear();
            let position = reader.read(1 << 20, &mut batch).unwrap();
            let read = batch
                .records
                .iter()
                .map(|record| (record.arrival_ms.unwrap(), serde_json::from_slice(batch.value(record).unwrap()).unwrap()));
            records.extend(read);
            if position != Position::More {
                break;
            }
        }
    }
    records
}

/// Sums of one rule, one camera or everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) passages: i64,
    pub(crate) reads: i64,
    pub(crate) alerts: i64,
    pub(crate) withdrawn: i64,
    pub(crate) confirmed: i64,
    pub(crate) rejected: i64,
    pub(crate) acknowledged: i64,
    pub(crate) acknowledging_ms: i64,
}

impl Sums {
    /// The sums of a group of a report.
    pub(crate) fn told(group: &Value) -> Self {
        let count = |name: &str| group["counts"][name].as_i64().unwrap();
        Self {
            passages: count("passages"),
            reads: count("reads"),
            alerts: count("alerts"),
            withdrawn: count("withdrawn"),
            confirmed: count("confirmed"),
            rejected: count("rejected"),
            acknowledged: count("acknowledged"),
            acknowledging_ms: count("acknowledging_ms"),
        }
    }
}

/// By `all`, `rule NAME`, `camera NAME` and `hour H`.
pub(crate) fn count(store: &LocalTransport) -> BTreeMap<String, Sums> {
    let mut sums = BTreeMap::<String, Sums>::new();
    let hour = |at_ms: &Value| format!("hour {:02}:00", at_ms.as_u64().unwrap() / 3_600_000 % 24);
    let mut sightings = BTreeMap::new();
    for (_, row) in records(store, "sightings") {
        sightings.insert(row["id"].as_str().unwrap().to_owned(), row);
    }
    for row in sightings.values().filter(|row| row["status"] == "final") {
        for name in ["all".to_owned(), format!("camera {}", row["camera"].as_str().unwrap()), hour(&row["from_ms"])] {
            let sum = sums.entry(name).or_default();
            sum.passages += 1;
            sum.reads += i64::from(!row["plate"].is_null());
        }
    }
    let (mut first, mut last) = (BTreeMap::new(), BTreeMap::new());
    for (told_ms, row) in records(store, "alerts") {
        let id = row["id"].as_str().unwrap().to_owned();
        first.entry(id.clone()).or_insert((told_ms, row.clone()));
        last.insert(id, row);
    }
    let (mut decided, mut seen) = (BTreeMap::new(), BTreeMap::<String, i64>::new());
    for (_, row) in records(store, "reviews") {
        decided.insert(row["alert"].as_str().unwrap().to_owned(), row["decision"].as_str().unwrap().to_owned());
    }
    for (_, row) in records(store, "acknowledgements") {
        let at_ms = row["at_ms"].as_i64().unwrap();
        seen.entry(row["alert"].as_str().unwrap().to_owned()).and_modify(|first_ms| *first_ms = at_ms.min(*first_ms)).or_insert(at_ms);
    }
    for (id, (told_ms, row)) in &first {
        let evidence = row["evidence"].as_array().unwrap();
        // Of moments that are equal the last.
        let camera =
            evidence.iter().fold(&evidence[0], |best, one| if one["at_ms"].as_u64() >= best["at_ms"].as_u64() { one } else { best });
        let withdrawn = last[id]["status"] == "withdrawn";
        let decision = decided.get(id).filter(|_| !withdrawn).map_or("", String::as_str);
        let camera = format!("camera {}", camera["camera"].as_str().unwrap());
        for name in ["all".to_owned(), format!("rule {}", row["rule"].as_str().unwrap()), camera, hour(&row["at_ms"])] {
            let sum = sums.entry(name).or_default();
            sum.alerts += 1;
            sum.withdrawn += i64::from(withdrawn);
            sum.confirmed += i64::from(decision == "confirmed");
            sum.rejected += i64::from(decision == "rejected");
            sum.acknowledged += i64::from(seen.contains_key(id));
            sum.acknowledging_ms += seen.get(id).map_or(0, |at_ms| (at_ms - i64::try_from(*told_ms).unwrap()).max(0));
        }
    }
    sums
}
