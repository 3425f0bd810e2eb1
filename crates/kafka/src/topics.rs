//! Topics: what they should be like, making those that are missing, and saying what is wrong with the others.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use quell_domain::ShardCount;
use quell_engine::log::InputTopic;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use crate::ask::{AskError, Asker};
use crate::outage::needs_an_operator;
use crate::settings::{INPUTS, Topics};

/// The largest record batch of a topic whose settings do not say (Kafka's own default).
pub const MESSAGE_BYTES_MAX: u64 = 1_048_588;

/// By how much a dead letter may be larger than what it was made of: for its headers (contract, "Topics").
const DEAD_LETTER_EXTRA_BYTES: u64 = 64 * 1024;

/// What the topic of dead letters is made with. A broker's limit is on compressed batches: what came in packed well may
/// be larger when it goes out.
const DEAD_LETTER_BYTES_MAX: u64 = 16 << 20;

/// How long the changelog keeps deletions: for half of that the disk of an instance that does not run stays of use.
const DELETIONS_KEPT_MILLIS: u64 = 7 * 24 * 60 * 60 * 1000;

/// What Kafka does where a topic's settings do not say.
const DELETIONS_KEPT_BY_DEFAULT: Duration = Duration::from_secs(24 * 60 * 60);

/// Longer than any restore should take.
const DELETIONS_KEPT_MIN: Duration = Duration::from_secs(60 * 60);

/// How long watermarks are kept that later ones have superseded, about: whoever starts reads them all.
const WATERMARKS_SEGMENT_MILLIS: u64 = 10 * 60 * 1000;

/// 24 months.
const AUDIT_RETENTION_MILLIS: u64 = 730 * 24 * 60 * 60 * 1000;

/// What a topic keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// Records of some time.
    Delete,
    /// The last record of each key.
    Compact,
}

impl Cleanup {
    fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Compact => "compact",
        }
    }
}

/// What a topic should be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// How many partitions it is made with.
    pub partitions: u32,
    /// Its replication factor.
    pub replication_factor: u32,
    /// What it keeps.
    pub cleanup: Cleanup,
    /// Further settings that it is made with.
    pub settings: Vec<(&'static str, String)>,
    /// The largest record batch that it must take.
    pub message_bytes_min: Option<u64>,
    /// Whether its partitions are the shards.
    pub is_sharded: bool,
    /// The command that makes it.
    pub made_by: &'static str,
    /// Whether the engine works without it, too: where Quell is older than the topic.
    pub is_optional: bool,
}

/// What topics are made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// `topics.shards`
    pub shards: u32,
    /// `topics.partitions`
    pub partitions: u32,
    /// `topics.replication_factor`
    pub replication_factor: u32,
}

/// What every topic of Quell's should be like.
#[must_use]
pub fn plan(topics: &Topics, sizes: Sizes) -> Vec<TopicPlan> {
    let plan = |name: &str, cleanup| TopicPlan {
        name: name.to_owned(),
        partitions: sizes.partitions,
        replication_factor: sizes.replication_factor,
        cleanup,
        settings: Vec::new(),
        message_bytes_min: None,
        is_sharded: false,
        made_by: "quell topics create",
        is_optional: false,
    };
    let sharded = |name: &str, cleanup| TopicPlan { partitions: sizes.shards, is_sharded: true, ..plan(name, cleanup) };
    let dead_letter_bytes = MESSAGE_BYTES_MAX + DEAD_LETTER_EXTRA_BYTES;
    let mut all = vec![
        plan(&topics.choices, Cleanup::Delete),
        plan(&topics.links, Cleanup::Delete),
        plan(&topics.acks, Cleanup::Delete),
    ];
    all.extend(topics.suppressions.iter().map(|name| plan(name, Cleanup::Compact)));
    all.push(TopicPlan {
        settings: vec![("max.message.bytes", DEAD_LETTER_BYTES_MAX.to_string())],
        message_bytes_min: Some(dead_letter_bytes),
        ..plan(&topics.dead_letters, Cleanup::Delete)
    });
    all.push(TopicPlan {
        settings: vec![("retention.ms", AUDIT_RETENTION_MILLIS.to_string())],
        ..plan(&topics.audit, Cleanup::Delete)
    });
    all.push(TopicPlan {
        // All read the same in the same order, and there is little of it.
        partitions: 1,
        is_optional: true,
        settings: vec![
            ("segment.bytes", (16 << 20).to_string()),
            ("segment.ms", WATERMARKS_SEGMENT_MILLIS.to_string()),
            ("min.cleanable.dirty.ratio", "0.1".to_owned()),
        ],
        ..plan(&topics.watermarks, Cleanup::Compact)
    });
    all.push(sharded(&topics.graph, Cleanup::Delete));
    all.push(TopicPlan {
        // A restore reads what has not been compacted, too: keep that less than what has been.
        settings: vec![
            ("min.cleanable.dirty.ratio", "0.3".to_owned()),
            ("segment.bytes", (256 << 20).to_string()),
            ("delete.retention.ms", DELETIONS_KEPT_MILLIS.to_string()),
        ],
        ..sharded(&topics.changelog, Cleanup::Compact)
    });
    all
}

