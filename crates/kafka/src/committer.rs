//! The committer: a thread of its own that writes epochs in Kafka transactions, one at a time.
//!
//! The order within a transaction is a rule, not a habit: everything is flushed *before* the group's offsets are sent.
//! The broker checks the sender's generation when it takes the offsets (KIP-447), so whatever a fenced instance managed
//! to write lies below the high watermark that stood when the next owner was assigned, and the next owner's restore
//! waits for its fate.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quell_domain::ShardNumber;
use quell_engine::log::{CommitError, EpochNumber, Offset, OutputTopic, PreparedEpoch};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Message, TopicPartitionList};

use crate::outage::Outage;
use crate::settings::{Settings, Topics};
use crate::watch::Watch;

/// How long one call may take before it is made again.
const CALL: Duration = Duration::from_secs(5);

/// How long a commit is tried before its outcome is taken to be unknown, and a new producer settles it.
const COMMIT_DEADLINE: Duration = Duration::from_secs(30);

/// How long a producer that cannot begin waits before it tries again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// How often it is looked whether the thread has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long the flush naps when nothing has come back yet. `flush` itself looks every 10 ms only.
const FLUSH_NAP: Duration = Duration::from_micros(200);

/// How batches are packed.
const COMPRESSION: &str = "compression.type";

/// An epoch, and what the group must still think of us.
pub(crate) struct Job {
    pub epoch: PreparedEpoch,
    pub offsets: TopicPartitionList,
    pub group: ConsumerGroupMetadata,
}

/// How an epoch ended.
pub(crate) struct Ended {
    pub epoch: EpochNumber,
    pub result: Result<Vec<(ShardNumber, Offset)>, CommitError>,
}

