//! `GET /.well-known/authzen-configuration`
//!
//! AuthZEN has it between the host and the path of the decision point's URL: that of `https://example.com/gate` is found
//! at `https://example.com/.well-known/authzen-configuration/gate`. Without the path it is answered as well, for what
//! stands before a gate may cut its path off.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use serde::Serialize;

use super::authzen::json;
use super::routes::{Shared, nothing_here, request_id, with_request_id};

/// Where it is found, on the gate's host.
pub(super) const WELL_KNOWN: &str = "/.well-known/authzen-configuration";

/// The same, for a gate that is found below a path.
pub(super) const WELL_KNOWN_BELOW: &str = "/.well-known/authzen-configuration/{*path}";

/// Where the endpoints are.
#[derive(Debug, Serialize)]
struct Configuration<'a> {
    policy_decision_point: &'a str,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    supported_obligations: [&'static str; 1],
}

pub(super) async fn configuration(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let base = shared.url.as_str();
    let below = uri.path().strip_prefix(WELL_KNOWN).unwrap_or_default();
    if !below.is_empty() && below != path_of(base) {
        return nothing_here(headers).await;
    }
    let configuration = Configuration {
        policy_decision_point: base,
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
        supported_obligations: ["custom"],
    };
    with_request_id(json(StatusCode::OK, &configuration), request_id(&headers))
}

/// The path of a URL, with its slash.
fn path_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    behind_scheme.find('/').and_then(|at| behind_scheme.get(at..)).unwrap_or_default()
}