/// The topics cannot be looked at or made.
#[derive(Debug, thiserror::Error)]
pub enum TopicsError {
    /// The brokers do not answer: it may work later.
    #[error("kafka does not answer: {0}")]
    Unreachable(KafkaError),
    /// An operator must act.
    #[error("{0}")]
    Refused(String),
    /// A topic could not be made.
    #[error("topic {topic} cannot be made: {reason}")]
    NotMade {
        /// Which.
        topic: String,
        /// Why.
        reason: RDKafkaErrorCode,
    },
}

impl From<KafkaError> for TopicsError {
    fn from(error: KafkaError) -> Self {
        if needs_an_operator(&error) { Self::Refused(format!("kafka: {error}")) } else { Self::Unreachable(error) }
    }
}

impl From<AskError> for TopicsError {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Unreachable(error) => Self::Unreachable(error),
            AskError::Refused(why) => Self::Refused(why),
        }
    }
}

/// Something that is wrong with a topic, and what mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the engine must not run with it. If not, it runs less safely.
    pub stops: bool,
    /// One sentence.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many shards there are: partitions of the graph topic. None if it is missing.
    pub shards: Option<ShardCount>,
    /// How long the changelog keeps deletions.
    pub deletions_kept: Duration,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// Looks at and makes topics.
pub struct TopicAdmin {
    client: AdminClient<DefaultClientContext>,
    asker: Asker,
    patience: Duration,
}

impl TopicAdmin {
    /// A client with these settings. Each question to the brokers waits no longer than `patience` for its answer.
    ///
    /// # Errors
    /// When none can be made with them.
    pub fn new(config: &ClientConfig, patience: Duration) -> Result<Self, TopicsError> {
        let refused = |error: KafkaError| TopicsError::Refused(format!("kafka: {error}"));
        let client = config.create().map_err(refused)?;
        Ok(Self { client, asker: Asker::new(config).map_err(refused)?, patience })
    }

    /// Makes the topics that are missing. Returns the names of those.
    ///
    /// # Errors
    /// When the brokers do not answer, or refuse.
    pub fn create(&self, plans: &[TopicPlan]) -> Result<Vec<String>, TopicsError> {
        let existing = self.partitions()?;
        let missing: Vec<&TopicPlan> =
            plans.iter().filter(|plan| !existing.iter().any(|(name, _)| *name == plan.name)).collect();
        let topics: Vec<NewTopic<'_>> = missing
            .iter()
            .map(|plan| {
                let replication = TopicReplication::Fixed(i32::try_from(plan.replication_factor).unwrap_or(i32::MAX));
                let partitions = i32::try_from(plan.partitions).unwrap_or(i32::MAX);
                let topic = NewTopic::new(&plan.name, partitions, replication);
                let topic = topic.set("cleanup.policy", plan.cleanup.as_str());
                plan.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
            })
            .collect();
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let options = AdminOptions::new().operation_timeout(Some(self.patience)).request_timeout(Some(self.patience));
        let mut made = Vec::new();
        for result in pollster::block_on(self.client.create_topics(&topics, &options))? {
            match result {
                Ok(name) => made.push(name),
                // Somebody else was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((topic, reason)) => return Err(TopicsError::NotMade { topic, reason }),
            }
        }
        Ok(made)
    }

    /// Compares the topics with what they should be like.
    ///
    /// # Errors
    /// When the brokers do not answer, or refuse.
    pub fn check(&self, plans: &[TopicPlan]) -> Result<Checked, TopicsError> {
        let existing = self.partitions()?;
        let mut findings = Vec::new();
        let mut found: Vec<(&TopicPlan, Topic)> = Vec::new();
        for plan in plans {
            match existing.iter().find(|(name, _)| *name == plan.name) {
                Some((_, topic)) => found.push((plan, *topic)),
                None => findings.push(Finding {
                    stops: !plan.is_optional,
                    text: format!("topic {} is missing; make it by `{}`", plan.name, plan.made_by),
                }),
            }
        }
        let sharded: Vec<_> = found.iter().filter(|(plan, _)| plan.is_sharded).collect();
        if let [(graph, first), (changelog, second)] = sharded.as_slice()
            && first.partitions != second.partitions
        {
            findings.push(Finding {
                stops: true,
                text: format!(
                    "topic {} has {} partitions and {} has {}, and both must have as many as there are shards; \
                     delete the one that is wrong and run `quell topics create`",
                    graph.name, first.partitions, changelog.name, second.partitions
                ),
            });
        }
        for (plan, topic) in &found {
            if topic.replication_factor < plan.replication_factor {
                findings.push(Finding {
                    stops: false,
                    text: format!(
                        "topic {} has {} replicas, not {}; add some by kafka-reassign-partitions.sh",
                        plan.name, topic.replication_factor, plan.replication_factor
                    ),
                });
            }
        }
        let deletions_kept = self.check_settings(&found, &mut findings)?;
        let shards = sharded.first().and_then(|(_, graph)| ShardCount::new(graph.partitions));
        Ok(Checked { shards, deletions_kept, findings })
    }

