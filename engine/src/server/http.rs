//! The HTTP interface: submit, stop and look at jobs; health and metrics. Described in `openapi.json`, which it also serves.
//!
//! One thread serves it; nothing of the dataflow runs there. Errors are `{"error", "hint", "problems"}` with a fitting status.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Path, Query, State as Shared};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::door::{Approving, Door, DoorError, Extension, Guard, Listener, Peer, Told, guard};
use super::{JobView, Server, ServerError, Submission, metrics};
use crate::access::AccessError;
use crate::definition::{BYTES_MOST, parse_bytes};

/// What the interface can do, for programs.
const OPENAPI: &str = include_str!("openapi.json");

/// How often the head of the audit log is told.
const HEAD_EVERY: Duration = Duration::from_secs(3_600);
/// Rows of the audit log in one answer.
const ROWS_MOST: u32 = 1_000;

/// A server that listens.
pub struct Bound {
    /// Where.
    pub address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Listens at a door until what it returns is dropped.
///
/// # Errors
/// The address is taken or not this machine's, or others could reach it and read or ask what they please.
pub fn listen(server: Server, door: Door) -> Result<Bound, DoorError> {
    let guard = door.guard(&server.config.catalogue)?;
    if !guard.is_closed().map_err(AccessError::from)? {
        tracing::warn!("no access control: everybody on this machine may do everything; `giaolo access add` begins it");
    }
    let Door { address, tls, more, .. } = door;
    let bind = |error| DoorError::Bind(address, error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(bind)?;
    let listener = runtime.block_on(Listener::bind(address, tls)).map_err(bind)?;
    let (address, over) = (listener.address(), Arc::new(AtomicBool::new(false)));
    let router = router(server, guard.clone(), more)?;
    let stop = Arc::clone(&over);
    let serve = move || {
        runtime.block_on(async {
            tokio::spawn(tell_head(guard.clone()));
            let service = router.into_make_service_with_connect_info::<Peer>();
            if let Err(error) = axum::serve(listener, service).with_graceful_shutdown(raised(stop)).await {
                tracing::error!(%error, "the HTTP interface stopped");
            }
            say_head(&guard);
        });
    };
    let thread = std::thread::Builder::new().name("http".into()).spawn(serve).map_err(bind)?;
    Ok(Bound { address, over, thread: Some(thread) })
}

/// Tells where the audit log ends, again and again: what was told elsewhere shows when rows are removed here.
async fn tell_head(guard: Guard) {
    loop {
        tokio::time::sleep(HEAD_EVERY).await;
        let guard = guard.clone();
        _ = tokio::task::spawn_blocking(move || say_head(&guard)).await;
    }
}

fn say_head(guard: &Guard) {
    if let Ok(head) = guard.audit().head() {
        tracing::info!(%head, "the audit log ends here");
    }
}

async fn raised(flag: Arc<AtomicBool>) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// All routes, behind the guard.
fn router(server: Server, door: Guard, more: Option<Extension>) -> Result<Router, DoorError> {
    let mut document: Value = serde_json::from_str(OPENAPI)?;
    let mut routes = Router::new()
        .route("/v1/jobs", get(list).post(submit))
        .route("/v1/jobs/{job}", get(job).delete(stop))
        .route("/v1/jobs/{job}/definition", get(definition))
        .route("/v1/jobs/{job}/pause", post(pause))
        .route("/v1/jobs/{job}/resume", post(resume))
        .route("/v1/plan", post(plan))
        .route("/v1/status", get(status))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(scrape))
        .with_state(server)
        .merge(Router::new().route("/v1/audit", get(audit)).with_state(door.clone()));
    if let Some(Extension { routes: others, openapi }) = more {
        routes = routes.merge(others);
        merge(&mut document, serde_json::from_str(openapi)?);
    }
    let document = document.to_string();
    let routes = routes.layer(DefaultBodyLimit::max(BYTES_MOST + 1));
    let approving = Approving { guard: door.clone(), routes: routes.clone() };
    let describe = move || async move { ([(header::CONTENT_TYPE, "application/json")], document) };
    Ok(routes
        .merge(approving.routes())
        .route("/v1/openapi.json", get(describe))
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "there is nothing here", Some("/v1/openapi.json tells what there is")) })
        .layer(axum::middleware::from_fn_with_state(door, guard)))
}

/// Puts the members of one object into another, objects within objects.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            more.into_iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (into, more) => *into = more,
    }
}

/// What is asked of the audit log.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Rows {
    /// The number of the last row seen.
    after: u64,
    /// How many rows.
    limit: Option<u32>,
    /// Why, for the log itself.
    reason: Option<String>,
    /// For which case.
    case: Option<String>,
}

async fn audit(Shared(door): Shared<Guard>, Query(rows): Query<Rows>) -> Response {
    let limit = rows.limit.unwrap_or(ROWS_MOST);
    if !(1..=ROWS_MOST).contains(&limit) {
        let hint = format!("1 to {ROWS_MOST} are given at once");
        return failure(StatusCode::BAD_REQUEST, &format!("{limit} rows are asked for"), Some(&hint));
    }
    match tokio::task::spawn_blocking(move || door.audit().list(rows.after, limit)).await {
        Ok(Ok(rows)) => Json(json!({"next": rows.last().map(|row| row.seq), "rows": rows})).into_response(),
        _ => failure(StatusCode::SERVICE_UNAVAILABLE, "the audit log cannot be read now", None),
    }
}

