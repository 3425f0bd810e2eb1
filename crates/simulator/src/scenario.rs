//! What a seed chooses before anything happens.

use std::time::Duration;

use fastrand::Rng;
use quell_domain::{Identifier, Policy, ShardCount};
use quell_wire::NamedIdentifier;

/// How long a relaxation waits, in simulated time.
pub const RELAX_AFTER: Duration = Duration::from_millis(50);

/// How long changelogs keep deletions, in simulated time.
pub const DELETIONS_KEPT: Duration = Duration::from_millis(300);

/// One seed of so many makes a path.
const PATHS_EVERY: u64 = 3;

/// The size and the kind of a run.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub shards: u32,
    /// Partitions of each input topic.
    pub inputs: u32,
    /// How many instances there are at most at a time.
    pub instances_max: usize,
    /// How many identifiers there are.
    pub cast: usize,
    pub events: usize,
    /// How many accounts a cookie may have; none: no limit.
    pub hub_limit: Option<u32>,
    /// Opt-outs and links alone: nothing is ever taken back.
    pub only_grows: bool,
    /// How often, of a thousand steps, something bad happens.
    pub faults_permille: u32,
    /// How many records an epoch takes at most.
    pub epoch_records_max: usize,
    /// There is a path before anything else happens, each of its steps between two instances; what happens then happens
    /// at one end. So news that is on its way for long meets other news, and waves.
    pub path: bool,
}

impl Scenario {
    pub fn choose(seed: u64, chance: &mut Rng) -> Self {
        if seed % PATHS_EVERY == PATHS_EVERY - 1 {
            return Self::path(chance);
        }
        let only_grows = chance.u32(0..4) == 0;
        Self {
            shards: chance.u32(1..=4),
            inputs: chance.u32(1..=3),
            instances_max: chance.usize(1..=3),
            cast: chance.usize(3..=10),
            events: chance.usize(5..=50),
            hub_limit: (!only_grows && chance.bool()).then(|| chance.u32(1..=3)),
            only_grows,
            faults_permille: if chance.u32(0..5) == 0 { 0 } else { chance.u32(5..60) },
            epoch_records_max: chance.usize(1..=30),
            path: false,
        }
    }

    fn path(chance: &mut Rng) -> Self {
        let instances_max = chance.usize(2..=3);
        let only_grows = chance.bool();
        Self {
            shards: u32::try_from(instances_max).unwrap_or(1) * chance.u32(1..=2),
            inputs: chance.u32(1..=3),
            instances_max,
            cast: chance.usize(6..=10),
            events: chance.usize(3..=7),
            hub_limit: (!only_grows && chance.u32(0..3) == 0).then_some(1),
            only_grows,
            faults_permille: 0,
            epoch_records_max: chance.usize(1..=3),
            path: true,
        }
    }

    /// The n-th of the cast.
    pub fn identifier(&self, number: usize) -> NamedIdentifier {
        let kind = if number.is_multiple_of(3) { "account_id" } else { "cookie_id" };
        let named = |value| NamedIdentifier::new(kind, value);
        if !self.path {
            return named(format!("{number}"));
        }
        // On a path, each is at another instance than the one before.
        let is_there = |named: &NamedIdentifier| {
            let identifier = Identifier::new(&named.identifier_type, &named.value).ok();
            let shard = identifier.zip(ShardCount::new(self.shards)).map(|(identifier, count)| identifier.shard(count));
            shard.is_some_and(|shard| shard.0 as usize % self.instances_max == number % self.instances_max)
        };
        (0..).map(|more| named(format!("{number}-{more}"))).find(is_there).unwrap_or_else(|| named(format!("{number}")))
    }

    /// The policy: both joins, two downstreams that take different rights.
    ///
    /// # Errors
    /// In words, when the text below is none.
    pub fn policy(&self) -> Result<Policy, String> {
        let limit =
            self.hub_limit.map_or_else(String::new, |limit| format!("max_neighbours = {{ account_id = {limit} }}"));
        // Under latest_wins a later choice relaxes; where nothing is to be taken back, both joins are the same.
        let text = format!(
            r#"
            version = "simulated"
            [identifier_types.cookie_id]
            {limit}
            [identifier_types.account_id]
            [rights.sale]
            [rights.sharing]
            join = "latest_wins"
            [downstreams.ads]
            topic = "suppression.ads"
            rights = ["sale", "sharing"]
            identifier_types = ["cookie_id", "account_id"]
            [downstreams.crm]
            topic = "suppression.crm"
            rights = ["sharing"]
            identifier_types = ["account_id"]
            "#
        );
        Policy::parse(&text).map_err(|error| error.to_string())
    }
}