    /// Returns how long deletions are kept by the compacted topic of the shards.
    fn check_settings(
        &self,
        found: &[(&TopicPlan, Topic)],
        findings: &mut Vec<Finding>,
    ) -> Result<Duration, TopicsError> {
        let mut deletions_kept = DELETIONS_KEPT_BY_DEFAULT;
        let resources: Vec<ResourceSpecifier<'_>> =
            found.iter().map(|(plan, _)| ResourceSpecifier::Topic(&plan.name)).collect();
        if resources.is_empty() {
            return Ok(deletions_kept);
        }
        let options = AdminOptions::new().request_timeout(Some(self.patience));
        let described = pollster::block_on(self.client.describe_configs(&resources, &options))?;
        for ((plan, _), resource) in found.iter().zip(described) {
            let Ok(resource) = resource else { continue };
            let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
            let mends = |setting: &str| {
                format!(
                    "mend it by kafka-configs.sh --alter --entity-type topics --entity-name {} --add-config {setting}",
                    plan.name
                )
            };
            if plan.is_sharded && plan.cleanup == Cleanup::Compact {
                let kept = value("delete.retention.ms").parse().map(Duration::from_millis);
                deletions_kept = kept.unwrap_or(deletions_kept);
                if deletions_kept < DELETIONS_KEPT_MIN {
                    findings.push(Finding {
                        stops: false,
                        text: format!(
                            "topic {} keeps deletions for {} s only, and whoever restores from it may take longer; {}",
                            plan.name,
                            deletions_kept.as_secs(),
                            mends(&format!("delete.retention.ms={DELETIONS_KEPT_MILLIS}"))
                        ),
                    });
                }
            }
            let cleanup = value("cleanup.policy");
            if cleanup != plan.cleanup.as_str() {
                let setting = format!("cleanup.policy={}", plan.cleanup.as_str());
                findings.push(Finding {
                    stops: !plan.is_optional,
                    text: format!("topic {} has cleanup.policy={cleanup}; {}", plan.name, mends(&setting)),
                });
            }
            let largest = value("max.message.bytes").parse::<u64>().unwrap_or(u64::MAX);
            if let Some(least) = plan.message_bytes_min
                && largest < least
            {
                findings.push(Finding {
                    stops: true,
                    text: format!(
                        "topic {} takes records of up to {largest} bytes only, and a dead letter may be larger; {}",
                        plan.name,
                        mends(&format!("max.message.bytes={least}"))
                    ),
                });
            }
        }
        Ok(deletions_kept)
    }

    fn partitions(&self) -> Result<Vec<(String, Topic)>, TopicsError> {
        let metadata = self.asker.metadata(None, self.patience)?;
        let topic = |topic: &rdkafka::metadata::MetadataTopic| Topic {
            partitions: u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX),
            replication_factor: topic
                .partitions()
                .iter()
                .map(|partition| u32::try_from(partition.replicas().len()).unwrap_or(u32::MAX))
                .min()
                .unwrap_or(0),
        };
        let existing = metadata.topics().iter().filter(|known| known.error().is_none());
        Ok(existing.map(|known| (known.name().to_owned(), topic(known))).collect())
    }
}

/// How many partitions each input topic has. One that is not there, or cannot be read now, is missing.
pub(crate) fn partition_counts<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    topics: &Topics,
    patience: Duration,
) -> KafkaResult<BTreeMap<InputTopic, u32>> {
    let mut counts = BTreeMap::new();
    for topic in INPUTS {
        let name = topics.input(topic);
        let metadata = client.fetch_metadata(Some(name), patience)?;
        let known = metadata.topics().iter().find(|known| known.name() == name && known.error().is_none());
        counts.extend(known.and_then(|known| Some((topic, u32::try_from(known.partitions().len()).ok()?))));
    }
    Ok(counts)
}

#[derive(Clone, Copy, Debug)]
struct Topic {
    partitions: u32,
    replication_factor: u32,
}
