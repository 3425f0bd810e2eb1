//! The thread that takes the spool to Kafka.
//!
//! At least once: what is delivered and not yet known to be is delivered again after a crash, under the same key.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use quell_domain::uuid_text;
use quell_telemetry::Throttle;
use quell_telemetry::gate::{GateEvent as _, RecordsDelivered};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use super::segment::{Block, Next, SegmentReader, remove, set_aside};
use super::{Backlog, SegmentNumber, Shared, Topic, segments};
use crate::worker::{Stop, Worker};

/// How long to wait for something to deliver, or for what was sent to arrive.
const TURN: Duration = Duration::from_millis(20);

/// How many blocks may be on their way.
const IN_FLIGHT_MAX: usize = 64;

/// How long to wait after a failure before all that did not arrive is sent again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How long a stop waits for what is recorded to arrive. What does not is delivered by whoever comes next.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// How often the same trouble is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// The spool cannot be delivered; an operator must act.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The client's settings.
    #[error("kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// The spool's directory, or there is no thread.
    #[error("cannot read the spool: {0}")]
    Io(#[from] io::Error),
}

/// Where records go.
#[derive(Clone, Debug)]
pub struct DeliveryTopics {
    /// `topics.decisions`
    pub decisions: String,
    /// `topics.reviews`
    pub reviews: String,
}

impl Backlog {
    /// Begins to deliver to these topics, by a producer that is made with these settings. Asked to stop, it delivers what is
    /// recorded, within a deadline: by then nobody may record any more.
    ///
    /// # Errors
    /// When there can be no such producer.
    pub fn deliver(self, config: ClientConfig, topics: DeliveryTopics) -> Result<Worker, DeliveryError> {
        let producer = producer(&config)?;
        let worker = Worker::start("quell-delivery", move |stop| {
            let courier = Courier {
                producer,
                sent: VecDeque::new(),
                reading: None,
                delivered: None,
                said: Throttle::new(SAY_EVERY),
                stop,
                shared: self.0,
                config,
                topics,
            };
            courier.run();
        });
        Ok(worker?)
    }
}

fn producer(config: &ClientConfig) -> Result<BaseProducer<Context>, KafkaError> {
    config.create_with_context(Context)
}

/// How much of a block has arrived.
#[derive(Debug)]
struct Progress {
    missing: AtomicUsize,
    failed: AtomicBool,
}

struct Context;

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "quell::gate", %error, reason, "the producer of decisions met an error");
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Arc<Progress>;

    fn delivery(&self, result: &DeliveryResult<'_>, progress: Arc<Progress>) {
        match result {
            Ok(_) => drop(progress.missing.fetch_sub(1, Ordering::AcqRel)),
            Err((error, _)) => {
                tracing::debug!(target: "quell::gate", %error, "a decision did not arrive");
                progress.failed.store(true, Ordering::Release);
            }
        }
    }
}

/// What was sent, in order.
enum Sent {
    Block {
        records: RecordsDelivered,
        segment: SegmentNumber,
        end: u64,
        progress: Arc<Progress>,
    },
    /// All of a segment stands before this.
    EndOf(SegmentNumber),
}

struct Courier {
    shared: Arc<Shared>,
    config: ClientConfig,
    topics: DeliveryTopics,
    producer: BaseProducer<Context>,
    sent: VecDeque<Sent>,
    reading: Option<SegmentReader>,
    /// Up to where all has arrived.
    delivered: Option<(SegmentNumber, u64)>,
    said: Throttle,
    stop: Stop,
}

impl Courier {
    fn run(mut self) {
        let mut stopping: Option<Instant> = None;
        loop {
            let went = self.turn().unwrap_or_else(|error| {
                self.say(&error.to_string());
                self.begin_again();
                true
            });
            if self.stop.is_asked() {
                let since = *stopping.get_or_insert_with(Instant::now);
                let is_done = !went && self.sent.is_empty();
                if is_done || since.elapsed() > STOP_DEADLINE {
                    break;
                }
            }
        }
    }

    /// Sends what there is, and takes up what has arrived. Whether anything was sent.
    fn turn(&mut self) -> Result<bool, DeliveryError> {
        let mut went = false;
        while self.sent.len() < IN_FLIGHT_MAX && self.send_next()? {
            went = true;
        }
        self.producer.poll(if went { Duration::ZERO } else { TURN });
        self.take_up()?;
        Ok(went)
    }

