//! What is answered under which path.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use quell_http::{Token, is_meant_for_this_machine};
use quell_telemetry::TEXT_FORMAT;
use quell_telemetry::gate::Refused;

use super::{authzen, certificates, discovery, ext_authz, reviews};
use crate::gate::{Gate, Unanswered};

/// What a caller names its request by.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the routes share.
pub(super) struct Shared {
    pub gate: Arc<Gate>,
    pub token: Option<Token>,
    /// What those show who may see and resolve reviews.
    pub reviews_token: Option<Token>,
    /// Where callers find this gate, without a slash at the end.
    pub url: String,
}

impl Shared {
    /// Whether a request shows the token. Without one it must be meant for this machine, where alone the gate then
    /// listens: a page in a browser here must not ask.
    pub fn is_authorized(&self, headers: &HeaderMap) -> bool {
        match &self.token {
            Some(token) => token.is_shown_by(headers),
            None => is_meant_for_this_machine(headers),
        }
    }

    /// Whether a header of its own shows the token: in Envoy's questions `authorization` and `host` are its client's.
    pub fn shows_token(&self, shown: Option<&HeaderValue>) -> bool {
        let Some(token) = &self.token else { return true };
        shown.and_then(|shown| shown.to_str().ok()).is_some_and(|shown| token.is(shown))
    }
}

pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/access/v1/evaluation", post(authzen::evaluation))
        .route("/access/v1/evaluations", post(authzen::evaluations))
        .route(discovery::WELL_KNOWN, get(discovery::configuration))
        .route(discovery::WELL_KNOWN_BELOW, get(discovery::configuration))
        .route("/.well-known/jwks.json", get(certificates::public_keys))
        .route("/v1/decisions/{id}/certificate", get(certificates::certificate))
        .route("/ext_authz/{system}", any(ext_authz::check))
        .route("/ext_authz/{system}/", any(ext_authz::check))
        .route("/ext_authz/{system}/{*path}", any(ext_authz::check))
        .method_not_allowed_fallback(other_method)
        .merge(reviews::routes(Arc::clone(&shared)))
        .route("/health/live", get(async || "live\n"))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(nothing_here)
        .with_state(shared)
}

async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    if shared.gate.is_ready() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "waiting for all opt-outs to be read\n").into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let gate = &shared.gate;
    gate.metrics.set_staleness(gate.staleness());
    gate.metrics.set_suppressed(gate.suppressions().len());
    gate.count_reviews();
    match gate.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => message(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

pub(super) async fn nothing_here(headers: HeaderMap) -> Response {
    with_request_id(message(StatusCode::NOT_FOUND, "there is nothing here"), request_id(&headers))
}

async fn other_method(headers: HeaderMap) -> Response {
    let text = "this is asked by another method, which the header Allow names";
    with_request_id(message(StatusCode::METHOD_NOT_ALLOWED, text), request_id(&headers))
}

/// The request's id, to be given back as it came.
pub(super) fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(X_REQUEST_ID).cloned()
}

/// An answer with the request's id, if it has one.
pub(super) fn with_request_id(mut response: Response, id: Option<HeaderValue>) -> Response {
    if let Some(id) = id {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    response
}

/// An error, as AuthZEN has it: a status and a message.
pub(super) fn message(status: StatusCode, text: &str) -> Response {
    (status, text.to_owned()).into_response()
}

pub(super) fn unauthorized() -> Response {
    let mut response = message(
        StatusCode::UNAUTHORIZED,
        "show the gate's token; where it has none, ask it by the name localhost or 127.0.0.1",
    );
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub(super) fn unanswered(gate: &Gate, why: Unanswered) -> Response {
    gate.refused(match why {
        Unanswered::NotReady => Refused::NotReady,
        Unanswered::NotRecorded => Refused::NotRecorded,
    });
    let mut response = message(StatusCode::SERVICE_UNAVAILABLE, &why.to_string());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}
