//! Follows one of Quell's suppression topics, keeps a table of it, and acknowledges what it has applied.
//!
//! Copy this directory and Quell's `schemas/suppression.avsc` and `schemas/suppression_ack.avsc`, and put your own work
//! into [`Table::apply`]. `docs/subscribing.md` of Quell explains every rule that is kept here.

mod acknowledgements;
mod formats;
mod table;

use std::{
    collections::HashSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::Parser;
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::{
    acknowledgements::Acknowledgements,
    formats::{Schema, SuppressionReader},
    table::Table,
};

/// Follows one of Quell's suppression topics.
#[derive(Parser)]
struct Arguments {
    /// A broker's HOST:PORT
    #[arg(long, default_value = "127.0.0.1:9092")]
    bootstrap: String,
    /// As the policy names it
    #[arg(long, default_value = "ads")]
    downstream: String,
    /// Default: `suppression.<downstream>`
    #[arg(long)]
    topic: Option<String>,
    /// Where acknowledgements go
    #[arg(long, default_value = "suppression.acks")]
    acks_topic: String,
    /// The directory with Quell's schemas
    #[arg(long, default_value = "schemas")]
    schemas: PathBuf,
    /// Another version of suppression.avsc that records may be written with
    #[arg(long)]
    writer_schema: Vec<PathBuf>,
    /// End when nothing came for so many seconds
    #[arg(long)]
    until_idle: Option<f64>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let topic = arguments.topic.clone().unwrap_or_else(|| format!("suppression.{}", arguments.downstream));
    let others = arguments.writer_schema.iter().map(|path| Schema::load(path)).collect::<Result<_, _>>()?;
    let reader = SuppressionReader::new(Schema::load(&arguments.schemas.join("suppression.avsc"))?, others);
    let acknowledgement_schema = Schema::load(&arguments.schemas.join("suppression_ack.avsc"))?;
    let acknowledgements =
        Acknowledgements::new(&arguments.bootstrap, arguments.acks_topic.clone(), acknowledgement_schema)?;

    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &arguments.bootstrap)
        // Only a name: with assign() no group is joined, and the offsets are not kept.
        .set("group.id", format!("{}-subscriber", arguments.downstream))
        .set("enable.auto.commit", "false")
        // What Quell has not committed is not there.
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .create()?;
    let partitions = every_partition(&consumer, &topic)?;
    consumer.assign(&partitions)?;
    let mut table = Table::default();

    // Until each partition has been read to its end once, "not in the table" means nothing.
    let mut unread: HashSet<i32> = partitions.elements().iter().map(|element| element.partition()).collect();
    let mut last_heard_at = Instant::now();
    let is_idle = |since: Instant| arguments.until_idle.is_some_and(|limit| since.elapsed().as_secs_f64() >= limit);
    while !unread.is_empty() || !is_idle(last_heard_at) {
        match consumer.poll(Duration::from_millis(200)) {
            None => {}
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                let first_time = unread.remove(&partition);
                if first_time && unread.is_empty() {
                    println!("caught up: {} identifiers", table.len());
                }
            }
            Some(Err(KafkaError::MessageConsumptionFatal(error))) => bail!("cannot read {topic}: {error}"),
            // librdkafka goes on by itself, for example when a broker comes back.
            Some(Err(error)) => eprintln!("reading {topic}: {error}"),
            Some(Ok(message)) => {
                last_heard_at = Instant::now();
                let key = std::str::from_utf8(message.key().context("a record has no key")?)?;
                take(key, message.payload(), &reader, &mut table, &acknowledgements)?;
            }
        }
    }

    acknowledgements.flush()?;
    println!("table:");
    for (key, suppression) in table.rows() {
        println!("  {key} version {}: {suppression}", suppression.version);
    }
    Ok(())
}

/// All of them, from the beginning: the topic is compacted, so that is the whole current state.
fn every_partition(consumer: &BaseConsumer, topic: &str) -> anyhow::Result<TopicPartitionList> {
    let metadata = consumer.fetch_metadata(Some(topic), Duration::from_secs(30))?;
    let found = metadata.topics().first().context("the broker said nothing of the topic")?;
    if let Some(error) = found.error() {
        bail!("cannot read topic {topic}: {error:?}");
    }
    let mut list = TopicPartitionList::new();
    for partition in found.partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    Ok(list)
}

/// One record: applied, skipped, or the end of what is known of an identifier.
fn take(
    key: &str,
    value: Option<&[u8]>,
    reader: &SuppressionReader,
    table: &mut Table,
    acknowledgements: &Acknowledgements,
) -> anyhow::Result<()> {
    let Some(value) = value else {
        // A tombstone. Quell writes none; somebody erased the identifier, and who starts later will not see it.
        println!("{} {key}", if table.forget(key) { "forgot" } else { "knew nothing of" });
        return Ok(());
    };
    let suppression = reader.decode(value)?;
    if let Err(newer) = table.apply(key, &suppression) {
        println!("skipped {key} version {}: version {newer} is here", suppression.version);
        return Ok(());
    }
    println!("applied {key} version {}: {suppression}", suppression.version);
    // After it is applied, never before: an acknowledgement is evidence.
    acknowledgements.send(key, &suppression)
}
