//! The routes of look-ups. What is asked is checked here; who may ask, and the trace of it, is the business of the server's door.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use engine::access::{Grant, Unfit};
use engine::server::{Told, failure};
use engine::transport::{TopicStore, TransportError};
use engine::view::{Sql, SqlError, View, ViewError};
use schemas::{Id, Name, PlateText, Status};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::alerts::{self, Wanted, Whole};
use super::sight::Sight;
use super::{cameras, events, hotlist, intake, journeys, review, tables};

/// Alerts or journeys in one answer, unless fewer are asked for.
const ROWS: u32 = 100;
const ROWS_MOST: u32 = 1_000;
/// The longest reason or case, bytes.
const PURPOSE_MOST: usize = 500;

/// Where questions are answered. Clones are the same desk.
#[derive(Clone)]
pub(super) struct Desk(Arc<Inner>);

pub(super) struct Inner {
    pub(super) view: View,
    pub(super) sight: Sight,
    /// Where what people say about alerts is written.
    pub(super) store: Arc<dyn TopicStore>,
    /// How many may follow alerts at once.
    pub(super) streams: Arc<Semaphore>,
}

impl std::ops::Deref for Desk {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Desk {
    pub(super) fn new(view: View, sight: Sight, store: Arc<dyn TopicStore>) -> Self {
        Self(Arc::new(Inner { view, sight, store, streams: Arc::new(Semaphore::new(events::STREAMS_MOST)) }))
    }

    /// Answers a question about the view, beside the thread that serves.
    pub(super) async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Sql, &Sight) -> Result<R, SqlError> + Send + 'static,
    ) -> Result<R, Response> {
        let desk = self.clone();
        match tokio::task::spawn_blocking(move || desk.view.ask(|sql| question(sql, &desk.sight))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(unavailable(&error)),
            Err(_) => Err(panicked()),
        }
    }

    /// Does something with a topic of the store, beside the thread that serves; `refused` is the answer where that cannot be done now.
    pub(super) async fn with_store<R: Send + 'static>(
        &self,
        topic: &'static str,
        refused: &'static str,
        work: impl FnOnce(&dyn TopicStore) -> Result<R, TransportError> + Send + 'static,
    ) -> Result<R, Response> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&*store)).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => {
                tracing::error!(%error, topic, "a topic cannot be used");
                Err(failure(StatusCode::SERVICE_UNAVAILABLE, refused, Some("ask again; the server's log says why")))
            }
            Err(_) => Err(panicked()),
        }
    }
}

fn panicked() -> Response {
    failure(StatusCode::INTERNAL_SERVER_ERROR, "this is a bug: the request panicked", Some("the server's log says where"))
}

fn unavailable(error: &ViewError) -> Response {
    tracing::error!(%error, "look-ups cannot be answered");
    let hint = match error {
        ViewError::Fault(_) => "the server's log says why; the view can be deleted, and is made anew when the server starts",
        ViewError::State(_) => "is its disk full, or its database away? The server's log says more",
    };
    failure(StatusCode::SERVICE_UNAVAILABLE, "look-ups cannot be answered now", Some(hint))
}

pub(super) fn routes(desk: Desk) -> Router {
    Router::new()
        .route("/v1/vehicles/{plate}/journeys", get(list_journeys))
        .route("/v1/alerts", get(list_alerts))
        .route("/v1/alerts/events", get(events::follow))
        .route("/v1/alerts/{id}", get(one_alert))
        .route("/v1/alerts/{id}/review", post(review::review))
        .route("/v1/alerts/{id}/ack", post(review::acknowledge))
        .route("/v1/cameras", get(list_cameras))
        .route("/v1/hotlist", get(hotlist::list).post(hotlist::add))
        .route("/v1/hotlist/{list}/{plate}", delete(hotlist::remove))
        .with_state(desk)
}

