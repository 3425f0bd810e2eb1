//! One assignment of all partitions, until something changes that needs another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use quell_decision::{Change, Watermark};
use quell_domain::Millis;
use quell_telemetry::Throttle;
use quell_telemetry::gate::{GateEvent as _, GateMetrics, GateReady};
use quell_topic_id::{TopicId, topic_id};
use quell_wire::Decoder;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::ReaderParts;
use super::catching_up::{CatchingUp, Offsets, has_reached};
use super::changes::{Understood, understand};
use super::resuming::{Met, Misfit, Resuming};
use crate::consumer::{ASK, Quiet, ReadError, partitions, passes_by_itself};
use crate::local_copy::{Anchor, Positions, RewriteError};
use crate::worker::Stop;

/// How long to wait for a record.
const POLL: Duration = Duration::from_millis(20);

/// How many records are taken up at once.
const BATCH_RECORDS_MAX: usize = 10_000;

/// How long to wait before a failing disk, or a schema registry that does not answer, is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// How often it is looked whether partitions were added while nothing is said.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Clocks that are further apart than this are not in order, whatever keeps them.
const CLOCKS_APART_MS: i64 = 10_000;

/// How often the same trouble is said.
const SAY_EVERY: Duration = Duration::from_secs(60);

/// Why a session ended.
pub(super) enum Ended {
    Stopped,
    /// The same is read on, with more partitions.
    PartitionsAdded,
    /// The copy is of no use for this topic.
    Unfit(&'static str),
}

const MADE_ANEW: Misfit = "the topic was deleted and made anew";

pub(super) struct Session<'a> {
    parts: &'a mut ReaderParts,
    stop: &'a Stop,
    began: Instant,
    consumer: BaseConsumer<Quiet>,
    probe: BaseConsumer<Quiet>,
    resuming: BTreeMap<i32, Resuming>,
    /// How far each partition of the suppressions has been read.
    read: Offsets,
    /// How far they went at the start.
    ends_at_start: Offsets,
    /// How many partitions the watermarks have.
    watermarks: usize,
    catching_up: CatchingUp,
    changes: Vec<Change>,
    positions: Positions,
    looked_at: Instant,
    clocks_said: Throttle,
    disk_said: Throttle,
    topic: Option<TopicId>,
}

impl<'a> Session<'a> {
    pub fn run(parts: &'a mut ReaderParts, stop: &'a Stop, began: Instant) -> Result<Ended, ReadError> {
        let consumer: BaseConsumer<Quiet> = parts.kafka.reader().create_with_context(Quiet)?;
        let probe: BaseConsumer<Quiet> = parts.kafka.probe().create_with_context(Quiet)?;
        let mut session = Self {
            resuming: BTreeMap::new(),
            read: Offsets::new(),
            ends_at_start: Offsets::new(),
            watermarks: 0,
            catching_up: CatchingUp::default(),
            changes: Vec::new(),
            positions: Positions::default(),
            looked_at: Instant::now(),
            clocks_said: Throttle::new(SAY_EVERY),
            disk_said: Throttle::new(SAY_EVERY),
            topic: None,
            parts,
            stop,
            began,
            consumer,
            probe,
        };
        if let Err(misfit) = session.assign()? {
            return Ok(Ended::Unfit(misfit));
        }
        while !session.stop.is_asked() {
            if let Some(ended) = session.turn()? {
                return Ok(ended);
            }
        }
        Ok(Ended::Stopped)
    }

    /// Every partition of both topics, each from where it is read on.
    fn assign(&mut self) -> Result<Result<(), Misfit>, ReadError> {
        let mut list = TopicPartitionList::new();
        let topic = self.parts.suppressions.clone();
        // First the id, then how far it goes: whatever was made anew in between has another id when it is next asked for.
        self.topic = topic_id(self.probe.client(), &topic, ASK)?;
        if let (Some(read), Some(now)) = (self.parts.copy.positions().topic, self.topic)
            && read != now
        {
            return Ok(Err(MADE_ANEW));
        }
        for partition in partitions(&self.probe, &topic)? {
            let (low, high) = self.probe.fetch_watermarks(&topic, partition, ASK)?;
            let resuming = match Resuming::new(self.parts.copy.positions().partitions.get(&partition), low, high) {
                Ok(resuming) => resuming,
                Err(misfit) => return Ok(Err(misfit)),
            };
            list.add_partition_offset(&topic, partition, Offset::Offset(resuming.from))?;
            self.read.insert(partition, resuming.from);
            self.ends_at_start.insert(partition, high);
            self.resuming.insert(partition, resuming);
        }
        // Without one, nobody says how old what is known is: it answers that.
        self.watermarks = partitions(&self.probe, &self.parts.watermarks).unwrap_or_default().len();
        for partition in (0..).take(self.watermarks) {
            let (low, _) = self.probe.fetch_watermarks(&self.parts.watermarks, partition, ASK)?;
            list.add_partition_offset(&self.parts.watermarks, partition, Offset::Offset(low))?;
        }
        self.consumer.assign(&list)?;
        Ok(Ok(()))
    }

