//! A run: steps by chance, then rest, then the verdict.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use quell_domain::{Millis, Policy, ShardCount};
use quell_engine::log::{InputPartition, InputTopic, OutputTopic};
use quell_engine::{Engine, Settings};
use quell_wire::{Decoder, Encoder, Format};

use crate::broken::Broken;
use crate::cluster::{Cluster, Place, Shared};
use crate::disk::Disk;
use crate::events::{Produced, Source, world};
use crate::invariants::{Violation, Watch, disk_agrees, untaken, violated};
use crate::member::{Member, SharedMember};
use crate::scenario::{DELETIONS_KEPT, RELAX_AFTER, Scenario};
use crate::waiting::Waiting;

/// When a run begins, in milliseconds: long after everything that its events tell of.
const BEGINNING: i64 = 1_795_464_000_000;

/// How much happens by chance after a path has come to rest, at least: rounds, in which all take turns, hide a lot.
const PATH_STEPS: usize = 400;

/// A run whose events are all made takes no more steps than this to come to rest.
const RESTLESS_ROUNDS_MAX: usize = 400;

/// So many rounds without news are rest.
const QUIET_ROUNDS: usize = 3;

/// On a path, events are so many times rarer: they meet waves, not each other.
const PATH_PAUSES: u32 = 4;

/// For about how many turns one instance gets most of them, on a path.
const FAVOURED_FOR: u32 = 15;

/// How many turns each engine has in a round.
const ROUND_TURNS: usize = 40;

/// What runs have covered, so that idle ones show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Covered {
    /// Seeds.
    pub runs: u64,
    /// Steps.
    pub steps: u64,
    /// Records that producers wrote.
    pub events: u64,
    /// Suppressions that were published.
    pub suppressions: u64,
    /// Of them, those that relaxed something.
    pub relaxations: u64,
    /// Instances that were killed.
    pub crashes: u64,
    /// Of them, those whose disk was lost, too.
    pub wiped_disks: u64,
    /// Instances that were taken for dead.
    pub expelled: u64,
    /// Instances that joined.
    pub joined: u64,
    /// Instances that left in order.
    pub left: u64,
    /// Transactions that the coordinator aborted.
    pub timed_out: u64,
    /// Shards that were taken over by an instance that had a copy.
    pub warm_take_overs: u64,
    /// How often it was said that all is complete, and checked.
    pub completions: u64,
}

impl AddAssign for Covered {
    fn add_assign(&mut self, other: Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.events += other.events;
        self.suppressions += other.suppressions;
        self.relaxations += other.relaxations;
        self.crashes += other.crashes;
        self.wiped_disks += other.wiped_disks;
        self.expelled += other.expelled;
        self.joined += other.joined;
        self.left += other.left;
        self.timed_out += other.timed_out;
        self.warm_take_overs += other.warm_take_overs;
        self.completions += other.completions;
    }
}

struct Instance {
    name: String,
    disk: Disk,
    member: Rc<RefCell<Member>>,
    waiting: Waiting,
    engine: Engine<SharedMember, Disk>,
}

struct Run {
    scenario: Scenario,
    policy: Arc<Policy>,
    chance: Rng,
    clock: Arc<AtomicI64>,
    cluster: Shared,
    instances: Vec<Instance>,
    /// Disks of dead instances, by name.
    disks: Vec<(String, Disk)>,
    named: usize,
    /// Which instance gets most turns, if any does.
    favoured: Option<usize>,
    source: Source,
    produced: Vec<Produced>,
    /// What was written, and when.
    sent: Vec<(Millis, Produced)>,
    watch: Watch,
    covered: Covered,
}

/// Runs a seed.
///
/// # Errors
/// The first invariant that did not hold.
pub fn run(seed: u64, broken: Option<Broken>) -> Result<Covered, Violation> {
    let mut chance = Rng::with_seed(seed);
    let scenario = Scenario::choose(seed, &mut chance);
    let policy = Arc::new(scenario.policy().map_err(|error| violated("scenario", error))?);
    let cluster = Cluster::new(chance.fork(), broken, scenario.inputs, scenario.shards);
    let mut run = Run {
        scenario,
        policy,
        chance,
        clock: Arc::new(AtomicI64::new(BEGINNING)),
        cluster: Rc::new(RefCell::new(cluster)),
        instances: Vec::new(),
        disks: Vec::new(),
        named: 0,
        favoured: None,
        source: Source::new(scenario),
        produced: Vec::new(),
        sent: Vec::new(),
        watch: Watch::new(scenario.only_grows),
        covered: Covered { runs: 1, ..Covered::default() },
    };
    run.live()?;
    run.rest()?;
    run.judge()?;
    run.repeat()?;
    run.covered.suppressions = run.watch.suppressions;
    run.covered.warm_take_overs = run.cluster.borrow().warm_take_overs;
    run.covered.relaxations = run.watch.relaxations;
    run.covered.completions = run.watch.completions;
    Ok(run.covered)
}

