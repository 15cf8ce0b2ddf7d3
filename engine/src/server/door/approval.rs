//! Four eyes: what one person asks for, another approves of.
//!
//! ```text
//! request ─▶ may that role do this? ─▶ held, 202 ─▶ approved by another whom the same rule lets in ─▶ the same handler ─▶ answer
//!                                          └▶ refused, also by who asked; or a day goes by
//! ```
//!
//! It is done in the name of who asked, who must still be allowed it by then, and the audit log has both names.

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::guard::{Guard, Pass, Told, Trace, allowed, outcome_of, untraced};
use crate::access::{Decided, Grant, Held, Rule};
use crate::definition::BYTES_MOST;
use crate::server::http::failure;

/// What approving needs: the routes as they are behind the guard.
#[derive(Clone)]
pub(in crate::server) struct Approving {
    pub(in crate::server) guard: Guard,
    pub(in crate::server) routes: Router,
}

impl Approving {
    /// The routes of approving.
    pub(in crate::server) fn routes(self) -> Router {
        use axum::routing::{get, post};
        Router::new()
            .route("/v1/approvals", get(list))
            .route("/v1/approvals/{id}/approve", post(approve))
            .route("/v1/approvals/{id}/refuse", post(refuse))
            .with_state(self)
    }

    /// Asks the state file, beside the thread that serves.
    async fn ask<T: Send + 'static>(&self, question: impl FnOnce(&Guard) -> rusqlite::Result<T> + Send + 'static) -> Result<T, Response> {
        let guard = self.guard.clone();
        match tokio::task::spawn_blocking(move || question(&guard)).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(failure(StatusCode::SERVICE_UNAVAILABLE, "the state file cannot be used now", None)),
        }
    }

    /// The request, if it waits and this one may decide about it.
    async fn find(&self, id: String, grant: &Grant) -> Result<Held, Response> {
        let found = self.ask(move |guard| guard.approvals().find(&id)).await?;
        found.filter(|held| may(&self.guard, held, grant)).ok_or_else(nothing_waits)
    }
}

/// Whether somebody may do what was asked for himself.
fn may(guard: &Guard, held: &Held, grant: &Grant) -> bool {
    guard.rule(&held.method, &held.path).is_some_and(|rule| allowed(rule, grant).is_ok())
}

fn nothing_waits() -> Response {
    failure(StatusCode::NOT_FOUND, "nothing of that id waits for your approval", Some("GET /v1/approvals lists what does"))
}

/// Keeps a request until somebody else approves of it.
pub(super) async fn hold(guard: &Guard, trace: &Trace, rule: &Rule, path: String, request: Request) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().to_string());
    let Ok(body) = to_bytes(request.into_body(), BYTES_MOST).await else {
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", None);
    };
    if !trace.write("asked".to_owned()).await {
        return untraced();
    }
    if let Some(Err(unfit)) = rule.check.map(|check| check(&String::from_utf8_lossy(&body))) {
        let response = failure(StatusCode::BAD_REQUEST, &unfit.error, Some(&unfit.hint));
        trace.write(outcome_of(&response)).await;
        return response;
    }
    let (kept, who) = (guard.clone(), trace.who().to_owned());
    let held = tokio::task::spawn_blocking(move || kept.approvals().hold(&method, &path, &uri, &body, &who)).await;
    let Ok(Ok(held)) = held else {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "the state file cannot be used now", None);
    };
    trace.write(format!("202 waits for approval {}", held.id)).await;
    let hint = "another person with the same right approves of it: `giaolo approvals approve`";
    (StatusCode::ACCEPTED, Json(json!({"approval": held.id, "until_ms": held.until_ms(), "hint": hint}))).into_response()
}

async fn list(State(approving): State<Approving>, Extension(grant): Extension<Grant>) -> Response {
    let waiting = match approving.ask(|guard| guard.approvals().waiting()).await {
        Ok(waiting) => waiting,
        Err(response) => return response,
    };
    let shown = |held: Held| {
        json!({
            "id": held.id, "method": held.method, "path": held.uri, "body": String::from_utf8_lossy(&held.body), "who": held.who,
            "yours": held.who == grant.name, "asked_ms": held.asked_ms, "until_ms": held.until_ms(),
        })
    };
    let waiting: Vec<Value> = waiting.into_iter().filter(|held| may(&approving.guard, held, &grant)).map(shown).collect();
    Json(waiting).into_response()
}

async fn refuse(State(approving): State<Approving>, Extension(grant): Extension<Grant>, Path(id): Path<String>) -> Response {
    match decide(&approving, &grant, id, Decided::Refused).await {
        Ok(held) => told(Json(json!({"id": held.id, "decision": "refused"})).into_response(), &held, "refused"),
        Err(response) => response,
    }
}

async fn approve(State(approving): State<Approving>, Extension(grant): Extension<Grant>, Path(id): Path<String>) -> Response {
    let held = match decide(&approving, &grant, id, Decided::Approved).await {
        Ok(held) => held,
        Err(response) => return response,
    };
    let who = held.who.clone();
    let asker = match approving.ask(move |guard| guard.register().by_name(&who)).await {
        Ok(asker) => asker.filter(|asker| may(&approving.guard, &held, asker)),
        Err(response) => return response,
    };
    let Some(asker) = asker else {
        let response = failure(StatusCode::CONFLICT, "who asked for it may not do it any more", Some("ask for it anew"));
        return told(response, &held, "approved, not done");
    };
    let request = Request::builder().method(held.method.as_str()).uri(held.uri.as_str()).header(header::CONTENT_TYPE, "application/json");
    let Ok(mut request) = request.body(Body::from(held.body.clone())) else { return nothing_waits() };
    request.extensions_mut().insert(Pass::of(&approving.guard, &asker));
    request.extensions_mut().insert(asker.clone());
    let Ok(response) = approving.routes.clone().oneshot(request).await;
    let trace = Trace::of(&approving.guard, asker, &held.method, &held.path, &held.uri, format!("approved by {}", grant.name));
    trace.write(outcome_of(&response)).await;
    let outcome = format!("approved, {}", response.status().as_u16());
    told(response, &held, &outcome)
}

/// Decides about a request that waits; at most one does.
async fn decide(approving: &Approving, grant: &Grant, id: String, decided: Decided) -> Result<Held, Response> {
    let held = approving.find(id, grant).await?;
    if decided == Decided::Approved && held.who == grant.name {
        return Err(failure(StatusCode::FORBIDDEN, "who asked for it cannot approve of it", Some("it takes a second person")));
    }
    let (id, by) = (held.id.clone(), grant.name.clone());
    let first = approving.ask(move |guard| guard.approvals().decide(&id, decided, &by)).await?;
    if first { Ok(held) } else { Err(nothing_waits()) }
}

/// The answer, with what the audit log is to say of it.
fn told(mut response: Response, held: &Held, outcome: &str) -> Response {
    response.extensions_mut().insert(Told(format!("{outcome}: {} {} by {}", held.method, held.path, held.who)));
    response
}
