//! Does what goes wrong, and later undoes it. Faults overlap: an engine is killed while another stands still and a
//! broker is away.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quell_testbed::cluster::Cluster;
use quell_testbed::deployment::Deployment;
use quell_testbed::events::{Event, Random, hurting, records};
use quell_testbed::instance::Instance;
use quell_testbed::proxy::Network;

use crate::fault::Fault;

const ENGINES_MIN: usize = 2;
const ENGINES_MAX: usize = 4;

/// Between two faults, at most.
const PAUSE_MILLIS_MAX: u64 = 5_000;

/// How long a fault lasts, at most: beyond the time-outs of sessions and transactions.
const LASTS_MILLIS_MAX: u64 = 9_000;

/// Nobody who undoes something comes later than that.
const TICK: Duration = Duration::from_millis(200);

/// Whoever is asked to stop does within this, whatever else is broken at the time.
const STOPS_WITHIN: Duration = Duration::from_secs(60);

/// A flood is so many clusters of events, of 40 each, at once.
const FLOOD_CLUSTERS: u64 = 400;

const SIGTERM: i32 = 15;

pub struct Chaos {
    deployment: Arc<Deployment>,
    cluster: Cluster,
    random: Random,
    engines: Vec<Engine>,
    /// What is to be undone, and when.
    undo: Vec<(Instant, Undo)>,
    next_at: Instant,
    counts: BTreeMap<Fault, u64>,
    last: Option<Fault>,
    flood_seeds: Vec<u64>,
    flooded: u64,
    brokers_away: usize,
    network_is_good: bool,
    peak_memory: Option<u64>,
    longest_stop: Duration,
}

struct Engine {
    name: String,
    state: State,
}

enum State {
    Runs(Instance),
    Frozen(Instance),
    /// Was asked to stop, and is to come back or not.
    Stopping {
        instance: Instance,
        since: Instant,
        comes_back: bool,
    },
    /// It comes back.
    Down,
    /// It does not.
    Gone,
}

#[derive(Debug)]
enum Undo {
    StartEngine(String),
    Thaw(String),
    RestartBrokers,
    GoodNetwork,
}

impl Chaos {
    pub fn begin(deployment: Arc<Deployment>, cluster: Cluster, random: Random) -> Self {
        let mut chaos = Self {
            deployment,
            cluster,
            random,
            engines: Vec::new(),
            undo: Vec::new(),
            next_at: Instant::now(),
            counts: BTreeMap::new(),
            last: None,
            flood_seeds: Vec::new(),
            flooded: 0,
            brokers_away: 0,
            network_is_good: true,
            peak_memory: None,
            longest_stop: Duration::ZERO,
        };
        for _ in 0..ENGINES_MIN {
            chaos.add();
        }
        chaos
    }

    /// Undoes what is due, and does something new when it is time; then waits for a moment, or until the end.
    pub fn step(&mut self, until: Instant) {
        self.watch();
        let now = Instant::now();
        for (_, undo) in self.undo.extract_if(.., |(at, _)| *at <= now).collect::<Vec<_>>() {
            self.undo(undo);
        }
        if now >= self.next_at {
            let fault = Fault::choose(&mut self.random);
            let lasts = Duration::from_millis(self.random.below(LASTS_MILLIS_MAX));
            if self.do_fault(fault, now + lasts) {
                *self.counts.entry(fault).or_default() += 1;
                self.last = Some(fault);
                self.next_at = Instant::now() + Duration::from_millis(self.random.below(PAUSE_MILLIS_MAX));
            }
        }
        std::thread::park_timeout(TICK.min(until.saturating_duration_since(Instant::now())));
    }

