//! What is promised of the configuration.
#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use quell_wire::Format;
use toml::Value;

use super::sources::Sources;
use super::*;

const DOCS: &str = include_str!("../../docs/configuration.md");
const DEPLOYED: &str = include_str!("../../deploy/quell.toml");
const DEPLOYED_GATE: &str = include_str!("../../deploy/gate.toml");

/// The part of the docs that is about `quell.toml`, and that about `gate.toml`.
const DOCS_OF_EACH: [fn() -> &'static str; 2] =
    [|| DOCS.split_once("\n# `gate.toml`\n").unwrap().0, || DOCS.split_once("\n# `gate.toml`\n").unwrap().1];

/// Reads and resolves a file with this text, and these variables.
fn load_file<F: ConfigFile>(text: &str, variables: &[(&str, &str)]) -> Result<F::Resolved, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(F::KIND.name);
    fs::write(&path, text).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Written::<F>::read(Some(&path), variables)?.resolve()
}

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load_file::<RawConfig>(text, variables)
}

fn load_gate(text: &str, variables: &[(&str, &str)]) -> Result<GateConfig, ConfigError> {
    load_file::<RawGateConfig>(text, variables)
}

/// The error, with the directory of the test taken away.
fn gate_error(text: &str, variables: &[(&str, &str)]) -> String {
    let error = load_gate(text, variables).unwrap_err().to_string();
    match error.find("/gate.toml") {
        Some(at) => error.get(at + 1..).unwrap().to_owned(),
        None => error,
    }
}

fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &[])
}

/// The error, with the directory of the test taken away.
fn error_with(text: &str, variables: &[(&str, &str)]) -> String {
    let error = load_with(text, variables).unwrap_err().to_string();
    match error.find("/quell.toml") {
        Some(at) => error.get(at + 1..).unwrap().to_owned(),
        None => error,
    }
}

fn error(text: &str) -> String {
    error_with(text, &[])
}

#[test]
fn every_key_stands_in_the_docs_with_its_default() {
    let [of_the_engine, of_the_gate] = DOCS_OF_EACH.map(|part| part());
    stands_in::<RawConfig>(of_the_engine);
    stands_in::<RawGateConfig>(of_the_gate);
}

/// The docs of one file's keys are whole, and of no others.
fn stands_in<F: ConfigFile>(docs: &str) {
    for (section, keys) in F::known_keys() {
        for (key, default) in keys.as_table().unwrap() {
            let default = match default {
                Value::Table(table) if table.is_empty() => "{}".to_owned(),
                other => other.to_string(),
            };
            let row = format!("| `{section}.{key}` | `{default}` | ");
            assert!(docs.contains(&row), "docs/configuration.md has no row of {} that begins with {row}", F::KIND.name);
        }
    }
    for row in docs.lines().filter_map(|line| line.strip_prefix("| `")) {
        let key = row.split('`').next().unwrap();
        let (section, key) = key.split_once('.').unwrap();
        let known = F::known_keys();
        let is_known = known.get(section).and_then(|keys| keys.get(key)).is_some();
        assert!(is_known, "{section}.{key} is no key of {}", F::KIND.name);
    }
}

#[test]
fn the_examples_of_the_docs_are_valid() {
    let examples_of = |docs: &'static str| -> Vec<&str> {
        docs.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
    };
    let [of_the_engine, of_the_gate] = DOCS_OF_EACH.map(|part| examples_of(part()));
    assert_eq!((of_the_engine.len(), of_the_gate.len()), (2, 1));
    for example in of_the_engine {
        load(example).unwrap();
    }
    for example in of_the_gate {
        load_gate(example, &[]).unwrap();
    }
}

#[test]
fn what_is_deployed_is_valid_and_differs_from_the_defaults_where_it_must() {
    load(DEPLOYED).unwrap();
    let deployed: RawConfig = toml::from_str(DEPLOYED).unwrap();
    let mut expected = RawConfig::default();
    expected.kafka.bootstrap_servers = "kafka:19092".to_owned();
    expected.store.path = "/var/lib/quell".to_owned();
    expected.policy.path = "/etc/quell/policy.toml".to_owned();
    assert_eq!(deployed, expected);
}

#[test]
fn the_gate_that_is_deployed_is_valid_and_differs_from_the_defaults_where_it_must() {
    load_gate(DEPLOYED_GATE, &[]).unwrap();
    let deployed: RawGateConfig = toml::from_str(DEPLOYED_GATE).unwrap();
    let mut expected = RawGateConfig::default();
    expected.kafka.bootstrap_servers = "kafka:19092".to_owned();
    expected.copy.path = "/var/lib/quell/copy".to_owned();
    expected.spool.path = "/var/lib/quell/spool".to_owned();
    expected.keys.path = "/var/lib/quell/keys".to_owned();
    expected.policy.path = "/etc/quell/policy.toml".to_owned();
    assert_eq!(deployed, expected);
}

