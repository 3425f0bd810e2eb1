//! Who is measured: each is a process of its own that reads the same inputs and writes suppressions of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use quell_testbed::instance::Instance;
use quell_testbed::{tree, wait_for};
use serde::{Deserialize, Serialize};

use crate::engine::Deployment;
use crate::machine::{Reading, bytes_on_disk, peak_memory};
use crate::progress::Progress;
use crate::reader::Written;
use crate::topics::{Inputs, create, delete, suppressions};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contestant {
    /// What librdkafka can do with nothing in between.
    Limit,
    /// Kafka Streams with commits every 100 ms, its default under exactly-once.
    KafkaStreams,
    /// The same with commits every 20 ms, where its latency is best.
    KafkaStreamsAt20Millis,
    Quell,
}

impl Contestant {
    pub fn name(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::KafkaStreams => "Kafka Streams",
            Self::KafkaStreamsAt20Millis => "Kafka Streams, 20 ms commits",
            Self::Quell => "Quell",
        }
    }

    pub fn written(self) -> Written {
        if self == Self::Limit { Written::Keys } else { Written::Suppressions }
    }
}

/// A contestant at work.
pub struct Running {
    kind: Contestant,
    process: Process,
    bootstrap: String,
    /// Before the names of its topics.
    pub prefix: String,
    group: String,
    /// Its messages to itself, which are work, too.
    graph: Option<String>,
    log: PathBuf,
    state: PathBuf,
}

enum Process {
    Engine(Instance),
    Other(Child),
}

fn kafka_streams() -> PathBuf {
    tree().join("bench/kstreams/run")
}

impl Running {
    /// Starts one. Everything of its own (group, topics, state) is new, and bears this name.
    pub fn start(kind: Contestant, bootstrap: &str, inputs: &Inputs, dir: &Path, name: &str) -> Self {
        let (log, state) = (dir.join(format!("{name}.log")), dir.join(name));
        let group = name.to_owned();
        let running = |process, graph| Self {
            kind,
            process,
            bootstrap: bootstrap.to_owned(),
            prefix: name.to_owned(),
            group: group.clone(),
            graph,
            log: log.clone(),
            state: state.clone(),
        };
        match kind {
            Contestant::Limit => running(Process::Other(start_limit(bootstrap, inputs, name, &log)), None),
            Contestant::KafkaStreams | Contestant::KafkaStreamsAt20Millis => {
                let process = Command::new(kafka_streams())
                    .args([bootstrap, name, inputs.choices.strip_suffix(".optout.events").unwrap()])
                    .arg(&state)
                    .env("KS_COMMIT_INTERVAL_MS", if kind == Contestant::KafkaStreams { "100" } else { "20" })
                    .stdin(Stdio::piped())
                    .stdout(File::create(&log).unwrap())
                    .stderr(File::options().append(true).open(&log).unwrap())
                    .spawn()
                    .unwrap();
                running(Process::Other(process), Some(format!("{name}.graph")))
            }
            Contestant::Quell => {
                let deployment = Deployment::new(bootstrap, inputs, dir, name);
                let process = Process::Engine(deployment.start(1));
                Self {
                    log: deployment.log(1),
                    state: deployment.store(1),
                    ..running(process, Some(deployment.graph()))
                }
            }
        }
    }

    /// Waits until it has worked off what lies on its inputs, so many events; what had been used at the first and the last.
    pub fn work_off(&mut self, inputs: &Inputs, events: usize, broker: u32) -> [Reading; 2] {
        self.wait_for_first_event();
        let progress = Progress::of(&self.bootstrap, &self.group, self.graph.as_deref(), inputs, events);
        let first = self.reading(broker);
        let last = progress.finish(|| {
            self.must_run();
            self.reading(broker)
        });
        [first, last]
    }

    /// What it and the broker have used so far.
    pub fn reading(&self, broker: u32) -> Reading {
        Reading::now(&[self.process()], broker)
    }

    pub fn process(&self) -> u32 {
        match &self.process {
            Process::Engine(instance) => instance.process(),
            Process::Other(child) => child.id(),
        }
    }

    /// It has not ended by itself.
    fn must_run(&mut self) {
        let ended = match &mut self.process {
            Process::Engine(instance) => instance.status(),
            Process::Other(child) => child.try_wait().unwrap(),
        };
        if let Some(status) = ended {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            panic!("{} ended ({status}):\n{log}", self.kind.name());
        }
    }

    /// Waits for the first event: until then it started, joined its group and waited to be given its share. The limit and
    /// the peer tell of it by a line, Quell by a metric.
    pub fn wait_for_first_event(&mut self) {
        wait_for("the first event", || {
            self.must_run();
            match &self.process {
                Process::Engine(instance) => {
                    instance.metric("quell_events_total", &[]).filter(|count| *count > 0.0).map(drop)
                }
                Process::Other(_) => {
                    let said = std::fs::read_to_string(&self.log).unwrap();
                    said.lines().any(|line| line.starts_with("FIRST_EVENT_MS ")).then_some(())
                }
            }
        });
    }

    pub fn peak_memory(&self) -> u64 {
        peak_memory(self.process())
    }

    /// Ends it in order, and removes everything of its own; how many bytes it had on disk.
    pub fn finish(self) -> u64 {
        match self.process {
            Process::Engine(instance) => {
                let status = instance.stop();
                assert!(status.success(), "Quell did not end well ({status}); its log is {}", self.log.display());
            }
            Process::Other(mut child) => {
                // Both end with their standard input.
                drop(child.stdin.take());
                let status = child.wait().unwrap();
                assert!(status.success(), "{} did not end well ({status})", self.kind.name());
            }
        }
        let bytes = bytes_on_disk(&self.state);
        if self.state.exists() {
            std::fs::remove_dir_all(&self.state).unwrap();
        }
        delete(&self.bootstrap, &self.prefix);
        bytes
    }
}

fn start_limit(bootstrap: &str, inputs: &Inputs, name: &str, log: &Path) -> Child {
    let (outputs, changelog) = (suppressions(name), format!("{name}.changelog"));
    let mut topics: Vec<&str> = outputs.iter().map(String::as_str).collect();
    topics.push(&changelog);
    create(bootstrap, &topics, "delete");
    let mut command = Command::new(quell_testbed::binary().with_file_name("quell-limit"));
    command.args(["--bootstrap", bootstrap, "--group", name, "--changelog", &changelog]);
    command.args(["--choices", &inputs.choices, "--links", &inputs.links]);
    for output in &outputs {
        command.args(["--suppressions", output]);
    }
    let log = File::create(log).unwrap();
    command.stdin(Stdio::piped()).stderr(log.try_clone().unwrap()).stdout(log).spawn().unwrap()
}
