//! Some shards, the messages between them, and what they have published: a deployment without Kafka.
//!
//! An epoch spans all shards, as it does at one instance. It is computed ([`Deployment::seal`]), and later either in the
//! store ([`Deployment::commit`]) or lost ([`Deployment::abort`]); then what it took is delivered again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quell_domain::{
    AckOutcome, Acknowledgement, Action, ChoiceEvent, DownstreamNumber, Identifier, LinkEvent, Millis, Policy, Right,
    RightSet, RightState, ShardCount, ShardNumber,
};
use quell_graph::{
    Addressed, Change, Direction, LinkRegister, OpenError, Operation, Origin, Pace, Sequence, Shard, Statement,
    Vocabulary, authority, read_operations, write_operations,
};
use quell_model::{World, final_state};

use crate::memory_rows::MemoryRows;

pub const RELAX_AFTER: Duration = Duration::from_millis(50);

/// A run that takes more has no end.
const DELIVERIES_MAX: usize = 2_000_000;

/// The last message to a downstream about an identifier.
#[derive(Clone, Debug)]
pub struct Published {
    pub version: u64,
    /// By the rights' names.
    pub rights: Vec<(String, RightState)>,
    /// Its downstream was not in the policy for a while; it is told everything again.
    pub was_gone: bool,
}

/// An epoch that is not in the store yet.
struct Sealed {
    changes: Vec<(Sequence, Vec<Change>)>,
    statements: Vec<Statement>,
    safe: Safe,
}

/// What is still to be done after an epoch.
#[derive(Clone, Default)]
struct Safe {
    waiting: Vec<Addressed>,
    /// How much had been handed in.
    handed_in: usize,
}

pub struct Deployment {
    pub vocabulary: Arc<Vocabulary>,
    count: ShardCount,
    pub rows: Vec<MemoryRows>,
    shards: Vec<Shard<MemoryRows>>,
    /// What is to be delivered.
    pub waiting: Vec<Addressed>,
    handed_in: Vec<Addressed>,
    /// As the last epoch left it that is in the store.
    safe: Safe,
    sealed: VecDeque<Sealed>,
    pub now: Millis,
    /// With the names of the rights that they name: which those are, the policy of the end decides.
    choices: Vec<(ChoiceEvent, Vec<&'static str>)>,
    links: Vec<LinkEvent>,
    pub published: BTreeMap<(Identifier, DownstreamNumber), Published>,
    acknowledged: HashMap<(Identifier, DownstreamNumber), u64>,
    pub statements: u64,
    pub relaxations: u64,
    pub deliveries: usize,
    /// How often a shard refused a policy that does not declare what is in use.
    pub refused: usize,
    /// What no run may do, and this one did.
    pub broken: Vec<String>,
}

impl Deployment {
    pub fn new(policy: Policy, count: u32) -> Self {
        let vocabulary = Arc::new(Vocabulary::new(Arc::new(policy)));
        let rows = vec![(); count as usize].into_iter().map(|()| MemoryRows::default()).collect::<Vec<_>>();
        let open = |(number, rows): (u32, &MemoryRows)| {
            Shard::new(ShardNumber(number), Arc::clone(&vocabulary), rows.clone()).unwrap()
        };
        let shards = (0..count).zip(&rows).map(open).collect();
        Self {
            count: ShardCount::new(count).unwrap(),
            shards,
            rows,
            vocabulary,
            waiting: Vec::new(),
            handed_in: Vec::new(),
            safe: Safe::default(),
            sealed: VecDeque::new(),
            now: Millis(1_795_464_000_000),
            choices: Vec::new(),
            links: Vec::new(),
            published: BTreeMap::new(),
            acknowledged: HashMap::new(),
            statements: 0,
            relaxations: 0,
            deliveries: 0,
            refused: 0,
            broken: Vec::new(),
        }
    }

    pub fn policy(&self) -> &Policy {
        self.vocabulary.policy()
    }