#[test]
fn an_empty_file_means_the_defaults_of_the_contract() {
    let config = load("").unwrap();
    assert_eq!(config.kafka.bootstrap_servers, "127.0.0.1:9092");
    assert_eq!(config.topics.shards.get(), 8);
    assert_eq!((config.topics.partitions, config.topics.replication_factor), (8, 1));
    assert_eq!(config.store.memory_bytes, 512 << 20);
    assert_eq!(config.engine.relax_after, Duration::from_secs(10));
    assert_eq!(config.encoding.format, Format::Avro);
    assert_eq!(config.http.listen, "127.0.0.1:9464".parse().unwrap());
    assert!(config.http.token.is_none() && config.encoding.schema_registry_url.is_none());
}

#[test]
fn every_key_can_be_overridden_by_the_environment() {
    let config = load_with(
        "[kafka]\ngroup_id = \"of the file\"",
        &[
            ("QUELL_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092"),
            ("QUELL_KAFKA__GROUP_ID", "of the environment"),
            ("QUELL_TOPICS__SHARDS", "16"),
            ("QUELL_ENGINE__RELAX_AFTER", "500ms"),
            ("QUELL_BINARY", "somebody else's"),
            ("PATH", "/bin"),
        ],
    );
    let config = config.unwrap();
    assert_eq!(config.kafka.bootstrap_servers, "kafka:9092");
    assert_eq!(config.kafka.group_id, "of the environment");
    assert_eq!(config.topics.shards.get(), 16);
    assert_eq!(config.engine.relax_after, Duration::from_millis(500));

    for (section, keys) in RawConfig::known_keys() {
        for (key, default) in keys.as_table().unwrap().iter().filter(|(_, default)| !default.is_table()) {
            let variable = format!("QUELL_{}__{}", section.to_uppercase(), key.to_uppercase());
            let value = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            let written =
                Written::<RawConfig>::read(Some(Path::new("deploy/quell.toml")), [(variable.clone(), value.clone())])
                    .unwrap();
            let raw = toml::Table::try_from(&written.raw).unwrap();
            assert_eq!(raw.get(&section).unwrap().get(key), Some(default), "{variable}");
        }
    }
}