    /// Whether it could be done as things stand.
    fn do_fault(&mut self, fault: Fault, until: Instant) -> bool {
        match fault {
            Fault::EngineKilled | Fault::EngineKilledAndWiped | Fault::EngineStopped | Fault::EngineFrozen => {
                let Some(at) = self.one_that_runs() else { return false };
                let State::Runs(instance) = std::mem::replace(&mut self.engines[at].state, State::Down) else {
                    return false;
                };
                let name = self.engines[at].name.clone();
                self.remember_memory(&instance);
                if fault == Fault::EngineFrozen {
                    instance.freeze();
                    self.engines[at].state = State::Frozen(instance);
                    self.undo.push((until, Undo::Thaw(name)));
                    return true;
                }
                if fault == Fault::EngineStopped {
                    self.engines[at].state = stopping(instance, true);
                } else {
                    instance.kill();
                }
                if fault == Fault::EngineKilledAndWiped {
                    // It may have been killed before it had one.
                    drop(std::fs::remove_dir_all(self.deployment.store_of(&name)));
                }
                self.undo.push((until, Undo::StartEngine(name)));
            }
            Fault::EngineAdded if self.engines.len() < ENGINES_MAX => self.add(),
            Fault::EngineRemoved if self.engines.len() > ENGINES_MIN => {
                let Some(at) = self.one_that_runs() else { return false };
                let State::Runs(instance) = std::mem::replace(&mut self.engines[at].state, State::Down) else {
                    return false;
                };
                self.remember_memory(&instance);
                if self.random.chance(50) {
                    self.engines[at].state = stopping(instance, false);
                } else {
                    instance.kill();
                    self.engines.swap_remove(at);
                }
            }
            Fault::Flood if self.brokers_away == 0 => {
                let seed = 900_000_000 + self.random.below(1_000_000) * 1_000;
                let events = hurting(seed, FLOOD_CLUSTERS, 40);
                self.flood_seeds.push(seed);
                self.flooded += events.len() as u64;
                self.deployment.produce(records(&self.deployment, &events));
            }
            // With one away, and one more that has not caught up, nobody could write: that is the next fault's to try.
            Fault::BrokerKilled if self.brokers_away == 0 && self.cluster.is_whole() => {
                let node = self.random_node();
                self.cluster.kill(node);
                self.brokers_away = 1;
                self.undo.push((until, Undo::RestartBrokers));
            }
            Fault::AllBrokersKilled if self.brokers_away == 0 => {
                (0..self.cluster.size()).for_each(|node| self.cluster.kill(node));
                self.brokers_away = self.cluster.size();
                self.undo.push((until, Undo::RestartBrokers));
            }
            Fault::NetworkSlow | Fault::NetworkCut | Fault::NetworkSilent if self.network_is_good => {
                let network = match fault {
                    Fault::NetworkSlow => Network::Slow(Duration::from_millis(1 + self.random.below(100))),
                    Fault::NetworkCut => Network::Cut,
                    _ => Network::Silent,
                };
                let nodes: Vec<usize> =
                    if self.random.chance(50) { (0..self.cluster.size()).collect() } else { vec![self.random_node()] };
                nodes.into_iter().for_each(|node| self.cluster.network(node, network));
                self.network_is_good = false;
                self.undo.push((until, Undo::GoodNetwork));
            }
            _ => return false,
        }
        true
    }

    fn undo(&mut self, undo: Undo) {
        match undo {
            Undo::StartEngine(name) => {
                if self.engine(&name).is_some_and(|engine| matches!(engine.state, State::Stopping { .. })) {
                    self.undo.push((Instant::now() + TICK, Undo::StartEngine(name)));
                    return;
                }
                let instance = self.deployment.start(&name);
                if let Some(engine) = self.engine(&name) {
                    engine.state = State::Runs(instance);
                }
            }
            Undo::Thaw(name) => {
                let Some(engine) = self.engine(&name) else { return };
                if let State::Frozen(instance) = std::mem::replace(&mut engine.state, State::Down) {
                    instance.thaw();
                    engine.state = State::Runs(instance);
                }
            }
            Undo::RestartBrokers => {
                (0..self.cluster.size()).for_each(|node| self.cluster.restart(node));
                self.brokers_away = 0;
            }
            Undo::GoodNetwork => {
                self.cluster.network_everywhere(Network::Good);
                self.network_is_good = true;
            }
        }
    }

    fn engine(&mut self, name: &str) -> Option<&mut Engine> {
        self.engines.iter_mut().find(|engine| engine.name == name)
    }

    fn one_that_runs(&mut self) -> Option<usize> {
        let run = |engine: &Engine| matches!(engine.state, State::Runs(_));
        let running: Vec<usize> = (0..self.engines.len()).filter(|at| run(&self.engines[*at])).collect();
        // One always works: how long nothing comes then says something of the engine.
        (running.len() > 1).then(|| *self.random.pick(&running))
    }