    /// Takes up what has come.
    fn turn(&mut self) -> Result<Option<Ended>, ReadError> {
        let mut wait = POLL;
        while self.changes.len() < BATCH_RECORDS_MAX {
            match self.consumer.poll(wait) {
                None => break,
                // librdkafka goes on by itself when the brokers are back.
                Some(Err(error)) if passes_by_itself(&error) => break,
                Some(Err(error)) => return Err(error.into()),
                Some(Ok(message)) if message.topic() == self.parts.watermarks => {
                    match self.parts.decoder.watermark(message.payload()) {
                        Ok(said) => self.hear(Watermark {
                            shard: said.shard,
                            shards: said.shards,
                            complete_through: Millis(said.complete_through),
                            observed_at: Millis(said.observed_at),
                        }),
                        // A deleted one, or one of a later version: what is known grows old without it.
                        Err(error) => tracing::debug!(target: "quell::gate", %error, "not a watermark"),
                    }
                }
                Some(Ok(message)) => {
                    let Some(resuming) = self.resuming.get_mut(&message.partition()) else { continue };
                    match heard(&self.parts.decoder, resuming, &message, self.stop) {
                        Ok(Some((understood, anchor))) => {
                            self.positions.read(message.partition(), anchor);
                            take(understood, &mut self.changes, &self.parts.gate.metrics);
                        }
                        Ok(None) => {}
                        Err(misfit) => return Ok(Some(Ended::Unfit(misfit))),
                    }
                }
            }
            wait = Duration::ZERO;
        }
        self.take_up();
        if let Err(misfit) = self.look_where_it_is()? {
            return Ok(Some(Ended::Unfit(misfit)));
        }
        if let Some(ended) = self.rewrite() {
            return Ok(Some(ended));
        }
        if let Err(misfit) = self.tell()? {
            return Ok(Some(Ended::Unfit(misfit)));
        }
        if self.ask()? { Ok(Some(Ended::PartitionsAdded)) } else { Ok(None) }
    }

    /// The engine's clock counts as well: with this machine's alone, one that is behind would make all seem fresh.
    fn hear(&mut self, watermark: Watermark) {
        let ahead_ms = self.parts.gate.hear_clock(watermark.observed_at);
        if ahead_ms > CLOCKS_APART_MS && self.clocks_said.passes(Instant::now()) {
            let message = "the engine's clock is ahead of this machine's: all counts as so much older until both are right and \
                           the gate is started again";
            tracing::warn!(target: "quell::gate", ahead_ms, message);
        }
        self.catching_up.take(watermark);
    }

    /// Into the file, then into the index. A disk that fails is waited for: what is known grows old meanwhile.
    fn take_up(&mut self) {
        if self.positions.partitions.is_empty() {
            return;
        }
        self.positions.topic = self.topic;
        while !self.stop.is_asked() {
            match self.parts.copy.take(&self.changes, &self.positions, &self.parts.index) {
                Ok(()) => break,
                Err(error) => {
                    if self.disk_said.passes(Instant::now()) {
                        tracing::error!(target: "quell::gate", %error, "cannot write the local copy; trying again");
                    }
                    std::thread::sleep(TRY_AGAIN);
                }
            }
        }
        self.changes.clear();
        self.positions = Positions::default();
        self.parts.gate.metrics.set_copy_bytes(self.parts.copy.bytes());
    }

