//! Who answers: each is a process of its own, with the same data, and is asked the same.

use std::path::{Path, PathBuf};
use std::process::Command;

use quell_testbed::{binary, free_port, wait_for};
use serde::{Deserialize, Serialize};

use super::asker::Asker;
use super::population::Asked;
use super::process::Process;
use super::records::Records;
use super::site::Gate;

/// The question that Open Policy Agent is asked, in its own language.
const RULES: &str = include_str!("gate.rego");

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Server {
    /// A bare axum handler.
    Constant,
    /// Open Policy Agent, which records nothing.
    Opa,
    /// The same with its decision log on.
    OpaLogging,
    Quell,
}

impl Server {
    pub const ALL: [Self; 4] = [Self::Constant, Self::Opa, Self::OpaLogging, Self::Quell];

    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "bare handler",
            Self::Opa => "Open Policy Agent",
            Self::OpaLogging => "Open Policy Agent with its decision log",
            Self::Quell => "Quell",
        }
    }
}

/// What Open Policy Agent reads at its start.
pub struct OpaFiles {
    pub data: PathBuf,
    rules: PathBuf,
}

impl OpaFiles {
    /// In a directory; whoever makes them writes the data.
    pub fn new(dir: &Path) -> Self {
        let rules = dir.join("gate.rego");
        std::fs::write(&rules, RULES).unwrap();
        Self { data: dir.join("data.json"), rules }
    }
}

/// One that runs.
pub struct Serving {
    pub server: Server,
    process: Process,
    asker: Asker,
    records: Records,
    /// Questions that it answered.
    answered: u64,
}

impl Serving {
    pub fn constant(dir: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new(binary().with_file_name("quell-constant"));
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        let process = Process::start(&mut command, &dir.join("constant.log"));
        Self::new(Server::Constant, process, Asker::new(port, "/"), Records::None)
    }

    /// Open Policy Agent, with its store as it is fastest to read, which its manual advises for large data. Its log goes to a
    /// file: that is the cheapest, and loses nothing.
    pub fn opa(dir: &Path, files: &OpaFiles, logs: bool) -> Self {
        let (port, name) = (free_port(), if logs { "opa-logging" } else { "opa" });
        let log = dir.join(format!("{name}.log"));
        let mut command = Command::new("opa");
        command.args(["run", "--server", "--skip-version-check", "--optimize-store-for-read-speed"]);
        command.args(["--log-level", "error", "--addr", &format!("127.0.0.1:{port}")]);
        if logs {
            command.args(["--set", "decision_logs.console=true"]);
        }
        command.arg(&files.data).arg(&files.rules);
        let process = Process::start(&mut command, &log);
        let records = if logs { Records::Lines(log) } else { Records::None };
        let server = if logs { Server::OpaLogging } else { Server::Opa };
        Self::new(server, process, Asker::new(port, "/v0/data/gate/answer"), records)
    }

    pub fn quell(gate: Gate, records: Records) -> Self {
        Self::new(Server::Quell, gate.process, gate.asker, records)
    }

    fn new(server: Server, process: Process, asker: Asker, records: Records) -> Self {
        Self { server, process, asker, records, answered: 0 }
    }

    pub fn process(&self) -> u32 {
        self.process.id()
    }

    pub fn url(&self) -> String {
        self.asker.url()
    }

    pub fn wait_until_ready(&mut self, asked: &Asked) {
        wait_for(self.server.name(), || {
            self.process.must_run();
            self.asker.ask(&asked.body)
        });
        self.answered += 1;
    }

    /// Everything that it answers is right.
    pub fn check(&mut self, questions: &[Asked]) -> Result<(), String> {
        self.answered += questions.len() as u64;
        match self.server {
            // It answers the same to everybody.
            Server::Constant => {
                let permits = questions.iter().all(|asked| self.asker.ask(&asked.body).is_some_and(|it| it.decision));
                if permits { Ok(()) } else { Err("it does not answer its constant".to_owned()) }
            }
            _ => self.asker.check(questions),
        }
    }

    /// So many more were answered; waits until all are recorded that ever were.
    pub fn answered(&mut self, count: u64) {
        self.answered += count;
        self.records.wait_for(self.answered);
    }

    /// Everything that it recorded is right.
    pub fn check_records(&self, questions: &[Asked]) -> Result<(), String> {
        self.records.check(questions)
    }

    pub fn stop(self) {
        self.process.stop();
    }
}
