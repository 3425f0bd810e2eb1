//! Answers that are none: a status, and one line that says what to do.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::view::ExplainError;

/// The body of an answer that is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, and what to do.
    pub error: String,
}

pub(crate) fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    (status, Json(Problem { error: error.into() })).into_response()
}

/// The token is missing, or is another one.
pub(crate) fn unauthorized() -> Response {
    let mut response =
        problem(StatusCode::UNAUTHORIZED, "send the token of http.token as `Authorization: Bearer <token>`");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

/// Too many ask in a second.
pub(crate) fn too_many() -> Response {
    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "too many requests in a second; ask again later");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

/// Too many ask at once.
pub(crate) fn busy() -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, ExplainError::Busy.to_string());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

impl IntoResponse for ExplainError {
    fn into_response(self) -> Response {
        match &self {
            Self::NoIdentifier(_) => problem(StatusCode::BAD_REQUEST, self.to_string()),
            Self::NotHere { .. } => problem(StatusCode::MISDIRECTED_REQUEST, self.to_string()),
            Self::Busy => busy(),
            Self::Failed(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, self.to_string()),
        }
    }
}
