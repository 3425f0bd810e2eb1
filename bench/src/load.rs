//! Puts a workload onto the input topics: at once, as a backlog, or at a pace.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quell_testbed::DEADLINE;
use rdkafka::ClientContext;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::chance::Random;
use crate::topics::{Inputs, client};
use crate::workload::{Event, EventWriter, Workload};

/// How many records are written before librdkafka is looked after.
pub const BURST: usize = 1024;
/// A pace is kept to this.
const NAP: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
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

/// What was written, and when.
pub struct Sent {
    /// By event, in microseconds.
    pub at: Vec<u64>,
    /// By event.
    pub keys: Vec<u64>,
    /// How far it fell behind its pace at worst.
    pub latest: Duration,
}

pub fn now_micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// Events of a workload, as fast as the broker takes them.
pub fn at_once(bootstrap: &str, inputs: &Inputs, workload: &Workload, events: &[Event]) {
    let mut loader = Loader::new(bootstrap, inputs, workload, "20");
    for burst in events.chunks(BURST) {
        for event in burst {
            loader.send(*event, None);
        }
        loader.sender.look();
    }
    loader.sender.settle();
}

/// So many events a second. Each happens when it is sent.
pub fn paced(bootstrap: &str, inputs: &Inputs, workload: &Workload, per_second: u32) -> Sent {
    let mut loader = Loader::new(bootstrap, inputs, workload, "1");
    let began = Instant::now();
    let due = |place: usize| Duration::from_secs_f64(place as f64 / f64::from(per_second));
    let mut sent = Sent { at: Vec::with_capacity(workload.events.len()), keys: Vec::new(), latest: Duration::ZERO };
    while sent.at.len() < workload.events.len() {
        let behind = began.elapsed().saturating_sub(due(sent.at.len()));
        sent.latest = sent.latest.max(behind);
        while sent.at.len() < workload.events.len() && due(sent.at.len()) <= began.elapsed() {
            let now = now_micros();
            sent.keys.push(loader.send(workload.events[sent.at.len()], Some((now / 1000) as i64)));
            sent.at.push(now);
        }
        loader.sender.look();
        std::thread::sleep(due(sent.at.len()).saturating_sub(began.elapsed()).max(NAP));
    }
    loader.sender.settle();
    sent
}

/// Writes records, and sees that all of them arrive.
pub struct Sender(BaseProducer<Deliveries>);

impl Sender {
    pub fn new(bootstrap: &str, linger_millis: &str) -> Self {
        let producer = client(bootstrap)
            .set("linger.ms", linger_millis)
            .set("batch.size", "1000000")
            .set("batch.num.messages", "20000")
            .set("queue.buffering.max.messages", "2000000")
            .set("queue.buffering.max.kbytes", "524288")
            .create_with_context(Deliveries::default())
            .unwrap();
        Self(producer)
    }

    /// Learns where a topic's records go, so that the first need not wait for that.
    pub fn prepare(&self, topic: &str) {
        self.0.client().fetch_metadata(Some(topic), DEADLINE).unwrap();
    }

    pub fn send(&self, topic: &str, key: &[u8], value: &[u8]) {
        let mut record = BaseRecord::to(topic).key(key).payload(value);
        while let Err((_, back)) = self.0.send(record) {
            record = back;
            self.0.poll(NAP);
        }
    }

    /// Hears of what has arrived.
    pub fn look(&self) {
        self.0.poll(Duration::ZERO);
    }

    /// Waits until all has arrived.
    pub fn settle(&self) {
        while self.0.in_flight_count() > 0 {
            self.0.poll(NAP);
        }
        assert_eq!(self.0.context().failed.load(Ordering::Relaxed), 0, "records were not delivered");
    }
}

struct Loader<'a> {
    sender: Sender,
    inputs: &'a Inputs,
    workload: &'a Workload,
    writer: EventWriter,
    keys: Random,
}

impl<'a> Loader<'a> {
    fn new(bootstrap: &str, inputs: &'a Inputs, workload: &'a Workload, linger_millis: &str) -> Self {
        let sender = Sender::new(bootstrap, linger_millis);
        inputs.names().into_iter().for_each(|topic| sender.prepare(topic));
        Self { sender, inputs, workload, writer: EventWriter::new(), keys: Random::new(&[workload.seed, 4]) }
    }

    /// Writes one, and returns its key.
    fn send(&mut self, event: Event, now: Option<i64>) -> u64 {
        let value = self.writer.write(self.workload, event, now);
        let key = self.keys.next();
        self.sender.send(self.inputs.of_event(event), &key.to_be_bytes(), &value);
        key
    }
}
