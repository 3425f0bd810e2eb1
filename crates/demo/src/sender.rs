//! Puts records onto the input topics, as any producer would: any key, any partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use quell_wire::{ChoiceMessage, Encoder, Format, LinkMessage};
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use crate::topics::Topics;

/// The broker is on this machine or near; a minute means that it is not there.
const FLUSH_SECONDS_MAX: u64 = 60;
/// The broker's answers to questions about a topic.
const ANSWER: Duration = Duration::from_secs(30);
/// Short against the times that are measured, long enough for a batch when there is much to send.
const LINGER_MILLIS: &str = "1";
/// How long to let librdkafka work when its queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_millis(5);

/// What is sent.
#[derive(Clone, Debug)]
pub enum Message {
    /// A choice.
    Choice(ChoiceMessage),
    /// A link.
    Link(LinkMessage),
    /// Bytes that are to pass for a choice.
    BadChoice(Vec<u8>),
    /// Bytes that are to pass for a link.
    BadLink(Vec<u8>),
}

/// Counts what could not be delivered.
#[derive(Default)]
struct Deliveries {
    failed: Arc<AtomicU64>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A producer for the input topics.
pub struct Sender {
    producer: ThreadedProducer<Deliveries>,
    failed: Arc<AtomicU64>,
    avro: Encoder,
    json: Encoder,
    choices: String,
    links: String,
}

impl Sender {
    /// A producer on a broker.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such topics.
    pub fn new(bootstrap: &str, topics: &Topics) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", bootstrap)
            .set("enable.idempotence", "true")
            .set("linger.ms", LINGER_MILLIS)
            .set("queue.buffering.max.messages", "200000");
        let failed = Arc::new(AtomicU64::new(0));
        let deliveries = Deliveries { failed: Arc::clone(&failed) };
        let producer: ThreadedProducer<_> = ThreadedProducer::from_config_and_context(&config, deliveries)?;
        // Whom to send to is asked now, so that the first record's time is not that of the question.
        for topic in [&topics.choices, &topics.links] {
            let metadata = producer.client().fetch_metadata(Some(topic), ANSWER)?;
            if metadata.topics().first().is_none_or(|found| found.error().is_some()) {
                bail!("there is no topic {topic}; `quell topics create` makes it");
            }
        }
        Ok(Self {
            producer,
            failed,
            avro: Encoder::new(Format::Avro, None),
            json: Encoder::new(Format::Json, None),
            choices: topics.choices.clone(),
            links: topics.links.clone(),
        })
    }

    /// Hands a message to librdkafka, and says when.
    ///
    /// # Errors
    /// When it cannot be encoded or is not taken.
    pub fn send(&self, message: &Message, format: Format, key: u64) -> anyhow::Result<Instant> {
        let encoder = if format == Format::Json { &self.json } else { &self.avro };
        let (topic, encoded);
        let value = match message {
            Message::Choice(choice) => {
                (topic, encoded) = (&self.choices, encoder.choice(&self.choices, choice)?);
                &encoded
            }
            Message::Link(link) => {
                (topic, encoded) = (&self.links, encoder.link(&self.links, link)?);
                &encoded
            }
            Message::BadChoice(bytes) => {
                topic = &self.choices;
                bytes
            }
            Message::BadLink(bytes) => {
                topic = &self.links;
                bytes
            }
        };
        let key = key.to_be_bytes();
        let sent_at = Instant::now();
        let mut record = BaseRecord::to(topic).key(&key[..]).payload(value);
        while let Err((error, unsent)) = self.producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error).with_context(|| format!("cannot write to topic {topic}"));
            }
            record = unsent;
            thread::sleep(QUEUE_FULL_PAUSE);
        }
        Ok(sent_at)
    }

    /// Waits until all is delivered.
    ///
    /// # Errors
    /// When something could not be.
    pub fn flush(&self) -> anyhow::Result<()> {
        self.producer.flush(Duration::from_secs(FLUSH_SECONDS_MAX)).context("the broker does not take the records")?;
        match self.failed.load(Ordering::Relaxed) {
            0 => Ok(()),
            failed => {
                bail!("{failed} records could not be delivered")
            }
        }
    }
}
