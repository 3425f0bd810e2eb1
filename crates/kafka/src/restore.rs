//! Reading changelogs, on a thread of its own: to the high watermark for shards that are restored, and ever on for those
//! that are followed.
//!
//! The watermark is that of a read-uncommitted client. A read-committed reader alone would stop at the last stable
//! offset, which an open transaction of a killed writer holds back, and the shard would begin with old rows. So for each
//! shard: ask for the high watermark; wait until nothing below it is undecided; then read, committed records only, to
//! the end. Kafka Streams does the same.
//!
//! That a broker says "the end" is not enough: a new leader, or a follower that is read from, may not know yet how far
//! the partition goes. The end must be one at or behind the watermark; librdkafka tells where it was in its statistics.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quell_domain::ShardNumber;
use quell_engine::log::{LogEvent, Offset, Piece};
use quell_graph::Change;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::statistics::Statistics;
use rdkafka::{ClientConfig, ClientContext, Message, TopicPartitionList};

use crate::outage::{Outage, Outsider};
use crate::settings::Settings;

/// How long the broker is waited for when it is asked for offsets.
const ASK: Duration = Duration::from_secs(2);

/// How often it is asked again whether open transactions have ended.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// How long one poll waits. What is asked of the thread waits as long.
const POLL: Duration = Duration::from_millis(10);

/// How much of changelogs is handed over at once: enough to be worth files of their own.
const HAND_OVER_BYTES: usize = 32 << 20;

/// How long what was read waits for more.
const HAND_OVER_AFTER: Duration = Duration::from_millis(500);

/// How many times as much may wait for the engine.
const WAITING_MAX: usize = 1;

/// How often it is looked how far a followed shard's changelog goes. What was read up to there is true as of then; an
/// end is said once only, and never of a changelog that always has more.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(60);

/// What a change costs in memory beyond its bytes.
const CHANGE_OVERHEAD_BYTES: usize = 64;

/// How often librdkafka tells how far it is.
const TELL_EVERY_MILLIS: &str = "50";

/// Counts what was asked, so that answers to what is no longer wanted can be told.
type Ticket = u64;

enum Request {
    Read { shard: ShardNumber, ticket: Ticket, from: Offset, goes_on: bool },
    Stop(ShardNumber),
}

enum Answer {
    Pieces(Vec<(Ticket, Piece)>),
    Restored(Ticket, ShardNumber, Offset),
    Truncated(Ticket, ShardNumber),
}

/// The context of the reader: where partitions ended, by librdkafka's statistics.
#[derive(Default)]
struct Ends {
    offsets: Mutex<BTreeMap<i32, Offset>>,
    /// How often they were told.
    told: AtomicU64,
    outsider: Outsider,
}

impl Ends {
    fn end(&self, partition: i32) -> Option<Offset> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner).get(&partition).copied()
    }

    fn forget(&self, partition: i32) {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner).remove(&partition);
    }
}

impl ClientContext for Ends {
    fn stats(&self, statistics: Statistics) {
        let mut offsets = self.offsets.lock().unwrap_or_else(PoisonError::into_inner);
        for known in statistics.topics.values().flat_map(|topic| topic.partitions.values()) {
            offsets.insert(known.partition, Offset(known.eof_offset));
        }
        self.told.fetch_add(1, Ordering::Relaxed);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.outsider.error(error, reason);
    }
}

impl ConsumerContext for Ends {}

/// The engine's end of the thread.
pub(crate) struct Restorer {
    requests: Option<Sender<Request>>,
    answers: Option<Receiver<Answer>>,
    /// What is wanted, and whether it only ends when it is stopped.
    wanted: BTreeMap<ShardNumber, (Ticket, bool)>,
    tickets: Ticket,
    thread: Option<JoinHandle<()>>,
}

impl Restorer {
    pub fn start(settings: &Settings) -> std::io::Result<Self> {
        let (requests, asked) = channel();
        let (given, answers) = sync_channel(WAITING_MAX);
        let mut committed = settings.reader("read_committed");
        committed.set("statistics.interval.ms", TELL_EVERY_MILLIS);
        let reader = Reader {
            topic: settings.topics.changelog.clone(),
            committed,
            uncommitted: settings.reader("read_uncommitted"),
            clients: None,
            shards: BTreeMap::new(),
            read: BTreeMap::new(),
            read_bytes: 0,
            hand_over_at: None,
            ask_again_at: Instant::now(),
            outage: Outage::default(),
        };
        let thread = std::thread::Builder::new().name("quell-restorer".to_owned());
        let thread = thread.spawn(move || reader.run(&asked, &given))?;
        Ok(Self {
            requests: Some(requests),
            answers: Some(answers),
            wanted: BTreeMap::new(),
            tickets: 0,
            thread: Some(thread),
        })
    }

