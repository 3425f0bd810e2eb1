//! What has to be there before a gate can read and deliver: Kafka, fit topics, the schema registry.

use std::sync::atomic::AtomicBool;

use quell_gate::Gate;
use quell_kafka::TopicAdmin;
use quell_telemetry::events::{BrokerBack, BrokerUnreachable};
use quell_telemetry::gate::{GateEvent as _, GateMetrics, GateWaitsForRegistry};
use quell_wire::EncodeError;

use super::TopicPlans;
use crate::config::GateConfig;
use crate::waiting::{Asked, Outage, PATIENCE, checked_topics, for_answer};

/// Waits until Kafka answers and says whether the topics are as they should be. False if it is to stop before.
pub fn topics(
    config: &GateConfig,
    suppressions: &str,
    metrics: &GateMetrics,
    stop: &AtomicBool,
) -> anyhow::Result<bool> {
    let plans = TopicPlans::new(&config.topics, suppressions).all();
    let admin = TopicAdmin::new(&config.kafka.admin(), PATIENCE)?;
    let bootstrap_servers = config.kafka.bootstrap_servers.as_str();
    let say = |outage: Outage<'_>| match outage {
        Outage::Lasts { reason, lasted } => BrokerUnreachable { bootstrap_servers, reason, lasted }.emit(metrics),
        Outage::Over { lasted } => BrokerBack { lasted }.emit(metrics),
    };
    Ok(for_answer(stop, || checked_topics(&admin, &plans), say)?.is_some())
}

/// Waits until the schema registry has an id for decisions. False if it is to stop before.
pub fn registry(gate: &Gate, metrics: &GateMetrics, stop: &AtomicBool) -> anyhow::Result<bool> {
    let ask = || match gate.prepare() {
        Ok(()) => Ok(Asked::Answered(())),
        Err(error @ EncodeError::NoRegistry) => Err(error.into()),
        Err(error) => Ok(Asked::Away(error.to_string())),
    };
    let say = |outage: Outage<'_>| {
        if let Outage::Lasts { reason, .. } = outage {
            GateWaitsForRegistry { reason }.emit(metrics);
        }
    };
    Ok(for_answer(stop, ask, say)?.is_some())
}
