//! The limit: consume, produce and commit, exactly once, and nothing in between. No decoding, no state, no store: an
//! engine that uses librdkafka on this machine cannot be faster.
//!
//! For each choice a record to each of three suppression topics, for each link one to a changelog, of the sizes that
//! they have in Quell. A choice's records begin with the first bytes of its key, by which a reader tells what they are of.

mod raw;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser;

use crate::raw::{Consumer, Outcome, Producer, Topic};

/// Consumes, produces and commits, exactly once, until its standard input closes.
#[derive(Debug, Parser)]
#[command(name = "quell-limit", version)]
struct Arguments {
    /// A broker's HOST:PORT
    #[arg(long)]
    bootstrap: String,

    /// The consumer group; the transactional id is made of it
    #[arg(long)]
    group: String,

    /// The topic of the choices
    #[arg(long)]
    choices: String,

    /// The topic of the links
    #[arg(long)]
    links: String,

    /// Where each choice goes
    #[arg(long, required = true)]
    suppressions: Vec<String>,

    /// Where each link goes
    #[arg(long)]
    changelog: String,

    /// Partitions of each output
    #[arg(long, default_value_t = 8)]
    partitions: i32,
}

/// Events in a transaction, at most: as many as Quell takes.
const TRANSACTION_EVENTS_MAX: usize = 20_000;
/// How long to wait for input before looking again.
const WAIT: Duration = Duration::from_millis(20);
/// About what a suppression and a link's changelog record have in Quell.
const SUPPRESSION_BYTES: usize = 150;
const CHANGELOG_BYTES: usize = 120;
/// The place of the choices among the inputs.
const CHOICES: usize = 0;
const KEY_BYTES: usize = 46;
/// How much of a choice's key its records begin with.
const KEY_SHOWN: usize = 8;

const CONSUMER: &[(&str, &str)] = &[
    ("isolation.level", "read_committed"),
    ("enable.auto.commit", "false"),
    ("enable.auto.offset.store", "false"),
    ("auto.offset.reset", "earliest"),
    ("fetch.wait.max.ms", "100"),
    ("fetch.queue.backoff.ms", "1"),
    ("fetch.error.backoff.ms", "5"),
    ("queued.min.messages", "200000"),
    ("queued.max.messages.kbytes", "131072"),
];
const PRODUCER: &[(&str, &str)] = &[
    // Batches are made here, by the transaction.
    ("linger.ms", "0"),
    ("batch.num.messages", "20000"),
    ("batch.size", "1000000"),
    ("queue.buffering.max.messages", "2000000"),
    ("queue.buffering.max.kbytes", "1048576"),
];

fn main() {
    let arguments = Arguments::parse();
    std::thread::spawn(end_with_standard_input);
    if let Err(error) = run(&arguments) {
        eprintln!("quell-limit: {error}");
        std::process::exit(1);
    }
}

/// So it ends with whoever started it, however that ends.
fn end_with_standard_input() {
    let mut rest = Vec::new();
    let ended = std::io::stdin().read_to_end(&mut rest);
    std::process::exit(i32::from(ended.is_err()));
}

fn run(arguments: &Arguments) -> Outcome<()> {
    let common = [("bootstrap.servers", arguments.bootstrap.as_str())];
    let producer = Producer::new(&[&common, PRODUCER, &[("transactional.id", &arguments.group)]].concat())?;
    producer.init_transactions()?;
    let suppressions: Vec<Topic> = arguments.suppressions.iter().map(|name| producer.topic(name)).collect();
    let changelog = producer.topic(&arguments.changelog);
    let consumer = [&common, CONSUMER, &[("group.id", &arguments.group)]].concat();
    let inputs = [arguments.choices.as_str(), arguments.links.as_str()];
    let mut consumer = Consumer::new(&consumer, &inputs, TRANSACTION_EVENTS_MAX)?;

    let mut events = 0_u64;
    let mut key = [b'k'; KEY_BYTES];
    let (mut suppression, link) = ([b's'; SUPPRESSION_BYTES], [b'l'; CHANGELOG_BYTES]);
    let mut next_offsets = BTreeMap::new();
    loop {
        next_offsets.clear();
        let mut failed = Ok(());
        consumer.batch(WAIT, |record| {
            if next_offsets.is_empty() {
                if events == 0 {
                    println!("FIRST_EVENT_MS {}", now_millis());
                }
                failed = failed.clone().and_then(|()| producer.begin());
            }
            events += 1;
            next_offsets.insert((record.topic, record.partition), record.offset + 1);
            key[..8].copy_from_slice(&events.to_le_bytes());
            let partition = (events % u64::from(arguments.partitions.unsigned_abs())) as i32;
            let sent = if record.topic == CHOICES {
                suppression.iter_mut().zip(record.key.iter().take(KEY_SHOWN)).for_each(|(to, from)| *to = *from);
                suppressions.iter().try_for_each(|topic| producer.send(topic, partition, &key, &suppression))
            } else {
                producer.send(&changelog, partition, &key, &link)
            };
            failed = failed.clone().and(sent);
        })?;
        failed?;
        if !next_offsets.is_empty() {
            // Flushed first: what is in flight when the offsets are sent would be waited for in coarse steps.
            producer.flush()?;
            producer.send_offsets(&next_offsets, &inputs, &consumer.group_metadata())?;
            producer.commit()?;
        }
    }
}

fn now_millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
