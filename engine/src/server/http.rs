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
use serde_json::json;

use super::{Server, ServerError, Submission, metrics};
use crate::definition::BYTES_MOST;

/// What the interface can do, for programs.
const OPENAPI: &str = include_str!("openapi.json");

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

/// Listens on an address (port 0: any that is free) until what it returns is dropped.
///
/// # Errors
/// The address is taken or not this machine's.
pub fn listen(server: Server, address: SocketAddr) -> std::io::Result<Bound> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind(address))?;
    let (address, over) = (listener.local_addr()?, Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&over);
    let serve = move || {
        runtime.block_on(async {
            let serving = axum::serve(listener, router(server)).with_graceful_shutdown(raised(stop));
            if let Err(error) = serving.await {
                tracing::error!(%error, "the HTTP interface stopped");
            }
        });
    };
    Ok(Bound { address, over, thread: Some(std::thread::Builder::new().name("http".into()).spawn(serve)?) })
}

async fn raised(flag: Arc<AtomicBool>) {
    while !flag.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn router(server: Server) -> Router {
    Router::new()
        .route("/v1/jobs", get(list).post(submit))
        .route("/v1/jobs/{job}", get(job).delete(stop))
        .route("/v1/jobs/{job}/definition", get(definition))
        .route("/v1/jobs/{job}/pause", post(pause))
        .route("/v1/jobs/{job}/resume", post(resume))
        .route("/v1/plan", post(plan))
        .route("/v1/status", get(status))
        .route("/v1/openapi.json", get(|| async { ([(header::CONTENT_TYPE, "application/json")], OPENAPI) }))
        .route("/health/live", get(|| async { "live\n" }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(scrape))
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "there is nothing here", Some("/v1/openapi.json tells what there is")) })
        .layer(DefaultBodyLimit::max(BYTES_MOST + 1))
        .with_state(server)
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
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum History {
    #[default]
    Silent,
    Emit,
}

async fn submit(Shared(server): Shared<Server>, Query(options): Query<Options>, text: String) -> Response {
    let submission = Submission { tell_final: options.history == History::Emit, replace: options.replace };
    let file = options.file.unwrap_or_else(|| "definition".to_owned());
    answer(StatusCode::CREATED, move || server.submit(&file, &text, submission)).await
}

async fn list(Shared(server): Shared<Server>) -> Response {
    answer(StatusCode::OK, move || server.jobs()).await
}

async fn job(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    answer(StatusCode::OK, move || server.job(&job)).await
}

async fn stop(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    answer(StatusCode::OK, move || server.stop(&job)).await
}

async fn pause(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    answer(StatusCode::OK, move || server.pause(&job)).await
}

async fn resume(Shared(server): Shared<Server>, Path(job): Path<String>) -> Response {
    answer(StatusCode::OK, move || server.resume(&job)).await
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
    match blocking(move || Ok(server.is_ready())).await {
        Ok(true) => "ready\n".into_response(),
        Ok(false) => {
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

fn failure(status: StatusCode, error: &str, hint: Option<&str>) -> Response {
    (status, Json(json!({"error": error, "hint": hint, "problems": []}))).into_response()
}
