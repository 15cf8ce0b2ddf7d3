//! The lists of wanted plates: who puts a plate there says why, and for how long. The topic `hotlist` holds them, from which jobs
//! read them; here it is read whole, as they do, whenever somebody asks.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use engine::access::{Grant, Unfit};
use engine::server::failure;
use engine::transport::{NewRecord, TopicStore, TransportError, visit};
use engine::wall_ms;
use schemas::wire::Format;
use schemas::{HotlistEntry, Id, Name, PlateKind, PlateText};
use serde::Deserialize;
use serde_json::json;

use super::http::{BadRequest, Desk, bad, normalised, purpose, tell};
use super::review::partitions_of;

/// The topic.
const TOPIC: &str = "hotlist";
/// The answer where it cannot be used.
const REFUSED: &str = "the lists cannot be used now";
/// For how long a plate is looked for unless told otherwise, and at most: 30 and 366 days.
const LASTS_MS: u64 = 30 * 86_400_000;
const LASTS_MOST_MS: u64 = 366 * 86_400_000;

/// A plate that is to be looked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    list: String,
    plate: String,
    kind: PlateKind,
    #[serde(default = "usual_priority")]
    priority: u8,
    reason: String,
    from_ms: Option<u64>,
    until_ms: Option<u64>,
}

fn usual_priority() -> u8 {
    50
}

/// Which entries, and why they are looked at.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Wanted {
    list: Option<String>,
    reason: Option<String>,
    #[allow(dead_code, reason = "for the audit log, which reads it from the request itself")]
    case: Option<String>,
}

/// An entry as it stands in the topic.
struct Standing {
    entry: HotlistEntry,
    partition: u32,
    key: Vec<u8>,
}

pub(super) async fn list(State(desk): State<Desk>, Query(wanted): Query<Wanted>) -> Response {
    let entries = match standing(&desk).await {
        Ok(entries) => entries,
        Err(response) => return response,
    };
    let now_ms = wall_ms();
    let among = |entry: &&HotlistEntry| wanted.list.as_deref().is_none_or(|list| entry.list.as_str() == list) && entry.until_ms > now_ms;
    let entries: Vec<&HotlistEntry> = entries.values().map(|standing| &standing.entry).filter(among).collect();
    tell(StatusCode::OK, format!("{} entries", entries.len()), &json!(entries))
}

pub(super) async fn add(State(desk): State<Desk>, Extension(grant): Extension<Grant>, body: String) -> Response {
    let entry = match checked(&body) {
        Ok(entry) => entry,
        Err(refusal) => return refusal.into(),
    };
    let known = match standing(&desk).await {
        Ok(mut entries) => entries.remove(&(entry.list, entry.plate)),
        Err(response) => return response,
    };
    let said = format!("{} on list {} until {}, by {}", entry.plate, entry.list, entry.until_ms, grant.name);
    put(&desk, entry, known, StatusCode::CREATED, said).await
}

