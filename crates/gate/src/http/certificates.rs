//! `GET /v1/decisions/{id}/certificate`, and the keys by which certificates are verified.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use quell_certificate::{Certificate, KeyRing};
use quell_telemetry::gate::Refused;

use super::routes::{Shared, message, unauthorized};
use crate::certificates::NoCertificate;

/// What shows whom the certificate is about, where it has the subject hashed.
const SUBJECT_KEY: HeaderName = HeaderName::from_static("x-quell-subject-key");

/// `GET /.well-known/jwks.json`, for anybody.
pub(super) async fn public_keys(State(shared): State<Arc<Shared>>) -> Response {
    let keys = shared.gate.certificates.public_keys();
    // K2: nobody keeps the set for longer than a key is in it before it is used; but the first key is used at once.
    let kept = match keys.is_empty() {
        false => format!("public, max-age={}", KeyRing::PUBLISHED_FOR_AT_LEAST.as_secs()),
        true => "no-store".to_owned(),
    };
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json".to_owned()), (header::CACHE_CONTROL, kept)];
    (headers, keys.to_json()).into_response()
}

/// `GET /v1/decisions/{id}/certificate`
pub(super) async fn certificate(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if !shared.is_authorized(&headers) {
        shared.gate.refused(Refused::Unauthorized);
        return unauthorized();
    }
    match shared.gate.certificate_of(&id).await {
        Ok(Certificate { jws, subject_key }) => {
            let mut response = ([(header::CONTENT_TYPE, "application/jwt")], jws).into_response();
            let shown = subject_key.and_then(|key| HeaderValue::from_str(&key.reveal()).ok());
            if let Some(key) = shown {
                response.headers_mut().insert(SUBJECT_KEY, key);
            }
            response
        }
        Err(why @ (NoCertificate::NotAnId | NoCertificate::NoDecision { .. })) => {
            message(StatusCode::NOT_FOUND, &why.to_string())
        }
        Err(why) => {
            let mut response = message(StatusCode::SERVICE_UNAVAILABLE, &why.to_string());
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
    }
}
