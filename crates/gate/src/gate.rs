//! The gate itself: what is known, what is held to, and how a question becomes a recorded decision.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quell_certificate::Certificate;
use quell_decision::{Freshness, Question, Rules, Subject, Suppressions, Timeline, Verdict, decide};
use quell_domain::{CertificateSubject, Identifier, Millis, NAME_BYTES_MAX, is_name, uuid_bytes, uuid_text};
use quell_telemetry::gate::{GateMetrics, Refused};
use quell_wire::{DecisionMessage, EncodeError, Encoder, ReviewMessage};
use serde_json::{Map, Value};

use crate::certificates::{Certificates, Uncertified};
use crate::decision_ids::DecisionIds;
use crate::local_copy::CopyFiles;
use crate::reviews::{Reviews, opened};
use crate::spool::{DecisionId, NotRecorded, Record, Spool, Topic};

/// In place of a time while nobody has said one.
const UNKNOWN: i64 = i64::MIN;

/// What callers say of their request beside the question. Nothing of it decides anything; all of it is recorded, what is
/// for a human only if one has to look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Particulars<'a> {
    pub model_name: Option<&'a str>,
    pub model_version: Option<&'a str>,
    pub input_sha256: Option<&'a str>,
    pub request_id: Option<&'a str>,
    /// What they marked for a human to see, if one has to look. JSON.
    pub material: Option<&'a str>,
    pub asked_by: &'static str,
    /// Whether a certificate of the decision is asked for, which is made once it is recorded.
    pub certificate: bool,
}

/// A decision that is ready to be recorded.
pub(crate) struct Decided<'a> {
    pub id_text: String,
    pub verdict: Verdict<'a>,
    has_review: bool,
    records: Vec<Record>,
    /// What the record says, and how the policy has its subject named, if a certificate is asked for.
    to_certify: Option<(Map<String, Value>, CertificateSubject)>,
    /// What came of it.
    pub certificate: Option<Result<Certificate, Uncertified>>,
}

impl Decided<'_> {
    /// The id of the review that it ends in.
    pub fn review_id(&self) -> Option<&str> {
        self.has_review.then_some(self.id_text.as_str())
    }

    /// How much is to be recorded.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(|record| record.value.len()).sum()
    }
}

/// Why there is no decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Ask later.
    #[error("the gate has not yet read all opt-outs; ask again later")]
    NotReady,
    /// Ask later, and see why.
    #[error("the decision could not be recorded in time, so it is none; ask again later")]
    NotRecorded,
}

/// What a gate is made of.
pub struct Parts {
    /// What it holds to.
    pub rules: Rules,
    /// What is known.
    pub suppressions: Arc<Suppressions>,
    /// In full.
    pub copy: Arc<CopyFiles>,
    /// Where decisions are recorded.
    pub spool: Spool,
    /// How.
    pub encoder: Encoder,
    /// The topic that they go to, by which a registry knows their schema.
    pub decisions: String,
    /// The topic that reviews go to, likewise.
    pub reviews: String,
    /// What is counted.
    pub metrics: GateMetrics,
    /// How decisions are certified.
    pub certificates: Certificates,
}

/// A gate. What reads from Kafka moves it; what answers over HTTP asks it.
pub struct Gate {
    rules: RwLock<Arc<Rules>>,
    suppressions: Arc<Suppressions>,
    copy: Arc<CopyFiles>,
    pub(crate) spool: Spool,
    pub(crate) certificates: Certificates,
    encoder: Encoder,
    decisions: String,
    pub(crate) reviews: Reviews,
    pub(crate) metrics: GateMetrics,
    ids: DecisionIds,
    /// Odd while questions are answered. It only grows: whoever sees the same number before and after a look has seen an
    /// index that was whole all the time.
    readiness: AtomicU64,
    as_of: AtomicI64,
    timeline: Timeline,
    began: Instant,
}

