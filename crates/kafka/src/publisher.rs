//! A producer for a few records by hand: `quell emit`, and dead letters that are put back.

use std::time::Duration;

use quell_domain::Millis;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::ask::{AskError, Asker};
use crate::settings::Settings;

/// How long the brokers are waited for.
const DEADLINE: Duration = Duration::from_secs(30);

/// A record for any topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic.
    pub topic: String,
    /// The key.
    pub key: Option<Vec<u8>>,
    /// The value.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// The Kafka timestamp; the broker's clock if there is none.
    pub timestamp: Option<Millis>,
}

/// Nothing was published.
#[derive(Debug, thiserror::Error)]
#[error("nothing was published: {0}")]
pub struct PublishError(String);

impl From<KafkaError> for PublishError {
    fn from(error: KafkaError) -> Self {
        Self(format!("kafka: {error}"))
    }
}

impl From<AskError> for PublishError {
    fn from(error: AskError) -> Self {
        Self(error.to_string())
    }
}

/// Publishes records in transactions, so that they are there whole or not at all.
pub struct Publisher(BaseProducer);

impl Publisher {
    /// A producer of its own name: whoever publishes under the same name at the same time is fenced.
    ///
    /// # Errors
    /// When the brokers do not answer in time, or refuse.
    pub fn new(settings: &Settings, name: &str) -> Result<Self, PublishError> {
        // A producer that is refused says no more than that time is up.
        Asker::new(&settings.admin())?.metadata(None, DEADLINE)?;
        let producer: BaseProducer = settings.producer(&format!("{}-{name}", settings.group_id)).create()?;
        producer.init_transactions(DEADLINE)?;
        Ok(Self(producer))
    }

    /// Publishes all of them in one transaction.
    ///
    /// # Errors
    /// When that did not work; then none of them was published.
    pub fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
        self.0.begin_transaction()?;
        for message in messages {
            if let Err(error) = self.send(message) {
                self.0.abort_transaction(DEADLINE)?;
                return Err(error.into());
            }
        }
        Ok(self.0.commit_transaction(DEADLINE)?)
    }

    fn send(&self, message: &Message) -> Result<(), KafkaError> {
        let headers = message
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_deref() }));
        let mut record = BaseRecord::<[u8], [u8]>::to(&message.topic).headers(headers);
        record.key = message.key.as_deref();
        record.payload = message.value.as_deref();
        record.timestamp = message.timestamp.map(|at| at.0);
        loop {
            match self.0.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(rdkafka::types::RDKafkaErrorCode::QueueFull), back)) => {
                    record = back;
                    self.0.poll(Duration::from_millis(10));
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}
