//! Asking the brokers what is there; and, when none of them answers, whether that is an operator's matter.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{ClientConfig, ClientContext};

use crate::outage::needs_an_operator;

/// How long one question waits. Whoever is refused is told so in between, and need not wait for the end.
const ONE: Duration = Duration::from_secs(2);

const GLANCE: Duration = Duration::from_millis(20);

/// No broker answered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AskError {
    /// It may work later.
    #[error("kafka does not answer: {0}")]
    Unreachable(KafkaError),
    /// It stays so until an operator acts: credentials, certificates, settings.
    #[error("{0}")]
    Refused(String),
}

/// A client for questions alone. An admin client's context is told no errors: nobody polls its queue.
pub(crate) struct Asker(BaseConsumer<Witness>);

impl Asker {
    pub fn new(config: &ClientConfig) -> Result<Self, KafkaError> {
        Ok(Self(config.create_with_context(Witness::default())?))
    }

    /// What is known of one topic, or of all, within a deadline.
    pub fn metadata(&self, topic: Option<&str>, deadline: Duration) -> Result<Metadata, AskError> {
        let began = Instant::now();
        loop {
            let error = match self.0.fetch_metadata(topic, ONE) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };
            // Hands what was noted meanwhile to the witness. A poll that does not wait ends with the first line of a log.
            while self.0.poll(GLANCE).is_some() {}
            if let Some(refusal) = self.0.context().refusal() {
                return Err(AskError::Refused(refusal));
            }
            if needs_an_operator(&error) {
                return Err(AskError::Refused(format!("kafka: {error}")));
            }
            if began.elapsed() >= deadline {
                return Err(AskError::Unreachable(error));
            }
        }
    }
}

/// Remembers the first error that does not pass by itself.
#[derive(Debug, Default)]
struct Witness(Mutex<Option<String>>);

impl Witness {
    fn refusal(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl ClientContext for Witness {
    fn error(&self, error: KafkaError, reason: &str) {
        // While the engine runs a certificate may be mended behind its back. Here nothing has worked yet.
        let is_tls = error.rdkafka_error_code() == Some(RDKafkaErrorCode::SSL);
        if is_tls || needs_an_operator(&error) {
            let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            noted.get_or_insert_with(|| refused(&error, reason));
        }
    }

    /// What matters is said by whoever asked.
    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(facility, text, "librdkafka");
    }
}

impl ConsumerContext for Witness {}

/// Why, and which properties to look at. librdkafka's reasons never hold a password.
pub(crate) fn refused(error: &KafkaError, reason: &str) -> String {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed) => {
            format!("kafka refuses the credentials; look at sasl.* in [kafka.client]: {reason}")
        }
        Some(RDKafkaErrorCode::SSL) => {
            format!("there is no TLS connection with kafka; look at ssl.* in [kafka.client]: {reason}")
        }
        _ => format!("kafka: {error}: {reason}"),
    }
}
