//! From what is written to what holds: every value checked, once.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use quell_domain::{ShardCount, parse_duration};
use quell_http::Token;
use quell_telemetry::logging::{LogFormat, LogLevel};
use quell_wire::Format;

use super::byte_size::parse_byte_size;
use super::client_properties::properties;
use super::error::ConfigError;
use super::raw::{RawConfig, RawEncoding, RawEngine, RawHttp, RawKafka, RawLog, RawStore, RawTopics};
use super::sources::Sources;
use super::{Config, Encoding, Engine, Http, Kafka, Log, Store, Topics};

/// RocksDB's cache and memtables are of no use below this.
const MEMORY_BYTES_MIN: usize = 8 << 20;

/// Each is a column family with memtables of its own, and a partition of two topics.
const SHARDS_MAX: u32 = 4_096;

/// More than any machine that this runs on has.
const THREADS_MAX: u32 = 1_024;

/// More copies than that protect from nothing.
const STANDBY_REPLICAS_MAX: usize = 16;

/// What Kafka allows in the name of a topic.
const TOPIC_NAME_BYTES_MAX: usize = 249;

/// Checks every key.
///
/// # Errors
/// At the first that cannot be what it is.
pub fn resolve(raw: &RawConfig, sources: &Sources) -> Result<Config, ConfigError> {
    Ok(Config {
        kafka: kafka(&raw.kafka, sources)?,
        topics: topics(&raw.topics, sources)?,
        store: store(&raw.store, sources)?,
        engine: engine(&raw.engine, sources)?,
        encoding: encoding(&raw.encoding, sources)?,
        http: http(&raw.http, sources)?,
        policy_path: sources.beside_the_file(present("policy.path", &raw.policy.path, sources)?),
        log: log(&raw.log, sources)?,
    })
}

fn kafka(raw: &RawKafka, sources: &Sources) -> Result<Kafka, ConfigError> {
    Ok(Kafka {
        bootstrap_servers: present("kafka.bootstrap_servers", &raw.bootstrap_servers, sources)?.to_owned(),
        group_id: present("kafka.group_id", &raw.group_id, sources)?.to_owned(),
        client: properties(&raw.client, sources)?,
    })
}

fn topics(raw: &RawTopics, sources: &Sources) -> Result<Topics, ConfigError> {
    let names = [
        ("topics.choices", &raw.choices),
        ("topics.links", &raw.links),
        ("topics.acks", &raw.acks),
        ("topics.dead_letters", &raw.dead_letters),
        ("topics.audit", &raw.audit),
        ("topics.graph", &raw.graph),
        ("topics.changelog", &raw.changelog),
        ("topics.watermarks", &raw.watermarks),
    ];
    check_topic_names(&names, sources)?;
    let shards = whole("topics.shards", raw.shards, SHARDS_MAX, sources)?;
    Ok(Topics {
        choices: raw.choices.clone(),
        links: raw.links.clone(),
        acks: raw.acks.clone(),
        dead_letters: raw.dead_letters.clone(),
        audit: raw.audit.clone(),
        graph: raw.graph.clone(),
        changelog: raw.changelog.clone(),
        watermarks: raw.watermarks.clone(),
        shards: ShardCount::new(shards)
            .ok_or_else(|| sources.error("topics.shards", "0 is out of range; write at least 1"))?,
        partitions: whole("topics.partitions", raw.partitions, u32::from(u16::MAX), sources)?,
        replication_factor: whole("topics.replication_factor", raw.replication_factor, 0x7FFF, sources)?,
    })
}

/// Each is a name, and its own.
pub(super) fn check_topic_names(names: &[(&str, &String)], sources: &Sources) -> Result<(), ConfigError> {
    for (at, (key, name)) in names.iter().enumerate() {
        check_topic_name(key, name, sources)?;
        if let Some((other, _)) = names.iter().take(at).find(|(_, earlier)| earlier == name) {
            return Err(sources.error(key, format!("\"{name}\" is {other} already; give each its own topic")));
        }
    }
    Ok(())
}

fn check_topic_name(key: &str, name: &str, sources: &Sources) -> Result<(), ConfigError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_name = (1..=TOPIC_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed);
    if is_name && name != "." && name != ".." {
        return Ok(());
    }
    let message = format!("\"{name}\" is no topic; a name has up to 249 letters, digits, '.', '_' and '-'");
    Err(sources.error(key, message))
}

fn store(raw: &RawStore, sources: &Sources) -> Result<Store, ConfigError> {
    let path = PathBuf::from(present("store.path", &raw.path, sources)?);
    let memory_bytes = bytes("store.memory", &raw.memory, sources)?;
    if memory_bytes < MEMORY_BYTES_MIN {
        return Err(sources.error("store.memory", format!("\"{}\" is too little; write at least \"8MiB\"", raw.memory)));
    }
    Ok(Store { path, memory_bytes })
}

