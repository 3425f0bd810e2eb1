//! Says to Quell what has been applied.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, SystemTime},
};

use anyhow::bail;
use apache_avro::{types::Value, writer::datum::GenericDatumWriter};
use rdkafka::{
    ClientConfig, ClientContext,
    config::FromClientConfigAndContext,
    error::{KafkaError, RDKafkaErrorCode},
    producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer},
};

use crate::formats::{Schema, Suppression};

/// Writes to the topic of acknowledgements.
pub struct Acknowledgements {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
    schema: Schema,
}

/// Remembers whether any acknowledgement was given up.
#[derive(Default)]
struct Deliveries {
    failed: AtomicBool,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }
}

impl Acknowledgements {
    pub fn new(bootstrap: &str, topic: String, schema: Schema) -> anyhow::Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("enable.idempotence", "true");
        let producer = ThreadedProducer::from_config_and_context(&config, Deliveries::default())?;
        Ok(Self { producer, topic, schema })
    }

    /// Call it after the suppression has been applied.
    pub fn send(&self, key: &str, suppression: &Suppression) -> anyhow::Result<()> {
        self.none_failed()?;
        let value = self.encode(suppression)?;
        let mut record = BaseRecord::to(&self.topic).key(key).payload(&value);
        while let Err((error, unsent)) = self.producer.send(record) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                bail!("an acknowledgement could not be sent: {error}");
            }
            record = unsent;
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Waits until all have arrived.
    pub fn flush(&self) -> anyhow::Result<()> {
        self.producer.flush(Duration::from_secs(30))?;
        self.none_failed()
    }

    fn none_failed(&self) -> anyhow::Result<()> {
        if self.producer.context().failed.load(Ordering::Relaxed) {
            bail!("an acknowledgement could not be sent");
        }
        Ok(())
    }

    fn encode(&self, suppression: &Suppression) -> anyhow::Result<Vec<u8>> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
        let text = |text: &str| Value::String(text.to_owned());
        let identifier = vec![
            ("type".to_owned(), text(&suppression.identifier.r#type)),
            ("value".to_owned(), text(&suppression.identifier.value)),
        ];
        let acknowledgement = Value::Record(vec![
            ("downstream".to_owned(), text(&suppression.downstream)),
            ("identifier".to_owned(), Value::Record(identifier)),
            ("version".to_owned(), Value::Long(suppression.version)),
            ("outcome".to_owned(), Value::Enum(0, "APPLIED".to_owned())),
            ("applied_at".to_owned(), Value::TimestampMillis(i64::try_from(now.as_millis())?)),
            ("detail".to_owned(), Value::Union(0, Box::new(Value::Null))),
        ]);
        let mut bytes = self.schema.header.to_vec();
        GenericDatumWriter::builder(&self.schema.parsed).build()?.write_value(&mut bytes, acknowledgement)?;
        Ok(bytes)
    }
}