/// How a definition is submitted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// Its name for messages.
    file: Option<String>,
    /// `emit`: rows that are final by now are told too; `silent`: they are not.
    history: History,
    /// Whether it takes the place of a job of the same name.
    replace: bool,
    /// What it may hold, such as `512 MiB`.
    memory: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum History {
    #[default]
    Silent,
    Emit,
}

async fn submit(Shared(server): Shared<Server>, Query(options): Query<Options>, text: String) -> Response {
    let memory_most = match options.memory.as_deref().map(parse_bytes).transpose() {
        Ok(memory_most) => memory_most,
        Err(error) => {
            return failure(StatusCode::UNPROCESSABLE_ENTITY, &format!("the memory {error}"), Some("write, for example, 512 MiB"));
        }
    };
    let submission = Submission { tell_final: options.history == History::Emit, replace: options.replace, memory_most };
    let file = options.file.unwrap_or_else(|| "definition".to_owned());
    changed(StatusCode::CREATED, move || server.submit(&file, &text, submission)).await
}

async fn list(Shared(server): Shared<Server>) -> Response {
    answer(StatusCode::OK, move || server.jobs()).await
}

async fn job(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    answer(StatusCode::OK, move || server.job(&job)).await
}

async fn stop(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    changed(StatusCode::OK, move || server.stop(&job)).await
}

async fn pause(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    changed(StatusCode::OK, move || server.pause(&job)).await
}

async fn resume(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    changed(StatusCode::OK, move || server.resume(&job)).await
}

async fn definition(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    match blocking(move || server.definition(&job)).await {
        Ok(definition) => ([(header::CONTENT_TYPE, "application/yaml")], definition.text).into_response(),
        Err(response) => response,
    }
}

async fn plan(Shared(server): Shared<Server>, Query(options): Query<Options>, text: String) -> Response {
    let file = options.file.unwrap_or_else(|| "definition".to_owned());
    answer(StatusCode::OK, move || server.plan(&file, &text)).await
}

async fn status(Shared(server): Shared<Server>) -> Response {
    answer(StatusCode::OK, move || Ok(json!({"ready": server.is_ready(), "figures": server.figures(), "jobs": server.jobs()?}))).await
}

async fn ready(Shared(server): Shared<Server>) -> Response {
    match blocking(move || Ok((server.is_ready(), server.figures().stuck))).await {
        Ok((true, None)) => "ready\n".into_response(),
        Ok((true, Some(stuck))) => {
            failure(StatusCode::SERVICE_UNAVAILABLE, &stuck, Some("it is tried again by itself, and nothing is lost meanwhile"))
        }
        Ok((false, _)) => {
            failure(StatusCode::SERVICE_UNAVAILABLE, "the server is not at work", Some("it rebuilds its state from the progress record"))
        }
        Err(response) => response,
    }
}

async fn scrape(Shared(server): Shared<Server>) -> Response {
    let text = blocking(move || {
        let jobs = server.jobs()?.into_iter().map(|view| (view.entry.job, view.entry.state.name())).collect();
        Ok(metrics::text(server.figures(), jobs).unwrap_or_default())
    });
    match text.await {
        Ok(text) => ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response(),
        Err(response) => response,
    }
}

/// Does something that may take a while and answers with what comes of it.
async fn answer<T: Serialize + Send + 'static>(
    status: StatusCode,
    work: impl FnOnce() -> Result<T, ServerError> + Send + 'static,
) -> Response {
    match blocking(work).await {
        Ok(value) => (status, Json(value)).into_response(),
        Err(response) => response,
    }
}

/// As [`answer`], and tells the audit log which version of which job it was about.
async fn changed(status: StatusCode, work: impl FnOnce() -> Result<JobView, ServerError> + Send + 'static) -> Response {
    match blocking(work).await {
        Ok(view) => {
            let told = Told(format!("job {}, definition {}", view.entry.job, view.entry.definition));
            let mut response = (status, Json(view)).into_response();
            response.extensions_mut().insert(told);
            response
        }
        Err(response) => response,
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, ServerError> + Send + 'static) -> Result<T, Response> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(explain(&error)),
        Err(_) => {
            Err(failure(StatusCode::INTERNAL_SERVER_ERROR, "this is a bug: the request panicked", Some("the server's log says where")))
        }
    }
}

fn explain(error: &ServerError) -> Response {
    let status = match error {
        ServerError::Problems(problems) => {
            let body = json!({"error": "the definition cannot be used as it is", "hint": null, "problems": problems.list});
            return (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response();
        }
        ServerError::NoJob(_) => StatusCode::NOT_FOUND,
        ServerError::Conflict { .. } => StatusCode::CONFLICT,
        ServerError::Transport(error) if error.retry => StatusCode::SERVICE_UNAVAILABLE,
        ServerError::Transport(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ServerError::Catalogue(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    failure(status, &error.to_string(), error.hint().as_deref())
}

/// An answer that is not well, as the OpenAPI document describes it.
pub fn failure(status: StatusCode, error: &str, hint: Option<&str>) -> Response {
    (status, Json(json!({"error": error, "hint": hint, "problems": []}))).into_response()
}