#[test]
fn properties_of_librdkafka_come_from_the_file_and_the_environment() {
    let text = r#"
        [kafka.client]
        "security.protocol" = "SASL_SSL"
        sasl.mechanism = "PLAIN"
        sasl.password = "of the file"
        "message.max.bytes" = 2000000
        "enable.ssl.certificate.verification" = false
    "#;
    let variables =
        [("QUELL_KAFKA__CLIENT__GROUP_INSTANCE_ID", "quell-0"), ("QUELL_KAFKA__CLIENT__SASL_PASSWORD", "secret")];
    let client = load_with(text, &variables).unwrap().kafka.client;
    let properties: Vec<(&str, &str)> = client.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let expected = [
        ("enable.ssl.certificate.verification", "false"),
        ("group.instance.id", "quell-0"),
        ("message.max.bytes", "2000000"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.password", "secret"),
        ("security.protocol", "SASL_SSL"),
    ];
    assert_eq!(properties, expected);
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    insta::assert_snapshot!(error("[kafka]\nbootstrap_server = \"a:1\""), @"quell.toml: kafka.bootstrap_server: unknown key; did you mean kafka.bootstrap_servers?");
    insta::assert_snapshot!(error("[kafak]\ngroup_id = \"a\""), @"quell.toml: kafak: unknown key; did you mean kafka?");
    insta::assert_snapshot!(error("[kafka]\nreplication_factor = 3"), @"quell.toml: kafka.replication_factor: unknown key; did you mean topics.replication_factor?");
    insta::assert_snapshot!(error("shards = 3"), @"quell.toml: shards: unknown key; did you mean topics.shards?");
    insta::assert_snapshot!(error("[copy]\npath = \"copy\""), @"quell.toml: copy: is a section of the gate's file, gate.toml; if that is meant, add --gate, else name the engine's file by --config");
    insta::assert_snapshot!(error("[store]\ncolour = \"red\""), @"quell.toml: store.colour: unknown key; `quell config show --defaults` shows all");
    insta::assert_snapshot!(error_with("", &[("QUELL_KAFKA__BOOTSTRAP_SERVER", "a:1")]), @"QUELL_KAFKA__BOOTSTRAP_SERVER: unknown key; did you mean QUELL_KAFKA__BOOTSTRAP_SERVERS?");
    insta::assert_snapshot!(error_with("", &[("QUELL_COLOUR__OF_THE_SKY", "blue")]), @"QUELL_COLOUR__OF_THE_SKY: unknown key; unset it, or see `quell config show --defaults`");
    insta::assert_snapshot!(error_with("", &[("QUELL_KAFKA__CLIENT", "a")]), @"QUELL_KAFKA__CLIENT: a property's name must follow, as in QUELL_KAFKA__CLIENT__SECURITY_PROTOCOL");
}

#[test]
fn a_value_of_the_wrong_kind_is_named() {
    insta::assert_snapshot!(error("[topics]\nshards = \"8\""), @"quell.toml: topics.shards: must be a whole number, not a text");
    insta::assert_snapshot!(error("[kafka]\ngroup_id = 3"), @"quell.toml: kafka.group_id: must be a text, not a whole number");
    insta::assert_snapshot!(error("kafka = 3"), @"quell.toml: kafka: must be a table, not a whole number");
    insta::assert_snapshot!(error("[kafka.client]\n\"socket.timeout.ms\" = [1]"), @"quell.toml: kafka.client.socket.timeout.ms: must be a text, a number, or true or false");
    insta::assert_snapshot!(error("[topics\nshards = 8"), @"quell.toml: line 1: unclosed table, expected `]`");
    insta::assert_snapshot!(error_with("", &[("QUELL_TOPICS__SHARDS", "eight")]), @r#"QUELL_TOPICS__SHARDS: "eight" is no whole number"#);
}

#[test]
fn a_value_that_cannot_be_says_what_can() {
    insta::assert_snapshot!(error("[topics]\nshards = 0"), @"quell.toml: topics.shards: 0 is out of range; write a number from 1 to 4096");
    insta::assert_snapshot!(error("[topics]\nreplication_factor = -1"), @"quell.toml: topics.replication_factor: -1 is out of range; write a number from 1 to 32767");
    insta::assert_snapshot!(error("[topics]\nacks = \"optout.events\""), @r#"quell.toml: topics.acks: "optout.events" is topics.choices already; give each its own topic"#);
    insta::assert_snapshot!(error("[topics]\nacks = \"a b\""), @r#"quell.toml: topics.acks: "a b" is no topic; a name has up to 249 letters, digits, '.', '_' and '-'"#);
    insta::assert_snapshot!(error("[kafka]\nbootstrap_servers = \" \""), @"quell.toml: kafka.bootstrap_servers: must not be empty; leave it out for its default");
    insta::assert_snapshot!(error("[store]\nmemory = \"512\""), @r#"quell.toml: store.memory: "512" is no size; write a whole number and KiB, MiB or GiB, as in "512MiB""#);
    insta::assert_snapshot!(error("[store]\nmemory = \"1MiB\""), @r#"quell.toml: store.memory: "1MiB" is too little; write at least "8MiB""#);
    insta::assert_snapshot!(error("[engine]\nrelax_after = \"soon\""), @r#"quell.toml: engine.relax_after: "soon" is not a duration; write a number and ms, s, m, h or d, as in "10s""#);
    insta::assert_snapshot!(error("[engine]\nthreads = 0"), @"quell.toml: engine.threads: 0 is out of range; write a number from 1 to 1024");
    insta::assert_snapshot!(error("[engine]\nepoch_bytes_max = \"0B\""), @"quell.toml: engine.epoch_bytes_max: nothing is too little; leave it out for its default");
    insta::assert_snapshot!(error("[encoding]\nformat = \"xml\""), @r#"quell.toml: encoding.format: "xml" is no format; use "avro", "confluent" or "json""#);
    insta::assert_snapshot!(error("[encoding]\nformat = \"confluent\""), @r#"quell.toml: encoding.format: "confluent" needs encoding.schema_registry_url"#);
    insta::assert_snapshot!(error("[encoding]\nschema_registry_url = \"registry:8081\""), @r#"quell.toml: encoding.schema_registry_url: is no URL; write it as in "http://127.0.0.1:8081""#);
    insta::assert_snapshot!(error("[http]\nlisten = \"localhost:9464\""), @r#"quell.toml: http.listen: "localhost:9464" is no address; write an IP address and a port, as in "127.0.0.1:9464""#);
    insta::assert_snapshot!(error("[http]\ntoken = \"a\"\ntoken_file = \"b\""), @"quell.toml: http.token: http.token_file is set as well; keep one of them");
    insta::assert_snapshot!(error("[http]\ntoken = \"a b\""), @"quell.toml: http.token: the token has white space or characters beyond ASCII; make one with `openssl rand -hex 32`");
    insta::assert_snapshot!(error("[log]\nformat = \"xml\""), @r#"quell.toml: log.format: "xml" is no format; use "text" or "json""#);
    insta::assert_snapshot!(error("[log]\nlevel = \"loud\""), @r#"quell.toml: log.level: "loud" is no level; use error, warn, info, debug or trace, as in "info" or "info,quell::epoch=debug""#);
    insta::assert_snapshot!(error_with("", &[("QUELL_ENGINE__RELAX_AFTER", "soon")]), @r#"QUELL_ENGINE__RELAX_AFTER: "soon" is not a duration; write a number and ms, s, m, h or d, as in "10s""#);
}

#[test]
fn a_token_may_stand_in_a_file_beside_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("quell.toml");
    fs::write(&path, "[http]\ntoken_file = \"token\"\n[policy]\npath = \"policies/ours.toml\"").unwrap();
    let load = || Written::<RawConfig>::read(Some(&path), []).unwrap().resolve();
    assert!(matches!(load(), Err(ConfigError::Unreadable { path, .. }) if path.ends_with("token")));
    fs::write(directory.path().join("token"), "secret\n").unwrap();
    let config = load().unwrap();
    assert_eq!(config.http.token.unwrap().reveal(), "secret");
    assert_eq!(config.policy_path, directory.path().join("policies/ours.toml"));
}

#[test]
fn a_path_beside_a_file_of_this_directory_stays_short() {
    let config = Written::<RawConfig>::read(
        Some(Path::new("deploy/quell.toml")),
        [("QUELL_POLICY__PATH".to_owned(), "policy.toml".to_owned())],
    );
    assert_eq!(config.unwrap().resolve().unwrap().policy_path, Path::new("deploy/policy.toml"));
    assert_eq!(
        Sources::new(RawConfig::KIND, Path::new("quell.toml")).beside_the_file("policy.toml"),
        Path::new("policy.toml")
    );
}

#[test]
fn what_is_shown_means_the_same() {
    let raw: RawConfig = toml::from_str(DEPLOYED).unwrap();
    assert_eq!(toml::from_str::<RawConfig>(&toml::to_string(&raw).unwrap()).unwrap(), raw);
}

#[test]
fn an_empty_gate_toml_is_a_gate_beside_an_engine_of_the_defaults() {
    let config = load_gate("", &[]).unwrap();
    assert_eq!(config.kafka.bootstrap_servers, "127.0.0.1:9092");
    assert_eq!((config.downstream.as_str(), config.resource_type.as_str()), ("ml", "admt_system"));
    assert_eq!((config.spool.bytes_max, config.spool.deadline), (1 << 30, Duration::from_secs(1)));
    assert_eq!(config.http.listen, "127.0.0.1:9465".parse().unwrap());
    assert!(config.http.token.is_none() && config.http.url.is_none());
    config.http.check().unwrap();
}

#[test]
fn the_gate_and_the_engine_read_each_their_own_variables() {
    let variables = [
        ("QUELL_KAFKA__BOOTSTRAP_SERVERS", "engine:9092"),
        ("QUELL_GATE_KAFKA__BOOTSTRAP_SERVERS", "gate:9092"),
        ("QUELL_GATE_KAFKA__CLIENT__SASL_PASSWORD", "secret"),
        ("QUELL_GATE_GATE__DOWNSTREAM", "models"),
        ("QUELL_ENGINE__THREADS", "3"),
    ];
    let engine = load_with("", &variables).unwrap();
    assert_eq!((engine.kafka.bootstrap_servers.as_str(), engine.engine.threads), ("engine:9092", 3));
    let gate = load_gate("", &variables).unwrap();
    assert_eq!((gate.kafka.bootstrap_servers.as_str(), gate.downstream.as_str()), ("gate:9092", "models"));
    assert_eq!(gate.kafka.client.get("sasl.password").map(String::as_str), Some("secret"));
}

#[test]
fn what_is_wrong_with_a_gate_toml_is_said_with_what_can_be() {
    insta::assert_snapshot!(gate_error("[kafka]\ngroup_id = \"a\"", &[]), @"gate.toml: kafka.group_id: unknown key; `quell config show --gate --defaults` shows all");
    insta::assert_snapshot!(gate_error("[gate]\ndownsteam = \"ml\"", &[]), @"gate.toml: gate.downsteam: unknown key; did you mean gate.downstream?");
    insta::assert_snapshot!(gate_error("", &[("QUELL_GATE__DOWNSTREAM", "ml")]), @"QUELL_GATE__DOWNSTREAM: unknown key; unset it, or see `quell config show --gate --defaults`");
    insta::assert_snapshot!(gate_error("", &[("QUELL_GATE_KAFKA__CLIENT", "a")]), @"QUELL_GATE_KAFKA__CLIENT: a property's name must follow, as in QUELL_GATE_KAFKA__CLIENT__SECURITY_PROTOCOL");
    insta::assert_snapshot!(gate_error("[kafka.client]\ngroup.id = \"a\"", &[]), @"kafka.client: group.id belongs to Quell, since the gate's answers rest on it; leave it out");
    insta::assert_snapshot!(gate_error("[topics]\nreviews = \"quell.decisions\"", &[]), @r#"gate.toml: topics.reviews: "quell.decisions" is topics.decisions already; give each its own topic"#);
    insta::assert_snapshot!(gate_error("[spool]\nsize = \"1KiB\"", &[]), @r#"gate.toml: spool.size: "1KiB" is too little; write at least "1MiB""#);
    insta::assert_snapshot!(gate_error("[spool]\npath = \"gate/copy\"", &[]), @"gate.toml: spool.path: is copy.path already; give each its own directory");
    for same in ["./gate/copy", "gate/./copy/", " gate//copy"] {
        let said = gate_error(&format!("[spool]\npath = \"{same}\""), &[]);
        assert_eq!(said, "gate.toml: spool.path: is copy.path already; give each its own directory", "{same}");
    }
    insta::assert_snapshot!(gate_error("[store]\npath = \"a\"", &[]), @"gate.toml: store: is a section of the engine's file, quell.toml; name the gate's file by --config");
    insta::assert_snapshot!(gate_error("[spool]\ndeadline = \"0s\"", &[]), @"gate.toml: spool.deadline: no time is too little; leave it out for its default");
    insta::assert_snapshot!(gate_error("[http]\nlisten = \"localhost\"", &[]), @r#"gate.toml: http.listen: "localhost" is no address; write an IP address and a port, as in "127.0.0.1:9465""#);
    insta::assert_snapshot!(gate_error("[http]\nurl = \"gate.example.com\"", &[]), @r#"gate.toml: http.url: "gate.example.com" is no URL; write it as in "https://gate.example.com""#);
    insta::assert_snapshot!(gate_error("[http]\nurl = \"https:///gate\"", &[]), @r#"gate.toml: http.url: "https:///gate" is no URL; write it as in "https://gate.example.com""#);
    insta::assert_snapshot!(gate_error("[http]\nurl = \"https://gate.example.com/?tenant=1\"", &[]), @r#"gate.toml: http.url: "https://gate.example.com/?tenant=1" has a query or a fragment; write what stands before it"#);
    insta::assert_snapshot!(gate_error("[http]\nurl = \"https://gate.example.com#gate\"", &[]), @r#"gate.toml: http.url: "https://gate.example.com#gate" has a query or a fragment; write what stands before it"#);
    for blank in ["https://gate.example.com/the gate", "https://gate.example.com\\nhttps://other", "https://a\\tb"] {
        let said = gate_error(&format!("[http]\nurl = \"{blank}\""), &[]);
        let expected = r#"gate.toml: http.url: has a blank in it; write it as in "https://gate.example.com""#;
        assert_eq!(said, expected, "{blank}");
    }
    load_gate("[http]\nurl = \"https://example.com/gate/\"", &[]).unwrap();
    insta::assert_snapshot!(gate_error("[http]\nurl = \"https://me:secret@example.com\"", &[]), @"gate.toml: http.url: has a user in it; everybody is told it, so leave that out");
    insta::assert_snapshot!(gate_error("[http]\ntls_certificate = \"a.pem\"", &[]), @"gate.toml: http.tls_certificate: needs http.tls_key");
    insta::assert_snapshot!(gate_error("[http]\ntls_key = \"a.key\"", &[]), @"gate.toml: http.tls_key: needs http.tls_certificate");
    let reachable = load_gate("[http]\nlisten = \"0.0.0.0:9465\"", &[]).unwrap();
    insta::assert_snapshot!(reachable.http.check().unwrap_err(), @"http.listen is 0.0.0.0:9465, which other machines can reach, and it can be asked there who has opted out: set http.token or http.token_file, or listen on 127.0.0.1");
    load_gate("[http]\nlisten = \"0.0.0.0:9465\"\ntoken = \"secret\"", &[]).unwrap().http.check().unwrap();
}