    /// Sends one more block, if there is one.
    fn send_next(&mut self) -> Result<bool, DeliveryError> {
        let tail = self.shared.tail();
        let is_over = self.stop.is_asked();
        let Some(reading) = &mut self.reading else { return self.open_next() };
        let number = reading.number;
        let is_closed = number < tail.segment || is_over;
        let until = if number == tail.segment { tail.bytes } else { reading.bytes()? };
        match reading.next(until)? {
            Next::Block(block) => {
                self.send(number, &block)?;
                return Ok(true);
            }
            Next::End if !is_closed => return Ok(false),
            Next::End | Next::Cut => self.sent.push_back(Sent::EndOf(number)),
            Next::Damaged => {
                let bytes = set_aside(&self.shared.options.path, number)?;
                self.shared.shrank(bytes);
                tracing::error!(
                    target: "quell::gate",
                    segment = number.0,
                    "a segment of the spool is damaged and set aside as *.damaged; records in it may not be in kafka"
                );
            }
        }
        self.reading = None;
        Ok(true)
    }

    fn open_next(&mut self) -> Result<bool, DeliveryError> {
        let done = self.sent.iter().rev().find_map(|sent| match sent {
            Sent::EndOf(number) => Some(*number),
            Sent::Block { .. } => None,
        });
        let directory = &self.shared.options.path;
        let next = segments(directory)?
            .into_iter()
            .map(|(number, _)| number)
            .find(|number| done.is_none_or(|done| *number > done));
        let Some(next) = next else { return Ok(false) };
        self.reading = Some(match self.delivered {
            Some((number, at)) if number == next => SegmentReader::open_at(directory, next, at)?,
            _ => SegmentReader::open(directory, next)?,
        });
        Ok(true)
    }

    fn send(&mut self, segment: SegmentNumber, block: &Block) -> Result<(), DeliveryError> {
        let missing = AtomicUsize::new(block.records().count());
        let progress = Arc::new(Progress { missing, failed: AtomicBool::new(false) });
        let mut records = RecordsDelivered::default();
        for record in block.records() {
            let (topic, count) = match record.topic {
                Topic::Decisions => (&self.topics.decisions, &mut records.decisions),
                Topic::Reviews => (&self.topics.reviews, &mut records.reviews),
            };
            *count += 1;
            let key = uuid_text(&record.key);
            let mut record = BaseRecord::with_opaque_to(topic, Arc::clone(&progress))
                .key(key.as_str())
                .payload(record.value)
                .timestamp(record.timestamp.0);
            while let Err((error, back)) = self.producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error.into());
                }
                self.producer.poll(TURN);
                record = back;
            }
        }
        self.sent.push_back(Sent::Block { records, segment, end: block.end, progress });
        Ok(())
    }

    /// B2: a segment goes only when all of it has arrived.
    fn take_up(&mut self) -> Result<(), DeliveryError> {
        let mut arrived = RecordsDelivered::default();
        while let Some(first) = self.sent.front() {
            match first {
                Sent::Block { progress, .. } if progress.failed.load(Ordering::Acquire) => {
                    self.say("kafka does not take decisions");
                    self.begin_again();
                    break;
                }
                Sent::Block { progress, .. } if progress.missing.load(Ordering::Acquire) > 0 => break,
                Sent::Block { records, segment, end, .. } => {
                    arrived += *records;
                    self.delivered = Some((*segment, *end));
                }
                Sent::EndOf(number) => self.shared.shrank(remove(&self.shared.options.path, *number)?),
            }
            self.sent.pop_front();
        }
        if arrived != RecordsDelivered::default() {
            arrived.emit(&self.shared.metrics);
        }
        Ok(())
    }

    /// Goes back to what has arrived, with a producer that has nothing on its way.
    fn begin_again(&mut self) {
        self.sent.clear();
        self.reading = None;
        std::thread::sleep(TRY_AGAIN);
        match producer(&self.config) {
            Ok(anew) => {
                self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
                self.producer = anew;
            }
            Err(error) => self.say(&error.to_string()),
        }
    }

    fn say(&mut self, reason: &str) {
        if self.said.passes(Instant::now()) {
            tracing::warn!(target: "quell::gate", reason, "decisions stay in the spool; trying again");
        }
    }
}