    // ---- what comes in

    pub fn choose(&mut self, event: &ChoiceEvent, names: &[&'static str]) {
        self.choices.push((event.clone(), names.to_vec()));
        for to in &event.identifiers {
            let operation = Operation::Choose { choice: Arc::clone(&event.choice), rights: event.rights };
            self.hand_in(to.clone(), operation);
        }
    }

    pub fn link(&mut self, event: &LinkEvent) {
        self.links.push(event.clone());
        let (to, other) = authority(event.a.clone(), event.b.clone());
        let register = LinkRegister { observed_at: event.observed_at, holds: event.holds };
        self.hand_in(to, Operation::Link { other, register });
    }

    /// The downstream acknowledges the last message about an identifier, if there is one.
    pub fn acknowledge(&mut self, identifier: &Identifier, downstream: DownstreamNumber) {
        let key = (identifier.clone(), downstream);
        let Some(published) = self.published.get(&key) else { return };
        let acknowledgement = Acknowledgement {
            downstream,
            identifier: identifier.clone(),
            version: published.version,
            outcome: AckOutcome::Applied,
            applied_at: self.now,
        };
        self.acknowledged.insert(key, published.version);
        self.hand_in(identifier.clone(), Operation::Acknowledge(acknowledgement));
    }

    fn hand_in(&mut self, to: Identifier, operation: Operation) {
        let addressed = Addressed { to, operation, origin: Arc::new(Origin::default()) };
        self.handed_in.push(addressed.clone());
        self.waiting.push(addressed);
    }

    // ---- what happens to it

    /// Delivers one of the waiting operations; `which` picks.
    pub fn deliver(&mut self, which: u64) {
        if self.waiting.is_empty() {
            return;
        }
        let at = usize::try_from(which % self.waiting.len() as u64).unwrap();
        let taken = self.waiting.swap_remove(at);
        self.apply(&taken);
    }

    fn apply(&mut self, addressed: &Addressed) {
        self.deliveries += 1;
        let shard = &mut self.shards[addressed.to.shard(self.count).0 as usize];
        shard.apply(std::iter::once(addressed), &mut self.waiting).unwrap();
    }

    /// Sends every waiting operation through its bytes, as if another instance were to do it.
    pub fn send_all(&mut self) {
        let bytes = write_operations(&self.vocabulary, &self.waiting);
        self.waiting = read_operations(&self.vocabulary, &bytes).unwrap().operations;
    }

    /// Everything is started again under another policy. What was not committed comes again. A policy that no longer
    /// declares what is in use is refused, and the one before stays.
    pub fn change_policy(&mut self, policy: Policy) {
        self.abort();
        let is_declared = |name: &&str| policy.right(name).is_some();
        let names = self.choices.iter().flat_map(|(_, names)| names);
        let handed_in = |name: &str| self.policy().named_by(name).unwrap();
        let needed = names.fold(RightSet::EMPTY, |all, name| all.union(handed_in(name)));
        if !needed.iter().all(|right| is_declared(&self.policy().right_name(right))) {
            let vocabulary = Arc::new(Vocabulary::new(Arc::new(policy)));
            for (number, rows) in (0..).map(ShardNumber).zip(&self.rows) {
                match Shard::new(number, Arc::clone(&vocabulary), rows.clone()) {
                    Err(OpenError::Undeclared(_)) => self.refused += 1,
                    Err(error) => panic!("{error}"),
                    Ok(shard) => assert_eq!(shard.counters().choices.get("admt:lending"), None),
                }
            }
            return;
        }
        let vocabulary = Arc::new(Vocabulary::new(Arc::new(policy)));
        for operations in [&mut self.waiting, &mut self.handed_in, &mut self.safe.waiting] {
            let bytes = write_operations(&self.vocabulary, operations);
            *operations = read_operations(&vocabulary, &bytes).unwrap().operations;
        }
        let open = |(number, rows): (u32, &MemoryRows)| {
            Shard::new(ShardNumber(number), Arc::clone(&vocabulary), rows.clone()).unwrap()
        };
        self.shards = (0..).zip(&self.rows).map(open).collect();
        let downstreams = vocabulary.policy().downstreams().len();
        for ((_, downstream), published) in &mut self.published {
            published.was_gone |= usize::from(downstream.0) >= downstreams;
        }
        self.vocabulary = vocabulary;
    }

    /// Some nodes of a shard are reviewed under the policy of now.
    pub fn review(&mut self, which: u64, limit: usize) {
        let at = usize::try_from(which % self.shards.len() as u64).unwrap();
        self.shards[at].review(limit, &Arc::new(Origin::default()), &mut self.waiting).unwrap();
    }

    /// Ends the epoch.
    pub fn seal(&mut self, may_relax: bool) {
        let pace = Pace { now: self.now, relax_after: RELAX_AFTER, may_relax };
        let (mut changes, mut statements) = (Vec::new(), Vec::new());
        for shard in &mut self.shards {
            let sealed = shard.seal(pace).unwrap();
            statements.extend(sealed.statements);
            changes.push((sealed.sequence, sealed.changes));
        }
        let safe = Safe { waiting: self.waiting.clone(), handed_in: self.handed_in.len() };
        self.sealed.push_back(Sealed { changes, statements, safe });
    }

    /// The oldest epoch that is not in the store yet comes there. Of what is not needed, `cached` nodes stay in memory.
    pub fn commit(&mut self, cached: usize) {
        let Some(sealed) = self.sealed.pop_front() else { return };
        for ((shard, rows), (sequence, changes)) in self.shards.iter_mut().zip(&self.rows).zip(sealed.changes) {
            rows.write(changes);
            shard.settle(sequence, cached);
        }
        self.safe = sealed.safe;
        for statement in &sealed.statements {
            self.publish(statement);
        }
    }

    fn publish(&mut self, statement: &Statement) {
        self.statements += 1;
        let calendar = self.vocabulary.policy().calendar();
        let rights = statement.rights.iter().map(|stated| {
            let state = RightState {
                opted_out: stated.choice.action == Action::OptOut,
                choice_id: stated.choice.event_id.clone(),
                since: stated.choice.effective_at,
                inherited: stated.inherited,
                due_at: calendar.due_at(stated.choice.received_at),
            };
            (self.vocabulary.policy().right_name(stated.right).to_owned(), state)
        });
        let published = Published { version: statement.version, rights: rights.collect(), was_gone: false };
        if statement.direction == Direction::Relax {
            self.relaxations += 1;
        }
        let key = (statement.identifier.clone(), statement.downstream);
        if let Some(last) = self.published.get(&key) {
            if last.version >= published.version {
                self.broken.push(format!("{key:?}: version {} after {}", published.version, last.version));
            }
            if last.rights == published.rights && !last.was_gone {
                self.broken.push(format!("{key:?}: version {} repeats {:?}", published.version, last.rights));
            }
        }
        self.published.insert(key, published);
    }

    /// What is not in the store is lost, and what it took comes again.
    pub fn abort(&mut self) {
        self.sealed.clear();
        for shard in &mut self.shards {
            shard.discard().unwrap();
        }
        self.waiting.clone_from(&self.safe.waiting);
        self.waiting.extend_from_slice(&self.handed_in[self.safe.handed_in..]);
    }

    /// Delivers everything, commits it, and lets what waits relax.
    pub fn rest(&mut self, seed: u64) {
        let mut which = seed;
        while self.shards.iter().any(|shard| shard.revision().is_some()) {
            which += 1;
            self.review(which, 2);
            self.seal(false);
            self.commit(0);
        }
        while !self.waiting.is_empty() && self.deliveries < DELIVERIES_MAX {
            which = which.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.deliver(which >> 20);
            // Less often while much waits, which an epoch remembers.
            let between = 41 + self.waiting.len() as u64 / 10;
            if (which >> 8).is_multiple_of(between) {
                self.now.0 += 7;
                self.seal(true);
                self.commit(usize::try_from(which % 3).unwrap());
            }
        }
        if self.deliveries >= DELIVERIES_MAX {
            self.broken.push("it does not come to rest".to_owned());
        }
        for _ in 0..3 {
            self.now.0 += 60;
            self.seal(true);
            while !self.sealed.is_empty() {
                self.commit(0);
            }
        }
    }

    /// Hands in again everything that ever was.
    pub fn repeat_everything(&mut self) {
        self.waiting.extend(self.handed_in.iter().cloned());
    }

    pub fn is_hub(&mut self, identifier: &Identifier) -> bool {
        let shard = &mut self.shards[identifier.shard(self.count).0 as usize];
        shard.look(identifier, 0).unwrap().is_some_and(|look| look.node.is_hub)
    }

    // ---- what is to be true at rest

    /// Everything in which this differs from the model, or from itself.
    pub fn faults(&mut self) -> Vec<String> {
        let mut faults = self.broken.clone();
        let vocabulary = Arc::clone(&self.vocabulary);
        let policy = vocabulary.policy();
        let choices = self.choices.iter().map(|(event, names)| {
            let named = names.iter().map(|name| policy.named_by(name).unwrap());
            let rights = named.fold(RightSet::EMPTY, RightSet::union);
            ChoiceEvent { rights, ..event.clone() }
        });
        let world = World { choices: choices.collect(), links: self.links.clone() };
        let state = final_state(policy, &world);
        let downstreams = || (0..).map(DownstreamNumber).take(policy.downstreams().len());
        let mut hubs = 0;
        for identifier in state.identifiers() {
            let hub = state.of(identifier).unwrap().hub;
            hubs += u64::from(hub);
            if self.is_hub(identifier) != hub {
                faults.push(format!("{identifier}: a hub is {hub}"));
            }
            for downstream in downstreams() {
                let published = self.published.get(&(identifier.clone(), downstream));
                let rights: Option<Vec<(Right, RightState)>> = published.map(|published| {
                    let known = published.rights.iter();
                    known.map(|(name, state)| (policy.right(name).unwrap(), state.clone())).collect()
                });
                faults.extend(state.disagreements(policy, downstream, identifier, rights.as_deref()));
            }
        }
        let sums =
            |counts: fn(&quell_graph::Counters) -> u64| self.shards.iter().map(|shard| counts(shard.counters())).sum();
        let identifiers: u64 = sums(|counters| counters.identifiers.values().sum());
        let named = state.identifiers().count() as u64;
        // An unlink of what was never linked is known at one end only.
        if identifiers > named {
            faults.push(format!("counts {identifiers} identifiers, and {named} were named"));
        }
        for (identifier, downstream) in self.published.keys() {
            if state.of(identifier).is_none() {
                faults.push(format!("{identifier} for {downstream:?}: nobody named it"));
            }
        }
        let is_declared = |(key, _): &(&(Identifier, DownstreamNumber), &Published)| {
            usize::from(key.1.0) < policy.downstreams().len()
        };
        let unacknowledged = self.published.iter().filter(is_declared).filter(|(key, published)| {
            self.acknowledged.get(*key).is_none_or(|acknowledged| *acknowledged < published.version)
        });
        let unacknowledged = unacknowledged.count() as u64;
        let counters = || self.shards.iter().map(Shard::counters);
        let counted = [
            ("hubs", counters().flat_map(|counters| counters.hubs.values()).sum(), hubs),
            ("unacknowledged", counters().flat_map(|counters| counters.unacknowledged.values()).sum(), unacknowledged),
            ("held", counters().map(|counters| counters.held).sum::<u64>(), 0),
        ];
        for (what, is, should) in counted {
            if is != should {
                faults.push(format!("counts {is} {what}, and there are {should}"));
            }
        }
        faults
    }
}
