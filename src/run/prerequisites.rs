//! What has to be there before an engine can run: Kafka, fit topics, the schema registry. It is waited for, and said.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use quell_domain::{Policy, ShardCount};
use quell_kafka::{TopicAdmin, TopicsError};
use quell_telemetry::events::{BrokerBack, BrokerUnreachable, RegistryBack, RegistryUnavailable};
use quell_telemetry::{Event, Metrics, Throttle};
use quell_wire::{EncodeError, Encoder};

use crate::config::Config;
use crate::parts;

/// How long to wait before asking Kafka or the schema registry again.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How long one question to the brokers waits: whoever asks the process to stop waits as long.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often an outage is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

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
    let admin = TopicAdmin::new(kafka, PATIENCE)?;
    let (began, mut said) = (Instant::now(), Throttle::new(SAY_EVERY));
    let mut was_away = false;
    while !stop.load(Ordering::Acquire) {
        let checked = match admin.check(&plans) {
            Ok(checked) => checked,
            Err(error @ TopicsError::Unreachable(_)) => {
                was_away = true;
                if said.passes(Instant::now()) {
                    BrokerUnreachable {
                        bootstrap_servers: &config.kafka.bootstrap_servers,
                        reason: &error.to_string(),
                        lasted: began.elapsed(),
                    }
                    .emit(metrics);
                }
                std::thread::sleep(ASK_AGAIN);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if was_away {
            BrokerBack { lasted: began.elapsed() }.emit(metrics);
        }
        let (stops, weakens): (Vec<_>, Vec<_>) = checked.findings.iter().partition(|finding| finding.stops);
        for finding in weakens {
            tracing::warn!("{finding}");
        }
        if !stops.is_empty() {
            let texts: Vec<&str> = stops.iter().map(|finding| finding.text.as_str()).collect();
            bail!("{}", texts.join("; "));
        }
        let shards = checked.shards.context("the graph topic has no partitions")?;
        return Ok(Some(Topics { shards, deletions_kept: checked.deletions_kept }));
    }
    Ok(None)
}

/// Waits until the schema registry has ids for what will be written. False if it is to stop before.
pub fn registry(encoder: &Encoder, policy: &Policy, metrics: &Metrics, stop: &AtomicBool) -> anyhow::Result<bool> {
    let mut said = Throttle::new(SAY_EVERY);
    let mut was_away = false;
    while !stop.load(Ordering::Acquire) {
        match encoder.prepare(policy) {
            Ok(()) => {
                if was_away {
                    RegistryBack.emit(metrics);
                }
                return Ok(true);
            }
            Err(error @ EncodeError::NoRegistry) => return Err(error.into()),
            Err(error) => {
                was_away = true;
                if said.passes(Instant::now()) {
                    RegistryUnavailable { reason: &error.to_string() }.emit(metrics);
                }
                std::thread::sleep(ASK_AGAIN);
            }
        }
    }
    Ok(false)
}
