//! From the configuration to what the other crates are made with.

use quell_domain::Policy;
use quell_kafka::{Settings, Sizes, TopicPlan};
use quell_wire::{Encoder, Registry, RegistryError};

use crate::config::{Config, ConfigError, Encoding};

/// The settings of every Kafka client.
///
/// # Errors
/// When a property of librdkafka is set that belongs to Quell.
pub fn kafka(config: &Config, policy: &Policy) -> Result<Settings, ConfigError> {
    let topics = &config.topics;
    let settings = Settings {
        bootstrap_servers: config.kafka.bootstrap_servers.clone(),
        group_id: config.kafka.group_id.clone(),
        client: config.kafka.client.clone(),
        topics: quell_kafka::Topics {
            choices: topics.choices.clone(),
            links: topics.links.clone(),
            acks: topics.acks.clone(),
            graph: topics.graph.clone(),
            changelog: topics.changelog.clone(),
            dead_letters: topics.dead_letters.clone(),
            audit: topics.audit.clone(),
            watermarks: topics.watermarks.clone(),
            suppressions: policy.downstreams().iter().map(|known| known.topic.clone()).collect(),
        },
        standby_replicas: config.engine.standby_replicas,
    };
    settings.check()?;
    Ok(settings)
}

/// What every topic should be like.
pub fn topic_plans(config: &Config, settings: &Settings) -> Vec<TopicPlan> {
    let topics = &config.topics;
    let sizes = Sizes {
        shards: topics.shards.get(),
        partitions: topics.partitions,
        replication_factor: topics.replication_factor,
    };
    quell_kafka::plan(&settings.topics, sizes)
}

/// The encoder of `encoding.format`.
///
/// # Errors
/// When there can be no client of the schema registry.
pub fn encoder(encoding: &Encoding) -> Result<Encoder, RegistryError> {
    Ok(Encoder::new(encoding.format, registry(encoding)?))
}

/// A client of the schema registry, if one is configured.
///
/// # Errors
/// When there can be none.
pub fn registry(encoding: &Encoding) -> Result<Option<Registry>, RegistryError> {
    encoding.schema_registry_url.as_deref().map(Registry::new).transpose()
}
