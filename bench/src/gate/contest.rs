//! What a decision costs: every server is asked the same over the same connections, one after the other, round by round.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::generator;
use super::population::{Asked, Population};
use super::server::{OpaFiles, Server, Serving};
use super::site::{Gate, Site};
use crate::arena::Arena;
use crate::machine::{Reading, peak_memory};

/// Over so many connections at once.
pub const CONNECTIONS: [u32; 2] = [1, 16];

/// As many different questions are asked, any of them, again and again.
const QUESTIONS: u32 = 20_000;
/// Of them are asked before and after, each answer looked at.
const CHECKED: usize = 1_000;
/// Questions before the clock starts; how fast they are answered says how many the measured ones have to be.
const WARM_UP: u64 = 3_000;

/// One server over so many connections. What it answered before and after was right, and so was what it recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GateRun {
    pub server: Server,
    pub connections: u32,
    pub decisions: u64,
    /// From the first question to the last answer.
    pub seconds: f64,
    pub p50_millis: f64,
    pub p99_millis: f64,
    /// CPU until the last decision was recorded, too, in seconds.
    pub server_cpu: f64,
    pub broker_cpu: f64,
    pub others_cpu: f64,
    /// The most until then, with what its start took.
    pub peak_memory_bytes: u64,
}

impl GateRun {
    pub fn per_second(&self) -> f64 {
        self.decisions as f64 / self.seconds
    }

    pub fn server_micros(&self) -> f64 {
        self.server_cpu * 1e6 / self.decisions as f64
    }

    pub fn broker_micros(&self) -> f64 {
        self.broker_cpu * 1e6 / self.decisions as f64
    }
}

/// All servers, with the same data.
pub struct Contest<'a> {
    arena: &'a Arena,
    questions: Vec<Asked>,
    /// A question a line.
    file: PathBuf,
    servers: Vec<Serving>,
}

impl<'a> Contest<'a> {
    /// Starts these beside a gate that is ready.
    pub fn begin(arena: &'a Arena, population: &Population, site: &Site, gate: Gate, servers: &[Server]) -> Self {
        let dir = arena.dir();
        let questions = population.questions(QUESTIONS);
        let file = write_lines(dir, &questions);
        let opa = OpaFiles::new(dir);
        population.write_data(&opa.data);
        let mut gate = Some(gate);
        let start = |server: &Server| match server {
            Server::Constant => Serving::constant(dir),
            Server::Opa => Serving::opa(dir, &opa, false),
            Server::OpaLogging => Serving::opa(dir, &opa, true),
            Server::Quell => Serving::quell(gate.take().unwrap(), site.records()),
        };
        let mut servers: Vec<Serving> = servers.iter().map(start).collect();
        servers.iter_mut().for_each(|server| server.wait_until_ready(&questions[0]));
        let mut contest = Self { arena, questions, file, servers };
        contest.check();
        contest
    }

    /// Some seconds of each.
    pub fn round(&mut self, seconds: f64, mut tell: impl FnMut(&str)) -> Vec<GateRun> {
        let mut runs = Vec::new();
        for connections in CONNECTIONS {
            for place in 0..self.servers.len() {
                let run = self.measure(place, connections, seconds);
                let (name, per_second, micros) = (run.server.name(), run.per_second(), run.server_micros());
                tell(&format!("{connections} connections, {name}: {per_second:.0} decisions/s, {micros:.1} µs of CPU"));
                runs.push(run);
            }
        }
        runs
    }

    fn measure(&mut self, place: usize, connections: u32, seconds: f64) -> GateRun {
        let (server, broker) = (&mut self.servers[place], self.arena.broker());
        let (process, url) = (server.process(), server.url());
        let warm = generator::run(&url, &self.file, connections, WARM_UP);
        server.answered(WARM_UP);
        let count = (warm.decisions as f64 / warm.seconds * seconds) as u64;
        let began = Reading::now(&[process], broker);
        let load = generator::run(&url, &self.file, connections, count);
        server.answered(count);
        let usage = Reading::now(&[process], broker).since(&began);
        GateRun {
            server: server.server,
            connections,
            decisions: load.decisions,
            seconds: load.seconds,
            p50_millis: load.p50_millis,
            p99_millis: load.p99_millis,
            server_cpu: usage.application,
            broker_cpu: usage.broker,
            others_cpu: usage.others,
            peak_memory_bytes: peak_memory(process),
        }
    }

    /// Looks at answers and records once more, and ends all.
    pub fn finish(mut self) {
        self.check();
        for server in &self.servers {
            server.check_records(&self.questions).unwrap_or_else(|fault| self.arena.fail(server.server.name(), &fault));
        }
        self.servers.into_iter().for_each(Serving::stop);
    }

    fn check(&mut self) {
        let checked = self.questions.get(..CHECKED).unwrap_or(&self.questions);
        for server in &mut self.servers {
            server.check(checked).unwrap_or_else(|fault| self.arena.fail(server.server.name(), &fault));
        }
    }
}

fn write_lines(dir: &Path, questions: &[Asked]) -> PathBuf {
    let file = dir.join("questions");
    let lines: String = questions.iter().flat_map(|asked| [asked.body.as_str(), "\n"]).collect();
    std::fs::write(&file, lines).unwrap();
    file
}
