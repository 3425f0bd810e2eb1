//! A gate's process, and what is asked of it.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output};

use quell_wire::{Encoder, Format, WatermarkMessage};
use serde_json::{Value, json};

use crate::deployment::{Deployment, Produced, command};
use crate::instance::Instance;
use crate::{free_port, now_millis, wait_for};

/// How many shards a deployment has.
const SHARDS: i32 = 4;

/// A gate that runs. What any process of Quell does, it does as an [`Instance`].
pub struct GateInstance(Instance);

impl Deref for GateInstance {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.0
    }
}

/// What a gate answered to an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub body: Value,
}

impl Answered {
    /// Whether it permits; none for an error.
    pub fn decision(&self) -> Option<bool> {
        self.body["decision"].as_bool()
    }

    pub fn reason(&self) -> &str {
        self.body["context"]["reason"].as_str().unwrap_or_default()
    }

    /// Up to when every opt-out is in it, in milliseconds.
    pub fn as_of(&self) -> Option<i64> {
        self.body["context"]["as_of"].as_i64()
    }

    pub fn decision_id(&self) -> &str {
        self.body["context"]["decision_id"].as_str().unwrap_or_default()
    }
}

impl GateInstance {
    pub fn wait_until_ready(mut self) -> Self {
        wait_for("the gate to be ready", || self.0.is_ready().then_some(()));
        self
    }

    /// Whether it answers questions. It must run.
    pub fn is_ready(&mut self) -> bool {
        self.0.is_ready()
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.0.status()
    }

    /// Asks whether a system may infer something about somebody. None while nobody listens.
    pub fn ask(&self, subject: (&str, &str), system: &str) -> Option<Answered> {
        let question = json!({
            "subject": { "type": subject.0, "id": subject.1 },
            "action": { "name": "infer" },
            "resource": { "type": "admt_system", "id": system },
        });
        self.evaluate(&question)
    }

    /// The same with a whole question.
    pub fn evaluate(&self, question: &Value) -> Option<Answered> {
        let headers = [("content-type", "application/json")];
        let (status, body) = self.0.request("POST", "/access/v1/evaluation", &headers, &question.to_string())?;
        let body = serde_json::from_str(&body).unwrap_or(Value::String(body));
        Some(Answered { status, body })
    }

    /// Asks about a thousand accounts at once; the ids of what was decided, none if it could not record that.
    pub fn ask_a_thousand(&self, system: &str) -> Option<Vec<String>> {
        let of = |number: u32| json!({ "subject": { "type": "account_id", "id": format!("a-{number}") } });
        let asked = json!({
            "action": { "name": "infer" },
            "resource": { "type": "admt_system", "id": system },
            "evaluations": (0..1_000).map(of).collect::<Vec<_>>(),
        });
        let headers = [("content-type", "application/json")];
        let (status, body) = self.0.request("POST", "/access/v1/evaluations", &headers, &asked.to_string()).unwrap();
        if status == 503 {
            return None;
        }
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        let answers = body["evaluations"].as_array().unwrap().iter();
        Some(answers.map(|answer| answer["context"]["decision_id"].as_str().unwrap().to_owned()).collect())
    }

    /// Asks until it answers so.
    pub fn wait_until(&self, subject: (&str, &str), system: &str, permits: bool, reason: &str) -> Answered {
        let mut last = None;
        wait_for(&format!("{reason} for {}", subject.1), || {
            last = self.ask(subject, system);
            last.clone().filter(|answer| answer.decision() == Some(permits) && answer.reason() == reason)
        })
    }

    /// SIGKILL.
    pub fn kill(self) {
        self.0.kill();
    }

    /// SIGTERM, and the end.
    pub fn stop(self) -> ExitStatus {
        self.0.stop()
    }

    /// The end that it comes to by itself.
    pub fn ended(self) -> (ExitStatus, String) {
        self.0.ended()
    }
}

impl Deployment {
    pub fn decisions_topic(&self) -> String {
        format!("{}.quell.decisions", self.prefix)
    }

    pub fn reviews_topic(&self) -> String {
        format!("{}.quell.reviews", self.prefix)
    }

