//! The thread that takes the spool to Kafka.
//!
//! At least once: what is delivered and not yet known to be is delivered again after a crash, under the same key.
//!
//! Kafka refuses a batch for one record in it. Then what was sent is sent once more, each record alone, and what is
//! refused even so is kept beside the spool: it holds nothing up.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_domain::uuid_text;
use quell_telemetry::Throttle;
use quell_telemetry::gate::{GateEvent as _, RecordsDelivered};
use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, PurgeConfig};

use super::progress::{Context, OnItsWay, Outcome, Progress, is_refusal};
use super::refused::Refused;
use super::segment::{Blocks, Next, SegmentReader, remove, set_aside};
use super::{Backlog, SAY_EVERY, SegmentNumber, Shared, Topic, segments};
use crate::gate::wall_clock;
use crate::worker::{Stop, Worker};

/// How long to wait for something to deliver, or for what was sent to arrive.
const TURN: Duration = Duration::from_millis(20);

/// How many pieces of the spool may be on their way. Each is what there was when it was read, up to what is read at once:
/// the more comes, the larger they are.
const IN_FLIGHT_MAX: usize = 8;

/// How long to wait after a failure before it is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How long a stop waits for what is recorded to arrive. What does not is delivered by whoever comes next.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// By how much a record's timestamp may be ahead of this machine's clock. One that is recorded while the clock is ahead
/// keeps its own as long as a clock is only corrected; Kafka refuses those that are an hour ahead of its own.
const AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// The spool cannot be delivered. At the start, an operator must act; later, it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// The client's settings, or a record did not arrive.
    #[error("kafka does not take decisions: {0}")]
    Kafka(#[from] KafkaError),
    /// The spool's directory, or there is no thread.
    #[error("cannot use the spool: {0}")]
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
    /// Begins to deliver to these topics, by a producer that is made with these settings. Asked to stop, it delivers what
    /// is recorded, within a deadline: by then nobody may record any more.
    ///
    /// # Errors
    /// When there can be no such producer.
    pub fn deliver(self, config: ClientConfig, topics: DeliveryTopics) -> Result<Worker, DeliveryError> {
        let producer = producer(&config, false)?;
        let worker = Worker::start("quell-delivery", move |stop| {
            let courier = Courier {
                producer,
                is_alone: false,
                alone_until: None,
                sent: VecDeque::new(),
                reading: None,
                delivered: None,
                damaged: None,
                refused: Refused::default(),
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

fn producer(config: &ClientConfig, is_alone: bool) -> Result<BaseProducer<Context>, KafkaError> {
    let mut config = config.clone();
    if is_alone {
        config.set("batch.num.messages", "1");
    }
    config.create_with_context(Context)
}

/// A place in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    segment: SegmentNumber,
    at: u64,
}

/// What was sent, in order.
enum Sent {
    Blocks {
        blocks: Blocks,
        end: Place,
        progress: Arc<Progress>,
    },
    /// Bytes that could not be read, up to there.
    Damage {
        bytes: u64,
        end: Place,
    },
    /// All of a segment stands before this.
    EndOf(SegmentNumber),
}

impl Sent {
    fn end(&self) -> Option<Place> {
        match self {
            Self::Blocks { end, .. } | Self::Damage { end, .. } => Some(*end),
            Self::EndOf(_) => None,
        }
    }
}

struct Courier {
    shared: Arc<Shared>,
    config: ClientConfig,
    topics: DeliveryTopics,
    producer: BaseProducer<Context>,
    /// Whether the producer sends each record in a batch of its own.
    is_alone: bool,
    /// Up to where that has to be so.
    alone_until: Option<Place>,
    sent: VecDeque<Sent>,
    reading: Option<SegmentReader>,
    /// Up to where all has arrived that could be read, or is kept.
    delivered: Option<Place>,
    /// How many bytes could not be read of the segment that is being delivered, if it is damaged.
    damaged: Option<u64>,
    refused: Refused,
    said: Throttle,
    stop: Stop,
}

impl Courier {
    fn run(mut self) {
        let mut stopping: Option<Instant> = None;
        loop {
            // What is recorded before a stop is found by a turn that begins after it.
            let is_asked = self.stop.is_asked();
            let went = self.turn().unwrap_or_else(|error| {
                self.wait(&error);
                true
            });
            if is_asked {
                let since = *stopping.get_or_insert_with(Instant::now);
                let is_done = !went && self.sent.is_empty();
                if is_done || since.elapsed() > STOP_DEADLINE {
                    break;
                }
            }
        }
    }

    /// Takes up what has arrived, and sends what there is. Whether anything was sent.
    fn turn(&mut self) -> Result<bool, DeliveryError> {
        let mut arrived = RecordsDelivered::default();
        let taken = self.take_up(&mut arrived);
        if arrived != RecordsDelivered::default() {
            arrived.emit(&self.shared.metrics);
        }
        taken?;
        let mut went = false;
        if self.is_alone && self.last_sent() >= self.alone_until {
            if self.sent.is_empty() {
                self.begin_again()?;
                went = true;
            }
        } else {
            while self.sent.len() < IN_FLIGHT_MAX && self.send_next()? {
                went = true;
            }
        }
        self.producer.poll(if went { Duration::ZERO } else { TURN });
        Ok(went)
    }

    /// Sends one more piece, if there is one.
    fn send_next(&mut self) -> Result<bool, DeliveryError> {
        // Looked at before the tail, so that all that was recorded before a stop is in that.
        let is_asked = self.stop.is_asked();
        let Some(reading) = &mut self.reading else { return self.open_next() };
        let Some(readable) = self.shared.readable(reading)? else { return Ok(false) };
        let (segment, next) = (reading.number, reading.next(readable.until)?);
        let end = Place { segment, at: reading.at };
        match next {
            Next::Blocks(blocks) => {
                self.send(blocks, end)?;
                return Ok(true);
            }
            // This process knows what is on disk of its own.
            Next::Cut(bytes) if segment >= self.shared.first => self.sent.push_back(Sent::Damage { bytes, end }),
            Next::Damaged(bytes) => self.sent.push_back(Sent::Damage { bytes, end }),
            Next::End if !readable.is_over && !is_asked => return Ok(false),
            Next::Cut(bytes) => {
                tracing::warn!(
                    target: "quell::gate",
                    segment = segment.0,
                    bytes,
                    "the end of a segment of the spool was cut off by a crash: it was not answered, or just before power \
                     was lost"
                );
                self.finish(segment);
            }
            Next::End => self.finish(segment),
        }
        Ok(true)
    }

    fn finish(&mut self, segment: SegmentNumber) {
        self.sent.push_back(Sent::EndOf(segment));
        self.reading = None;
    }

    fn open_next(&mut self) -> Result<bool, DeliveryError> {
        let done = self.sent.iter().rev().find_map(|sent| match sent {
            Sent::EndOf(number) => Some(*number),
            Sent::Blocks { .. } | Sent::Damage { .. } => None,
        });
        let directory = &self.shared.options.path;
        let next = segments(directory)?
            .into_iter()
            .map(|(number, _)| number)
            .find(|number| done.is_none_or(|done| *number > done));
        let Some(next) = next else { return Ok(false) };
        self.reading = Some(match self.delivered {
            Some(Place { segment, at }) if segment == next => SegmentReader::open_at(directory, next, at)?,
            _ => SegmentReader::open(directory, next)?,
        });
        Ok(true)
    }

    fn send(&mut self, blocks: Blocks, end: Place) -> Result<(), KafkaError> {
        let progress = Arc::new(Progress::new(blocks.records().count()));
        let latest = wall_clock() + AHEAD_MAX;
        for (index, record) in blocks.records().enumerate() {
            let topic = match record.topic {
                Topic::Decisions => &self.topics.decisions,
                Topic::Reviews => &self.topics.reviews,
            };
            let key = uuid_text(&record.key);
            let on_its_way = Box::new(OnItsWay { progress: Arc::clone(&progress), index });
            let mut record = BaseRecord::with_opaque_to(topic, on_its_way)
                .key(key.as_str())
                .payload(record.value)
                .timestamp(record.timestamp.min(latest).0);
            while let Err((error, back)) = self.producer.send(record) {
                if is_refusal(&error) {
                    progress.lost(index, error);
                    break;
                }
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error);
                }
                self.producer.poll(TURN);
                record = back;
            }
        }
        self.sent.push_back(Sent::Blocks { blocks, end, progress });
        Ok(())
    }

    /// B2: a segment goes only when all of it has arrived. What has is added to `arrived`.
    fn take_up(&mut self, arrived: &mut RecordsDelivered) -> Result<(), DeliveryError> {
        let Self { shared, sent, refused, delivered, damaged, .. } = self;
        while let Some(first) = sent.front() {
            match first {
                Sent::Blocks { blocks, end, progress } => {
                    let kept = match progress.outcome() {
                        Outcome::Open => break,
                        Outcome::Failed(error) => return Err(error.into()),
                        Outcome::Refused(_) if !self.is_alone => return Ok(self.send_each_alone()?),
                        Outcome::Refused(kept) => kept,
                        Outcome::Arrived => Vec::new(),
                    };
                    if !kept.is_empty() {
                        refused.keep(shared, end.segment, blocks, &kept)?;
                    }
                    for (index, record) in blocks.records().enumerate() {
                        let is_kept = kept.iter().any(|refusal| refusal.index == index);
                        match record.topic {
                            Topic::Decisions => arrived.decisions += u64::from(!is_kept),
                            Topic::Reviews => arrived.reviews += u64::from(!is_kept),
                        }
                    }
                    *delivered = Some(*end);
                }
                Sent::Damage { bytes, end } => {
                    *damaged = Some(damaged.unwrap_or_default() + bytes);
                    *delivered = Some(*end);
                }
                Sent::EndOf(segment) => {
                    let directory = &shared.options.path;
                    if let Some(bytes) = *damaged {
                        shared.went(*segment, set_aside(directory, *segment)?);
                        shared.metrics.spool_damaged();
                        tracing::error!(
                            target: "quell::gate",
                            segment = segment.0,
                            unreadable_bytes = bytes,
                            "a segment of the spool is damaged, and set aside as *.damaged; records in what cannot be \
                             read may not be in kafka"
                        );
                        *damaged = None;
                    } else {
                        shared.went(*segment, remove(directory, *segment)?);
                    }
                }
            }
            sent.pop_front();
        }
        Ok(())
    }

    /// Sends once more what did not arrive: which record of a batch Kafka refuses only shows when each has its own.
    fn send_each_alone(&mut self) -> Result<(), KafkaError> {
        self.alone_until = self.last_sent();
        self.begin_again()
    }

    /// Up to where all was sent.
    fn last_sent(&self) -> Option<Place> {
        self.sent.iter().rev().find_map(Sent::end).or(self.delivered)
    }

    /// Waits after a failure, and does what it takes to try again.
    fn wait(&mut self, error: &DeliveryError) {
        self.say(error);
        std::thread::sleep(TRY_AGAIN);
        match error {
            // What is on its way arrives all the same.
            DeliveryError::Io(_) => self.producer.poll(Duration::ZERO),
            DeliveryError::Kafka(_) => {
                if let Err(error) = self.begin_again() {
                    self.say(&error.into());
                }
            }
        }
    }

    /// Goes back to what has arrived, with a producer that has nothing on its way.
    fn begin_again(&mut self) -> Result<(), KafkaError> {
        self.sent.clear();
        self.reading = None;
        let is_alone = self.alone_until > self.delivered;
        let anew = producer(&self.config, is_alone)?;
        self.producer.purge(PurgeConfig::default().queue().inflight());
        (self.producer, self.is_alone) = (anew, is_alone);
        Ok(())
    }

    fn say(&mut self, error: &DeliveryError) {
        if self.said.passes(Instant::now()) {
            let reason = error.to_string();
            tracing::warn!(target: "quell::gate", reason, "decisions stay in the spool; trying again");
        }
    }
}
