//! Encoding, in the configured format.

use quell_domain::{Policy, Suppression};
use serde_json::Value;

use crate::message::{AckMessage, ChoiceMessage, DecisionMessage, LinkMessage, ReviewMessage, WatermarkMessage};
use crate::registry::{Registry, RegistryError};
use crate::schemas::{
    CHOICE_EVENT, CONFLUENT, DECISION, LINK_EVENT, REVIEW, SINGLE_OBJECT, SUPPRESSION, SUPPRESSION_ACK, WATERMARK,
    WireSchema,
};
use crate::{avro, json};

/// `encoding.format`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Avro single-object encoding.
    #[default]
    Avro,
    /// The Confluent wire format, with schemas in a registry.
    Confluent,
    /// JSON, timestamps in milliseconds.
    Json,
}

/// The registry has no id for a schema of ours.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// No registry is configured.
    #[error("format \"confluent\" needs encoding.schema_registry_url")]
    NoRegistry,
    /// It did not answer, or refused the schema.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Encodes messages.
#[derive(Debug)]
pub struct Encoder {
    format: Format,
    registry: Option<Registry>,
}

impl Encoder {
    /// An encoder; the Confluent format needs a registry.
    #[must_use]
    pub fn new(format: Format, registry: Option<Registry>) -> Self {
        Self { format, registry }
    }

    /// Asks the registry for all ids that suppressions will need, so that encoding them does not have to wait later.
    ///
    /// # Errors
    /// When the registry does not answer, or refuses the schema.
    pub fn prepare(&self, policy: &Policy) -> Result<(), EncodeError> {
        if self.format == Format::Confluent {
            for downstream in policy.downstreams() {
                self.id(&downstream.topic, &SUPPRESSION)?;
            }
        }
        Ok(())
    }

    /// The same for decisions, and for reviews.
    ///
    /// # Errors
    /// When the registry does not answer, or refuses a schema.
    pub fn prepare_decisions(&self, decisions: &str, reviews: &str) -> Result<(), EncodeError> {
        if self.format == Format::Confluent {
            self.id(decisions, &DECISION)?;
            self.id(reviews, &REVIEW)?;
        }
        Ok(())
    }

    /// A suppression for its downstream's topic.
    ///
    /// # Errors
    /// When the registry has no id for it, which [`Encoder::prepare`] rules out.
    pub fn suppression(&self, policy: &Policy, suppression: &Suppression) -> Result<Vec<u8>, EncodeError> {
        let downstream = policy.downstreams().get(usize::from(suppression.downstream.0));
        let topic = downstream.map_or("", |known| &known.topic);
        self.encode(
            topic,
            &SUPPRESSION,
            |out| avro::write_suppression(out, policy, suppression),
            || json::write_suppression(policy, suppression),
        )
    }

    /// A choice for a topic.
    ///
    /// # Errors
    /// When the registry has no id for it.
    pub fn choice(&self, topic: &str, message: &ChoiceMessage) -> Result<Vec<u8>, EncodeError> {
        self.encode(topic, &CHOICE_EVENT, |out| avro::write_choice(out, message), || json::write_choice(message))
    }

    /// A link for a topic.
    ///
    /// # Errors
    /// When the registry has no id for it.
    pub fn link(&self, topic: &str, message: &LinkMessage) -> Result<Vec<u8>, EncodeError> {
        self.encode(topic, &LINK_EVENT, |out| avro::write_link(out, message), || json::write_link(message))
    }

    /// An acknowledgement for a topic.
    ///
    /// # Errors
    /// When the registry has no id for it.
    pub fn ack(&self, topic: &str, message: &AckMessage) -> Result<Vec<u8>, EncodeError> {
        self.encode(topic, &SUPPRESSION_ACK, |out| avro::write_ack(out, message), || json::write_ack(message))
    }

    /// A watermark for a topic.
    ///
    /// # Errors
    /// When the registry has no id for it.
    pub fn watermark(&self, topic: &str, message: &WatermarkMessage) -> Result<Vec<u8>, EncodeError> {
        self.encode(topic, &WATERMARK, |out| avro::write_watermark(out, message), || json::write_watermark(message))
    }

    /// A decision for a topic.
    ///
    /// # Errors
    /// When the registry has no id for it, which [`Encoder::prepare_decisions`] rules out.
    pub fn decision(&self, topic: &str, message: &DecisionMessage<'_>) -> Result<Vec<u8>, EncodeError> {
        self.encode(topic, &DECISION, |out| avro::write_decision(out, message), || json::write_decision(message))
    }

    /// A review for a topic.
    ///
    /// # Errors
    /// When the registry has no id for it, which [`Encoder::prepare_decisions`] rules out.
    pub fn review(&self, topic: &str, message: &ReviewMessage) -> Result<Vec<u8>, EncodeError> {
        self.encode(topic, &REVIEW, |out| avro::write_review(out, message), || json::write_review(message))
    }

    fn encode(
        &self,
        topic: &str,
        schema: &WireSchema,
        to_avro: impl FnOnce(&mut Vec<u8>),
        to_json: impl FnOnce() -> Value,
    ) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::with_capacity(256);
        match self.format {
            Format::Avro => {
                out.extend_from_slice(&SINGLE_OBJECT);
                out.extend_from_slice(&schema.fingerprint);
                to_avro(&mut out);
            }
            Format::Confluent => {
                out.push(CONFLUENT);
                out.extend_from_slice(&self.id(topic, schema)?.to_be_bytes());
                to_avro(&mut out);
            }
            Format::Json => out.extend_from_slice(to_json().to_string().as_bytes()),
        }
        Ok(out)
    }

    fn id(&self, topic: &str, schema: &WireSchema) -> Result<u32, EncodeError> {
        let registry = self.registry.as_ref().ok_or(EncodeError::NoRegistry)?;
        Ok(registry.id_of(topic, schema)?)
    }
}
