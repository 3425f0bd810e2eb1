//! A live `read_committed` reader of the suppressions: it keeps what a subscriber would keep, and notes when it came.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use quell_wire::{Decoder, SuppressionMessage};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset, TopicPartitionList};

use crate::expectation::{CAUSES, DOWNSTREAMS, Expectation, Tally};
use crate::load::now_micros;
use crate::topics::{PARTITIONS, client, suppressions};

/// How long to wait for a record before looking whether to end.
const WAIT: Duration = Duration::from_millis(20);
/// How many faults are told of.
const FAULTS_SHOWN: usize = 5;

/// What a run writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// Suppressions, as the contract has them.
    Suppressions,
    /// The limit's records, which begin with the key of their event.
    Keys,
}

pub struct Reader {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What has come so far.
#[derive(Default)]
pub struct Seen {
    pub messages: u64,
    pub tallies: [Tally; 3],
    /// By downstream and `type:value`.
    identifiers: [HashMap<String, Known>; 3],
    /// What is wrong with the messages themselves: repeats, versions that go back, contradictions.
    pub faults: Vec<String>,
    /// When an identifier became opted out, per cause; or when a record of the limit's came.
    arrivals: Vec<Arrival>,
}

struct Known {
    version: i64,
    tally: Tally,
    holds: [bool; CAUSES],
}

struct Arrival {
    identifier: String,
    holds: [bool; CAUSES],
    at: u64,
}

impl Reader {
    /// Reads a run's topics from their beginning.
    pub fn start(bootstrap: &str, prefix: &str, written: Written) -> Self {
        let consumer: BaseConsumer = client(bootstrap)
            .set("group.id", "quell-bench-reader")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "100")
            .set("fetch.error.backoff.ms", "5")
            .set("fetch.queue.backoff.ms", "5")
            .create()
            .unwrap();
        let topics = suppressions(prefix);
        let mut assignment = TopicPartitionList::new();
        for (topic, partition) in
            topics.iter().flat_map(|topic| (0..PARTITIONS).map(move |partition| (topic, partition)))
        {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let (seen, stop) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
        let (shared, stopping) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopping.load(Ordering::Relaxed) {
                // An error is the client's to mend: the topics are there, and the broker is.
                if let Some(Ok(message)) = consumer.poll(WAIT) {
                    let at = now_micros();
                    let downstream = topics.iter().position(|topic| topic == message.topic()).unwrap();
                    shared.lock().unwrap().take(written, downstream, &message, at);
                }
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// Waits until the state is the expected one, and has stayed so for a moment; else says what differs.
    pub fn expect(&self, expectation: &Expectation, deadline: Duration) -> Result<(), String> {
        self.wait_for(deadline, |seen| seen.tallies == expectation.tallies).map_err(|seen| {
            let tallies = DOWNSTREAMS.iter().zip(seen.tallies.iter().zip(&expectation.tallies));
            let wrong = tallies.map(|(name, (is, should))| format!("{name} is {is:?}, should be {should:?}"));
            format!("the final state is not the expected one: {}", wrong.collect::<Vec<_>>().join("; "))
        })
    }

    /// Waits until so many records have come, and no more.
    pub fn expect_messages(&self, count: u64, deadline: Duration) -> Result<(), String> {
        self.wait_for(deadline, |seen| seen.messages == count)
            .map_err(|seen| format!("{} records came, not {count}", seen.messages))
    }

    fn wait_for(&self, deadline: Duration, is_right: impl Fn(&Seen) -> bool) -> Result<(), MutexGuard<'_, Seen>> {
        const SETTLE: Duration = Duration::from_secs(1);
        let (began, mut right_since) = (Instant::now(), None);
        loop {
            let seen = self.seen();
            let right = right_since.filter(|_| is_right(&seen));
            if right.is_some_and(|since: Instant| since.elapsed() >= SETTLE) {
                return Ok(());
            }
            if began.elapsed() > deadline {
                return Err(seen);
            }
            right_since = if is_right(&seen) { right.or_else(|| Some(Instant::now())) } else { None };
            drop(seen);
            std::thread::sleep(WAIT);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Seen {
    fn take(&mut self, written: Written, downstream: usize, message: &BorrowedMessage<'_>, at: u64) {
        self.messages += 1;
        if written == Written::Keys {
            let key =
                message.payload().and_then(|value| value.first_chunk()).map_or(0, |bytes| u64::from_be_bytes(*bytes));
            self.arrivals.push(Arrival { identifier: name_of_key(key), holds: [true; CAUSES], at });
        } else if let Err(fault) = self.take_suppression(downstream, message, at) {
            let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
            self.faults.push(format!("{topic}, partition {partition}, offset {offset}: {fault}"));
        }
    }

    fn take_suppression(&mut self, downstream: usize, message: &BorrowedMessage<'_>, at: u64) -> Result<(), String> {
        let said = Decoder::new(None).suppression(message.payload()).map_err(|error| format!("{error:?}"))?;
        let identifier = format!("{}:{}", said.identifier.identifier_type, said.identifier.value);
        if message.key() != Some(identifier.as_bytes()) || said.downstream != DOWNSTREAMS[downstream] {
            return Err("key or downstream contradicts the value".to_owned());
        }
        if said.suppressed != said.rights.values().any(|state| state.opted_out) {
            return Err("suppressed contradicts the rights".to_owned());
        }
        let known = Known { version: said.version, tally: tally(&said, &identifier), holds: holds(&said) };
        let (tally, now) = (known.tally, known.holds);
        let before = self.identifiers[downstream].insert(identifier.clone(), known);
        self.tallies[downstream] += tally;
        let mut fresh = now;
        if let Some(before) = before {
            self.tallies[downstream] -= before.tally;
            if said.version <= before.version {
                return Err(format!("version {} after {}", said.version, before.version));
            }
            fresh.iter_mut().zip(before.holds).for_each(|(fresh, held)| *fresh &= !held);
        }
        if fresh.contains(&true) {
            self.arrivals.push(Arrival { identifier, holds: fresh, at });
        }
        Ok(())
    }

    /// What must not be, in a few lines.
    pub fn check_messages(&self) -> Result<(), String> {
        if self.faults.is_empty() {
            return Ok(());
        }
        Err(format!("{} faults: {}", self.faults.len(), self.faults[..self.faults.len().min(FAULTS_SHOWN)].join("; ")))
    }

    /// From the sending of the last event that was needed to the arrival, of whatever has such a cause; in microseconds.
    pub fn latencies(&self, caused_at: &HashMap<String, [u64; CAUSES]>) -> Vec<u64> {
        let of = |arrival: &Arrival| {
            let causes = caused_at.get(&arrival.identifier)?;
            let held = causes.iter().zip(arrival.holds).filter(|(_, holds)| *holds);
            Some(arrival.at.saturating_sub(held.map(|(at, _)| *at).max()?))
        };
        self.arrivals.iter().filter_map(of).collect()
    }
}

/// What an event of the limit is known by.
pub fn name_of_key(key: u64) -> String {
    format!("{key:016x}")
}

fn tally(said: &SuppressionMessage, identifier: &str) -> Tally {
    let mut tally = Tally { suppressed: u64::from(said.suppressed), ..Tally::default() };
    for (right, _) in said.rights.iter().filter(|(_, state)| state.opted_out) {
        tally.add_right(&said.downstream, identifier, right);
    }
    tally
}

/// Which cause shows in it.
fn holds(said: &SuppressionMessage) -> [bool; CAUSES] {
    let on = |name: &str| said.rights.get(name).is_some_and(|state| state.opted_out);
    [on("sale"), on("admt")]
}