/// Why something is asked: for the audit log, which reads it from the request itself.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Journeys {
    from: u64,
    to: Option<u64>,
    limit: Option<u32>,
    reason: Option<String>,
    case: Option<String>,
}

async fn list_journeys(
    State(desk): State<Desk>,
    Extension(grant): Extension<Grant>,
    Path(plate): Path<String>,
    Query(asked): Query<Journeys>,
) -> Response {
    let checked = purpose("reason", asked.reason.as_deref())
        .and_then(|()| purpose("case", asked.case.as_deref()))
        .and_then(|()| span(asked.from, asked.to))
        .and_then(|span| Ok((normalised(&plate)?, span, rows(asked.limit)?)));
    let (plate, span, limit) = match checked {
        Ok(checked) => checked,
        Err(refusal) => return refusal.into(),
    };
    let answer = desk.ask(move |sql, sight| journeys::list(sql, sight, &grant, plate, span, limit)).await;
    match answer {
        Ok((journeys, more)) => {
            let told = format!("plate {plate}, {} journeys", journeys.len());
            tell(StatusCode::OK, told, &json!({"plate": plate, "journeys": journeys, "more": more, "behind_ms": desk.view.behind_ms()}))
        }
        Err(response) => response,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Alerts {
    from: u64,
    to: Option<u64>,
    rule: Option<String>,
    centre: Option<String>,
    camera: Option<String>,
    state: Option<Status>,
    review: Option<Reviewed>,
    limit: Option<u32>,
    cursor: Option<String>,
    #[allow(dead_code, reason = "for the audit log, which reads it from the request itself")]
    reason: Option<String>,
    #[allow(dead_code, reason = "likewise")]
    case: Option<String>,
}

/// What was decided of an alert.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Reviewed {
    Confirmed,
    Rejected,
    None,
}

impl Reviewed {
    fn name(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Rejected => "rejected",
            Self::None => "none",
        }
    }
}

impl Alerts {
    fn wanted(self) -> Result<Wanted, BadRequest> {
        let (from_ms, until_ms) = span(self.from, self.to)?;
        let camera =
            self.camera.map(|camera| camera.parse::<Name>().map_err(|error| bad("no camera has such a name", error))).transpose()?;
        let cursor = self.cursor.map(|text| text.parse().map_err(|error| bad("the cursor cannot be used", error))).transpose()?;
        let (rule, centre, status, limit) = (self.rule, self.centre, self.state.map(intake::name), rows(self.limit)?);
        let review = self.review.map(Reviewed::name);
        Ok(Wanted { from_ms, until_ms: Some(until_ms), rule, centre, camera, status, review, cursor, limit })
    }
}

async fn list_alerts(State(desk): State<Desk>, Extension(grant): Extension<Grant>, Query(asked): Query<Alerts>) -> Response {
    let wanted = match asked.wanted() {
        Ok(wanted) => wanted,
        Err(refusal) => return refusal.into(),
    };
    match desk.ask(move |sql, sight| alerts::list(sql, sight, &grant, &wanted)).await {
        Ok(page) => {
            let next = page.next.map(|cursor| cursor.to_string());
            let told = format!("{} alerts", page.alerts.len());
            tell(StatusCode::OK, told, &json!({"alerts": page.alerts, "next": next, "behind_ms": desk.view.behind_ms()}))
        }
        Err(response) => response,
    }
}

/// A request that names nothing more than why.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(dead_code, reason = "for the audit log, which reads it from the request itself")]
pub(super) struct Purpose {
    reason: Option<String>,
    case: Option<String>,
}

async fn one_alert(
    State(desk): State<Desk>,
    Extension(grant): Extension<Grant>,
    Path(id): Path<String>,
    Query(_): Query<Purpose>,
) -> Response {
    let found = match id.parse::<Id>() {
        Ok(id) => desk.ask(move |sql, sight| alerts::one(sql, sight, &grant, id)).await,
        Err(_) => Ok(None),
    };
    match found {
        Ok(Some(whole)) => Json(with_rows(&desk, whole).await).into_response(),
        Ok(None) => no_such_alert(),
        Err(response) => response,
    }
}

