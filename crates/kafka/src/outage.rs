//! Brokers that cannot be reached: waited out, and said now and then.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How often the same outage is said.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// What has been said of an outage.
#[derive(Debug, Default)]
pub(crate) struct Outage(Mutex<Option<Said>>);

#[derive(Clone, Copy, Debug)]
struct Said {
    began: Instant,
    last: Instant,
}

impl Outage {
    /// A client met an error that passes by itself.
    pub fn report(&self, error: &KafkaError, reason: &str) {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = said.is_none_or(|said| now.duration_since(said.last) >= REPORT_EVERY);
        let began = said.map_or(now, |said| said.began);
        if due {
            let waiting_seconds = now.duration_since(began).as_secs();
            tracing::warn!(%error, reason, waiting_seconds, "kafka does not answer; waiting");
            *said = Some(Said { began, last: now });
        }
    }

    /// Something worked again.
    pub fn back(&self) {
        if let Some(said) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            tracing::info!(outage_seconds = said.began.elapsed().as_secs(), "kafka answers again");
        }
    }
}

/// The context of a client outside the group: says outages, and not that a partition came to its end.
#[derive(Debug, Default)]
pub(crate) struct Outsider(Outage);

impl ClientContext for Outsider {
    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error, KafkaError::PartitionEOF(_) | KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            self.0.report(&error, reason);
        }
    }
}

impl ConsumerContext for Outsider {}

/// Whether an error is an operator's matter: it does not pass by itself.
#[must_use]
pub(crate) fn needs_an_operator(error: &KafkaError) -> bool {
    matches!(error, KafkaError::MessageConsumptionFatal(_))
        || matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::GroupAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
                    | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                    | RDKafkaErrorCode::InvalidArgument
                    | RDKafkaErrorCode::UnsupportedSASLMechanism
                    | RDKafkaErrorCode::InconsistentGroupProtocol
            )
        )
}