/// The handle of the committer's thread. Dropping it ends the thread, after the epoch in hand.
pub(crate) struct Committer {
    config: rdkafka::ClientConfig,
    topics: Topics,
    jobs: Option<Sender<Job>>,
    ended: Receiver<Ended>,
    finished: Sender<Ended>,
    in_hand: Option<EpochNumber>,
    watch: Watch,
    /// This handle is going.
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Committer {
    /// Starts the thread, which makes its producer at once: its first id can take half a second.
    pub fn start(settings: &Settings, transactional_id: &str) -> std::io::Result<Self> {
        let (finished, ended) = channel();
        let (config, topics) = (settings.producer(transactional_id), settings.topics.clone());
        let (jobs, in_hand, thread) = (None, None, None);
        let (watch, stopping) = (Watch::default(), Arc::default());
        let mut committer = Self { config, topics, jobs, ended, finished, in_hand, watch, stopping, thread };
        committer.begin(None)?;
        Ok(committer)
    }

    /// Starts a thread, maybe after one that is left behind with an epoch.
    fn begin(&mut self, unsettled: Option<EpochNumber>) -> std::io::Result<()> {
        let (jobs, waiting) = channel();
        let finished = self.finished.clone();
        self.watch = Watch::default();
        let worker = Worker {
            config: self.config.clone(),
            topics: self.topics.clone(),
            outage: Arc::default(),
            watch: self.watch.clone(),
            stopping: Arc::clone(&self.stopping),
        };
        let thread = std::thread::Builder::new()
            .name("quell-committer".to_owned())
            .spawn(move || worker.run(unsettled, &waiting, &finished))?;
        self.jobs = Some(jobs);
        self.thread = Some(thread);
        Ok(())
    }

    /// Takes an epoch.
    pub fn commit(&mut self, job: Job) {
        self.in_hand = Some(job.epoch.number);
        if let Some(jobs) = &self.jobs {
            // The thread ends only after this handle.
            drop(jobs.send(job));
        }
    }

    /// Ends an epoch that cannot even begin.
    pub fn refuse(&self, epoch: EpochNumber, error: CommitError) {
        // The receiver is ours.
        drop(self.finished.send(Ended { epoch, result: Err(error) }));
    }

    /// The end of an epoch, if there is one.
    pub fn ended(&mut self) -> Option<Ended> {
        if self.watch.hangs(Instant::now()) {
            self.leave_behind();
        }
        let ended = self.ended.try_recv().ok()?;
        // Offsets that were renewed end beside an epoch that waits.
        self.in_hand.take_if(|epoch| *epoch == ended.epoch);
        Some(ended)
    }

    /// Gives up a thread that does not come back, with its producer. A new producer of the same name settles what that
    /// one has begun, and keeps it from doing anything more.
    fn leave_behind(&mut self) {
        tracing::warn!("a call to kafka's client does not come back; going on with a new producer");
        drop(self.thread.take());
        // What the thread that is left behind may still say is not heard.
        (self.finished, self.ended) = channel();
        if let Err(error) = self.begin(self.in_hand) {
            tracing::error!(%error, "a thread cannot be started");
        }
    }
}

impl Drop for Committer {
    /// Waits for the thread, which tries nothing again from now on; not for one that hangs.
    fn drop(&mut self) {
        self.jobs = None;
        self.stopping.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        while !thread.is_finished() {
            if self.watch.hangs(Instant::now()) {
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        drop(thread.join());
    }
}

/// What is given along with records that are no shard's changelog.
const NO_SHARD: usize = 0;

/// Learns from delivery reports where the changelogs go on, and whether anything was not delivered.
#[derive(Default)]
struct Deliveries {
    changelog: Mutex<BTreeMap<u32, i64>>,
    failed: Mutex<Option<KafkaError>>,
    outage: Arc<Outage>,
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        self.outage.report(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    /// The shard of a changelog record, and one; [`NO_SHARD`] for any other.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        match result {
            Ok(message) => {
                if let Some(shard) = opaque.checked_sub(1).and_then(|shard| u32::try_from(shard).ok()) {
                    let mut changelog = self.changelog.lock().unwrap_or_else(PoisonError::into_inner);
                    let last = changelog.entry(shard).or_insert(-1);
                    *last = message.offset().max(*last);
                }
            }
            Err((error, _)) => {
                self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
            }
        }
    }
}

type TransactionalProducer = BaseProducer<Deliveries>;

struct Worker {
    config: rdkafka::ClientConfig,
    topics: Topics,
    outage: Arc<Outage>,
    watch: Watch,
    stopping: Arc<AtomicBool>,
}

/// Why a transaction did not end well.
enum Fault {
    /// It can be aborted.
    Abort(KafkaError),
    /// The producer is of no use any more.
    Fatal(KafkaError),
    /// The commit was sent, and nobody knows.
    InDoubt(KafkaError),
    /// A record was not delivered.
    Undelivered(KafkaError),
}

impl Worker {
    fn run(mut self, unsettled: Option<EpochNumber>, jobs: &Receiver<Job>, ended: &Sender<Ended>) {
        let Some(mut producer) = self.new_producer() else { return };
        if let Some(epoch) = unsettled {
            let error = CommitError::Ambiguous("a call to kafka's client did not come back".to_owned());
            if ended.send(Ended { epoch, result: Err(error) }).is_err() {
                return;
            }
        }
        while let Ok(job) = jobs.recv() {
            let epoch = job.epoch.number;
            let transacted = self.transact(&producer, &job);
            // What it writes, the engine has for itself again before it hears of the end.
            drop(job);
            let result = match transacted {
                Ok(()) => {
                    self.outage.back();
                    let changelog = std::mem::take(
                        &mut *producer.context().changelog.lock().unwrap_or_else(PoisonError::into_inner),
                    );
                    Ok(changelog.into_iter().map(|(shard, last)| (ShardNumber(shard), Offset(last).next())).collect())
                }
                Err(fault) => {
                    let (mut error, mut usable) = self.give_up(&producer, fault);
                    if let CommitError::TooLarge(reason) = &error
                        && self.packs_from_now_on()
                    {
                        (error, usable) = (CommitError::Aborted(reason.clone()), false);
                    }
                    if !usable {
                        drop(producer);
                        let Some(new) = self.new_producer() else { return };
                        producer = new;
                    }
                    Err(error)
                }
            };
            producer.context().changelog.lock().unwrap_or_else(PoisonError::into_inner).clear();
            *producer.context().failed.lock().unwrap_or_else(PoisonError::into_inner) = None;
            if ended.send(Ended { epoch, result }).is_err() {
                return;
            }
        }
    }

    /// A producer that has fenced whoever had our name before, and settled what was left open. Tries until it works, or the
    /// handle is gone.
    fn new_producer(&self) -> Option<TransactionalProducer> {
        while !self.stopping.load(Ordering::Acquire) {
            let context = Deliveries { outage: Arc::clone(&self.outage), ..Deliveries::default() };
            let made = self.config.create_with_context::<_, TransactionalProducer>(context);
            let begin =
                |producer: &TransactionalProducer| self.watch.call(CALL * 2, || producer.init_transactions(CALL * 2));
            let error = match made.and_then(|producer| begin(&producer).map(|()| producer)) {
                Ok(producer) => return Some(producer),
                Err(error) => error,
            };
            self.outage.report(&error, "the transactional producer cannot begin");
            std::thread::sleep(TRY_AGAIN);
        }
        None
    }

    /// A broker's limit is on what producers have packed, so a record that came in packed may have to go out packed. Whether
    /// that is yet to be tried.
    fn packs_from_now_on(&mut self) -> bool {
        let is_new = self.config.get(COMPRESSION) == Some("none");
        if is_new {
            tracing::info!("a record is too large as it is; from now on, records are compressed");
            self.config.set(COMPRESSION, "lz4");
        }
        is_new
    }

