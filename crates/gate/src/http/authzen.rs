//! OpenID AuthZEN Authorization API 1.0: access evaluation, of one and of several.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use quell_decision::{Question, Rules};
use quell_telemetry::gate::Refused;
use serde::Serialize;
use serde_json::value::RawValue;

use super::answer::{Answer, Answers};
use super::question::{Asked, Evaluation, Malformed, Semantic, Several};
use super::routes::{Shared, message, request_id, with_request_id};
use crate::gate::{Decided, Gate, Particulars, Unanswered};

/// The largest body.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The most questions of one batch. An answer is far longer than the shortest question, and all wait for the last.
const EVALUATIONS_MAX: usize = 1_000;

/// After so many of a batch, others' questions come in between.
const EVALUATIONS_AT_A_TIME: usize = 64;

/// As much may be recorded for one batch: what holds for all of it is recorded with each of its decisions.
const RECORDED_BYTES_MAX: usize = 8 << 20;

/// As much of a request's id is recorded.
const REQUEST_ID_BYTES_MAX: usize = 128;

/// Why a request gets no answer.
enum Failure {
    Malformed(Malformed),
    TooLarge,
    TooMany,
    TooMuch,
    Unauthorized,
    Unanswered(Unanswered),
}

impl From<Malformed> for Failure {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Unanswered> for Failure {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}

/// `POST /access/v1/evaluation`
pub(super) async fn evaluation(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let answered = one_from(&shared, request).await;
    finished(&shared.gate, began, id, answered)
}

/// `POST /access/v1/evaluations`
pub(super) async fn evaluations(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let began = Instant::now();
    let id = request_id(request.headers());
    let answered = several_from(&shared, request).await;
    finished(&shared.gate, began, id, answered)
}

fn finished(gate: &Gate, began: Instant, id: Option<HeaderValue>, answered: Result<Response, Failure>) -> Response {
    let response = answered.unwrap_or_else(|failure| failure.response(gate));
    gate.metrics.answered(began.elapsed());
    with_request_id(response, id)
}

async fn one_from(shared: &Shared, request: Request) -> Result<Response, Failure> {
    let (body, headers) = body_of(shared, request).await?;
    let evaluation = Evaluation::parse(&body)?;
    one(shared, evaluation, &headers).await
}

async fn several_from(shared: &Shared, request: Request) -> Result<Response, Failure> {
    let (body, headers) = body_of(shared, request).await?;
    let several = Several::parse(&body)?;
    let all = Evaluation::parse(&body)?;
    let semantic = several.semantic();
    match several.evaluations {
        // Without any, it is as the other endpoint.
        None => one(shared, all, &headers).await,
        Some(each) if each.is_empty() => one(shared, all, &headers).await,
        Some(each) if each.len() > EVALUATIONS_MAX => Err(Failure::TooMany),
        Some(each) => {
            let each = each.into_iter().map(|raw| Evaluation::parse(raw.get().as_bytes()));
            let questions = each.map(|one| one.and_then(|one| one.or(&all).asked()));
            many(shared, questions, semantic, &headers).await
        }
    }
}

async fn one(shared: &Shared, evaluation: Evaluation<'_>, headers: &HeaderMap) -> Result<Response, Failure> {
    let gate = &*shared.gate;
    let asked = evaluation.asked()?;
    let rules = gate.rules();
    let mut decided = [decide(gate, &rules, &asked, headers)?];
    gate.record(&mut decided).await?;
    let [decided] = &decided;
    let status = if decided.verdict.is_error() { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(json(status, &Answer::decided(decided, &rules, &shared.url)))
}

async fn many<'a>(
    shared: &Shared,
    questions: impl Iterator<Item = Result<Asked<'a>, Malformed>>,
    semantic: Semantic,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let gate = &*shared.gate;
    let rules = gate.rules();
    let (mut decided, mut order, mut bytes) = (Vec::new(), Vec::new(), 0);
    for (at, question) in questions.enumerate() {
        if at % EVALUATIONS_AT_A_TIME == EVALUATIONS_AT_A_TIME - 1 {
            tokio::task::yield_now().await;
        }
        let permits = match question {
            Ok(asked) => {
                let one = decide(gate, &rules, &asked, headers)?;
                let permits = one.verdict.permits();
                bytes += one.bytes();
                if bytes > RECORDED_BYTES_MAX.min(gate.spool.bytes_at_once()) {
                    return Err(Failure::TooMuch);
                }
                decided.push(one);
                order.push(Ok(()));
                permits
            }
            Err(Malformed(message)) => {
                gate.refused(Refused::Malformed);
                order.push(Err(message));
                false
            }
        };
        let is_over = match semantic {
            Semantic::ExecuteAll => false,
            Semantic::DenyOnFirstDeny => !permits,
            Semantic::PermitOnFirstPermit => permits,
        };
        if is_over {
            break;
        }
    }
    gate.record(&mut decided).await?;
    let mut answers = decided.iter().map(|one| Answer::decided(one, &rules, &shared.url));
    let evaluations = order.iter().filter_map(|one: &Result<(), Cow<'static, str>>| match one {
        Ok(()) => answers.next(),
        Err(message) => Some(Answer::broken(StatusCode::BAD_REQUEST.as_u16(), message)),
    });
    Ok(json(StatusCode::OK, &Answers { evaluations: evaluations.collect() }))
}