    /// Writes a gate's `gate.toml`.
    pub fn configure_gate(&self, name: &str, port: u16) -> PathBuf {
        let of = |section: &str| self.extra_of(&format!("gate.toml:{section}"), name);
        let dir = self.dir.path().display();
        let text = format!(
            r#"
[kafka]
bootstrap_servers = "{}"
[kafka.client]
{}
{}
[topics]
watermarks = "{}"
decisions = "{}"
reviews = "{}"
partitions = 3
replication_factor = {}
[gate]
{}
[copy]
path = "{dir}/copy-{name}"
[spool]
path = "{dir}/spool-{name}"
{}
[keys]
path = "keys"
[encoding]
{}
[http]
listen = "127.0.0.1:{port}"
{}
[reviews]
{}
[policy]
path = "policy.toml"
"#,
            self.kafka.engines,
            self.kafka.client,
            of("kafka.client"),
            self.topics().watermarks.clone(),
            self.decisions_topic(),
            self.reviews_topic(),
            self.kafka.replication_factor,
            of("gate"),
            of("spool"),
            of("encoding"),
            of("http"),
            of("reviews"),
        );
        let path = self.dir.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Where a gate keeps its local copy.
    pub fn copy_of(&self, gate: &str) -> PathBuf {
        self.dir.path().join(format!("copy-{gate}"))
    }

    /// Where a gate keeps decisions until they are in Kafka.
    pub fn spool_of(&self, gate: &str) -> PathBuf {
        self.dir.path().join(format!("spool-{gate}"))
    }

    /// Where the keys of all gates are.
    pub fn keys(&self) -> PathBuf {
        self.dir.path().join("keys")
    }

    /// Runs a command with a gate's configuration to its end.
    pub fn quell_gate(&self, arguments: &[&str]) -> Output {
        let config = self.configure_gate("gate-command", 1);
        command(&config, arguments).envs(self.gate_environment()).output().unwrap()
    }

    /// The variables that whoever speaks with Kafka needs, as a gate knows them.
    fn gate_environment(&self) -> Vec<(String, &str)> {
        self.environment().map(|(name, value)| (name.replacen("QUELL_", "QUELL_GATE_", 1), value)).collect()
    }

    /// The ids of all decisions that are in Kafka.
    pub fn recorded_decisions(&self) -> BTreeSet<String> {
        let records = self.read(&self.decisions_topic());
        records.into_iter().map(|record| String::from_utf8(record.key.unwrap()).unwrap()).collect()
    }

    /// Makes the topics that a gate needs.
    pub fn make_gate_topics(&self) {
        let made = self.quell_gate(&["topics", "create", "--gate"]);
        assert!(
            made.status.success(),
            "{}{}",
            String::from_utf8_lossy(&made.stdout),
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// Starts a gate. What it keeps on disk is its own, and kept.
    pub fn start_gate(&self, name: &str) -> GateInstance {
        self.start_gate_with(name, &[])
    }

    /// The same, with variables of the environment.
    pub fn start_gate_with(&self, name: &str, environment: &[(&str, &str)]) -> GateInstance {
        self.start_gate_by(Command::new(crate::binary()), name, environment)
    }

    /// Starts a gate whose spool is on a disk of its own, of so many bytes, which is gone when the gate is. It takes the
    /// right to mount one: root's, or that of a user who may have a namespace (`unshare(1)`).
    pub fn start_gate_on_a_small_disk(&self, name: &str, bytes: u64) -> GateInstance {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        command.arg(r#"mount -t tmpfs -o size="$1" spool "$2" && shift 2 && exec "$@""#);
        let spool = self.spool_of(name);
        std::fs::create_dir_all(&spool).unwrap();
        command.arg("sh").arg(bytes.to_string()).arg(spool).arg(crate::binary());
        self.start_gate_by(command, name, &[])
    }

    fn start_gate_by(&self, command: Command, name: &str, environment: &[(&str, &str)]) -> GateInstance {
        let port = free_port();
        let config = self.configure_gate(name, port);
        let log = self.dir.path().join(format!("{name}.log"));
        let ours = self.gate_environment();
        let ours = ours.iter().map(|(name, value)| (name.as_str(), *value));
        GateInstance(Instance::run_as(command, "gate", &config, port, log, ours.chain(environment.iter().copied())))
    }

    /// The topic that a gate reads.
    pub fn gates_topic(&self) -> String {
        let ml = self.policy.downstreams().iter().find(|known| known.name == "ml");
        ml.unwrap().topic.clone()
    }

    /// A suppression, in the engine's place: whether somebody is opted out of ADMT.
    pub fn suppression(&self, account: &str, version: u64, opted_out: bool) -> Produced {
        let value = json!({
            "identifier": { "type": "account_id", "value": account },
            "downstream": "ml",
            "version": version,
            "suppressed": opted_out,
            "published_at": now_millis(),
            "rights": { "admt": {
                "opted_out": opted_out, "choice_id": format!("{account}-{version}"),
                "since": now_millis(), "inherited": false, "due_at": now_millis(),
            } },
        });
        Produced {
            topic: self.gates_topic(),
            key: Some(format!("account_id:{account}").into_bytes()),
            value: Some(value.to_string().into_bytes()),
            ..Produced::default()
        }
    }

    /// Says in the engine's place that every event up to now is in the suppressions.
    pub fn say_all_is_known(&self) {
        self.say_known_until(now_millis());
    }

    /// The same of another time.
    pub fn say_known_until(&self, complete_through: i64) {
        let (topic, encoder) = (self.topics().watermarks.clone(), Encoder::new(Format::Avro, None));
        self.produce((0..SHARDS).map(|shard| {
            let message = WatermarkMessage {
                shard,
                shards: SHARDS,
                complete_through,
                observed_at: now_millis(),
                // To engines it says nothing.
                wave: 0,
                inputs_through: 0,
                messages_from: 0,
                watched_from: i64::MAX,
                complete_wave: 0,
            };
            Produced {
                topic: topic.clone(),
                key: Some(shard.to_string().into_bytes()),
                value: Some(encoder.watermark(&topic, &message).unwrap()),
                ..Produced::default()
            }
        }));
    }
}
