//! What people do about alerts: they acknowledge and review them. Both are records of topics, from which the view, like everybody
//! else, learns of them.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use engine::access::Grant;
use engine::server::failure;
use engine::transport::{NewRecord, TopicStore, TransportError};
use engine::wall_ms;
use schemas::wire::{Format, Record};
use schemas::{Acknowledgement, Decision, Id, Review, ReviewReason, Status};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::alerts::{self, Standing};
use super::http::{BadRequest, Desk, bad, no_such_alert, tell};
use super::tables::{ACKNOWLEDGEMENTS, REVIEWS};

/// A decision, as it is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    decision: Decision,
    reason: Option<ReviewReason>,
    #[serde(default)]
    note: String,
    /// The revision that was looked at; without it the one that stands.
    revision: Option<u32>,
}

/// Which revision is acknowledged; without it the one that stands.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Seen {
    revision: Option<u32>,
}

pub(super) async fn review(State(desk): State<Desk>, Extension(grant): Extension<Grant>, Path(id): Path<String>, body: String) -> Response {
    let asked: Asked = match read(&body) {
        Ok(asked) => asked,
        Err(refusal) => return refusal.into(),
    };
    let (alert, standing) = match standing(&desk, &grant, &id, asked.revision).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    let Asked { decision, reason, note, .. } = asked;
    let review = Review { alert, revision: standing.revision, decision, reason, note, who: grant.name, at_ms: later_ms() };
    if let Err(wrong) = review.check() {
        return bad(wrong, "confirmed, or rejected with a reason: wrong_plate, broken_signal, …; other says why in its note").into();
    }
    publish(&desk, REVIEWS, alert, review).await
}

pub(super) async fn acknowledge(
    State(desk): State<Desk>,
    Extension(grant): Extension<Grant>,
    Path(id): Path<String>,
    body: String,
) -> Response {
    let seen: Seen = match if body.trim().is_empty() { Ok(Seen::default()) } else { read(&body) } {
        Ok(seen) => seen,
        Err(refusal) => return refusal.into(),
    };
    let (alert, standing) = match standing(&desk, &grant, &id, seen.revision).await {
        Ok(found) => found,
        Err(response) => return response,
    };
    if let Some(acknowledged) = standing.acknowledged {
        // The first counts; who comes second is told who sees to it.
        return answer(StatusCode::OK, "acknowledged before", &acknowledged);
    }
    let record = Acknowledgement { alert, revision: standing.revision, who: grant.name, at_ms: wall_ms() };
    publish(&desk, ACKNOWLEDGEMENTS, alert, record).await
}

/// The alert, if it may be seen, stands, and is as it was when it was looked at.
async fn standing(desk: &Desk, grant: &Grant, id: &str, seen: Option<u32>) -> Result<(Id, Standing), Response> {
    let Ok(id) = id.parse::<Id>() else { return Err(no_such_alert()) };
    let grant = grant.clone();
    let found = desk.ask(move |sql, _| alerts::standing(sql, &grant, id)).await?;
    let Some(standing) = found else { return Err(no_such_alert()) };
    if standing.status == Status::Withdrawn {
        return Err(failure(StatusCode::CONFLICT, "the alert was withdrawn", Some("there is nothing to be done about it any more")));
    }
    if seen.is_some_and(|seen| seen != standing.revision) {
        let error = format!("the alert is at revision {} by now", standing.revision);
        return Err(failure(StatusCode::CONFLICT, &error, Some("look at it again")));
    }
    Ok((id, standing))
}

/// Writes a record to its topic, which is made if it is not there; it is safe when this returns.
async fn publish<T: Record + Send + 'static>(desk: &Desk, topic: &'static str, alert: Id, record: T) -> Response {
    let mut value = Vec::new();
    Format::Json.encode(&record, &mut value);
    let written =
        desk.with_store(topic, "this cannot be written down now", move |store| append(store, topic, alert, &value).map(|()| value));
    match written.await {
        Ok(value) => {
            let value: Value = serde_json::from_slice(&value).unwrap_or_default();
            let said = ["decision", "reason"].map(|field| value[field].as_str().unwrap_or_default()).join(" ");
            answer(StatusCode::CREATED, said.trim(), &value)
        }
        Err(response) => response,
    }
}

fn append(store: &dyn TopicStore, topic: &str, alert: Id, value: &[u8]) -> Result<(), TransportError> {
    let partitions = partitions_of(store, topic)?;
    // What is said about one alert stays in order.
    let place = usize::try_from(alert.0 % partitions.len().max(1) as u64).unwrap_or(0);
    let partition = partitions.get(place).copied().unwrap_or(0);
    let key = alert.to_string();
    store.append(topic, &[NewRecord { partition, arrival_ms: None, key: key.as_bytes(), value: Some(value) }])
}

/// The partitions of a topic, which is made if it is not there.
pub(super) fn partitions_of(store: &dyn TopicStore, topic: &str) -> Result<Vec<u32>, TransportError> {
    match store.partitions(topic) {
        Err(error) if !error.retry => {
            store.create_topic(topic, 1)?;
            store.partitions(topic)
        }
        found => found,
    }
}

fn answer(status: StatusCode, said: &str, record: &Value) -> Response {
    let said = if said.is_empty() { String::new() } else { format!("{said}, ") };
    tell(status, format!("{said}revision {}", record["revision"]), record)
}

fn read<T: DeserializeOwned>(body: &str) -> Result<T, BadRequest> {
    let hint = r#"a review is {"decision": "rejected", "reason": "wrong_plate", "note": "", "revision": 2}, an acknowledgement {} or {"revision": 2}"#;
    serde_json::from_str(body).map_err(|error| bad(format!("the body cannot be read: {error}"), hint))
}

/// The wall clock, but later at every asking: of two decisions of one millisecond nobody could tell which is the newer.
fn later_ms() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now_ms = wall_ms();
    let last_ms = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last_ms| Some(now_ms.max(last_ms + 1)));
    last_ms.map_or(now_ms, |last_ms| now_ms.max(last_ms + 1))
}