/// An alert with the rows of the sightings it rests on. Where their topic cannot be read now, it is told without.
async fn with_rows(desk: &Desk, Whole { mut alert, sightings }: Whole) -> Value {
    let read = desk.with_store(tables::SIGHTINGS, "the rows cannot be read now", move |store| alerts::rows(store, &sightings)).await;
    let evidence = alert["evidence"].as_array_mut().into_iter().flatten();
    evidence.zip(read.unwrap_or_default()).for_each(|(one, row)| one["row"] = row);
    alert
}

/// The same answer whether there is none or it is another centre's.
pub(super) fn no_such_alert() -> Response {
    failure(StatusCode::NOT_FOUND, "there is no such alert, or it is another centre's", Some("GET /v1/alerts lists them"))
}

async fn list_cameras(State(desk): State<Desk>, Extension(grant): Extension<Grant>, Query(_): Query<Purpose>) -> Response {
    match desk.ask(move |sql, sight| cameras::list(sql, sight, &grant)).await {
        Ok(cameras) => {
            tell(StatusCode::OK, format!("{} cameras", cameras.len()), &json!({"cameras": cameras, "behind_ms": desk.view.behind_ms()}))
        }
        Err(response) => response,
    }
}

/// An answer, and what the audit log is told of it.
pub(super) fn tell(status: StatusCode, told: String, answer: &Value) -> Response {
    let mut response = (status, Json(answer)).into_response();
    response.extensions_mut().insert(Told(told));
    response
}

/// A request that cannot be meant.
pub(super) struct BadRequest(pub(super) Unfit);

pub(super) fn bad(error: impl Into<String>, hint: impl std::fmt::Display) -> BadRequest {
    BadRequest(Unfit { error: error.into(), hint: hint.to_string() })
}

impl From<BadRequest> for Response {
    fn from(BadRequest(unfit): BadRequest) -> Self {
        failure(StatusCode::BAD_REQUEST, &unfit.error, Some(&unfit.hint))
    }
}

/// A reason and a case must be given, and are short.
pub(super) fn purpose(name: &str, given: Option<&str>) -> Result<(), BadRequest> {
    let length = given.map_or(0, |text| text.trim().len());
    if (1..=PURPOSE_MOST).contains(&length) {
        return Ok(());
    }
    let hint = "who asks for a plate says why, and for which case: ?reason=hit-and-run&case=2026-0117; both are in the audit log";
    Err(match length {
        0 => bad(format!("a {name} is needed"), hint),
        _ => bad(format!("the {name} is {length} bytes long; at most {PURPOSE_MOST} are allowed"), hint),
    })
}

pub(super) fn normalised(plate: &str) -> Result<PlateText, BadRequest> {
    let hint = "letters and digits, such as 88A-123.45; spaces, dots and hyphens do not matter";
    match plate.parse::<PlateText>() {
        Ok(plate) if !plate.is_empty() => Ok(plate),
        Ok(_) => Err(bad("the plate is empty", hint)),
        Err(why) => Err(bad(format!("the plate {why}"), hint)),
    }
}

/// A span of time, both ends included; without an end it has none.
fn span(from_ms: u64, until_ms: Option<u64>) -> Result<(u64, u64), BadRequest> {
    let until_ms = until_ms.unwrap_or(u64::MAX);
    if from_ms > until_ms {
        return Err(bad("`to` is before `from`", "both are milliseconds since the epoch"));
    }
    Ok((from_ms, until_ms))
}

fn rows(limit: Option<u32>) -> Result<u32, BadRequest> {
    let limit = limit.unwrap_or(ROWS);
    let allowed = (1..=ROWS_MOST).contains(&limit);
    allowed.then_some(limit).ok_or_else(|| bad(format!("{limit} rows are asked for"), format!("1 to {ROWS_MOST} are given at once")))
}