    /// librdkafka counts the markers of transactions, too, which no record tells of.
    fn look_where_it_is(&mut self) -> Result<Result<(), Misfit>, ReadError> {
        let positions = self.consumer.position()?;
        for element in positions.elements_for_topic(&self.parts.suppressions) {
            if let Offset::Offset(next_offset) = element.offset() {
                self.read.insert(element.partition(), next_offset);
                let resuming = self.resuming.get(&element.partition());
                if let Some(Err(misfit)) = resuming.map(|resuming| resuming.reached(next_offset)) {
                    return Ok(Err(misfit));
                }
            }
        }
        Ok(Ok(()))
    }

    fn rewrite(&mut self) -> Option<Ended> {
        let ReaderParts { copy, index, .. } = &mut *self.parts;
        if !copy.wants_rewriting(index) {
            return None;
        }
        match copy.rewrite(index) {
            Ok(_) => None,
            Err(RewriteError::Unreadable) => Some(Ended::Unfit("a record of it cannot be read")),
            Err(error @ RewriteError::Io(_)) => {
                tracing::warn!(target: "quell::gate", %error, "the local copy stays as it is");
                None
            }
        }
    }

    /// What has been read, and what that is good for.
    ///
    /// A topic that is made anew under a reader is read on at the old offsets, and librdkafka says nothing. Its id says it: if
    /// it is the same after the last of the records, all were that topic's.
    fn tell(&mut self) -> Result<Result<(), Misfit>, ReadError> {
        let gate = &self.parts.gate;
        if !gate.is_ready() && has_reached(&self.read, &self.ends_at_start) {
            gate.set_ready(true);
            GateReady { identifiers: self.parts.index.len(), took: self.began.elapsed() }.emit(&gate.metrics);
        }
        if let Some(as_of) = self.catching_up.read(&self.read) {
            if topic_id(self.probe.client(), &self.parts.suppressions, ASK)? != self.topic {
                return Ok(Err(MADE_ANEW));
            }
            gate.set_as_of(as_of);
        }
        Ok(Ok(()))
    }

    /// How far the topic goes, if the engine has said something since; and which partitions it has. Whether they are more.
    fn ask(&mut self) -> Result<bool, ReadError> {
        let said = self.catching_up.said();
        if said.is_none() && self.looked_at.elapsed() < LOOK_EVERY {
            return Ok(false);
        }
        self.looked_at = Instant::now();
        if partitions(&self.probe, &self.parts.watermarks).unwrap_or_default().len() > self.watermarks {
            return Ok(true);
        }
        let topic = &self.parts.suppressions;
        let mut ends = Offsets::new();
        for partition in partitions(&self.probe, topic)? {
            if !self.resuming.contains_key(&partition) {
                return Ok(true);
            }
            if said.is_some() {
                ends.insert(partition, self.probe.fetch_watermarks(topic, partition, ASK)?.1);
            }
        }
        if let Some(said) = said {
            self.catching_up.wait(said, ends);
        }
        Ok(false)
    }
}

/// What a record says, if the copy does not have it. Waits for a schema registry that does not answer.
fn heard(
    decoder: &Decoder,
    resuming: &mut Resuming,
    message: &BorrowedMessage<'_>,
    stop: &Stop,
) -> Result<Option<(Understood, Anchor)>, Misfit> {
    let timestamp = message.timestamp().to_millis().unwrap_or(0);
    let anchor = Anchor::new(message.offset(), timestamp, message.key(), message.payload());
    if resuming.meets(anchor)? == Met::Known {
        return Ok(None);
    }
    while !stop.is_asked() {
        match understand(decoder, message.key(), message.payload(), Millis(timestamp)) {
            Ok(understood) => return Ok(Some((understood, anchor))),
            Err(error) => {
                tracing::warn!(target: "quell::gate", %error, "a suppression cannot be read yet");
                std::thread::sleep(TRY_AGAIN);
            }
        }
    }
    Ok(None)
}

fn take(understood: Understood, changes: &mut Vec<Change>, metrics: &GateMetrics) {
    match understood {
        Understood::Change(change) => changes.push(change),
        Understood::Restricts(restrictions) => {
            metrics.not_understood();
            for change in &restrictions {
                tracing::error!(
                    target: "quell::gate",
                    identifier = %change.identifier(),
                    "a suppression cannot be understood; its identifier is taken to be opted out of everything"
                );
            }
            changes.extend(restrictions);
        }
        Understood::Nobodys => {
            metrics.not_understood();
            tracing::error!(target: "quell::gate", "a suppression cannot be understood, and its key is nobody's");
        }
    }
}
