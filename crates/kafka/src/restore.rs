//! Restoring shards: reading changelogs up to the high watermark.
//!
//! The watermark is that of a read-uncommitted client. A read-committed reader alone would stop at the last stable
//! offset, which an open transaction of a killed writer holds back, and the shard would begin with old rows. So for each
//! shard: ask for the high watermark; wait until nothing below it is undecided; then read, committed records only, to
//! the end. Kafka Streams does the same.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use quell_domain::ShardNumber;
use quell_engine::log::{LogEvent, Offset};
use quell_graph::Change;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::{ClientConfig, Message, TopicPartitionList};

use crate::outage::{Outage, Outsider};
use crate::settings::Settings;

/// How long the broker is waited for when it is asked for offsets.
const ASK: Duration = Duration::from_secs(2);

/// How often it is asked again whether open transactions have ended.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How much of changelogs is handed over at once.
const RECORDS_MAX: usize = 10_000;
const BYTES_MAX: usize = 8 << 20;

/// How far a shard has come.
#[derive(Debug)]
enum Stage {
    /// The high watermark is not known yet.
    Unknown { from: Offset },
    /// Transactions below the high watermark are undecided.
    Undecided { from: Offset, high: Offset },
    /// Being read.
    Reading { next: Offset, high: Offset },
}

/// Restores shards. Polled by the engine's thread.
pub(crate) struct Restorer {
    topic: String,
    committed: ClientConfig,
    uncommitted: ClientConfig,
    clients: Option<Clients>,
    shards: BTreeMap<ShardNumber, Stage>,
    /// Read, and not handed over yet.
    events: VecDeque<LogEvent>,
    ask_again_at: Instant,
    outage: Outage,
}

/// Made when there is something to restore, and gone when all is done.
struct Clients {
    reader: BaseConsumer<Outsider>,
    watermarks: BaseConsumer<Outsider>,
}

impl Restorer {
    pub fn new(settings: &Settings) -> Self {
        Self {
            topic: settings.topics.changelog.clone(),
            committed: settings.reader("read_committed"),
            uncommitted: settings.reader("read_uncommitted"),
            clients: None,
            shards: BTreeMap::new(),
            events: VecDeque::new(),
            ask_again_at: Instant::now(),
            outage: Outage::default(),
        }
    }

    pub fn is_idle(&self) -> bool {
        self.shards.is_empty() && self.events.is_empty()
    }

    pub fn begin(&mut self, shard: ShardNumber, from: Offset) {
        self.stop(shard);
        self.shards.insert(shard, Stage::Unknown { from });
    }

    pub fn stop(&mut self, shard: ShardNumber) {
        self.events.retain(|event| !matches!(event, LogEvent::Changelog { shard: of, .. } | LogEvent::Restored { shard: of, .. } if *of == shard));
        self.let_go(shard);
    }

    fn let_go(&mut self, shard: ShardNumber) {
        if let (Some(Stage::Reading { .. }), Some(clients)) = (self.shards.remove(&shard), &self.clients) {
            self.check(clients.reader.incremental_unassign(&self.list([(shard, Offset::START)])));
        }
        if self.shards.is_empty() {
            self.clients = None;
        }
    }