fn decide<'a>(
    gate: &Gate,
    rules: &'a Rules,
    asked: &Asked<'_>,
    headers: &HeaderMap,
) -> Result<Decided<'a>, Unanswered> {
    let context = &asked.context;
    let model = context.model.as_ref().map(|model| &model.0);
    let particulars = Particulars {
        model_name: model.and_then(|model| model.name.as_ref()).map(|text| &*text.0),
        model_version: model.and_then(|model| model.version.as_ref()).map(|text| &*text.0),
        input_sha256: context.input_sha256.as_ref().map(|text| &*text.0),
        request_id: recorded_id(headers),
        material: context.review.map(RawValue::get),
        asked_by: "authzen",
        certificate: context.certificate == Some(true),
    };
    let subject = rules.subject(&asked.subject.entity_type, &asked.subject.id);
    let question = Question {
        subject: &subject,
        resource_type: &asked.resource.entity_type,
        system: &asked.resource.id,
        action: &asked.action.name,
        wants_review: context.human_review == Some(true),
    };
    gate.decide(rules, question, particulars)
}

/// The request's id, as far as it is recorded.
pub(super) fn recorded_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(super::routes::X_REQUEST_ID)?.to_str().ok()?;
    id.get(..id.len().min(REQUEST_ID_BYTES_MAX))
}

async fn body_of(shared: &Shared, request: Request) -> Result<(Bytes, HeaderMap), Failure> {
    let (parts, body) = request.into_parts();
    if !shared.is_authorized(&parts.headers) {
        return Err(Failure::Unauthorized);
    }
    if !is_json(&parts.headers) {
        return Err(Malformed("the content type is not application/json".into()).into());
    }
    let body = to_bytes(body, BODY_BYTES_MAX).await.map_err(|_| Failure::TooLarge)?;
    Ok((body, parts.headers))
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    // Nothing in an answer has keys that are no strings.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl Failure {
    fn response(&self, gate: &Gate) -> Response {
        match self {
            Self::Malformed(Malformed(why)) => {
                gate.refused(Refused::Malformed);
                message(StatusCode::BAD_REQUEST, why)
            }
            Self::TooLarge => {
                gate.refused(Refused::Malformed);
                message(StatusCode::PAYLOAD_TOO_LARGE, "the body cannot be read, or is larger than 1 MiB")
            }
            Self::TooMany => {
                gate.refused(Refused::Malformed);
                message(StatusCode::PAYLOAD_TOO_LARGE, "evaluations: has at most 1000; ask about fewer at once")
            }
            Self::TooMuch => {
                gate.refused(Refused::Malformed);
                message(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "more than 8 MiB, or half of the spool, would have to be recorded; ask about fewer at once",
                )
            }
            Self::Unauthorized => {
                gate.refused(Refused::Unauthorized);
                super::routes::unauthorized()
            }
            Self::Unanswered(why) => super::routes::unanswered(gate, *why),
        }
    }
}
