//! A gate as it is measured: all defaults, with topics, a copy, a spool and keys of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use quell_domain::Policy;
use quell_testbed::deployment::quell;
use quell_testbed::{binary, free_port, wait_for};

use super::asker::Asker;
use super::process::Process;
use super::records::Records;
use crate::engine;
use crate::restore::look;

/// What deploy/policy.toml has done instead of an inference, and what is measured: a human's review is a record of its own
/// beside the decision's.
const ALTERNATIVE: [&str; 2] = ["alternative = \"human_review\"", "alternative = \"rules_only\""];

pub struct Site {
    bootstrap: String,
    dir: PathBuf,
    /// Before the names of its topics.
    name: String,
    pub policy: Policy,
}

/// One that runs.
pub struct Gate {
    pub process: Process,
    pub asker: Asker,
}

impl Site {
    /// Reads the suppressions of a name, as [`engine::Deployment`] has it.
    pub fn new(bootstrap: &str, dir: &Path, name: &str) -> Self {
        let [theirs, ours] = ALTERNATIVE;
        let policy = engine::policy(name);
        assert!(policy.contains(theirs), "deploy/policy.toml has another alternative");
        let policy = policy.replace(theirs, ours);
        std::fs::write(dir.join(format!("{name}-gate-policy.toml")), &policy).unwrap();
        let policy = Policy::parse(&policy).unwrap();
        Self { bootstrap: bootstrap.to_owned(), dir: dir.to_owned(), name: name.to_owned(), policy }
    }

    /// Makes the gate's own topics; the engine's are there.
    pub fn make_topics(&self) {
        let made = quell(&self.configure(1), &["topics", "create", "--gate"]);
        assert!(made.status.success(), "topics create --gate: {}", String::from_utf8_lossy(&made.stderr));
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}.{name}", self.name)
    }

    pub fn suppressions(&self) -> String {
        self.topic("suppression.ml")
    }

    pub fn watermarks(&self) -> String {
        self.topic("quell.watermarks")
    }

    pub fn records(&self) -> Records {
        Records::Topic { bootstrap: self.bootstrap.clone(), topic: self.topic("quell.decisions") }
    }

    /// Where it keeps every suppression in full.
    pub fn copy(&self) -> PathBuf {
        self.dir.join(format!("{}-copy", self.name))
    }

    /// Starts it, on the copy that it had, if it had one.
    pub fn start(&self) -> Gate {
        let port = free_port();
        let log = self.dir.join(format!("{}-gate.log", self.name));
        let mut command = Command::new(binary());
        command.arg("gate").arg("--config").arg(self.configure(port)).env("NO_COLOR", "1");
        Gate { process: Process::start(&mut command, &log), asker: Asker::new(port, "/access/v1/evaluation") }
    }

    fn configure(&self, port: u16) -> PathBuf {
        let name = &self.name;
        let config = format!(
            r#"
[kafka]
bootstrap_servers = "{}"
[topics]
watermarks = "{}"
decisions = "{}"
reviews = "{}"
[copy]
path = "{}"
[spool]
path = "{}"
[keys]
path = "{}"
[http]
listen = "127.0.0.1:{port}"
[policy]
path = "{name}-gate-policy.toml"
"#,
            self.bootstrap,
            self.watermarks(),
            self.topic("quell.decisions"),
            self.topic("quell.reviews"),
            self.copy().display(),
            self.dir.join(format!("{name}-spool")).display(),
            self.dir.join(format!("{name}-keys")).display(),
        );
        let path = self.dir.join(format!("{name}-gate.toml"));
        std::fs::write(&path, config).unwrap();
        path
    }
}

impl Gate {
    pub fn wait_until_ready(&mut self) {
        look(|| {
            self.process.must_run();
            self.asker.page("/health/ready")
        });
    }

    /// Waits until it knows of a time up to which it knows all.
    pub fn wait_until_fresh(&self) {
        wait_for("the gate to be fresh", || {
            let metrics = self.asker.page("/metrics")?;
            let staleness = metrics.lines().find_map(|line| line.strip_prefix("quell_gate_staleness_seconds "))?;
            staleness.parse::<f64>().is_ok_and(f64::is_finite).then_some(())
        });
    }
}
