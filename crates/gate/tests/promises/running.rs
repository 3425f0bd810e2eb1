//! A gate that listens, without a Kafka behind it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use quell_decision::{Change, Reason, RightStanding, Rules, State, Suppressions};
use quell_domain::{Identifier, Millis, hashed_email};
use quell_gate::certificates::{Archive, Certificates, KeyDirectory, Keys};
use quell_gate::http::{GateOptions, GateServer};
use quell_gate::local_copy::{LocalCopy, Positions};
use quell_gate::reviews::Outcome;
use quell_gate::spool::{Spool, SpoolOptions, SpoolSyncer};
use quell_gate::{Gate, KafkaSettings, Parts, Worker};
use quell_http::Token;
use quell_telemetry::gate::{GateMetrics, GateValues};
use quell_wire::{Decoder, Encoder, Format};
use serde_json::Value;
use tempfile::TempDir;

/// Long for an answer over loopback, short for whoever waits for the tests.
const ANSWER_DEADLINE: Duration = Duration::from_secs(10);

pub const POLICY: &str = r#"
version = "p-1"
[identifier_types.account_id]
[identifier_types.email_sha256]
from = "email"
[rights.sensitive_pi]
[rights.admt]
systems = ["hiring", "credit", "pricing", "housing"]
[downstreams.ml]
topic = "suppression.ml"
rights = ["sensitive_pi", "admt", "admt:*"]
identifier_types = ["account_id", "email_sha256"]
[admt_systems.hiring]
max_staleness = "10s"
alternative = "human_review"
significant_decision = "employment_or_contracting_opportunities_or_compensation"
[admt_systems.credit]
max_staleness = "10s"
on_stale = "error"
[admt_systems.pricing]
max_staleness = "10s"
opt_out = "appeal"
[admt_systems.housing]
max_staleness = "10s"
alternative = "rules_only"
significant_decision = "housing"
escalate = "always"
"#;

/// What reviewers show.
pub const REVIEWER: &str = "reviewers-only";

pub struct Running {
    pub gate: Arc<Gate>,
    pub dir: TempDir,
    copy: LocalCopy,
    index: Arc<Suppressions>,
    server: Option<GateServer>,
    syncer: Option<SpoolSyncer>,
    watch: Option<Worker>,
    runtime: tokio::runtime::Runtime,
}

pub struct Answered {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The decision and its reason.
    pub fn decision(&self) -> (bool, String) {
        assert_eq!(self.status, 200, "{}", self.body);
        let json = self.json();
        (json["decision"].as_bool().unwrap(), json["context"]["reason"].as_str().unwrap_or_default().to_owned())
    }
}

pub fn now() -> Millis {
    Millis(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap())
}

impl Running {
    /// Ready, fresh, and with some who opted out: `out` of ADMT, `hired` of hiring, `ada@example.com` of ADMT.
    pub fn start() -> Self {
        Self::start_under(None)
    }

    /// The same, where callers find it under a URL.
    pub fn start_under(url: Option<&str>) -> Self {
        let mut running = Self::under(url, POLICY, "admt_system", None, 64 << 20);
        running.hears(&account("out"), &[("admt", true), ("admt:hiring", true), ("admt:pricing", true)]);
        running.hears(&account("hired"), &[("admt:hiring", true)]);
        let email = Identifier::new("email_sha256", &hashed_email("ada@example.com").unwrap()).unwrap();
        running.hears(&email, &[("admt", true)]);
        running.gate.set_ready(true);
        running.gate.set_as_of(now());
        running
    }

    /// Not ready yet, and knows of nobody.
    pub fn with(policy: &str, resource_type: &str, token: Option<&str>, spool_bytes: u64) -> Self {
        Self::under(None, policy, resource_type, token, spool_bytes)
    }