fn engine(raw: &RawEngine, sources: &Sources) -> Result<Engine, ConfigError> {
    let epoch_bytes_max = bytes("engine.epoch_bytes_max", &raw.epoch_bytes_max, sources)?;
    if epoch_bytes_max == 0 {
        return Err(sources.error("engine.epoch_bytes_max", "nothing is too little; leave it out for its default"));
    }
    Ok(Engine {
        threads: in_memory(whole("engine.threads", raw.threads, THREADS_MAX, sources)?),
        relax_after: duration("engine.relax_after", &raw.relax_after, sources)?,
        epoch_records_max: in_memory(whole("engine.epoch_records_max", raw.epoch_records_max, u32::MAX, sources)?),
        epoch_bytes_max,
        review_rate: whole("engine.review_rate", raw.review_rate, u32::MAX, sources)?,
        standby_replicas: standby_replicas(raw, sources)?,
    })
}

fn standby_replicas(raw: &RawEngine, sources: &Sources) -> Result<usize, ConfigError> {
    usize::try_from(raw.standby_replicas).ok().filter(|replicas| *replicas <= STANDBY_REPLICAS_MAX).ok_or_else(|| {
        let message = format!("{} is out of range; write 0 to {STANDBY_REPLICAS_MAX}", raw.standby_replicas);
        sources.error("engine.standby_replicas", message)
    })
}

pub(super) fn encoding(raw: &RawEncoding, sources: &Sources) -> Result<Encoding, ConfigError> {
    let format = match raw.format.as_str() {
        "avro" => Format::Avro,
        "confluent" => Format::Confluent,
        "json" => Format::Json,
        other => {
            let message = format!("\"{other}\" is no format; use \"avro\", \"confluent\" or \"json\"");
            return Err(sources.error("encoding.format", message));
        }
    };
    let url = set(&raw.schema_registry_url);
    if url.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        // Not repeated, since it may have a password in it.
        return Err(
            sources.error("encoding.schema_registry_url", "is no URL; write it as in \"http://127.0.0.1:8081\"")
        );
    }
    if format == Format::Confluent && url.is_none() {
        return Err(sources.error("encoding.format", "\"confluent\" needs encoding.schema_registry_url"));
    }
    Ok(Encoding { format, schema_registry_url: url.map(str::to_owned) })
}

fn http(raw: &RawHttp, sources: &Sources) -> Result<Http, ConfigError> {
    let listen = listen(&raw.listen, &RawHttp::default().listen, sources)?;
    Ok(Http { listen, token: token("http", &raw.token, &raw.token_file, sources)? })
}

pub(super) fn listen(text: &str, as_in: &str, sources: &Sources) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_| {
        let message = format!("\"{text}\" is no address; write an IP address and a port, as in \"{as_in}\"");
        sources.error("http.listen", message)
    })
}

/// The token of a section, which may stand in a file.
pub(super) fn token(
    section: &str,
    token: &str,
    token_file: &str,
    sources: &Sources,
) -> Result<Option<Token>, ConfigError> {
    let (key, file_key) = (format!("{section}.token"), format!("{section}.token_file"));
    let token = match (set(token), set(token_file)) {
        (Some(_), Some(_)) => {
            return Err(sources.error(&key, format!("{file_key} is set as well; keep one of them")));
        }
        (Some(token), None) => Some((key, token.to_owned())),
        (None, Some(path)) => {
            let path = sources.beside_the_file(path);
            let text = fs::read_to_string(&path).map_err(|source| ConfigError::Unreadable { path, source })?;
            Some((file_key, text))
        }
        (None, None) => None,
    };
    token.map(|(key, text)| Token::new(&text).map_err(|error| sources.error(&key, error.to_string()))).transpose()
}

pub(super) fn log(raw: &RawLog, sources: &Sources) -> Result<Log, ConfigError> {
    let format = match raw.format.as_str() {
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => {
            return Err(sources.error("log.format", format!("\"{other}\" is no format; use \"text\" or \"json\"")));
        }
    };
    let level = LogLevel::parse(&raw.level).map_err(|error| sources.error("log.level", error.to_string()))?;
    Ok(Log { format, level })
}

/// A text that is set, if it is.
pub(super) fn set(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}

pub(super) fn present<'a>(key: &str, text: &'a str, sources: &Sources) -> Result<&'a str, ConfigError> {
    set(text).ok_or_else(|| sources.error(key, "must not be empty; leave it out for its default"))
}

/// A whole number from 1 to `most`.
pub(super) fn whole(key: &str, number: i64, most: u32, sources: &Sources) -> Result<u32, ConfigError> {
    let in_range = u32::try_from(number).ok().filter(|number| (1..=most).contains(number));
    in_range.ok_or_else(|| sources.error(key, format!("{number} is out of range; write a number from 1 to {most}")))
}

fn in_memory(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

pub(super) fn bytes(key: &str, text: &str, sources: &Sources) -> Result<usize, ConfigError> {
    parse_byte_size(text).map_err(|error| sources.error(key, error.to_string()))
}

pub(super) fn duration(key: &str, text: &str, sources: &Sources) -> Result<Duration, ConfigError> {
    parse_duration(text).map_err(|error| sources.error(key, error.to_string()))
}
