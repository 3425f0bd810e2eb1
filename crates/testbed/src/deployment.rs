//! A deployment: topics, a group and a policy of its own, on the shared broker or another Kafka.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use quell_domain::Policy;
use quell_kafka::{ReadRecord, Settings, TopicReadError, Topics, read_topic};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tempfile::TempDir;

use crate::broker::broker;
use crate::instance::Instance;
use crate::{unique, wait_for};

/// The contract's example, with `sharing` joined the other way, so that both joins are met.
pub const POLICY: &str = r#"
version = "test"
[identifier_types.cookie_id]
max_neighbours = { account_id = 3, email_sha256 = 3, cookie_id = 6 }
blocked_values = ["", "null", "undefined", "0"]
[identifier_types.account_id]
[identifier_types.email_sha256]
from = "email"
[rights.sale]
[rights.sharing]
join = "latest_wins"
[rights.sensitive_pi]
[rights.admt]
systems = ["hiring", "credit"]
[downstreams.ads]
topic = "PREFIX.suppression.ads"
rights = ["sale", "sharing"]
identifier_types = ["cookie_id", "email_sha256"]
[downstreams.analytics]
topic = "PREFIX.suppression.analytics"
rights = ["sale", "sharing", "sensitive_pi"]
identifier_types = ["cookie_id", "account_id"]
[downstreams.ml]
topic = "PREFIX.suppression.ml"
rights = ["sensitive_pi", "admt", "admt:*"]
identifier_types = ["cookie_id", "email_sha256", "account_id"]
[calendar]
holidays = ["2026-11-26", "2026-12-25"]
"#;

/// Where a Kafka is.
#[derive(Clone, Debug, Default)]
pub struct Kafka {
    /// For the test.
    pub bootstrap: String,
    /// For engines: maybe through a network that misbehaves.
    pub engines: String,
    pub replication_factor: usize,
    /// Lines of `[kafka.client]` that engines and commands need.
    pub client: String,
    /// Variables of theirs: what is secret.
    pub environment: Vec<(&'static str, String)>,
}

pub struct Deployment {
    pub prefix: String,
    pub policy: Arc<Policy>,
    pub dir: TempDir,
    producer: BaseProducer,
    settings: Settings,
    pub(crate) kafka: Kafka,
    /// Lines of `quell.toml` by section, beside what every deployment has; of `gate.toml` by `gate.toml:section`.
    extra: BTreeMap<&'static str, String>,
}

impl Deployment {
    /// With topics made, and nothing running.
    pub fn new() -> Self {
        Self::with(POLICY, &[])
    }