    fn transact(&self, producer: &TransactionalProducer, job: &Job) -> Result<(), Fault> {
        producer.begin_transaction().map_err(fault)?;
        for output in &job.epoch.outputs {
            let (topic, partition) = self.place(output.topic);
            let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(topic, NO_SHARD);
            record.partition = partition;
            record.key = output.key.as_deref();
            record.payload = output.value.as_deref();
            if !output.headers.is_empty() {
                let headers = output.headers.iter().fold(OwnedHeaders::new(), |headers, (key, value)| {
                    headers.insert(Header { key, value: value.as_deref() })
                });
                record.headers = Some(headers);
            }
            send(producer, record)?;
        }
        for write in job.epoch.writes.iter() {
            let opaque = usize::try_from(write.shard.0).map_or(NO_SHARD, |shard| shard + 1);
            for (key, value) in &write.changes {
                let mut record = BaseRecord::<[u8], [u8], usize>::with_opaque_to(&self.topics.changelog, opaque);
                record.partition = i32::try_from(write.shard.0).ok();
                record.key = Some(key);
                record.payload = value.as_deref();
                send(producer, record)?;
            }
        }
        self.flush(producer)?;
        self.retried(|| producer.send_offsets_to_transaction(&job.offsets, &job.group, CALL))?;
        match self.retried(|| producer.commit_transaction(CALL)) {
            Err(Fault::Abort(error)) if is_retriable(&error) => Err(Fault::InDoubt(error)),
            other => other,
        }
    }

    fn place(&self, topic: OutputTopic) -> (&str, Option<i32>) {
        match topic {
            OutputTopic::Suppressions(downstream) => {
                let name = self.topics.suppressions.get(usize::from(downstream.0)).map_or("", String::as_str);
                (name, None)
            }
            OutputTopic::DeadLetters => (&self.topics.dead_letters, None),
            OutputTopic::Graph(shard) => (&self.topics.graph, i32::try_from(shard.0).ok()),
            OutputTopic::Watermarks => (&self.topics.watermarks, None),
        }
    }

    /// Until every record is in the log. `flush` and `commit_transaction` look every 10 to 100 ms only.
    fn flush(&self, producer: &TransactionalProducer) -> Result<(), Fault> {
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::ZERO);
            std::thread::sleep(FLUSH_NAP);
            if self.stopping.load(Ordering::Acquire) {
                return Err(Fault::Undelivered(KafkaError::Canceled));
            }
            if let Some((_, reason)) = producer.client().fatal_error() {
                return Err(Fault::Fatal(KafkaError::Canceled))
                    .inspect_err(|_| tracing::debug!(reason, "producer failed"));
            }
        }
        match producer.context().failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(Fault::Undelivered(error)),
            None => Ok(()),
        }
    }

    /// Ends what cannot be committed. Whether the producer can go on.
    fn give_up(&self, producer: &TransactionalProducer, given: Fault) -> (CommitError, bool) {
        let (error, reason) = match given {
            Fault::Abort(error) if is_fenced(&error) => (CommitError::Fenced(error.to_string()), None),
            Fault::Abort(error) if is_too_large(&error) => (CommitError::TooLarge(error.to_string()), None),
            Fault::Abort(error) => (CommitError::Aborted(error.to_string()), None),
            Fault::Undelivered(error) if is_too_large(&error) => (CommitError::TooLarge(error.to_string()), None),
            Fault::Undelivered(error) => (CommitError::Aborted(error.to_string()), None),
            Fault::Fatal(error) => (CommitError::Fenced(error.to_string()), Some(error)),
            Fault::InDoubt(error) => (CommitError::Ambiguous(error.to_string()), Some(error)),
        };
        if reason.is_some() {
            return (error, false);
        }
        let aborted = self.retried(|| producer.abort_transaction(CALL));
        (error, aborted.is_ok())
    }

    /// How long a call is made again and again.
    fn deadline(&self) -> Duration {
        if self.stopping.load(Ordering::Acquire) { Duration::ZERO } else { COMMIT_DEADLINE }
    }

    /// Makes a call until it succeeds, fails for good, or its time is up.
    fn retried(&self, mut call: impl FnMut() -> Result<(), KafkaError>) -> Result<(), Fault> {
        let began = Instant::now();
        loop {
            match self.watch.call(CALL, &mut call) {
                Ok(()) => return Ok(()),
                Err(error) if is_retriable(&error) && began.elapsed() < self.deadline() => {
                    tracing::debug!(%error, "trying again");
                }
                Err(error) => return Err(fault(error)),
            }
        }
    }
}

/// Gives a record to the producer, which copies it. Waits while its queue is full.
fn send(producer: &TransactionalProducer, record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), Fault> {
    let mut record = record;
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                producer.poll(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(fault(error)),
        }
    }
}

fn fault(error: KafkaError) -> Fault {
    match &error {
        KafkaError::Transaction(inner) if inner.is_fatal() => Fault::Fatal(error),
        _ if error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal) => Fault::Fatal(error),
        _ => Fault::Abort(error),
    }
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(inner) if inner.is_retriable())
}

fn is_too_large(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize)
    )
}

fn is_fenced(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::FencedInstanceId
                | RDKafkaErrorCode::ProducerFenced
                | RDKafkaErrorCode::InvalidProducerEpoch
        )
    )
}
