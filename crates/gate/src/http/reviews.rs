//! Reviews: listed, shown and resolved, by those who have the token for it.
//!
//! It is not the token that enforcement points have: what asks for decisions must not be able to make those that were left
//! to a human.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use percent_encoding::percent_decode_str;
use quell_http::Problem;
use quell_wire::ReviewMessage;

use super::authzen::{is_json, json};
use super::question::{Malformed, object};
use super::routes::Shared;
use crate::reviews::{NotResolved, Resolving, Review, ReviewList, ReviewState};

/// How many stand in a list where nobody says.
const LIMIT: usize = 100;

/// And at most.
const LIMIT_MAX: usize = 1_000;

/// A resolution with the longest note takes a third of it, however it is escaped.
const BODY_BYTES_MAX: usize = 32 << 10;

pub(super) fn routes(shared: Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/reviews", get(list))
        .route("/v1/reviews/{id}", get(show))
        .route("/v1/reviews/{id}/resolution", post(resolve))
        .layer(from_fn_with_state(shared, only_for_reviewers))
}

async fn only_for_reviewers(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    match &shared.reviews_token {
        None => problem(StatusCode::FORBIDDEN, "reviews are shown to nobody until reviews.token is set"),
        Some(token) if !token.is_shown_by(request.headers()) => {
            let mut response =
                problem(StatusCode::UNAUTHORIZED, "send the token of reviews.token as `Authorization: Bearer <token>`");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Some(_) if !shared.gate.reviews.is_read() => {
            again_later("not all reviews have been read from kafka yet; ask again later")
        }
        Some(_) => next.run(request).await,
    }
}

/// `GET /v1/reviews?state=pending&system=hiring&limit=100&after=…`
async fn list(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let asked = match Asked::parse(query.as_deref().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let Asked { state, system, after, limit } = asked;
    let (found, more) = shared.gate.reviews.book.list(state, system.as_deref(), after.as_deref(), limit);
    let reviews = found.iter().map(|review| Review::in_list(review)).collect();
    json(StatusCode::OK, &ReviewList { reviews, more })
}

/// `GET /v1/reviews/{id}`
async fn show(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Response {
    match shared.gate.reviews.book.get(&id) {
        Some(review) => whole(&review),
        None => unknown(),
    }
}

/// `POST /v1/reviews/{id}/resolution`
async fn resolve(State(shared): State<Arc<Shared>>, Path(id): Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return problem(StatusCode::BAD_REQUEST, "the content type is not application/json");
    }
    let Ok(body) = to_bytes(body, BODY_BYTES_MAX).await else {
        return problem(StatusCode::PAYLOAD_TOO_LARGE, "the body cannot be read, or is larger than 32 KiB");
    };
    let resolving: Resolving = match object(&body) {
        Ok(resolving) => resolving,
        Err(Malformed(why)) => return problem(StatusCode::BAD_REQUEST, why),
    };
    match shared.gate.resolve(&id, &resolving).await {
        Ok(resolved) => whole(&resolved),
        Err(NotResolved::NotRead) => again_later("not all reviews have been read from kafka yet; ask again later"),
        Err(NotResolved::Unknown) => unknown(),
        Err(NotResolved::Already(review)) => {
            let by = review.resolution.as_ref().map_or("somebody", |resolution| &resolution.by);
            problem(StatusCode::CONFLICT, format!("the review was resolved already, by {by}"))
        }
        Err(NotResolved::Refused(why)) => problem(StatusCode::BAD_REQUEST, why.to_string()),
        Err(NotResolved::NotRecorded) => {
            again_later("the resolution could not be recorded in time, so it is none; try again later")
        }
    }
}

fn whole(review: &ReviewMessage) -> Response {
    json(StatusCode::OK, &Review::whole(review))
}

fn unknown() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "no review of this id is pending, and none was resolved lately; quell.reviews has the older ones",
    )
}

fn again_later(why: &str) -> Response {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    json(status, &Problem { error: error.into() })
}

/// What a list is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    state: ReviewState,
    system: Option<String>,
    after: Option<String>,
    limit: usize,
}

impl Asked {
    fn parse(query: &str) -> Result<Self, &'static str> {
        let mut asked = Self { state: ReviewState::Pending, system: None, after: None, limit: LIMIT };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8().map_err(|_| "the query is not UTF-8")?;
            match (name, &*value) {
                ("state", "pending") => asked.state = ReviewState::Pending,
                ("state", "resolved") => asked.state = ReviewState::Resolved,
                ("state", _) => return Err("state: is pending or resolved"),
                ("system", system) => asked.system = Some(system.to_owned()),
                ("after", id) => asked.after = Some(id.to_owned()),
                ("limit", number) => {
                    let within = |limit: &usize| (1..=LIMIT_MAX).contains(limit);
                    let limit = number.parse().ok().filter(within);
                    asked.limit = limit.ok_or("limit: is a number from 1 to 1000")?;
                }
                _ => return Err("a list can be asked for by state, system, limit and after"),
            }
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_asked_for_by_a_query() {
        let nothing = Asked { state: ReviewState::Pending, system: None, after: None, limit: 100 };
        assert_eq!(Asked::parse(""), Ok(nothing));
        let all = Asked {
            state: ReviewState::Resolved,
            system: Some("hiring".to_owned()),
            after: Some("0190".to_owned()),
            limit: 5,
        };
        assert_eq!(Asked::parse("state=resolved&system=hir%69ng&limit=5&after=0190"), Ok(all));
        for wrong in ["state=open", "limit=0", "limit=1001", "limit=many", "subject=a", "system=%ff"] {
            assert!(Asked::parse(wrong).is_err(), "{wrong}");
        }
    }
}
