//! Topics: their names, their making and their end.

use std::time::Duration;

use pollster::block_on;
use quell_testbed::{DEADLINE, wait_for};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::expectation::DOWNSTREAMS;
use crate::workload::Event;

/// Of every topic, for everybody.
pub const PARTITIONS: i32 = 8;

/// How long the broker may take for an answer before it is asked again.
const ANSWER: Duration = Duration::from_secs(10);

/// Where events come in.
#[derive(Clone, Debug)]
pub struct Inputs {
    pub choices: String,
    pub links: String,
}

impl Inputs {
    pub fn of(prefix: &str) -> Self {
        Self { choices: format!("{prefix}.optout.events"), links: format!("{prefix}.identity.links") }
    }

    pub fn names(&self) -> [&str; 2] {
        [&self.choices, &self.links]
    }

    /// Where an event goes.
    pub fn of_event(&self, event: Event) -> &str {
        if event.is_choice() { &self.choices } else { &self.links }
    }
}

/// Where suppressions come out.
pub fn suppressions(prefix: &str) -> [String; 3] {
    DOWNSTREAMS.map(|downstream| format!("{prefix}.suppression.{downstream}"))
}

pub fn create(bootstrap: &str, names: &[&str], cleanup: &str) {
    let topic = |name| NewTopic::new(name, PARTITIONS, TopicReplication::Fixed(1)).set("cleanup.policy", cleanup);
    let topics: Vec<NewTopic<'_>> = names.iter().copied().map(topic).collect();
    let made = block_on(admin(bootstrap).create_topics(&topics, &AdminOptions::new())).unwrap();
    assert!(made.iter().all(Result::is_ok), "topics were not made: {made:?}");
    // The broker answers before every part of it knows of them.
    let client: BaseConsumer = client(bootstrap).create().unwrap();
    for name in names {
        wait_for(name, || {
            let metadata = client.fetch_metadata(Some(name), ANSWER).ok()?;
            (metadata.topics().first()?.partitions().len() == PARTITIONS as usize).then_some(())
        });
    }
}

/// Deletes all topics of a run, so that they neither fill the disk nor keep the broker busy.
pub fn delete(bootstrap: &str, prefix: &str) {
    let client: BaseConsumer = client(bootstrap).create().unwrap();
    let metadata = client.fetch_metadata(None, DEADLINE).unwrap();
    let names: Vec<&str> =
        metadata.topics().iter().map(|topic| topic.name()).filter(|name| name.starts_with(prefix)).collect();
    if !names.is_empty() {
        block_on(admin(bootstrap).delete_topics(&names, &AdminOptions::new())).unwrap();
    }
}

pub fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    // 3: errors alone. A topic that was just deleted is no news.
    config.set("bootstrap.servers", bootstrap).set("client.id", "quell-bench").set("log_level", "3");
    config
}

fn admin(bootstrap: &str) -> AdminClient<DefaultClientContext> {
    client(bootstrap).create().unwrap()
}
