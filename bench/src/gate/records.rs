//! What a server has recorded of its decisions: no figure of one counts that says it records, and does not.

use std::collections::{HashMap, HashSet};
use std::io::BufRead as _;
use std::path::PathBuf;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use quell_testbed::{DEADLINE, tree, wait_for};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};

use super::population::Asked;
use crate::topics::{PARTITIONS, client};

/// Before an Avro datum in single-object encoding: a mark and the schema's fingerprint.
const SINGLE_OBJECT_BYTES: usize = 10;

/// Where decisions are recorded.
pub enum Records {
    /// Nowhere.
    None,
    /// One a line, among others, in Open Policy Agent's log.
    Lines(PathBuf),
    /// One a record.
    Topic { bootstrap: String, topic: String },
}

impl Records {
    /// Waits until there are so many.
    pub fn wait_for(&self, count: u64) {
        let found = match self {
            Self::None => return,
            Self::Lines(file) => {
                wait_for("every decision's line", || Some(lines(file)).filter(|found| *found >= count))
            }
            Self::Topic { bootstrap, topic } => {
                let client: BaseConsumer = client(bootstrap).create().unwrap();
                wait_for("every decision's record", || Some(end(&client, topic)).filter(|found| *found >= count))
            }
        };
        assert_eq!(found, count, "as many decisions are recorded as were answered");
    }

    /// Looks at each: that it is of a question that was asked, says what is right, and is there once.
    ///
    /// # Errors
    /// With the first that is not as it should be.
    pub fn check(&self, questions: &[Asked]) -> Result<(), String> {
        let Self::Topic { bootstrap, topic } = self else { return Ok(()) };
        let schema = std::fs::read_to_string(tree().join("schemas/decision.avsc")).unwrap();
        let schema = apache_avro::Schema::parse_str(&schema).unwrap();
        let reader = GenericDatumReader::builder(&schema).build().unwrap();
        let right: HashMap<&str, bool> =
            questions.iter().map(|asked| (asked.subject.as_str(), !asked.is_suppressed)).collect();
        let mut seen = HashSet::new();
        each(bootstrap, topic, |value| {
            let mut datum = value.get(SINGLE_OBJECT_BYTES..).ok_or("a record is too short")?;
            let record = reader.read_value(&mut datum).map_err(|error| error.to_string())?;
            let decision = Decision::of(record).ok_or("a record is no decision")?;
            if right.get(decision.subject.as_str()) != Some(&decision.permits) {
                return Err(format!("{} says {}, which is wrong", decision.id, decision.permits));
            }
            if seen.insert(decision.id) { Ok(()) } else { Err("a decision is recorded twice".to_owned()) }
        })
    }
}

struct Decision {
    id: String,
    permits: bool,
    subject: String,
}

impl Decision {
    fn of(record: Value) -> Option<Self> {
        let mut fields = HashMap::<String, Value>::from_iter(fields(record)?);
        let Value::String(id) = fields.remove("decision_id")? else { return None };
        let Value::Boolean(permits) = fields.remove("decision")? else { return None };
        let Value::Union(_, subject) = fields.remove("subject")? else { return None };
        let Value::String(subject) = HashMap::<String, Value>::from_iter(self::fields(*subject)?).remove("value")?
        else {
            return None;
        };
        Some(Self { id, permits, subject })
    }
}

fn fields(value: Value) -> Option<Vec<(String, Value)>> {
    if let Value::Record(fields) = value { Some(fields) } else { None }
}

fn lines(file: &PathBuf) -> u64 {
    let lines = std::io::BufReader::new(std::fs::File::open(file).unwrap()).lines();
    lines.filter(|line| line.as_ref().unwrap().contains(r#""msg":"Decision Log""#)).count() as u64
}

fn end(client: &BaseConsumer, topic: &str) -> u64 {
    (0..PARTITIONS).map(|partition| client.fetch_watermarks(topic, partition, DEADLINE).unwrap().1 as u64).sum()
}

/// Reads a topic from its beginning to its end.
fn each(bootstrap: &str, topic: &str, mut take: impl FnMut(&[u8]) -> Result<(), String>) -> Result<(), String> {
    let mut config = client(bootstrap);
    // A commit, too, would be an event in place of a record.
    config.set("group.id", "quell-bench-records").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    let count = end(&consumer, topic);
    for read in 0..count {
        let message = consumer.poll(DEADLINE).ok_or_else(|| format!("{read} of {count} records can be read"))?;
        let message = message.map_err(|error| error.to_string())?;
        take(message.payload().unwrap_or_default())?;
    }
    Ok(())
}