    /// The same with another policy (PREFIX stands before its topics), and lines for sections of `quell.toml` (INSTANCE
    /// stands for an instance's name).
    pub fn with(policy: &str, extra: &[(&'static str, &str)]) -> Self {
        let bootstrap = broker().bootstrap.clone();
        let kafka = Kafka { engines: bootstrap.clone(), bootstrap, replication_factor: 1, ..Kafka::default() };
        Self::on(kafka, policy, extra)
    }

    /// The same on another Kafka.
    pub fn on(kafka: Kafka, policy: &str, extra: &[(&'static str, &str)]) -> Self {
        let prefix = format!("t{}", unique());
        let policy = policy.replace("PREFIX", &prefix);
        let dir = tempfile::Builder::new().disable_cleanup(std::env::var_os("QUELL_KEEP").is_some()).tempdir().unwrap();
        std::fs::write(dir.path().join("policy.toml"), &policy).unwrap();
        let policy = Arc::new(Policy::parse(&policy).unwrap());
        let name = |topic: &str| format!("{prefix}.{topic}");
        let topics = Topics {
            choices: name("optout.events"),
            links: name("identity.links"),
            acks: name("suppression.acks"),
            graph: name("quell.graph"),
            changelog: name("quell.changelog"),
            watermarks: name("quell.watermarks"),
            dead_letters: name("quell.deadletters"),
            audit: name("quell.audit"),
            suppressions: policy.downstreams().iter().map(|known| known.topic.clone()).collect(),
        };
        let producer = ClientConfig::new()
            .set("bootstrap.servers", &kafka.bootstrap)
            .set("log_level", "0")
            .set("enable.idempotence", "true")
            // What is sent may be larger than what a broker takes: it counts what is packed.
            .set("message.max.bytes", "100000000")
            .set("compression.type", "zstd")
            .set("linger.ms", "1")
            .create()
            .unwrap();
        let settings = Settings {
            bootstrap_servers: kafka.bootstrap.clone(),
            group_id: format!("{prefix}-check"),
            client: BTreeMap::new(),
            topics,
            standby_replicas: 0,
        };
        let extra = extra.iter().map(|(section, lines)| (*section, (*lines).to_owned())).collect();
        let deployment = Self { prefix, policy, dir, producer, settings, kafka, extra };
        let made = deployment.quell(&["topics", "create"]);
        assert!(made.status.success(), "topics create: {}", String::from_utf8_lossy(&made.stderr));
        deployment
    }

    /// Writes another policy (PREFIX stands before its topics), for engines that are started from now on, and makes the
    /// topics that it needs.
    pub fn change_policy(&mut self, policy: &str) {
        let policy = policy.replace("PREFIX", &self.prefix);
        std::fs::write(self.dir.path().join("policy.toml"), &policy).unwrap();
        self.policy = Arc::new(Policy::parse(&policy).unwrap());
        self.settings.topics.suppressions = self.policy.downstreams().iter().map(|known| known.topic.clone()).collect();
        let made = self.quell(&["topics", "create"]);
        assert!(made.status.success(), "topics create: {}", String::from_utf8_lossy(&made.stderr));
    }

    pub fn topics(&self) -> &Topics {
        &self.settings.topics
    }

    /// Where the brokers are, for a client of the test.
    pub fn bootstrap(&self) -> &str {
        &self.kafka.bootstrap
    }

    /// Where an instance keeps its rows.
    pub fn store_of(&self, instance: &str) -> PathBuf {
        self.dir.path().join(format!("store-{instance}"))
    }

    /// Partitions of a topic that have records of which it is not decided whether they are committed: where the first of
    /// them stands.
    pub fn undecided(&self, topic: &str) -> BTreeMap<i32, i64> {
        let (stable, high) = (self.ends(topic, "read_committed"), self.ends(topic, "read_uncommitted"));
        stable.into_iter().filter(|(partition, end)| *end < high[partition]).collect()
    }

    /// How many records a topic has ever had, with the markers of transactions.
    pub fn written_to(&self, topic: &str) -> i64 {
        self.ends(topic, "read_uncommitted").values().sum()
    }

    fn ends(&self, topic: &str, isolation: &str) -> BTreeMap<i32, i64> {
        let client: BaseConsumer = self.settings.reader(isolation).create().unwrap();
        let metadata = client.fetch_metadata(Some(topic), crate::DEADLINE).unwrap();
        let partitions = metadata.topics()[0].partitions().iter().map(|partition| partition.id());
        partitions
            .map(|partition| (partition, client.fetch_watermarks(topic, partition, crate::DEADLINE).unwrap().1))
            .collect()
    }

    /// The name under which an instance's producer is known, once it has begun: a part of its store.
    pub fn transactional_id(&self, instance: &str) -> String {
        let file = std::fs::read_to_string(self.store_of(instance).join("instance")).unwrap();
        format!("{}-{}", self.prefix, file.lines().next().unwrap())
    }

    /// Writes an instance's `quell.toml`.
    pub fn configure(&self, instance: &str, port: u16) -> PathBuf {
        let topics = self.topics();
        let of = |section: &str| self.extra_of(section, instance);
        let text = format!(
            r#"
[kafka]
bootstrap_servers = "{}"
group_id = "{}"
{}
[kafka.client]
{}
{}
[topics]
choices = "{}"
links = "{}"
acks = "{}"
graph = "{}"
changelog = "{}"
watermarks = "{}"
dead_letters = "{}"
audit = "{}"
shards = 4
partitions = 3
replication_factor = {}
{}
[store]
path = "{}"
{}
[engine]
threads = 2
relax_after = "500ms"
{}
[encoding]
{}
[http]
listen = "127.0.0.1:{port}"
{}
[policy]
path = "policy.toml"
"#,
            self.kafka.engines,
            self.prefix,
            of("kafka"),
            self.kafka.client,
            of("kafka.client"),
            topics.choices,
            topics.links,
            topics.acks,
            topics.graph,
            topics.changelog,
            topics.watermarks,
            topics.dead_letters,
            topics.audit,
            self.kafka.replication_factor,
            of("topics"),
            self.store_of(instance).display(),
            self.extra.get("store").map_or("memory = \"64MiB\"", String::as_str),
            of("engine"),
            of("encoding"),
            of("http"),
        );
        let path = self.dir.path().join(format!("{instance}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The further lines of a section.
    pub(crate) fn extra_of(&self, section: &str, instance: &str) -> String {
        self.extra.get(section).cloned().unwrap_or_default().replace("INSTANCE", instance)
    }

    /// Runs a command of the binary to its end.
    pub fn quell(&self, arguments: &[&str]) -> Output {
        self.quell_with(arguments, &[])
    }

    /// The same, with variables of the environment.
    pub fn quell_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        let config = self.configure("command", 1);
        command(&config, arguments).envs(self.environment()).envs(environment.iter().copied()).output().unwrap()
    }

    /// The variables that whoever speaks with Kafka needs.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.kafka.environment.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// Starts an engine. Its store is the instance's own, and kept.
    pub fn start(&self, instance: &str) -> Instance {
        Instance::start(self, instance, &[])
    }

    /// The same, with variables of the environment.
    pub fn start_with(&self, instance: &str, environment: &[(&str, &str)]) -> Instance {
        Instance::start(self, instance, environment)
    }

    /// Deletes a topic, and waits until brokers know nothing of it any more.
    pub fn delete_topic(&self, topic: &str) {
        let deleted = pollster::block_on(self.admin().delete_topics(&[topic], &AdminOptions::new())).unwrap();
        assert!(deleted.iter().all(Result::is_ok), "{topic} was not deleted: {deleted:?}");
        let client: BaseConsumer = self.settings.reader("read_committed").create().unwrap();
        wait_for("the topic to be gone", || {
            let metadata = client.fetch_metadata(Some(topic), crate::DEADLINE).ok()?;
            metadata.topics().iter().all(|known| known.error().is_some()).then_some(())
        });
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.settings.bootstrap_servers).create().unwrap()
    }

    /// Gives a topic these settings, and all others their defaults, and waits until brokers tell of them.
    pub fn alter_topic(&self, topic: &str, settings: &[(&str, &str)]) {
        let config = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let config = settings.iter().fold(config, |config, (name, value)| config.set(name, value));
        let altered = pollster::block_on(self.admin().alter_configs(&[config], &AdminOptions::new())).unwrap();
        assert!(altered.iter().all(Result::is_ok), "{topic} was not altered");
        wait_for("the settings", || {
            settings.iter().all(|(name, value)| self.topic_setting(topic, name) == *value).then_some(())
        });
    }

    /// What the broker says that a setting of a topic is.
    pub fn topic_setting(&self, topic: &str, name: &str) -> String {
        let topic = ResourceSpecifier::Topic(topic);
        let described = pollster::block_on(self.admin().describe_configs([&topic], &AdminOptions::new())).unwrap();
        let described = described.into_iter().next().unwrap().unwrap();
        described.get(name).and_then(|entry| entry.value.clone()).unwrap()
    }

    /// Gives a topic more partitions, and waits until brokers tell of them.
    pub fn grow_topic(&self, topic: &str, partitions: usize) {
        let more = NewPartitions::new(topic, partitions);
        let grown = pollster::block_on(self.admin().create_partitions([&more], &AdminOptions::new())).unwrap();
        assert!(grown.iter().all(Result::is_ok), "{topic} has not grown: {grown:?}");
        let client: BaseConsumer = self.settings.reader("read_committed").create().unwrap();
        wait_for("the new partitions", || {
            let metadata = client.fetch_metadata(Some(topic), crate::DEADLINE).ok()?;
            (metadata.topics()[0].partitions().len() == partitions).then_some(())
        });
    }

    /// Writes records, and waits until the broker has them.
    pub fn produce(&self, records: impl IntoIterator<Item = Produced>) {
        for record in records {
            let headers = record
                .headers
                .iter()
                .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
            let mut message = BaseRecord::<[u8], [u8]>::to(&record.topic).headers(headers);
            message.key = record.key.as_deref();
            message.payload = record.value.as_deref();
            message.partition = record.partition;
            while let Err((_, back)) = self.producer.send(message) {
                message = back;
                self.producer.poll(Duration::from_millis(10));
            }
        }
        self.producer.flush(crate::DEADLINE).unwrap();
    }

    /// All committed records of a topic.
    pub fn read(&self, topic: &str) -> Vec<ReadRecord> {
        wait_for(topic, || self.try_read(topic).ok())
    }

    /// The same, if the brokers are there.
    pub fn try_read(&self, topic: &str) -> Result<Vec<ReadRecord>, TopicReadError> {
        let mut records = Vec::new();
        read_topic(&self.settings, topic, |record| records.push(record))?;
        Ok(records)
    }
}

/// Runs a command of the binary to its end, with a configuration.
pub fn quell(config: &Path, arguments: &[&str]) -> Output {
    command(config, arguments).output().unwrap()
}

pub(crate) fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(crate::binary());
    command.arg("--config").arg(config).args(arguments);
    command
}

/// A record to be written.
#[derive(Clone, Debug, Default)]
pub struct Produced {
    pub topic: String,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub partition: Option<i32>,
}
