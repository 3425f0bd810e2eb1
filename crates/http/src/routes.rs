//! What is answered under which path.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody as _;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use quell_telemetry::{Metrics, TEXT_FORMAT};
use tokio::sync::Semaphore;

use crate::limits::Pace;
use crate::problem::{busy, problem, too_many, unauthorized};
use crate::same_machine::is_meant_for_this_machine;
use crate::server::Options;
use crate::token::Token;
use crate::view::EngineView;

/// How many identifiers are explained at once: each takes a thread, and the engine answers one after the other.
const EXPLANATIONS_MAX: usize = 8;

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub metrics: Metrics,
    pub view: Arc<dyn EngineView>,
    pub token: Option<Token>,
    pub explanations: Arc<Semaphore>,
    pub paces: Arc<Paces>,
    pub path_bytes_max: usize,
}

/// Kinds of requests that cost something. Each has a pace of its own: who guesses tokens keeps out nobody who has one.
pub(crate) struct Paces {
    reads: Pace,
    refusals: Pace,
    scrapes: Pace,
}

impl Shared {
    pub fn new(metrics: Metrics, view: Arc<dyn EngineView>, options: Options) -> Self {
        let pace = || Pace::new(options.limits.requests_per_second, Instant::now());
        Self {
            metrics,
            view,
            token: options.token,
            explanations: Arc::new(Semaphore::new(EXPLANATIONS_MAX)),
            paces: Arc::new(Paces { reads: pace(), refusals: pace(), scrapes: pace() }),
            path_bytes_max: options.limits.path_bytes_max,
        }
    }
}

pub(crate) fn routes(shared: Shared) -> Router {
    let identifiers = Router::new()
        .route("/v1/identifiers/{type}/{value}", get(explain))
        .layer(middleware::from_fn_with_state(shared.clone(), only_for_the_trusted));
    Router::new()
        .route("/health/live", get(async || "live\n"))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .merge(identifiers)
        .fallback(async || problem(StatusCode::NOT_FOUND, "no such path; see /health/live, /health/ready and /metrics"))
        .layer(middleware::from_fn_with_state(shared.clone(), small))
        .with_state(shared)
}

async fn ready(State(shared): State<Shared>) -> Response {
    let readiness = shared.view.readiness();
    if readiness.is_ready() {
        return "ready\n".into_response();
    }
    let lines: String = readiness.waiting_for.iter().map(|what| format!("waiting for {what}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, lines).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    if !shared.paces.scrapes.passes(Instant::now()) {
        return too_many();
    }
    match shared.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}

async fn explain(State(shared): State<Shared>, path: Result<Path<(String, String)>, PathRejection>) -> Response {
    let Ok(Path((identifier_type, value))) = path else {
        return problem(StatusCode::BAD_REQUEST, "the identifier is not UTF-8; percent-encode its bytes");
    };
    let Ok(permit) = Arc::clone(&shared.explanations).try_acquire_owned() else { return busy() };
    let asked = tokio::task::spawn_blocking(move || {
        let explained = shared.view.explain(&identifier_type, &value);
        drop(permit);
        explained
    });
    match asked.await {
        Ok(Ok(Some(explanation))) => axum::Json(explanation).into_response(),
        Ok(Ok(None)) => problem(StatusCode::NOT_FOUND, "nothing was ever heard of this identifier"),
        Ok(Err(error)) => error.into_response(),
        Err(panicked) => {
            tracing::error!(error = %panicked, "could not explain an identifier");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "could not explain the identifier; the engine's log says more")
        }
    }
}

/// Identifiers are shown to those who have the token, or to this machine where there is none.
async fn only_for_the_trusted(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let now = Instant::now();
    match &shared.token {
        Some(token) if !token.is_shown_by(request.headers()) => {
            if shared.paces.refusals.passes(now) {
                unauthorized()
            } else {
                too_many()
            }
        }
        None if !is_meant_for_this_machine(request.headers()) => {
            problem(StatusCode::FORBIDDEN, "ask by the name localhost or 127.0.0.1, or set http.token and send it")
        }
        _ if !shared.paces.reads.passes(now) => too_many(),
        _ => next.run(request).await,
    }
}

/// Nothing here takes a body, so none is read; and no path is long.
async fn small(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if request.uri().path_and_query().is_some_and(|path| path.as_str().len() > shared.path_bytes_max) {
        return problem(StatusCode::URI_TOO_LONG, "no path here is so long");
    }
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let mut response = problem(StatusCode::PAYLOAD_TOO_LARGE, "no request here has a body");
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}
