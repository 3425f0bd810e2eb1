//! `GET /.well-known/authzen-configuration`

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Serialize;

use super::authzen::json;
use super::routes::{Shared, request_id, with_request_id};

/// Where the endpoints are.
#[derive(Debug, Serialize)]
struct Configuration<'a> {
    policy_decision_point: &'a str,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    supported_obligations: [&'static str; 1],
}

pub(super) async fn configuration(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let base = shared.url.as_str();
    let configuration = Configuration {
        policy_decision_point: base,
        access_evaluation_endpoint: format!("{base}/access/v1/evaluation"),
        access_evaluations_endpoint: format!("{base}/access/v1/evaluations"),
        supported_obligations: ["custom"],
    };
    with_request_id(json(StatusCode::OK, &configuration), request_id(&headers))
}