    /// Whether nothing is being restored, followed shards apart.
    pub fn is_idle(&self) -> bool {
        self.wanted.values().all(|(_, goes_on)| *goes_on)
    }

    /// Reads a shard's changelog to its end, and on, if so wanted.
    pub fn begin(&mut self, shard: ShardNumber, from: Offset, goes_on: bool) {
        self.tickets += 1;
        let ticket = self.tickets;
        self.wanted.insert(shard, (ticket, goes_on));
        self.ask(Request::Read { shard, ticket, from, goes_on });
    }

    pub fn stop(&mut self, shard: ShardNumber) {
        if self.wanted.remove(&shard).is_some() {
            self.ask(Request::Stop(shard));
        }
    }

    fn ask(&self, request: Request) {
        if let Some(requests) = &self.requests {
            // The thread ends only after this handle.
            drop(requests.send(request));
        }
    }

    /// What was read, or came to its end. Does not wait.
    pub fn poll(&mut self) -> Option<LogEvent> {
        while let Ok(answer) = self.answers.as_ref()?.try_recv() {
            let is_wanted = |ticket, shard| self.wanted.get(&shard).is_some_and(|(wanted, _)| *wanted == ticket);
            match answer {
                Answer::Pieces(mut pieces) => {
                    pieces.retain(|(ticket, piece)| is_wanted(*ticket, piece.shard));
                    if !pieces.is_empty() {
                        return Some(LogEvent::Changelog(pieces.into_iter().map(|(_, piece)| piece).collect()));
                    }
                }
                Answer::Restored(ticket, shard, next_offset) if is_wanted(ticket, shard) => {
                    self.wanted.remove(&shard);
                    return Some(LogEvent::Restored { shard, next_offset });
                }
                Answer::Truncated(ticket, shard) if is_wanted(ticket, shard) => {
                    self.wanted.remove(&shard);
                    return Some(LogEvent::ChangelogTruncated { shard });
                }
                Answer::Restored(..) | Answer::Truncated(..) => {}
            }
        }
        None
    }
}

impl Drop for Restorer {
    fn drop(&mut self) {
        (self.requests, self.answers) = (None, None);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// How far a shard has come.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The high watermark is not known yet.
    Unknown { from: Offset },
    /// Transactions below the high watermark are undecided.
    Undecided { from: Offset, high: Offset },
    /// Being read.
    Reading { next: Offset, high: Offset },
}

#[derive(Debug)]
struct Wanted {
    ticket: Ticket,
    goes_on: bool,
    stage: Stage,
    /// An end was the last that was heard of it.
    at_an_end: bool,
    /// When it was last asked how far the changelog of a followed shard goes.
    looked_at: Instant,
}

/// Made when there is something to read, and gone when all is done.
struct Clients {
    reader: BaseConsumer<Ends>,
    watermarks: BaseConsumer<Outsider>,
}

/// The thread's own.
struct Reader {
    topic: String,
    committed: ClientConfig,
    uncommitted: ClientConfig,
    clients: Option<Clients>,
    shards: BTreeMap<ShardNumber, Wanted>,
    /// Read, and not handed over yet.
    read: BTreeMap<ShardNumber, Vec<Change>>,
    read_bytes: usize,
    hand_over_at: Option<Instant>,
    ask_again_at: Instant,
    outage: Outage,
}

/// Whoever asks has gone.
struct Gone;

impl Reader {
    fn run(mut self, requests: &Receiver<Request>, answers: &SyncSender<Answer>) {
        while self.turn(requests, answers).is_ok() {}
    }