    /// What was read, or came to its end. Waits hardly.
    pub fn poll(&mut self) -> Option<LogEvent> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        if self.shards.is_empty() {
            return None;
        }
        if self.clients.is_none() {
            match (
                self.committed.create_with_context(Outsider::default()),
                self.uncommitted.create_with_context(Outsider::default()),
            ) {
                (Ok(reader), Ok(watermarks)) => self.clients = Some(Clients { reader, watermarks }),
                (Err(error), _) | (_, Err(error)) => {
                    self.outage.report(&error, "the changelog's reader cannot begin");
                    return None;
                }
            }
        }
        if Instant::now() >= self.ask_again_at
            && let Some(event) = self.advance()
        {
            return Some(event);
        }
        self.read();
        self.events.pop_front()
    }

    /// Asks for what is not known yet.
    fn advance(&mut self) -> Option<LogEvent> {
        let waiting: Vec<ShardNumber> = self
            .shards
            .iter()
            .filter(|(_, stage)| !matches!(stage, Stage::Reading { .. }))
            .map(|(shard, _)| *shard)
            .collect();
        for shard in waiting {
            match self.ask(shard) {
                Ok(None) => {}
                Ok(Some(event)) => return Some(event),
                Err(error) => {
                    self.outage.report(&error, "the changelog's offsets are not known");
                    self.ask_again_at = Instant::now() + ASK_AGAIN * 10;
                    return None;
                }
            }
        }
        self.ask_again_at = Instant::now() + ASK_AGAIN;
        None
    }

    fn ask(&mut self, shard: ShardNumber) -> KafkaResult<Option<LogEvent>> {
        let (Some(clients), Some(stage)) = (&self.clients, self.shards.get_mut(&shard)) else { return Ok(None) };
        let partition = i32::try_from(shard.0).unwrap_or(-1);
        if let Stage::Unknown { from } = *stage {
            let (low, high) = clients.watermarks.fetch_watermarks(&self.topic, partition, ASK)?;
            self.outage.back();
            if (from != Offset::START && from.0 < low) || from.0 > high {
                self.shards.remove(&shard);
                return Ok(Some(LogEvent::ChangelogTruncated { shard }));
            }
            *stage = Stage::Undecided { from: Offset(from.0.max(low)), high: Offset(high) };
        }
        if let Stage::Undecided { from, high } = *stage {
            if from >= high {
                return Ok(Some(self.done(shard, high)));
            }
            let (_, stable) = clients.reader.fetch_watermarks(&self.topic, partition, ASK)?;
            if stable >= high.0 {
                *stage = Stage::Reading { next: from, high };
                clients.reader.incremental_assign(&self.list([(shard, from)]))?;
            }
        }
        Ok(None)
    }

    /// Takes what was fetched, up to a bound, and makes events of it.
    fn read(&mut self) {
        let Some(clients) = &self.clients else { return };
        let mut pieces: BTreeMap<ShardNumber, Vec<Change>> = BTreeMap::new();
        let mut ended = Vec::new();
        let (mut records, mut bytes) = (0, 0);
        while records < RECORDS_MAX && bytes < BYTES_MAX {
            match clients.reader.poll(Duration::ZERO) {
                None => break,
                Some(Ok(message)) => {
                    let Ok(shard) = u32::try_from(message.partition()).map(ShardNumber) else { continue };
                    let Some(Stage::Reading { next, .. }) = self.shards.get_mut(&shard) else { continue };
                    *next = Offset(message.offset()).next();
                    let key = message.key().unwrap_or_default().to_vec();
                    let value = message.payload().map(<[u8]>::to_vec);
                    records += 1;
                    bytes += key.len() + value.as_ref().map_or(0, Vec::len);
                    pieces.entry(shard).or_default().push((key, value));
                }
                // Everything below the high watermark was decided before reading began, so the end lies behind it.
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.extend(u32::try_from(partition).ok().map(ShardNumber));
                }
                Some(Err(error)) => {
                    self.outage.report(&error, "the changelog cannot be read");
                    break;
                }
            }
        }
        for (shard, changes) in pieces {
            let Some(Stage::Reading { next, high }) = self.shards.get(&shard) else { continue };
            let remaining = u64::try_from(high.0.saturating_sub(next.0)).unwrap_or(0);
            self.events.push_back(LogEvent::Changelog { shard, changes, next_offset: *next, remaining });
        }
        for shard in ended {
            if let Some(Stage::Reading { next, high }) = self.shards.get(&shard) {
                let next_offset = *next.max(high);
                let event = self.done(shard, next_offset);
                self.events.push_back(event);
            }
        }
    }

    fn done(&mut self, shard: ShardNumber, next_offset: Offset) -> LogEvent {
        self.let_go(shard);
        LogEvent::Restored { shard, next_offset }
    }

    fn check(&self, result: KafkaResult<()>) {
        if let Err(error) = result {
            self.outage.report(&error, "the changelog's reader cannot be told what to read");
        }
    }

    fn list(&self, shards: impl IntoIterator<Item = (ShardNumber, Offset)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (shard, offset) in shards {
            let partition = i32::try_from(shard.0).unwrap_or(-1);
            // Fails only for a negative offset.
            drop(list.add_partition_offset(&self.topic, partition, rdkafka::Offset::Offset(offset.0)));
        }
        list
    }
}
