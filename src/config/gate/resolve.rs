//! From what is written in `gate.toml` to what holds: every value checked, once.

use std::fs;
use std::path::{Path, PathBuf, absolute};

use quell_gate::KafkaSettings;
use quell_gate::http::GateOptions;
use quell_gate::spool::SpoolOptions;
use quell_http::TlsFiles;

use super::raw::{RawGateConfig, RawGateHttp, RawGateKafka, RawGateTopics, RawReviews, RawSpool};
use super::{GateConfig, GateTopics};
use crate::config::client_properties::properties;
use crate::config::error::ConfigError;
use crate::config::resolve::{bytes, check_topic_names, duration, encoding, listen, log, present, set, token, whole};
use crate::config::sources::Sources;

/// A segment takes some decisions at least; below this hardly anything would be kept for an outage.
const SPOOL_BYTES_MIN: usize = 1 << 20;

/// Checks every key.
///
/// # Errors
/// At the first that cannot be what it is.
pub fn resolve(raw: &RawGateConfig, sources: &Sources) -> Result<GateConfig, ConfigError> {
    if is_one_directory(&raw.copy.path, &raw.spool.path) {
        return Err(sources.error("spool.path", "is copy.path already; give each its own directory"));
    }
    Ok(GateConfig {
        kafka: kafka(&raw.kafka, sources)?,
        topics: topics(&raw.topics, sources)?,
        downstream: present("gate.downstream", &raw.gate.downstream, sources)?.to_owned(),
        resource_type: present("gate.resource_type", &raw.gate.resource_type, sources)?.to_owned(),
        copy_path: PathBuf::from(present("copy.path", &raw.copy.path, sources)?),
        spool: spool(&raw.spool, sources)?,
        keys_path: sources.beside_the_file(present("keys.path", &raw.keys.path, sources)?),
        encoding: encoding(&raw.encoding, sources)?,
        http: http(&raw.http, &raw.reviews, sources)?,
        policy_path: sources.beside_the_file(present("policy.path", &raw.policy.path, sources)?),
        log: log(&raw.log, sources)?,
    })
}

/// Whether two paths name one directory, however they are written: what is there has its links followed, and what is
/// not there has none.
fn is_one_directory(one: &str, other: &str) -> bool {
    let resolved = |path: &str| {
        let path = Path::new(path.trim());
        fs::canonicalize(path).or_else(|_| absolute(path)).unwrap_or_else(|_| path.to_owned())
    };
    resolved(one) == resolved(other)
}

fn kafka(raw: &RawGateKafka, sources: &Sources) -> Result<KafkaSettings, ConfigError> {
    let settings = KafkaSettings {
        bootstrap_servers: present("kafka.bootstrap_servers", &raw.bootstrap_servers, sources)?.to_owned(),
        client: properties(&raw.client, sources)?,
    };
    settings.check()?;
    Ok(settings)
}

fn topics(raw: &RawGateTopics, sources: &Sources) -> Result<GateTopics, ConfigError> {
    let names = [
        ("topics.watermarks", &raw.watermarks),
        ("topics.decisions", &raw.decisions),
        ("topics.reviews", &raw.reviews),
    ];
    check_topic_names(&names, sources)?;
    Ok(GateTopics {
        watermarks: raw.watermarks.clone(),
        decisions: raw.decisions.clone(),
        reviews: raw.reviews.clone(),
        partitions: whole("topics.partitions", raw.partitions, u32::from(u16::MAX), sources)?,
        replication_factor: whole("topics.replication_factor", raw.replication_factor, 0x7FFF, sources)?,
    })
}

fn spool(raw: &RawSpool, sources: &Sources) -> Result<SpoolOptions, ConfigError> {
    let bytes_max = bytes("spool.size", &raw.size, sources)?;
    if bytes_max < SPOOL_BYTES_MIN {
        return Err(sources.error("spool.size", format!("\"{}\" is too little; write at least \"1MiB\"", raw.size)));
    }
    let deadline = duration("spool.deadline", &raw.deadline, sources)?;
    if deadline.is_zero() {
        return Err(sources.error("spool.deadline", "no time is too little; leave it out for its default"));
    }
    Ok(SpoolOptions {
        path: PathBuf::from(present("spool.path", &raw.path, sources)?),
        bytes_max: u64::try_from(bytes_max).unwrap_or(u64::MAX),
        deadline,
        sync_within: duration("spool.sync_within", &raw.sync_within, sources)?,
    })
}

fn http(raw: &RawGateHttp, reviews: &RawReviews, sources: &Sources) -> Result<GateOptions, ConfigError> {
    let url = set(&raw.url);
    if let Some(wrong) = url.and_then(what_is_wrong_with_a_url) {
        return Err(sources.error("http.url", wrong));
    }
    let asks = token("http", &raw.token, &raw.token_file, sources)?;
    let reviews = token("reviews", &reviews.token, &reviews.token_file, sources)?;
    if reviews.is_some() && reviews == asks {
        let message = "is that of http as well: what asks for decisions could make those that were left to a human; \
                       make another with `openssl rand -hex 32`";
        return Err(sources.error("reviews.token", message));
    }
    Ok(GateOptions {
        listen: listen(&raw.listen, &RawGateHttp::default().listen, sources)?,
        token: asks,
        reviews_token: reviews,
        url: url.map(|url| url.trim_end_matches('/').to_owned()),
        tls: tls(raw, sources)?,
    })
}

/// Why callers cannot find a gate under a text: the paths of its endpoints are appended to it.
fn what_is_wrong_with_a_url(url: &str) -> Option<String> {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if url.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        // Not repeated: it may be several lines.
        return Some("has a blank in it; write it as in \"https://gate.example.com\"".to_owned());
    }
    if host.is_none_or(|host| host.is_empty() || host.starts_with(['/', '?', '#'])) {
        return Some(format!("\"{url}\" is no URL; write it as in \"https://gate.example.com\""));
    }
    if host.is_some_and(|host| host.split('/').next().unwrap_or_default().contains('@')) {
        // Not repeated: it may be a password.
        return Some("has a user in it; everybody is told it, so leave that out".to_owned());
    }
    // AuthZEN allows a decision point's URL neither.
    let has_more = url.contains(['?', '#']);
    has_more.then(|| format!("\"{url}\" has a query or a fragment; write what stands before it"))
}

fn tls(raw: &RawGateHttp, sources: &Sources) -> Result<Option<TlsFiles>, ConfigError> {
    match (set(&raw.tls_certificate), set(&raw.tls_key)) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(sources.error("http.tls_certificate", "needs http.tls_key")),
        (None, Some(_)) => Err(sources.error("http.tls_key", "needs http.tls_certificate")),
        // Read by the gate alone: whoever resolves reviews has the same file, and need not see the key.
        (Some(certificate), Some(key)) => {
            Ok(Some(TlsFiles { certificate: sources.beside_the_file(certificate), key: sources.beside_the_file(key) }))
        }
    }
}