    fn turn(&mut self, requests: &Receiver<Request>, answers: &SyncSender<Answer>) -> Result<(), Gone> {
        if self.shards.is_empty() {
            self.clients = None;
            let request = requests.recv().map_err(|_| Gone)?;
            self.meet(request);
        }
        loop {
            match requests.try_recv() {
                Ok(request) => self.meet(request),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
        }
        if self.clients.is_none() {
            match (
                self.committed.create_with_context(Ends::default()),
                self.uncommitted.create_with_context(Outsider::default()),
            ) {
                (Ok(reader), Ok(watermarks)) => self.clients = Some(Clients { reader, watermarks }),
                (Err(error), _) | (_, Err(error)) => {
                    self.outage.report(&error, "the changelog's reader cannot begin");
                    std::thread::sleep(ASK_AGAIN * 10);
                    return Ok(());
                }
            }
        }
        let mut said = Vec::new();
        if Instant::now() >= self.ask_again_at {
            self.advance(&mut said);
        }
        let has_all = self.read();
        let ended = if has_all { self.ended() } else { Vec::new() };
        let is_due = self.hand_over_at.is_some_and(|at| Instant::now() >= at);
        if !ended.is_empty() || self.read_bytes >= HAND_OVER_BYTES || is_due {
            said.extend(self.hand_over(&ended));
        }
        said.into_iter().try_for_each(|answer| answers.send(answer).map_err(|_| Gone))
    }

    fn meet(&mut self, request: Request) {
        match request {
            Request::Read { shard, ticket, from, goes_on } => {
                self.let_go(shard);
                let stage = Stage::Unknown { from };
                self.shards
                    .insert(shard, Wanted { ticket, goes_on, stage, at_an_end: false, looked_at: Instant::now() });
            }
            Request::Stop(shard) => self.let_go(shard),
        }
    }

    fn let_go(&mut self, shard: ShardNumber) {
        self.read.remove(&shard);
        if let (Some(Wanted { stage: Stage::Reading { .. }, .. }), Some(clients)) =
            (self.shards.remove(&shard), &self.clients)
        {
            self.check(clients.reader.incremental_unassign(&self.list([(shard, Offset::START)])));
        }
    }

    /// Asks for what is not known yet.
    fn advance(&mut self, said: &mut Vec<Answer>) {
        let is_waiting = |wanted: &Wanted| !matches!(wanted.stage, Stage::Reading { .. });
        let waiting: Vec<ShardNumber> =
            self.shards.iter().filter(|(_, wanted)| is_waiting(wanted)).map(|(shard, _)| *shard).collect();
        self.ask_again_at = Instant::now() + ASK_AGAIN;
        self.look_again();
        for shard in waiting {
            match self.ask(shard) {
                Ok(answer) => said.extend(answer),
                Err(error) => {
                    self.outage.report(&error, "the changelog's offsets are not known");
                    self.learn_the_topic_anew();
                    self.ask_again_at = Instant::now() + ASK_AGAIN * 10;
                    return;
                }
            }
        }
    }

    /// What a broker that had just started said of the topic, that it has no partitions, a client believes until it asks
    /// again: by itself after `topic.metadata.refresh.interval.ms`.
    fn learn_the_topic_anew(&self) {
        let Some(clients) = &self.clients else { return };
        let answers = [
            clients.reader.fetch_metadata(Some(&self.topic), ASK),
            clients.watermarks.fetch_metadata(Some(&self.topic), ASK),
        ];
        for error in answers.into_iter().filter_map(Result::err) {
            self.outage.report(&error, "the changelog's topic is not known");
        }
    }

    /// Asks how far the changelogs of followed shards go, and fetches once more, so that their ends are said again.
    fn look_again(&mut self) {
        let Some(clients) = &self.clients else { return };
        let mut again = Vec::new();
        for (shard, wanted) in &mut self.shards {
            if wanted.goes_on
                && wanted.looked_at.elapsed() > LOOK_AGAIN_EVERY
                && let Stage::Reading { next, high } = &mut wanted.stage
            {
                wanted.looked_at = Instant::now();
                let partition = i32::try_from(shard.0).unwrap_or(-1);
                match clients.reader.fetch_watermarks(&self.topic, partition, ASK) {
                    Ok((_, stable)) => *high = Offset(stable),
                    Err(error) => self.outage.report(&error, "the changelog's offsets are not known"),
                }
                wanted.at_an_end = false;
                again.push((*shard, *next));
            }
        }
        if !again.is_empty() {
            let list = self.list(again);
            self.check(clients.reader.incremental_unassign(&list));
            self.check(clients.reader.incremental_assign(&list));
        }
    }

    fn ask(&mut self, shard: ShardNumber) -> KafkaResult<Option<Answer>> {
        let (Some(clients), Some(wanted)) = (&self.clients, self.shards.get_mut(&shard)) else { return Ok(None) };
        let partition = i32::try_from(shard.0).unwrap_or(-1);
        if let Stage::Unknown { from } = wanted.stage {
            let (low, high) = clients.watermarks.fetch_watermarks(&self.topic, partition, ASK)?;
            self.outage.back();
            if (from != Offset::START && from.0 < low) || from.0 > high {
                let ticket = wanted.ticket;
                self.shards.remove(&shard);
                return Ok(Some(Answer::Truncated(ticket, shard)));
            }
            wanted.stage = Stage::Undecided { from: Offset(from.0.max(low)), high: Offset(high) };
        }
        if let Stage::Undecided { from, high } = wanted.stage {
            if from >= high && !wanted.goes_on {
                let ticket = wanted.ticket;
                self.shards.remove(&shard);
                return Ok(Some(Answer::Restored(ticket, shard, high)));
            }
            let (_, stable) = clients.reader.fetch_watermarks(&self.topic, partition, ASK)?;
            if stable >= high.0 {
                clients.reader.context().forget(partition);
                let list = self.list([(shard, from)]);
                clients.reader.incremental_assign(&list)?;
                if let Some(wanted) = self.shards.get_mut(&shard) {
                    wanted.stage = Stage::Reading { next: from, high };
                }
            }
        }
        Ok(None)
    }

    /// Takes what was fetched, up to a bound. Returns whether that is all that was.
    fn read(&mut self) -> bool {
        let Some(clients) = &self.clients else { return false };
        let mut wait = POLL;
        while self.read_bytes < HAND_OVER_BYTES && self.hand_over_at.is_none_or(|at| Instant::now() < at) {
            let told = clients.reader.context().told.load(Ordering::Relaxed);
            match clients.reader.poll(wait) {
                // A poll that had statistics to tell, which overtake records, ends without one.
                None if clients.reader.context().told.load(Ordering::Relaxed) > told => {}
                None => return true,
                Some(Ok(message)) => {
                    let Ok(shard) = u32::try_from(message.partition()).map(ShardNumber) else { continue };
                    let Some(Wanted { stage: Stage::Reading { next, .. }, at_an_end, .. }) =
                        self.shards.get_mut(&shard)
                    else {
                        continue;
                    };
                    *next = Offset(message.offset()).next();
                    *at_an_end = false;
                    let key = message.key().unwrap_or_default().to_vec();
                    let value = message.payload().map(<[u8]>::to_vec);
                    self.read_bytes += key.len() + value.as_ref().map_or(0, Vec::len) + CHANGE_OVERHEAD_BYTES;
                    self.read.entry(shard).or_default().push((key, value));
                    self.hand_over_at.get_or_insert_with(|| Instant::now() + HAND_OVER_AFTER);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let shard = u32::try_from(partition).map(ShardNumber);
                    if let Some(wanted) = shard.ok().and_then(|shard| self.shards.get_mut(&shard)) {
                        wanted.at_an_end = true;
                    }
                }
                Some(Err(error)) => {
                    self.outage.report(&error, "the changelog cannot be read");
                    break;
                }
            }
            wait = Duration::ZERO;
        }
        false
    }

    /// The shards that are read to the end, when all that was fetched has been taken: an end was the last thing that came,
    /// and by librdkafka's word it lies at or behind the watermark.
    fn ended(&self) -> Vec<ShardNumber> {
        let Some(clients) = &self.clients else { return Vec::new() };
        let is_over = |shard: &ShardNumber, wanted: &Wanted| {
            let Stage::Reading { high, .. } = wanted.stage else { return false };
            let end = i32::try_from(shard.0).ok().and_then(|partition| clients.reader.context().end(partition));
            wanted.at_an_end && end.is_some_and(|end| end >= high)
        };
        let over = self.shards.iter().filter(|(shard, wanted)| is_over(shard, wanted));
        over.map(|(shard, _)| *shard).collect()
    }

    /// Everything that was read, and what has come to its end with it.
    fn hand_over(&mut self, ended: &[ShardNumber]) -> Vec<Answer> {
        (self.read_bytes, self.hand_over_at) = (0, None);
        let mut read = std::mem::take(&mut self.read);
        let mut pieces = Vec::with_capacity(read.len());
        for (shard, wanted) in &mut self.shards {
            let Stage::Reading { next, high } = wanted.stage else { continue };
            // A changelog that always has more has no end; what is true is known of where it was last looked at.
            let is_at_end = ended.contains(shard) || (wanted.goes_on && next >= high);
            let changes = read.remove(shard).unwrap_or_default();
            if !changes.is_empty() || (is_at_end && wanted.goes_on) {
                let to_high = u64::try_from(high.0.saturating_sub(next.0)).unwrap_or(0);
                let remaining = if is_at_end { 0 } else { to_high.max(1) };
                pieces.push((wanted.ticket, Piece { shard: *shard, changes, next_offset: next, remaining }));
                // Of a followed one that is said once, until there is more of it.
                wanted.at_an_end &= !wanted.goes_on;
            }
        }
        let mut answers = Vec::new();
        if !pieces.is_empty() {
            answers.push(Answer::Pieces(pieces));
        }
        for shard in ended {
            if let Some(Wanted { ticket, goes_on: false, stage: Stage::Reading { next, high }, .. }) =
                self.shards.get(shard)
            {
                answers.push(Answer::Restored(*ticket, *shard, *next.max(high)));
                self.let_go(*shard);
            }
        }
        answers
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