    fn random_node(&mut self) -> usize {
        let nodes: Vec<usize> = (0..self.cluster.size()).collect();
        *self.random.pick(&nodes)
    }

    fn add(&mut self) {
        // A name that was used before comes back to an old disk.
        let free = |name: &String| !self.engines.iter().any(|engine| engine.name == *name);
        let name = (1..).map(|number| format!("engine-{number}")).find(free).expect("names do not end");
        let state = State::Runs(self.deployment.start(&name));
        self.engines.push(Engine { name, state });
    }

    /// Nobody has ended that was not made to, and those have who were asked to.
    pub fn watch(&mut self) {
        for engine in &mut self.engines {
            match &mut engine.state {
                State::Runs(instance) | State::Frozen(instance) => instance.must_run(),
                State::Stopping { instance, since, comes_back } => match instance.status() {
                    Some(status) => {
                        // Whoever is asked in its first milliseconds does not listen yet, and simply ends.
                        let had_not_begun = status.signal() == Some(SIGTERM);
                        let name = &engine.name;
                        assert!(status.success() || had_not_begun, "{name} ended with {status}:\n{}", instance.log());
                        self.longest_stop = self.longest_stop.max(since.elapsed());
                        engine.state = if *comes_back { State::Down } else { State::Gone };
                    }
                    None => {
                        assert!(since.elapsed() < STOPS_WITHIN, "{} does not stop:\n{}", engine.name, instance.log())
                    }
                },
                State::Down | State::Gone => {}
            }
        }
        self.engines.retain(|engine| !matches!(engine.state, State::Gone));
    }

    fn remember_memory(&mut self, instance: &Instance) {
        self.peak_memory = self.peak_memory.max(instance.peak_memory());
    }

    /// Undoes everything.
    pub fn heal(&mut self) {
        // Brokers and the network first: an engine that is asked to stop may wait for them.
        self.cluster.network_everywhere(Network::Good);
        self.cluster.heal();
        while !self.undo.is_empty() {
            self.watch();
            for (_, undo) in std::mem::take(&mut self.undo) {
                self.undo(undo);
            }
            std::thread::park_timeout(TICK);
        }
    }

    /// Whether all engines have nothing left to do.
    pub fn is_at_rest(&self) -> bool {
        self.engines.iter().all(|engine| match &engine.state {
            State::Runs(instance) => instance.is_at_rest(),
            State::Frozen(_) | State::Stopping { .. } | State::Down | State::Gone => false,
        })
    }

    /// What stands, in a few words.
    pub fn line(&self) -> String {
        let run = self.engines.iter().filter(|engine| matches!(engine.state, State::Runs(_))).count();
        format!(
            "{run}/{} engines  {}/{} brokers  {}",
            self.engines.len(),
            self.cluster.size() - self.brokers_away,
            self.cluster.size(),
            self.last.map_or("", Fault::name)
        )
    }

    pub fn faults(&self) -> BTreeMap<Fault, u64> {
        self.counts.clone()
    }

    /// The most memory that any engine had at once; none where the system does not say.
    pub fn peak_memory(&self) -> Option<u64> {
        let running = self.engines.iter().filter_map(|engine| match &engine.state {
            State::Runs(instance) | State::Frozen(instance) => instance.peak_memory(),
            State::Stopping { .. } | State::Down | State::Gone => None,
        });
        running.chain(self.peak_memory).max()
    }

    /// The longest time that an engine took to stop when it was asked to.
    pub fn longest_stop(&self) -> Duration {
        self.longest_stop
    }

    /// How many events came in floods.
    pub fn flooded(&self) -> u64 {
        self.flooded
    }

    /// The events of all floods.
    pub fn floods(&self) -> Vec<Event> {
        self.flood_seeds.iter().flat_map(|seed| hurting(*seed, FLOOD_CLUSTERS, 40)).collect()
    }
}

fn stopping(instance: Instance, comes_back: bool) -> State {
    instance.ask_to_stop();
    State::Stopping { instance, since: Instant::now(), comes_back }
}
