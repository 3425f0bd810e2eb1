//! How far a run is: by the offsets that its group has committed, which say the same of everybody.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::machine::Reading;
use crate::topics::{Inputs, PARTITIONS, client};

/// How exactly the end is known. Each look is one request.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// All is done when all inputs are committed, and nothing has been committed for so long.
const QUIET: Duration = Duration::from_secs(2);
/// Nothing has been committed for so long although there is something to do: it is stuck.
const STUCK: Duration = Duration::from_secs(120);
const ANSWER: Duration = Duration::from_secs(20);

pub struct Progress {
    client: BaseConsumer,
    partitions: TopicPartitionList,
    inputs: Inputs,
    events: u64,
}

impl Progress {
    /// Of a group that is to read so many events, and whatever messages it has for itself.
    pub fn of(bootstrap: &str, group: &str, graph: Option<&str>, inputs: &Inputs, events: usize) -> Self {
        // What is pending is no progress; asked with `read_committed`, the client would wait for it.
        let client: BaseConsumer =
            client(bootstrap).set("group.id", group).set("isolation.level", "read_uncommitted").create().unwrap();
        let mut partitions = TopicPartitionList::new();
        for topic in inputs.names().into_iter().chain(graph) {
            partitions.add_partition_range(topic, 0, PARTITIONS - 1);
        }
        Self { client, partitions, inputs: inputs.clone(), events: events as u64 }
    }

    /// Waits until all is done; what had been used when the last of it was committed.
    pub fn finish(&self, mut read: impl FnMut() -> Reading) -> Reading {
        let (mut last, mut changed_at, mut used) = (Vec::new(), Instant::now(), read());
        loop {
            let committed = self.committed().unwrap_or_else(|| last.clone());
            let events = self.events_in(&committed);
            if committed != last {
                used = read();
                changed_at = Instant::now();
                last = committed;
            } else if events >= self.events && changed_at.elapsed() > QUIET {
                return used;
            }
            assert!(changed_at.elapsed() < STUCK, "stuck for {STUCK:?} at {events} of {} events", self.events);
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// By topic and partition; none while the broker loads the group.
    fn committed(&self) -> Option<Vec<(String, u64)>> {
        let committed = self.client.committed_offsets(self.partitions.clone(), ANSWER).ok()?;
        let offset = |of| if let Offset::Offset(offset) = of { offset as u64 } else { 0 };
        Some(committed.elements().iter().map(|it| (it.topic().to_owned(), offset(it.offset()))).collect())
    }

    /// Events of the inputs that are committed. (The inputs have no transactions, so no offsets without a record.)
    fn events_in(&self, committed: &[(String, u64)]) -> u64 {
        let inputs = self.inputs.names();
        committed.iter().filter(|(topic, _)| inputs.contains(&topic.as_str())).map(|(_, offset)| offset).sum()
    }
}
