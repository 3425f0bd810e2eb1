//! What has to be there before an engine can run: Kafka, fit topics, the schema registry. It is waited for, and said.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context as _;
use quell_domain::{Policy, ShardCount};
use quell_kafka::TopicAdmin;
use quell_telemetry::events::{BrokerBack, BrokerUnreachable, RegistryBack, RegistryUnavailable};
use quell_telemetry::{Event, Metrics};
use quell_wire::{EncodeError, Encoder};

use crate::config::Config;
use crate::parts;
use crate::waiting::{Asked, Outage, PATIENCE, checked_topics, for_answer};

/// What the topics say.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    /// Partitions of the graph topic and of the changelog.
    pub shards: ShardCount,
    /// `delete.retention.ms` of the changelog.
    pub deletions_kept: Duration,
}

/// Waits until Kafka answers and says whether the topics are as they should be. None if it is to stop before.
pub fn topics(
    config: &Config,
    kafka: &quell_kafka::Settings,
    metrics: &Metrics,
    stop: &AtomicBool,
) -> anyhow::Result<Option<Topics>> {
    let plans = parts::topic_plans(config, kafka);
    let admin = TopicAdmin::new(&kafka.admin(), PATIENCE)?;
    let bootstrap_servers = config.kafka.bootstrap_servers.as_str();
    let say = |outage: Outage<'_>| match outage {
        Outage::Lasts { reason, lasted } => BrokerUnreachable { bootstrap_servers, reason, lasted }.emit(metrics),
        Outage::Over { lasted } => BrokerBack { lasted }.emit(metrics),
    };
    let Some(checked) = for_answer(stop, || checked_topics(&admin, &plans), say)? else { return Ok(None) };
    let shards = checked.shards.context("the graph topic has no partitions")?;
    Ok(Some(Topics { shards, deletions_kept: checked.deletions_kept }))
}

/// Waits until the schema registry has ids for what will be written. False if it is to stop before.
pub fn registry(encoder: &Encoder, policy: &Policy, metrics: &Metrics, stop: &AtomicBool) -> anyhow::Result<bool> {
    let ask = || match encoder.prepare(policy) {
        Ok(()) => Ok(Asked::Answered(())),
        Err(error @ EncodeError::NoRegistry) => Err(error.into()),
        Err(error) => Ok(Asked::Away(error.to_string())),
    };
    let say = |outage: Outage<'_>| match outage {
        Outage::Lasts { reason, .. } => RegistryUnavailable { reason }.emit(metrics),
        Outage::Over { .. } => RegistryBack.emit(metrics),
    };
    Ok(for_answer(stop, ask, say)?.is_some())
}
