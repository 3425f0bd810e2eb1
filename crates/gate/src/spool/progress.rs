//! What becomes of records that were sent.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;

/// What is known of the records of blocks that were sent together.
#[derive(Debug)]
pub(super) struct Progress(Mutex<Known>);

#[derive(Debug)]
struct Known {
    missing: usize,
    failed: Option<KafkaError>,
    refused: Vec<Refusal>,
}

/// A record that Kafka refused for what it is, or for what stood in a batch with it.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// Which of its blocks'.
    pub index: usize,
    pub error: KafkaError,
}

/// What has become of blocks that were sent together.
pub(super) enum Outcome {
    /// Some of it is still on its way.
    Open,
    /// Kafka has all of it.
    Arrived,
    /// Kafka has all of it but these.
    Refused(Vec<Refusal>),
    /// Some of it did not arrive, and may when it is sent again.
    Failed(KafkaError),
}

impl Progress {
    /// Of so many records.
    pub fn new(records: usize) -> Self {
        Self(Mutex::new(Known { missing: records, failed: None, refused: Vec::new() }))
    }

    pub fn outcome(&self) -> Outcome {
        let known = self.known();
        match (&known.failed, known.missing, known.refused.as_slice()) {
            (Some(error), ..) => Outcome::Failed(error.clone()),
            (None, 0, []) => Outcome::Arrived,
            (None, 0, refused) => Outcome::Refused(refused.to_vec()),
            (None, ..) => Outcome::Open,
        }
    }

    /// One of its records was refused, or did not arrive.
    pub fn lost(&self, index: usize, error: KafkaError) {
        let mut known = self.known();
        known.missing = known.missing.saturating_sub(1);
        if is_refusal(&error) {
            known.refused.push(Refusal { index, error });
        } else {
            known.failed = Some(error);
        }
    }

    fn arrived(&self) {
        let mut known = self.known();
        known.missing = known.missing.saturating_sub(1);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether Kafka would refuse the same again. Of several records in a batch it may be another one that it refuses.
pub(super) fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidMessageSize
                | RDKafkaErrorCode::MessageBatchTooLarge
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidDifferentRecord
                | RDKafkaErrorCode::InvalidTimestamp
        )
    )
}

/// A record on its way.
#[derive(Debug)]
pub(super) struct OnItsWay {
    pub progress: Arc<Progress>,
    /// Which of its blocks'.
    pub index: usize,
}

/// Hears what becomes of records.
pub(super) struct Context;

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "quell::gate", %error, reason, "the producer of decisions met an error");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<OnItsWay>;

    fn delivery(&self, result: &DeliveryResult<'_>, record: Box<OnItsWay>) {
        match result {
            Ok(_) => record.progress.arrived(),
            Err((error, _)) => record.progress.lost(record.index, error.clone()),
        }
    }
}
