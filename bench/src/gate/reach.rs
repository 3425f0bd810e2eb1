//! How fast an opt-out reaches the gate: from its record on the engine's input to a deny, on a real Kafka. One after the
//! other, each at a consumer of its own, with nothing else to do and beside a stream of events.

use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use quell_testbed::{DEADLINE, now_millis};
use serde::{Deserialize, Serialize};

use super::asker::Asker;
use super::population::question;
use super::site::{Gate, Site};
use crate::arena::Arena;
use crate::backlog::Backlog;
use crate::chance::Random;
use crate::engine::Deployment;
use crate::figures::quantile;
use crate::latency::Pace;
use crate::load::{self, Sender};
use crate::machine::Reading;
use crate::progress::Progress;
use crate::topics::Inputs;
use crate::workload::{Event, EventWriter, Type, What, Workload};

/// How often the gate is asked. An answer takes less.
const ASK_EVERY: Duration = Duration::from_millis(1);
/// At most so long after a deny the next opt-out comes: at no fixed place in the engine's turns.
const PAUSE_MICROS_MAX: u32 = 50_000;

/// What makes the gate deny.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// An account opts out of automated decisions.
    OptOut,
    /// A cookie turns out to be of an account that opted out before.
    LateLink,
}

/// One way at one pace. Before, the gate permitted each; and every decision is recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReachRun {
    pub way: Way,
    /// Of the other events.
    pub pace: Pace,
    pub denies: usize,
    pub p50_millis: f64,
    pub p99_millis: f64,
    pub longest_millis: f64,
}

/// An engine that is warm, and a gate behind it.
struct Session<'a> {
    arena: &'a Arena,
    inputs: Inputs,
    asker: &'a Asker,
    sender: Sender,
    writer: EventWriter,
    random: Random,
    /// The consumers that opt out.
    workload: Workload,
    decisions: u64,
}

pub fn run(arena: &Arena, backlog: Workload, paces: &[Pace]) -> Vec<ReachRun> {
    let backlog = Backlog::load(arena, backlog);
    let (bootstrap, name) = (arena.bootstrap(), arena.new_name());
    let deployment = Deployment::new(bootstrap, &backlog.inputs, arena.dir(), &name);
    let mut engine = deployment.start(1);
    Progress::of(bootstrap, &name, Some(&deployment.graph()), &backlog.inputs, backlog.workload.events.len()).finish(
        || {
            engine.must_run();
            Reading::now(&[engine.process()], arena.broker())
        },
    );
    let site = Site::new(bootstrap, arena.dir(), &name);
    site.make_topics();
    let mut gate = site.start();
    gate.wait_until_ready();
    gate.wait_until_fresh();
    let Gate { process, asker } = gate;
    let mut session = Session {
        arena,
        inputs: backlog.inputs.clone(),
        asker: &asker,
        sender: Sender::new(bootstrap, "0"),
        writer: EventWriter::new(),
        random: Random::new(&[7]),
        workload: Workload::empty(1_000),
        decisions: 0,
    };
    let mut runs = Vec::new();
    for (seed, pace) in (2..).zip(paces) {
        for way in [Way::OptOut, Way::LateLink] {
            runs.push(session.measure(way, *pace, seed * 2 + way as u64));
        }
    }
    site.records().wait_for(session.decisions);
    process.stop();
    assert!(engine.stop().success(), "the engine did not end well");
    runs
}

impl Session<'_> {
    fn measure(&mut self, way: Way, pace: Pace, seed: u64) -> ReachRun {
        let others = self.others(pace, seed);
        let mut micros = Vec::new();
        let is_over = |done: usize| match (&others, pace) {
            (Some(others), _) => others.is_finished(),
            (None, Pace::Idle { opt_outs }) => done >= opt_outs as usize,
            (None, Pace::Steady { .. }) => true,
        };
        while !is_over(micros.len()) {
            micros.push(self.reach(way).as_micros() as u64);
            sleep(Duration::from_micros(u64::from(self.random.below(PAUSE_MICROS_MAX))));
        }
        if let Some(others) = others {
            others.join().unwrap();
        }
        micros.sort_unstable();
        let millis = |share| quantile(&micros, share) as f64 / 1000.0;
        ReachRun {
            way,
            pace,
            denies: micros.len(),
            p50_millis: millis(0.5),
            p99_millis: millis(0.99),
            longest_millis: millis(1.0),
        }
    }

    /// Sends other events meanwhile, if there are any.
    fn others(&self, pace: Pace, seed: u64) -> Option<JoinHandle<()>> {
        let Pace::Steady { per_second, .. } = pace else { return None };
        let (bootstrap, inputs) = (self.arena.bootstrap().to_owned(), self.inputs.clone());
        let workload = pace.workload(seed);
        Some(std::thread::spawn(move || drop(load::paced(&bootstrap, &inputs, &workload, per_second))))
    }

    /// How long one takes.
    fn reach(&mut self, way: Way) -> Duration {
        let account = self.workload.add(Type::Account);
        let opt_out = Event { at: account, what: What::Decision };
        match way {
            Way::OptOut => self.denied_after(opt_out, account),
            Way::LateLink => {
                let cookie = self.workload.add(Type::Cookie);
                self.denied_after(opt_out, account);
                self.denied_after(Event { at: account, what: What::Link { other: cookie } }, cookie)
            }
        }
    }

    fn denied_after(&mut self, event: Event, at: u32) -> Duration {
        let of = self.workload.types[at as usize];
        let body = question(of.name(), &self.workload.value(at), &"0".repeat(64));
        let before = self.ask(&body);
        assert!(before.0, "the gate denied before the opt-out: {}", before.1);
        let value = self.writer.write(&self.workload, event, Some(now_millis()));
        let sent_at = Instant::now();
        self.sender.send(self.inputs.of_event(event), &self.random.next().to_be_bytes(), &value);
        self.sender.look();
        loop {
            let (permits, reason) = self.ask(&body);
            if !permits {
                let took = sent_at.elapsed();
                assert_eq!(reason, "suppressed");
                self.sender.settle();
                return took;
            }
            assert!(sent_at.elapsed() < DEADLINE, "an opt-out did not reach the gate within {DEADLINE:?}");
            sleep(ASK_EVERY);
        }
    }

    fn ask(&mut self, body: &str) -> (bool, String) {
        self.decisions += 1;
        let answer = self.asker.ask(body).unwrap();
        (answer.decision, answer.context.reason)
    }
}
