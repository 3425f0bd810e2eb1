//! How far a run is: by the offsets that its group has committed, which say the same of everybody.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::contestant::Running;
use crate::machine::{Reading, Usage};
use crate::topics::{Inputs, PARTITIONS, client};

/// How exactly the end is known. Each look is one request.
const LOOK_AGAIN: Duration = Duration::from_millis(25);
/// All is done when all inputs are committed, and nothing has been committed for so long.
const QUIET: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1200);
const ANSWER: Duration = Duration::from_secs(20);

pub struct Progress {
    client: BaseConsumer,
    partitions: TopicPartitionList,
    inputs: Inputs,
    events: i64,
}

impl Progress {
    /// Of a run that is to read so many events.
    pub fn of(running: &Running, bootstrap: &str, inputs: &Inputs, events: usize) -> Self {
        // What is pending is no progress; asked with `read_committed`, the client would wait for it.
        let client: BaseConsumer = client(bootstrap)
            .set("group.id", &running.group)
            .set("isolation.level", "read_uncommitted")
            .create()
            .unwrap();
        let mut partitions = TopicPartitionList::new();
        for topic in inputs.names().into_iter().chain(running.graph.as_deref()) {
            partitions.add_partition_range(topic, 0, PARTITIONS - 1);
        }
        Self { client, partitions, inputs: inputs.clone(), events: events as i64 }
    }

    /// Waits until all is done; what it cost since `began`, up to the last commit.
    pub fn finish(&self, running: &mut Running, broker: u32, began: &Reading) -> Usage {
        let started = Instant::now();
        let (mut last, mut changed_at, mut usage) = (Vec::new(), Instant::now(), None);
        loop {
            running.must_run();
            let committed = self.committed().unwrap_or_else(|| last.clone());
            if committed != last {
                usage = Some(Reading::now(running.process(), broker).since(began));
                changed_at = Instant::now();
                last = committed;
            } else if self.read(&last) >= self.events && changed_at.elapsed() > QUIET {
                return usage.expect("something was committed");
            }
            assert!(started.elapsed() < TIMEOUT, "{} of {} events after {TIMEOUT:?}", self.read(&last), self.events);
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// By topic and partition; none while the broker loads the group.
    fn committed(&self) -> Option<Vec<(String, i64)>> {
        let committed = self.client.committed_offsets(self.partitions.clone(), ANSWER).ok()?;
        let offset = |of| if let Offset::Offset(offset) = of { offset } else { 0 };
        Some(committed.elements().iter().map(|it| (it.topic().to_owned(), offset(it.offset()))).collect())
    }

    /// Events of the inputs that are committed. (The inputs have no transactions, so no offsets without a record.)
    fn read(&self, committed: &[(String, i64)]) -> i64 {
        let inputs = self.inputs.names();
        committed.iter().filter(|(topic, _)| inputs.contains(&topic.as_str())).map(|(_, offset)| offset).sum()
    }
}
