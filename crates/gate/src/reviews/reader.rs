//! The thread that reads reviews from Kafka into the book.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_domain::uuid_bytes;
use quell_telemetry::Throttle;
use quell_telemetry::gate::{GateEvent as _, ReviewNotUnderstood};
use quell_topic_id::{TopicId, topic_id};
use quell_wire::{DecodeError, Decoder, ReviewMessage};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};
use tokio::runtime::{Builder, Runtime};

use super::Place;
use crate::clients::KafkaSettings;
use crate::consumer::{ASK, Quiet, ReadError, partitions, passes_by_itself};
use crate::gate::Gate;
use crate::worker::{Stop, Worker};

/// How long to wait for a record.
const POLL: Duration = Duration::from_millis(100);

/// How often it is looked whether partitions were added.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// How long to wait after an error before all is read again: what is known already changes nothing.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How often the same trouble is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What a reader is made of.
pub struct ReviewReaderParts {
    /// How its clients are made.
    pub kafka: KafkaSettings,
    /// `topics.reviews`
    pub topic: String,
    /// How records are read.
    pub decoder: Decoder,
    /// Whose reviews they are.
    pub gate: Arc<Gate>,
}

impl ReviewReaderParts {
    /// Begins to read, on a thread of its own.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn start(self) -> io::Result<Worker> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        Worker::start("quell-reviews", move |stop| {
            Reading { parts: self, stop, said: Throttle::new(SAY_EVERY), covered: Vec::new(), runtime }.run();
        })
    }
}

struct Reading {
    parts: ReviewReaderParts,
    stop: Stop,
    said: Throttle,
    /// States that hold over what was read behind them, to be recorded again (J2).
    covered: Vec<Arc<ReviewMessage>>,
    /// On which they are.
    runtime: Runtime,
}

impl Reading {
    fn run(mut self) {
        let mut is_filling = false;
        while !self.stop.is_asked() {
            is_filling = self.read_all(is_filling).unwrap_or_else(|error| {
                self.say(&error.to_string());
                std::thread::sleep(TRY_AGAIN);
                false
            });
        }
    }

    /// Reads the topic from its beginning, and on, until it has to be read from the beginning again: to fill the room that
    /// there is in the book, or else because the topic was made anew, or has more partitions.
    fn read_all(&mut self, is_filling: bool) -> Result<bool, ReadError> {
        let mut config = self.parts.kafka.reader();
        let consumer: BaseConsumer<Quiet> = config.set("enable.partition.eof", "true").create_with_context(Quiet)?;
        let id = topic_id(consumer.client(), &self.parts.topic, ASK)?;
        let known = partitions(&consumer, &self.parts.topic)?;
        let mut assigned = TopicPartitionList::new();
        for partition in &known {
            assigned.add_partition_offset(&self.parts.topic, *partition, Offset::Beginning)?;
        }
        consumer.assign(&assigned)?;
        self.parts.gate.reviews.book.begin(is_filling);
        let mut unread: BTreeSet<i32> = known.iter().copied().collect();
        let mut looked_at = Instant::now();
        while !self.stop.is_asked() {
            match consumer.poll(POLL) {
                None => {}
                Some(Ok(message)) => self.take(&message),
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let was_the_last = unread.remove(&partition) && unread.is_empty();
                    if was_the_last {
                        self.parts.gate.reviews.book.end();
                        self.parts.gate.set_reviews_read();
                    }
                }
                Some(Err(error)) if passes_by_itself(&error) => {}
                Some(Err(error)) => return Err(error.into()),
            }
            self.record_again();
            if unread.is_empty() && self.parts.gate.reviews.book.wants_filling() {
                return Ok(true);
            }
            if self.is_another(id, known.len(), &consumer, &mut looked_at)? {
                return Ok(false);
            }
        }
        Ok(false)
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) {
        let gate = Arc::clone(&self.parts.gate);
        let place = Place { partition: message.partition(), offset: message.offset() };
        if message.payload().is_none() {
            gate.reviews.book.forget(&String::from_utf8_lossy(message.key().unwrap_or_default()));
            return;
        }
        let review = match self.understood(message) {
            Ok(Some(review)) => review,
            Ok(None) => return,
            Err(reason) => {
                let Place { partition, offset } = place;
                ReviewNotUnderstood { partition, offset, reason: &reason }.emit(&gate.metrics);
                return;
            }
        };
        self.covered.extend(self.parts.gate.take_review(review, place));
    }

    /// What a record says. Waits for a schema registry that does not answer; none if it is to stop before.
    fn understood(&mut self, message: &BorrowedMessage<'_>) -> Result<Option<ReviewMessage>, String> {
        while !self.stop.is_asked() {
            match self.parts.decoder.review(message.payload()) {
                Ok(review) if uuid_bytes(&review.review_id).is_none() => return Err("its id is no UUID".to_owned()),
                Ok(review) => return Ok(Some(review)),
                Err(DecodeError::Malformed(reason)) => return Err(reason),
                Err(error @ DecodeError::RegistryUnavailable(_)) => {
                    self.say(&error.to_string());
                    std::thread::sleep(TRY_AGAIN);
                }
            }
        }
        Ok(None)
    }

    /// J2: what could not be recorded is tried again at the next turn.
    fn record_again(&mut self) {
        let (gate, runtime) = (&self.parts.gate, &self.runtime);
        self.covered.retain(|review| runtime.block_on(gate.record_review(review, gate.now())).is_err());
    }

    /// Whether the topic was made anew, or has more partitions. Looks now and then.
    fn is_another(
        &self,
        id: Option<TopicId>,
        known: usize,
        consumer: &BaseConsumer<Quiet>,
        looked_at: &mut Instant,
    ) -> Result<bool, ReadError> {
        if looked_at.elapsed() < LOOK_EVERY {
            return Ok(false);
        }
        *looked_at = Instant::now();
        let looked = || {
            let now = topic_id(consumer.client(), &self.parts.topic, ASK)?;
            Ok(now != id || partitions(consumer, &self.parts.topic)?.len() > known)
        };
        match looked() {
            Err(ReadError::Kafka(error)) if passes_by_itself(&error) => Ok(false),
            other => other,
        }
    }

    fn say(&mut self, reason: &str) {
        if self.said.passes(Instant::now()) {
            tracing::warn!(target: "quell::gate", reason, "cannot read reviews; trying again");
        }
    }
}