impl Run {
    // ---- the time in which things happen

    fn live(&mut self) -> Result<(), Violation> {
        self.start()?;
        let mut steps_left = 0;
        if self.scenario.path {
            while self.instances.len() < self.scenario.instances_max {
                self.start()?;
            }
            for record in self.source.path(&mut self.chance) {
                self.send(record.clone());
                self.produced.push(record);
            }
            self.rest()?;
            steps_left = PATH_STEPS;
        }
        while !self.source.is_dry() || steps_left > 0 {
            self.step()?;
            steps_left = steps_left.saturating_sub(1);
        }
        Ok(())
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.covered.steps += 1;
        if self.chance.u32(0..1000) < self.scenario.faults_permille {
            self.fault()?;
        }
        match self.chance.u32(0..100) {
            0..10 => {
                if !self.scenario.path || self.chance.u32(0..PATH_PAUSES) == 0 {
                    self.produce();
                }
            }
            10..55 => self.turn()?,
            55..80 => self.advance(),
            80..90 => self.cluster.borrow_mut().deliver_marker(),
            90..94 => {
                let millis = self.chance.u64(0..10);
                self.pass(millis);
                if self.chance.u32(0..20) == 0 {
                    self.days_pass();
                }
            }
            94..97 => {
                if let Some(instance) = self.chance.choice(&self.instances) {
                    instance.disk.flush(&mut self.cluster.borrow_mut().chance);
                }
            }
            _ => self.cluster.borrow_mut().compact_all(self.now(), DELETIONS_KEPT),
        }
        self.check()
    }

    fn fault(&mut self) -> Result<(), Violation> {
        match self.chance.u32(0..6) {
            0 | 1 => self.crash(),
            2 => self.expel(),
            3 => self.leave()?,
            4 => self.covered.timed_out += u64::from(self.cluster.borrow_mut().time_out_a_transaction()),
            _ => {}
        }
        if self.instances.len() < self.scenario.instances_max && (self.instances.is_empty() || self.chance.bool()) {
            self.start()?;
        }
        Ok(())
    }

    fn check(&mut self) -> Result<(), Violation> {
        let cluster = self.cluster.borrow();
        self.watch.look(&self.policy, &cluster)?;
        self.watch.hear_of_waves(&self.policy, &cluster, &self.sent, self.now())?;
        // The most expensive; now and then is often enough over all seeds.
        if self.covered.steps.is_multiple_of(8) {
            self.instances.iter().try_for_each(|instance| disk_agrees(&cluster, &instance.disk))?;
        }
        Ok(())
    }

    /// So much time that changelogs forget deletions. Not in the middle of a restore: one that takes longer than that
    /// cannot be right (T5).
    fn days_pass(&mut self) {
        if self.instances.iter().all(|instance| instance.waiting.shards_restoring() == 0) {
            self.cluster.borrow_mut().compact_all(self.now(), DELETIONS_KEPT);
            self.pass(2 * u64::try_from(DELETIONS_KEPT.as_millis()).unwrap_or(0));
            self.cluster.borrow_mut().compact_all(self.now(), DELETIONS_KEPT);
        }
    }

    fn pass(&mut self, millis: u64) {
        self.clock.fetch_add(i64::try_from(millis).unwrap_or(0), Ordering::Relaxed);
    }

    fn now(&self) -> Millis {
        Millis(self.clock.load(Ordering::Relaxed))
    }

    fn produce(&mut self) {
        if let Some(record) = self.source.next(&mut self.chance) {
            self.covered.events += 1;
            self.send(record.clone());
            self.produced.push(record);
        }
    }