pub(super) async fn remove(
    State(desk): State<Desk>,
    Path((list, plate)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Response {
    let asked = purpose("reason", wanted.reason.as_deref()).and_then(|()| Ok((named(&list)?, normalised(&plate)?)));
    let which = match asked {
        Ok(which) => which,
        Err(refusal) => return refusal.into(),
    };
    let known = match standing(&desk).await {
        Ok(mut entries) => entries.remove(&which),
        Err(response) => return response,
    };
    let Some(known) = known else {
        return failure(StatusCode::NOT_FOUND, "no such plate is on that list", Some("GET /v1/hotlist tells what is"));
    };
    let said = format!("{} off list {}", known.entry.plate, known.entry.list);
    let entry = HotlistEntry { deleted: true, ..known.entry.clone() };
    put(&desk, entry, Some(known), StatusCode::OK, said).await
}

/// Whether such an entry can be put on a list, for who is to approve of it.
pub(crate) fn can_be_listed(body: &str) -> Result<(), Unfit> {
    checked(body).map(drop).map_err(|BadRequest(unfit)| unfit)
}

/// The entry that is asked for, if it can be one.
fn checked(body: &str) -> Result<HotlistEntry, BadRequest> {
    let hint =
        r#"{"list": "stolen", "plate": "88A-123.45", "kind": "car", "priority": 90, "reason": "case 0001", "until_ms": 1798761600000}"#;
    let asked: Asked = serde_json::from_str(body).map_err(|error| bad(format!("the body cannot be read: {error}"), hint))?;
    purpose("reason", Some(&asked.reason))?;
    let now_ms = wall_ms();
    let from_ms = asked.from_ms.unwrap_or(now_ms);
    let until_ms = asked.until_ms.unwrap_or_else(|| from_ms.saturating_add(LASTS_MS));
    if until_ms > now_ms.saturating_add(LASTS_MOST_MS) {
        return Err(bad("a plate is looked for for a year at most", "ask again then: until_ms is milliseconds since the epoch"));
    }
    let Asked { kind, priority, reason, .. } = asked;
    let (list, plate) = (named(&asked.list)?, normalised(&asked.plate)?);
    let entry = HotlistEntry { list, plate, kind, priority, reason, from_ms, until_ms, deleted: false };
    entry.check().map_err(|wrong| bad(wrong, hint))?;
    Ok(entry)
}

fn named(list: &str) -> Result<Name, BadRequest> {
    list.parse().map_err(|error| bad(format!("no list has such a name: {error}"), "a short word, such as stolen"))
}

/// The entries that stand, read from the topic as it is now.
async fn standing(desk: &Desk) -> Result<BTreeMap<(Name, PlateText), Standing>, Response> {
    desk.with_store(TOPIC, REFUSED, read).await
}

fn read(store: &dyn TopicStore) -> Result<BTreeMap<(Name, PlateText), Standing>, TransportError> {
    let mut entries: BTreeMap<Vec<u8>, Standing> = BTreeMap::new();
    for partition in partitions_of(store, TOPIC)? {
        visit(store, TOPIC, partition, 0, |batch, record| {
            // What cannot be read is refused by jobs too, and what stood before it stands.
            let Ok(entry) = batch.value(record).map(|value| Format::of(value).decode::<HotlistEntry>(value)).transpose() else {
                return ControlFlow::Continue(());
            };
            let own = || entry.as_ref().map(own_key).unwrap_or_default();
            let key = if batch.key(record).is_empty() { own() } else { batch.key(record).to_vec() };
            match entry.filter(|entry| !entry.deleted) {
                Some(entry) => _ = entries.insert(key.clone(), Standing { entry, partition, key }),
                None => _ = entries.remove(&key),
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(entries.into_values().map(|standing| ((standing.entry.list, standing.entry.plate), standing)).collect())
}

/// The key of an entry that brings none.
fn own_key(entry: &HotlistEntry) -> Vec<u8> {
    format!("{}/{}", entry.list, entry.plate).into_bytes()
}

/// Writes an entry where the one before it of its list and plate lies, so that their order is kept.
async fn put(desk: &Desk, entry: HotlistEntry, before: Option<Standing>, status: StatusCode, said: String) -> Response {
    let row = entry.clone();
    let written = desk.with_store(TOPIC, REFUSED, move |store| {
        let (partition, key) = match before {
            Some(before) => (before.partition, before.key),
            None => {
                let partitions = partitions_of(store, TOPIC)?;
                let spread = Id::of(TOPIC).with(row.list.as_str().as_bytes()).with(row.plate.to_string().as_bytes()).finish().0;
                let place = usize::try_from(spread % partitions.len().max(1) as u64).unwrap_or(0);
                (partitions.get(place).copied().unwrap_or(0), own_key(&row))
            }
        };
        let mut value = Vec::new();
        Format::Json.encode(&row, &mut value);
        store.append(TOPIC, &[NewRecord { partition, arrival_ms: None, key: &key, value: Some(&value) }])
    });
    match written.await {
        Ok(()) => tell(status, said, &json!(entry)),
        Err(response) => response,
    }
}
