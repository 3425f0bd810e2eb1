//! A downstream: reads every suppression, read committed, as it comes; sees repeats, and how long nothing came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quell_testbed::deployment::Deployment;
use quell_wire::Decoder;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

/// What has been seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    pub messages: usize,
    /// Versions that came twice, or went back.
    pub repeats: usize,
    /// The longest time between two suppressions.
    pub longest_stall: Duration,
}

pub struct Reader {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reader {
    pub fn start(deployment: &Deployment) -> Self {
        let topics = deployment.topics().suppressions.clone();
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", deployment.bootstrap())
            .set("group.id", "reader")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("auto.offset.reset", "earliest")
            .set("log_level", "0")
            .create()
            .unwrap();
        let metadata = consumer.fetch_metadata(None, quell_testbed::DEADLINE).unwrap();
        let mut partitions = TopicPartitionList::new();
        for topic in metadata.topics().iter().filter(|known| topics.iter().any(|topic| topic == known.name())) {
            for partition in topic.partitions() {
                partitions.add_partition_offset(topic.name(), partition.id(), Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&partitions).unwrap();
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let (sees, stopping) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || read(&consumer, &sees, &stopping));
        Self { seen, stop, thread }
    }

    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap()
    }

    pub fn finish(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        *self.seen.lock().unwrap()
    }
}

fn read(consumer: &BaseConsumer, seen: &Mutex<Seen>, stop: &AtomicBool) {
    let decoder = Decoder::new(None);
    let mut versions: HashMap<(String, Vec<u8>), i64> = HashMap::new();
    let mut last_came: Option<Instant> = None;
    while !stop.load(Ordering::Relaxed) {
        // An error is a broker that is away.
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let suppression = decoder.suppression(message.payload()).unwrap();
        let key = (message.topic().to_owned(), message.key().unwrap().to_vec());
        let before = versions.insert(key, suppression.version);
        let now = Instant::now();
        let mut seen = seen.lock().unwrap();
        seen.messages += 1;
        seen.repeats += usize::from(before.is_some_and(|before| before >= suppression.version));
        let stall = last_came.replace(now).map_or(Duration::ZERO, |last| now.duration_since(last));
        seen.longest_stall = seen.longest_stall.max(stall);
    }
}