    fn send(&mut self, record: Produced) {
        let partition = InputPartition { topic: record.topic, partition: self.chance.u32(0..self.scenario.inputs) };
        self.cluster.borrow_mut().produce(partition, record.value.clone(), self.now());
        self.sent.push((self.now(), record));
        if self.scenario.path {
            // What is looked for from now on is looked for later.
            self.pass(1);
        }
    }

    fn turn(&mut self) -> Result<(), Violation> {
        let some = self.instances.len();
        if self.scenario.path && self.chance.u32(0..FAVOURED_FOR) == 0 {
            self.favoured = (some > 0).then(|| self.chance.usize(0..some));
        }
        let favoured = self.favoured.filter(|_| self.chance.u32(0..4) > 0);
        let instance = match favoured {
            Some(favoured) => self.instances.get_mut(favoured),
            None => self.chance.choice(&mut self.instances),
        };
        match instance {
            Some(instance) => instance
                .engine
                .turn(Duration::ZERO)
                .map_err(|error| violated("an engine never ends", error.to_string())),
            None => Ok(()),
        }
    }

    fn advance(&mut self) {
        if let Some(instance) = self.chance.choice(&self.instances) {
            instance.member.borrow_mut().advance();
        }
    }

    // ---- instances come and go

    fn start(&mut self) -> Result<(), Violation> {
        let (name, disk) = if self.disks.is_empty() || self.chance.u32(0..4) == 0 {
            self.named += 1;
            (format!("instance-{}", self.named), Disk::default())
        } else {
            self.disks.swap_remove(self.chance.usize(0..self.disks.len()))
        };
        let member = Rc::new(RefCell::new(Member::join(&self.cluster, &self.clock, &name, self.scenario.shards)));
        let broken = self.cluster.borrow().broken;
        let topics = [InputTopic::Choices, InputTopic::Links, InputTopic::Acks, InputTopic::Graph];
        let settings = Settings {
            shards: ShardCount::new(self.scenario.shards).ok_or_else(|| violated("scenario", "no shards"))?,
            relax_after: RELAX_AFTER,
            threads: 1,
            epoch_records_max: self.scenario.epoch_records_max,
            epoch_bytes_max: 1 << 20,
            backlog_bytes_max: self.chance.usize(500..5000),
            graph_behind_max: self.chance.u64(0..10),
            cached_nodes_max: self.chance.usize(0..3),
            deletions_kept: if broken == Some(Broken::OldRows) { Duration::from_secs(1 << 40) } else { DELETIONS_KEPT },
            review_rate: 1_000,
            poison: None,
            watermark_every: Duration::from_millis(if self.scenario.path { 0 } else { self.chance.u64(0..10) }),
            watermarks: "watermarks".to_owned(),
            topic_names: BTreeMap::from(topics.map(|topic| (topic, format!("{topic:?}")))),
        };
        let clock = Arc::clone(&self.clock);
        let waiting = Waiting::default();
        let engine = Engine::new(
            settings,
            Arc::clone(&self.policy),
            Decoder::new(None),
            Encoder::new(Format::Avro, None),
            SharedMember(Rc::clone(&member)),
            disk.clone(),
            Box::new(waiting.clone()),
            Box::new(move || Millis(clock.load(Ordering::Relaxed))),
        );
        let mut engine = engine.map_err(|error| violated("an engine never ends", error.to_string()))?;
        if broken == Some(Broken::NoRepeat) {
            engine.repeat_nothing();
        }
        self.covered.joined += 1;
        self.instances.push(Instance { name, disk, member, waiting, engine });
        Ok(())
    }

    fn take(&mut self) -> Option<Instance> {
        let some = self.instances.len();
        (some > 0).then(|| self.instances.swap_remove(self.chance.usize(0..some)))
    }

    /// SIGKILL, in the middle of anything. The group notices later.
    fn crash(&mut self) {
        let Some(instance) = self.take() else { return };
        self.covered.crashes += 1;
        instance.disk.crash(&mut self.chance);
        self.cluster.borrow_mut().group.remove(instance.member.borrow().number());
        if self.chance.u32(0..5) == 0 {
            self.covered.wiped_disks += 1;
        } else {
            self.disks.push((instance.name, instance.disk));
        }
    }

    /// An instance is taken for dead, and is not: a zombie.
    fn expel(&mut self) {
        if let Some(instance) = self.chance.choice(&self.instances) {
            self.covered.expelled += 1;
            self.cluster.borrow_mut().group.remove(instance.member.borrow().number());
        }
    }

