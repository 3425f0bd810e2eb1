//! Quell as it is measured: all defaults, with topics and a group of its own.

use std::path::{Path, PathBuf};

use quell_testbed::deployment::quell;
use quell_testbed::instance::Instance;
use quell_testbed::{free_port, tree};

use crate::topics::Inputs;

pub struct Deployment {
    bootstrap: String,
    inputs: Inputs,
    dir: PathBuf,
    /// Its group; and what the names of its topics begin with.
    pub name: String,
}

/// The policy, with topics of its own.
pub fn policy(name: &str) -> String {
    let policy = std::fs::read_to_string(tree().join("deploy/policy.toml")).unwrap();
    policy.replace("topic = \"", &format!("topic = \"{name}."))
}

impl Deployment {
    /// Makes its topics.
    pub fn new(bootstrap: &str, inputs: &Inputs, dir: &Path, name: &str) -> Self {
        std::fs::write(dir.join(format!("{name}-policy.toml")), policy(name)).unwrap();
        let (bootstrap, inputs) = (bootstrap.to_owned(), inputs.clone());
        let deployment = Self { bootstrap, inputs, dir: dir.to_path_buf(), name: name.to_owned() };
        let made = quell(&deployment.configure(0, 1), &["topics", "create"]);
        assert!(made.status.success(), "topics create: {}", String::from_utf8_lossy(&made.stderr));
        deployment
    }

    pub fn graph(&self) -> String {
        format!("{}.quell.graph", self.name)
    }

    /// Where an instance keeps its rows.
    pub fn store(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{}-store-{number}", self.name))
    }

    pub fn log(&self, number: u32) -> PathBuf {
        self.dir.join(format!("{}-{number}.log", self.name))
    }

    /// Starts an instance, on the store that it had, if it had one.
    pub fn start(&self, number: u32) -> Instance {
        let port = free_port();
        Instance::run(&self.configure(number, port), port, self.log(number), [])
    }

    fn configure(&self, number: u32, port: u16) -> PathBuf {
        let name = &self.name;
        let config = format!(
            r#"
[kafka]
bootstrap_servers = "{}"
group_id = "{name}"
[topics]
choices = "{}"
links = "{}"
acks = "{name}.suppression.acks"
dead_letters = "{name}.quell.deadletters"
audit = "{name}.quell.audit"
graph = "{}"
changelog = "{name}.quell.changelog"
watermarks = "{name}.quell.watermarks"
[store]
path = "{}"
[http]
listen = "127.0.0.1:{port}"
[policy]
path = "{name}-policy.toml"
"#,
            self.bootstrap,
            self.inputs.choices,
            self.inputs.links,
            self.graph(),
            self.store(number).display(),
        );
        let path = self.dir.join(format!("{name}-{number}.toml"));
        std::fs::write(&path, config).unwrap();
        path
    }
}
