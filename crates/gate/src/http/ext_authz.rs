//! Envoy's `ext_authz`, in its HTTP form: Envoy asks with the request that it has, under a prefix.
//!
//! The prefix names the system, so that no client can choose another: `path_prefix: /ext_authz/hiring`. The consumer is
//! named by `x-quell-subject: type:value`; several, in one header or more, with commas between them, are one consumer's:
//! all of them must be clear. A value is percent-encoded.
//!
//! What is said of the model and its input is recorded, and decides nothing; what cannot be recorded is 400, so that no
//! record lacks what its caller believes to be in it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use quell_decision::{Question, Subject};
use quell_telemetry::gate::Refused;

use super::answer::Answer;
use super::authzen::{json, recorded_id};
use super::question::{MODEL_BYTES_MAX, Malformed, is_sha256};
use super::routes::{Shared, message, request_id, unanswered, with_request_id};
use crate::gate::{Decided, Particulars, Unanswered};

/// Below it, the first segment is the system's name.
const PREFIX: &str = "/ext_authz/";

const SUBJECT: HeaderName = HeaderName::from_static("x-quell-subject");
const ACTION: HeaderName = HeaderName::from_static("x-quell-action");
const TOKEN: HeaderName = HeaderName::from_static("x-quell-token");
const MODEL: HeaderName = HeaderName::from_static("x-quell-model");
const MODEL_VERSION: HeaderName = HeaderName::from_static("x-quell-model-version");
const INPUT_SHA256: HeaderName = HeaderName::from_static("x-quell-input-sha256");

const DECISION: HeaderName = HeaderName::from_static("x-quell-decision");
const DECISION_ID: HeaderName = HeaderName::from_static("x-quell-decision-id");
const REASON: HeaderName = HeaderName::from_static("x-quell-reason");
const OBLIGATION: HeaderName = HeaderName::from_static("x-quell-obligation");
const REVIEW_ID: HeaderName = HeaderName::from_static("x-quell-review-id");

/// How many identifiers one request may name.
const SUBJECTS_MAX: usize = 16;

/// What is asked for where no header says.
const INFER: &str = "infer";

/// Any method, below the prefix.
pub(super) async fn check(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let began = Instant::now();
    let headers = request.headers();
    let system = system(request.uri().path());
    let response = if shared.shows_token(headers.get(&TOKEN)) {
        match particulars(headers) {
            Ok(particulars) => {
                let checked = checked(&shared, &system, headers, particulars).await;
                checked.unwrap_or_else(|why| unanswered(&shared.gate, why))
            }
            Err(Malformed(why)) => {
                shared.gate.refused(Refused::Malformed);
                message(StatusCode::BAD_REQUEST, &why)
            }
        }
    } else {
        shared.gate.refused(Refused::Unauthorized);
        super::routes::unauthorized()
    };
    shared.gate.metrics.answered(began.elapsed());
    with_request_id(response, request_id(headers))
}

/// The system that a path names. What follows is the client's, and may be anything; a name that is no text is one that
/// no policy declares.
fn system(path: &str) -> Cow<'_, str> {
    let segment = path.strip_prefix(PREFIX).and_then(|below| below.split('/').next()).unwrap_or_default();
    percent_decode_str(segment).decode_utf8().unwrap_or_default()
}

/// What the headers say beside the question.
fn particulars(headers: &HeaderMap) -> Result<Particulars<'_>, Malformed> {
    let is_short = |text: &str| text.len() <= MODEL_BYTES_MAX;
    let of_the_model = "is no ASCII text of at most 256 bytes";
    Ok(Particulars {
        model_name: said(headers, &MODEL, is_short, of_the_model)?,
        model_version: said(headers, &MODEL_VERSION, is_short, of_the_model)?,
        input_sha256: said(headers, &INPUT_SHA256, is_sha256, "is not 64 hexadecimal digits")?,
        request_id: recorded_id(headers),
        material: None,
        asked_by: "ext_authz",
        certificate: false,
    })
}

/// What a header says, if it is there.
fn said<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    is_one: impl Fn(&str) -> bool,
    wrong: &str,
) -> Result<Option<&'a str>, Malformed> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Malformed(format!("{name}: is there twice").into()));
    }
    let text = value.to_str().ok().filter(|text| is_one(text));
    text.map(Some).ok_or_else(|| Malformed(format!("{name}: {wrong}").into()))
}

async fn checked(
    shared: &Shared,
    system: &str,
    headers: &HeaderMap,
    particulars: Particulars<'_>,
) -> Result<Response, Unanswered> {
    let gate = &*shared.gate;
    let rules = gate.rules();
    // An action that is no text is one that no policy declares.
    let action = headers.get(&ACTION).map_or(INFER, |value| value.to_str().unwrap_or_default());
    let subjects = subjects(headers, |identifier_type, value| rules.subject(identifier_type, value));
    let mut decided: Vec<Decided<'_>> = Vec::with_capacity(subjects.len());
    for subject in &subjects {
        let resource_type = rules.resource_type();
        let question = Question { subject, resource_type, system, action, wants_review: false };
        let one = gate.decide(&rules, question, particulars)?;
        let permits = one.verdict.permits();
        decided.push(one);
        if !permits {
            break;
        }
    }
    gate.record(&mut decided).await?;
    // Of several that permit, one that owes something.
    let telling = decided.iter().find(|one| !one.verdict.permits());
    let telling = telling.or_else(|| decided.iter().find(|one| one.verdict.obligation.is_some())).or(decided.first());
    let Some(telling) = telling else { return Err(Unanswered::NotRecorded) };
    let verdict = &telling.verdict;
    let status = match (verdict.permits(), verdict.is_error()) {
        (true, _) => StatusCode::OK,
        (false, true) => StatusCode::SERVICE_UNAVAILABLE,
        (false, false) => StatusCode::FORBIDDEN,
    };
    let mut response = json(status, &Answer::decided(telling, &rules, &shared.url));
    let told = response.headers_mut();
    told.insert(DECISION, HeaderValue::from_static(if verdict.permits() { "permit" } else { "deny" }));
    told.insert(REASON, HeaderValue::from_static(verdict.reason.as_str()));
    if let Ok(id) = HeaderValue::from_str(&telling.id_text) {
        if telling.review_id().is_some() {
            told.insert(REVIEW_ID, id.clone());
        }
        told.insert(DECISION_ID, id);
    }
    if let Some(obligation) = verdict.obligation {
        told.insert(OBLIGATION, HeaderValue::from_static(obligation.as_str()));
    }
    Ok(response)
}

/// Whom a request is about. One that names nobody, too many, or what cannot be read, is about nobody who could be clear.
fn subjects(headers: &HeaderMap, identify: impl Fn(&str, &str) -> Subject) -> Vec<Subject> {
    let one = |text: &str| -> Option<Subject> {
        let (identifier_type, value) = text.split_once(':')?;
        // A blank of the value's own is percent-encoded: one that is not would only hide whom it is about.
        let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
        Some(identify(identifier_type.trim(), &value))
    };
    let mut subjects = Vec::new();
    for header in headers.get_all(&SUBJECT) {
        let Ok(text) = header.to_str() else { return vec![Subject::Invalid] };
        subjects.extend(text.split(',').map(|text| one(text).unwrap_or(Subject::Invalid)));
    }
    if subjects.is_empty() || subjects.len() > SUBJECTS_MAX {
        return vec![Subject::Invalid];
    }
    subjects
}
