//! Alerts as they come, as server-sent events.
//!
//! ```text
//! event: begin       from here on                      id: INSTANCE.CHANGE, to be given back as Last-Event-ID
//! event: alert       an alert as it stands now
//! event: elsewhere   {"id"}: another centre has it now
//! event: reset       the place given is not known any more: ask for all alerts again, and go on from here
//! ```
//!
//! Who was away is told of every alert that changed meanwhile, as it stands. Who may not see alerts any more is told nothing
//! more, and the stream ends.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use engine::access::Grant;
use engine::server::{Pass, Told, failure};
use futures_util::stream::unfold;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::alerts::{self, News};
use super::http::{Desk, Purpose};

/// How many may follow alerts at once.
pub(super) const STREAMS_MOST: usize = 256;
/// Alerts read at once, and the most that are told to who may not see them any more.
const READ_MOST: u32 = 32;
/// How often it is looked whether who follows still may, when there is no news.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often a line is sent that says nothing, so that nobody on the way takes the connection for dead.
const ALIVE_EVERY: Duration = Duration::from_secs(15);

/// Somebody who follows alerts.
struct Follower {
    desk: Desk,
    grant: Grant,
    pass: Pass,
    news: watch::Receiver<u64>,
    instance: String,
    /// The last change that was told.
    told: i64,
    waiting: VecDeque<Event>,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn follow(
    State(desk): State<Desk>,
    Extension(grant): Extension<Grant>,
    Extension(pass): Extension<Pass>,
    headers: HeaderMap,
    Query(_): Query<Purpose>,
) -> Response {
    let Ok(permit) = Arc::clone(&desk.streams).try_acquire_owned() else {
        let error = format!("{STREAMS_MOST} follow alerts already");
        return failure(StatusCode::SERVICE_UNAVAILABLE, &error, Some("one that follows for many, or GET /v1/alerts"));
    };
    // From before the place is read, so that no news falls between.
    let news = desk.view.news();
    let (instance, last) = match desk.ask(|sql, _| alerts::last_change(sql)).await {
        Ok(place) => place,
        Err(response) => return response,
    };
    let given = headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let known = given.and_then(|text| text.split_once('.')).filter(|(given, _)| *given == instance);
    let known = known.and_then(|(_, change)| change.parse().ok()).filter(|change| (0..=last).contains(change));
    let (name, told) = match (given, known) {
        (_, Some(change)) => ("begin", change),
        (None, None) => ("begin", last),
        (Some(_), None) => ("reset", last),
    };
    let began = event(&instance, told, name, &json!({}));
    let follower = Follower { desk, grant, pass, news, instance, told, waiting: [began].into(), _permit: permit };
    let stream = unfold(follower, |mut follower| async move {
        let event = follower.next().await?;
        Some((Ok::<_, Infallible>(event), follower))
    });
    let mut response = Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)).into_response();
    response.extensions_mut().insert(Told(format!("alerts from change {told} on")));
    response
}

fn event(instance: &str, change: i64, name: &str, data: &serde_json::Value) -> Event {
    Event::default().id(format!("{instance}.{change}")).event(name).data(data.to_string())
}

impl Follower {
    /// The next event; `None`: there will be none.
    async fn next(&mut self) -> Option<Event> {
        while self.waiting.is_empty() {
            self.news.mark_unchanged();
            let pass = self.pass.clone();
            let holds = tokio::task::spawn_blocking(move || pass.holds()).await.unwrap_or(false);
            if !holds || self.desk.view.is_over() {
                return None;
            }
            let (grant, told) = (self.grant.clone(), self.told);
            let changes = self.desk.ask(move |sql, sight| alerts::changes(sql, sight, &grant, told, READ_MOST)).await.ok()?;
            for (change, news) in changes {
                let (name, data) = match news {
                    News::Alert(alert) => ("alert", alert),
                    News::Elsewhere(id) => ("elsewhere", json!({"id": id})),
                };
                self.told = change;
                self.waiting.push_back(event(&self.instance, change, name, &data));
            }
            if self.waiting.is_empty() {
                // Whichever comes first: news, or the time to look.
                _ = tokio::time::timeout(LOOK_EVERY, self.news.changed()).await;
            }
        }
        self.waiting.pop_front()
    }
}