    /// SIGTERM: drains, and leaves.
    fn leave(&mut self) -> Result<(), Violation> {
        let Some(mut instance) = self.take() else { return Ok(()) };
        self.covered.left += 1;
        instance.engine.drain();
        while !instance.engine.is_drained() {
            let turn = instance.engine.turn(Duration::ZERO);
            turn.map_err(|error| violated("an engine never ends", error.to_string()))?;
            instance.member.borrow_mut().advance();
            self.cluster.borrow_mut().deliver_marker();
            self.check()?;
        }
        self.cluster.borrow_mut().group.remove(instance.member.borrow().number());
        self.disks.push((instance.name, instance.disk));
        Ok(())
    }

    // ---- rest, and what must be true then

    fn rest(&mut self) -> Result<(), Violation> {
        if self.instances.is_empty() {
            self.start()?;
        }
        // Whoever is dead is found out in time: what it left open is aborted.
        self.disks.iter().for_each(|(name, _)| self.cluster.borrow_mut().settle_all_of(name));
        let (mut quiet, mut last) = (0, (0, 0));
        for _ in 0..RESTLESS_ROUNDS_MAX {
            self.round()?;
            let size = self.size();
            let relaxations: u64 = self.instances.iter().map(|instance| instance.waiting.relaxations()).sum();
            let now = (size, untaken(&self.cluster.borrow()));
            let all_complete = self.sent.last().is_none_or(|(at, _)| self.watch.complete_through > *at);
            quiet = if now == last && now.1 == 0 && relaxations == 0 { quiet + 1 } else { 0 };
            last = now;
            if quiet >= QUIET_ROUNDS && all_complete {
                return Ok(());
            }
        }
        if last.1 == 0 {
            return Err(violated("W3", "all is through, and nobody says so"));
        }
        Err(violated("F1", format!("does not come to rest: {} records are not taken", last.1)))
    }

    /// How many records there are, but for watermarks, which never end.
    fn size(&self) -> i64 {
        let cluster = self.cluster.borrow();
        let counted = cluster.partitions.iter().filter(|(place, _)| **place != Place::Output(OutputTopic::Watermarks));
        counted.map(|(_, partition)| partition.high().0).sum()
    }

    /// Everybody's turn, without faults.
    fn round(&mut self) -> Result<(), Violation> {
        // What nobody works on any more, the coordinator ends: of a wiped instance nobody else is left to do so.
        let at_work: Vec<_> =
            self.instances.iter().filter_map(|instance| instance.member.borrow().transaction()).collect();
        self.cluster.borrow_mut().time_out_all_but(&at_work);
        for _ in 0..ROUND_TURNS {
            for at in 0..self.instances.len() {
                let Some(instance) = self.instances.get_mut(at) else { break };
                instance.member.borrow_mut().faults = false;
                let turn = instance.engine.turn(Duration::ZERO);
                turn.map_err(|error| violated("an engine never ends", error.to_string()))?;
                instance.member.borrow_mut().advance();
                self.cluster.borrow_mut().deliver_marker();
            }
            self.covered.steps += 1;
            self.check()?;
        }
        self.pass(u64::try_from(RELAX_AFTER.as_millis()).unwrap_or(0));
        Ok(())
    }

    fn judge(&mut self) -> Result<(), Violation> {
        let cluster = self.cluster.borrow();
        self.instances.iter().try_for_each(|instance| disk_agrees(&cluster, &instance.disk))?;
        let nonsense = self.produced.iter().filter(|record| record.is_nonsense).count();
        self.watch.at_rest(
            &self.policy,
            &world(&Decoder::new(None), &self.policy, self.now(), &self.produced),
            nonsense,
        )
    }

    /// F2: everything once more changes nothing.
    fn repeat(&mut self) -> Result<(), Violation> {
        let before = self.watch.suppressions;
        let repeated: Vec<Produced> = self.produced.iter().filter(|record| !record.is_nonsense).cloned().collect();
        repeated.into_iter().for_each(|record| self.send(record));
        self.rest()?;
        match self.watch.suppressions - before {
            0 => Ok(()),
            more => Err(violated("F2", format!("a repeat of everything published {more} messages"))),
        }
    }
}