impl Gate {
    /// A gate that is not ready and knows of no time.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(parts: Parts) -> std::io::Result<Self> {
        Ok(Self {
            rules: RwLock::new(Arc::new(parts.rules)),
            suppressions: parts.suppressions,
            copy: parts.copy,
            spool: parts.spool,
            certificates: parts.certificates,
            encoder: parts.encoder,
            decisions: parts.decisions,
            reviews: Reviews::new(parts.reviews),
            metrics: parts.metrics,
            ids: DecisionIds::new()?,
            readiness: AtomicU64::new(0),
            as_of: AtomicI64::new(UNKNOWN),
            timeline: Timeline::default(),
            began: Instant::now(),
        })
    }

    /// Asks the schema registry for the ids that records will need, if there is one: no answer has to wait for it later.
    ///
    /// # Errors
    /// When it does not answer, or refuses the schema.
    pub fn prepare(&self) -> Result<(), EncodeError> {
        self.encoder.prepare_decisions(&self.decisions, &self.reviews.topic)
    }

    /// Whether all that stood in the topic at the start has been read.
    pub fn set_ready(&self, ready: bool) {
        let other = |readiness: u64| (is_odd(readiness) != ready).then_some(readiness + 1);
        if self.readiness.fetch_update(Ordering::AcqRel, Ordering::Acquire, other).is_ok() {
            self.metrics.set_ready(ready);
        }
    }

    /// Whether questions are answered.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        is_odd(self.readiness.load(Ordering::Acquire))
    }

    /// Every opt-out up to then is in the index. It never goes back.
    pub fn set_as_of(&self, as_of: Millis) {
        self.as_of.fetch_max(as_of.0, Ordering::AcqRel);
    }

    /// Nobody knows how old the index is: it is filled anew.
    pub fn forget_as_of(&self) {
        self.as_of.store(UNKNOWN, Ordering::Release);
    }

    /// How old what is known is, for whoever watches.
    #[must_use]
    pub fn staleness(&self) -> Option<Duration> {
        let Freshness { as_of, now } = self.freshness();
        let age = now.0.saturating_sub(as_of?.0);
        Some(Duration::from_millis(u64::try_from(age).unwrap_or(0)))
    }

    /// What it holds to now.
    #[must_use]
    pub fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds to another policy from the next question on.
    pub fn set_rules(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// The index, for the bits of rights.
    #[must_use]
    pub fn suppressions(&self) -> &Suppressions {
        &self.suppressions
    }

    /// Decides; the decision counts when it is recorded.
    pub(crate) fn decide<'a>(
        &self,
        rules: &'a Rules,
        question: Question<'_>,
        particulars: Particulars<'_>,
    ) -> Result<Decided<'a>, Unanswered> {
        let readiness = self.readiness.load(Ordering::Acquire);
        if !is_odd(readiness) {
            return Err(Unanswered::NotReady);
        }
        // Q3: first the time, then the look: whatever is taken up in between is newer than what is claimed.
        let freshness = self.freshness();
        let verdict = decide(rules, &self.suppressions, &*self.copy, question, freshness);
        if self.readiness.load(Ordering::Acquire) != readiness {
            return Err(Unanswered::NotReady);
        }
        // By this machine's clock alone, as Kafka knows the record: by it a decision is found again.
        let timestamp = wall_clock();
        let id = self.ids.next(timestamp);
        let id_text = uuid_text(&id);
        let message = message(&id_text, freshness.now, rules, question, particulars, &verdict);
        let value = self.encoder.decision(&self.decisions, &message).map_err(not_recorded)?;
        let mut records = vec![Record { topic: Topic::Decisions, key: id, timestamp, value }];
        let review = opened(&message, verdict.obligation, particulars.material);
        if let Some(review) = &review {
            records.push(self.review_record(review, id, timestamp)?);
        }
        let to_certify = particulars.certificate.then(|| (message.fields(), rules.certificate_subject()));
        Ok(Decided { has_review: review.is_some(), id_text, verdict, records, to_certify, certificate: None })
    }

    /// Records decisions: from here on they count, all of them, or none is answered.
    pub(crate) async fn record(&self, decided: &mut [Decided<'_>]) -> Result<(), Unanswered> {
        self.record_all(decided.iter_mut().flat_map(|one| std::mem::take(&mut one.records)).collect()).await?;
        for Decided { verdict, to_certify, certificate, .. } in decided {
            let system = verdict.system.map(|system| system.name.as_str());
            self.metrics.decided(system, verdict.permits(), verdict.reason.as_str());
            if let Some((record, subject)) = to_certify.take() {
                *certificate = Some(self.certify(record, subject));
                // Of a batch with a certificate each, others' questions come in between.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Records a state of a review.
    pub(crate) async fn record_review(&self, review: &ReviewMessage, at: Millis) -> Result<(), Unanswered> {
        let key = uuid_bytes(&review.review_id).ok_or(Unanswered::NotRecorded)?;
        self.record_all(vec![self.review_record(review, key, at)?]).await
    }

    fn review_record(&self, review: &ReviewMessage, key: DecisionId, timestamp: Millis) -> Result<Record, Unanswered> {
        let value = self.encoder.review(&self.reviews.topic, review).map_err(not_recorded)?;
        Ok(Record { topic: Topic::Reviews, key, timestamp, value })
    }

    async fn record_all(&self, records: Vec<Record>) -> Result<(), Unanswered> {
        self.spool.record(&records).await.map_err(|NotRecorded| Unanswered::NotRecorded)
    }

    pub(crate) fn refused(&self, why: Refused) {
        self.metrics.refused(why);
    }

    /// The time, which never goes back.
    pub(crate) fn now(&self) -> Millis {
        self.freshness().now
    }

    /// Takes up what the engine's clock showed: it is as late as that, whatever this machine's clock says. By how many
    /// milliseconds the engine's is ahead.
    pub(crate) fn hear_clock(&self, theirs: Millis) -> i64 {
        let ahead = theirs.0.saturating_sub(self.now().0);
        self.timeline.now(theirs, self.monotonic());
        ahead
    }

    fn freshness(&self) -> Freshness {
        let as_of = Some(self.as_of.load(Ordering::Acquire)).filter(|as_of| *as_of != UNKNOWN).map(Millis);
        Freshness { as_of, now: self.timeline.now(wall_clock(), self.monotonic()) }
    }

    fn monotonic(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

fn not_recorded(_: EncodeError) -> Unanswered {
    Unanswered::NotRecorded
}

fn is_odd(number: u64) -> bool {
    number & 1 == 1
}

/// What this machine's clock shows.
pub(crate) fn wall_clock() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn message<'a>(
    id: &'a str,
    now: Millis,
    rules: &'a Rules,
    question: Question<'a>,
    particulars: Particulars<'a>,
    verdict: &'a Verdict<'_>,
) -> DecisionMessage<'a> {
    let identifier = match question.subject {
        Subject::Identified(identifier) => Some(identifier),
        Subject::UnknownType | Subject::Invalid => None,
    };
    // What callers make up may be anything, an address too: only names are recorded.
    let name = |name: &'a str| if name.len() <= NAME_BYTES_MAX && is_name(name) { name } else { "" };
    DecisionMessage {
        decision_id: id,
        decided_at: now.0,
        decision: verdict.permits(),
        reason: verdict.reason.as_str(),
        subject: identifier.map(|known: &Identifier| (known.identifier_type(), known.value())),
        action: name(question.action),
        system: name(question.system),
        right: verdict.right.as_deref(),
        choice_id: verdict.choice.as_ref().map(|choice| choice.id.as_str()),
        since: verdict.choice.as_ref().map(|choice| choice.since.0),
        inherited: verdict.choice.as_ref().map(|choice| choice.inherited),
        as_of: verdict.as_of.map(|as_of| as_of.0),
        staleness_ms: verdict.staleness_millis.map(|millis| i64::try_from(millis).unwrap_or(i64::MAX)),
        obligation: verdict.obligation.map(|obligation| obligation.as_str()),
        significant_decision: verdict
            .system
            .and_then(|system| system.significant_decision)
            .map(|decision| decision.as_str()),
        policy_version: rules.version(),
        policy_sha256: rules.fingerprint(),
        model_name: particulars.model_name,
        model_version: particulars.model_version,
        input_sha256: particulars.input_sha256,
        request_id: particulars.request_id,
        asked_by: particulars.asked_by,
        software_version: env!("CARGO_PKG_VERSION"),
    }
}