    /// The same, where callers find it under a URL.
    pub fn under(url: Option<&str>, policy: &str, resource_type: &str, token: Option<&str>, spool_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let index = Arc::new(Suppressions::default());
        let rules = Rules::parse(policy, "f00d".to_owned(), "ml", resource_type, index.right_bits()).unwrap();
        let values = GateValues {
            systems: rules.systems().iter().map(|system| system.name.clone()).collect(),
            reasons: Reason::ALL.iter().map(|reason| (reason.as_str(), reason.permits())).collect(),
            outcomes: Outcome::ALL.map(Outcome::as_str).to_vec(),
        };
        let metrics = GateMetrics::new("test", &values);
        let files = Arc::default();
        let (copy, _) = LocalCopy::open(&dir.path().join("copy"), "suppression.ml", &index, &files).unwrap();
        let options = SpoolOptions {
            path: dir.path().join("spool"),
            bytes_max: spool_bytes,
            deadline: Duration::from_millis(300),
            sync_within: Duration::from_millis(20),
        };
        let (spool, syncer, _) = Spool::open(options, metrics.clone()).unwrap();
        let parts = Parts {
            rules,
            suppressions: Arc::clone(&index),
            copy: files,
            spool,
            // So that records can be read here.
            encoder: Encoder::new(Format::Json, None),
            decisions: "quell.decisions".to_owned(),
            reviews: "quell.reviews".to_owned(),
            metrics,
            certificates: certificates(),
        };
        let gate = Arc::new(Gate::new(parts).unwrap());
        let watch = Some(KeyDirectory::new(dir.path().join("keys")).watch(Arc::clone(&gate)).unwrap());
        let options = GateOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            token: token.map(|token| Token::new(token).unwrap()),
            reviews_token: Some(Token::new(REVIEWER).unwrap()),
            url: url.map(str::to_owned),
            tls: None,
        };
        let server = runtime.block_on(GateServer::start(options, Arc::clone(&gate))).unwrap();
        Self { gate, dir, copy, index, server: Some(server), syncer: Some(syncer), watch, runtime }
    }

    pub fn hears(&mut self, identifier: &Identifier, rights: &[(&str, bool)]) {
        let right = |(name, opted_out): &(&str, bool)| RightStanding {
            name: (*name).to_owned(),
            opted_out: *opted_out,
            choice_id: format!("choice-of-{name}"),
            since: Millis(1_780_000_000_000),
            inherited: true,
        };
        let state = State { identifier: identifier.clone(), version: 1, rights: rights.iter().map(right).collect() };
        self.copy.take(&[Change::Holds(state)], &Positions::default(), &self.index).unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.as_ref().unwrap().address())
    }

    /// Where its keys are.
    pub fn keys(&self) -> KeyDirectory {
        KeyDirectory::new(self.dir.path().join("keys"))
    }

    pub fn get(&self, path: &str) -> Answered {
        self.ask("GET", path, &[], None)
    }

    /// AuthZEN's way.
    pub fn post(&self, path: &str, body: &str) -> Answered {
        self.ask("POST", path, &[("content-type", "application/json")], Some(body))
    }

    pub fn evaluation(&self, body: &str) -> Answered {
        self.post("/access/v1/evaluation", body)
    }

    pub fn evaluations(&self, body: &str) -> Answered {
        self.post("/access/v1/evaluations", body)
    }

    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answered {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(ANSWER_DEADLINE))
            .allow_non_standard_methods(true);
        let agent: ureq::Agent = config.build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = match body {
            Some(body) => agent.run(request.body(body.to_owned()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        Answered { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    /// The records of all decisions, in the order of their ids. Ends the gate.
    pub fn records(mut self) -> Vec<Value> {
        self.runtime.block_on(self.server.take().unwrap().stop());
        let spool = self.dir.path().join("spool");
        self.watch.take().unwrap().stop();
        drop(self.gate);
        self.syncer.take().unwrap().join();
        records_in(&spool)
    }
}

/// Without a key, and with a Kafka that is not there.
fn certificates() -> Certificates {
    let kafka = KafkaSettings { bootstrap_servers: "127.0.0.1:1".to_owned(), client: BTreeMap::new() };
    let archive = Archive::new(kafka, "quell.decisions".to_owned(), Decoder::new(None));
    Certificates::new(Keys::default(), Some("https://gate.example.com".to_owned()), archive)
}

/// Waits until something is there.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < ANSWER_DEADLINE, "waited in vain for {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// The decisions in a spool, in the order of their ids.
pub fn records_in(spool: &Path) -> Vec<Value> {
    let mut records = json_in(spool);
    records.retain(|record| record.get("decision_id").is_some());
    records.sort_by_key(|record| record["decision_id"].as_str().unwrap().to_owned());
    records
}

/// The states of reviews in a spool, in the order in which they were recorded.
pub fn reviews_in(spool: &Path) -> Vec<Value> {
    let mut records = json_in(spool);
    records.retain(|record| record.get("review_id").is_some());
    records
}

/// What stands in a spool: the JSON of each record, found by its braces.
fn json_in(spool: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    let mut segments: Vec<_> = std::fs::read_dir(spool).unwrap().map(|entry| entry.unwrap().path()).collect();
    segments.sort();
    for segment in segments {
        let bytes = std::fs::read(segment).unwrap();
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.windows(2).position(|two| two == b"{\"") {
            let mut values = serde_json::Deserializer::from_slice(&rest[at..]).into_iter::<Value>();
            match values.next() {
                Some(Ok(value)) => {
                    records.push(value);
                    rest = &rest[at + values.byte_offset()..];
                }
                _ => rest = &rest[at + 1..],
            }
        }
    }
    records
}

pub fn account(value: &str) -> Identifier {
    Identifier::new("account_id", value).unwrap()
}

/// A question as JSON.
pub fn asks(subject: (&str, &str), action: &str, system: &str) -> String {
    let (identifier_type, value) = subject;
    serde_json::json!({
        "subject": { "type": identifier_type, "id": value },
        "action": { "name": action },
        "resource": { "type": "admt_system", "id": system },
    })
    .to_string()
}
