//! What the gate's readers share: they belong to no group, and are assigned every partition.

use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// How long a question to the brokers waits.
pub(crate) const ASK: Duration = Duration::from_secs(5);

/// Kafka does not do what is needed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    #[error("there is no topic {0}")]
    NoTopic(String),
}

/// Says nothing: whoever polls does.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "quell::gate", %error, reason, "a reader met an error");
    }
}

impl ConsumerContext for Quiet {}

/// Whether librdkafka goes on by itself when the brokers are back.
pub(crate) fn passes_by_itself(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::PartitionEOF
        )
    )
}

/// The partitions of a topic.
pub(crate) fn partitions(probe: &BaseConsumer<Quiet>, topic: &str) -> Result<Vec<i32>, ReadError> {
    let metadata = probe.fetch_metadata(Some(topic), ASK)?;
    let known = metadata.topics().iter().find(|known| known.name() == topic && known.error().is_none());
    let known = known.filter(|known| !known.partitions().is_empty());
    let known = known.ok_or_else(|| ReadError::NoTopic(topic.to_owned()))?;
    Ok(known.partitions().iter().map(|partition| partition.id()).collect())
}
