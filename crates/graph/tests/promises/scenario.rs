//! Random events in a random order, with crashes: small enough that two of them meet.

use std::fmt;
use std::sync::Arc;

use proptest::prelude::*;
use quell_domain::{
    Action, Choice, ChoiceEvent, DownstreamNumber, EventId, Identifier, LinkEvent, Millis, Policy, RightSet,
};

use crate::deployment::Deployment;

/// One thing that happens.
#[derive(Clone)]
pub enum Step {
    /// `rights`: the sum of 1 for sale, 2 for sharing, 4 for admt, 8 for admt:hiring.
    Choose { action: Action, rights: u8, at: i64, who: Who },
    /// A link, or an unlink, between two of the cast.
    Link { a: usize, b: usize, holds: bool, at: i64 },
    /// Of what waits, this many are delivered, picked by the first number.
    Deliver(u64, u8),
    /// What waits goes through its bytes.
    Send,
    /// An epoch ends, after this many milliseconds.
    Seal(i64),
    /// An epoch comes into the store; so many nodes stay in memory.
    Commit(usize),
    /// What is not in the store is lost.
    Crash,
    /// Everything starts again under another policy.
    Policy(Variant),
    /// So many nodes of a shard, picked by the first number, are reviewed.
    Review(u64, usize),
    /// A downstream acknowledges the last that it was told.
    Acknowledge { who: usize, downstream: u8 },
}

/// A policy.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// How many accounts a cookie may have, if there is a limit.
    pub limit: Option<u32>,
    /// Whether for `sharing` the latest choice holds.
    pub latest: bool,
    /// Whether there is one more system, one more downstream, and another that takes more.
    pub more: bool,
}

/// Whom a choice names.
#[derive(Clone, Debug)]
pub enum Who {
    One(usize),
    Two(usize, usize),
    /// All the cast: with more than 16, they are not listed in the choice.
    Everybody,
}

#[derive(Clone)]
pub struct Scenario {
    /// The policy in the beginning.
    pub policy: Variant,
    pub shards: u32,
    /// How many identifiers there are. Every third is an account, the others are cookies.
    pub cast: usize,
    pub steps: Vec<Step>,
    /// In which order the rest is delivered.
    pub rest: u64,
}

impl fmt::Debug for Step {
    /// As it is written in a test, so that a failure can be kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choose { action, rights, at, who } => {
                write!(f, "Choose {{ action: {action:?}, rights: {rights}, at: {at}, who: {who:?} }}")
            }
            Self::Link { a, b, holds, at } => write!(f, "Link {{ a: {a}, b: {b}, holds: {holds}, at: {at} }}"),
            Self::Deliver(which, times) => write!(f, "Deliver({which}, {times})"),
            Self::Send => f.write_str("Send"),
            Self::Seal(after) => write!(f, "Seal({after})"),
            Self::Commit(cached) => write!(f, "Commit({cached})"),
            Self::Crash => f.write_str("Crash"),
            Self::Policy(variant) => write!(f, "Policy({variant:?})"),
            Self::Review(which, limit) => write!(f, "Review({which}, {limit})"),
            Self::Acknowledge { who, downstream } => {
                write!(f, "Acknowledge {{ who: {who}, downstream: {downstream} }}")
            }
        }
    }
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Scenario {{ policy: {:?}, shards: {}, cast: {}, rest: {}, steps: vec![",
            self.policy, self.shards, self.cast, self.rest
        )?;
        self.steps.iter().try_for_each(|step| writeln!(f, "    {step:?},"))?;
        f.write_str("] }")
    }
}

/// The policy without anything special.
pub const PLAIN: Variant = Variant { limit: None, latest: true, more: false };

pub fn policy(variant: Variant) -> Policy {
    let Variant { limit, latest, more } = variant;
    let limit = limit.map_or_else(String::new, |limit| format!("max_neighbours = {{ account_id = {limit} }}"));
    let join = if latest { "latest_wins" } else { "opt_out_wins" };
    let (one_system, crm_takes) = if more { (", \"lending\"", "\"sale\", \"sharing\"") } else { ("", "\"sharing\"") };
    let one_downstream = if more {
        "[downstreams.ml]\ntopic = \"suppression.ml\"\nrights = [\"sale\", \"admt\", \"admt:*\"]\nidentifier_types = [\"cookie_id\"]"
    } else {
        ""
    };
    let text = format!(
        r#"
        version = "scenario"
        [identifier_types.cookie_id]
        {limit}
        [identifier_types.account_id]
        [rights.admt]
        systems = ["hiring"{one_system}]
        [rights.sale]
        [rights.sharing]
        join = "{join}"
        [downstreams.ads]
        topic = "suppression.ads"
        rights = ["sale", "sharing", "admt", "admt:*"]
        identifier_types = ["cookie_id", "account_id"]
        [downstreams.crm]
        topic = "suppression.crm"
        rights = [{crm_takes}]
        identifier_types = ["account_id"]
        {one_downstream}
        "#
    );
    Policy::parse(&text).unwrap()
}

fn any_variant() -> impl Strategy<Value = Variant> {
    let limit = prop_oneof![1 => Just(None), 4 => (1u32..4).prop_map(Some)];
    (limit, any::<bool>(), any::<bool>()).prop_map(|(limit, latest, more)| Variant { limit, latest, more })
}

/// Any scenario.
pub fn any_scenario() -> impl Strategy<Value = Scenario> {
    let cast = prop_oneof![4 => 3usize..7, 2 => 7usize..13, 1 => Just(20usize)];
    let size = prop_oneof![3 => Just(16usize), 2 => Just(50usize), 1 => Just(150usize)];
    (any_variant(), 1u32..4, cast, size, any::<u64>()).prop_flat_map(|(policy, shards, cast, size, rest)| {
        prop::collection::vec(any_step(cast), 1..size).prop_map(move |steps| Scenario {
            policy,
            shards,
            cast,
            steps,
            rest,
        })
    })
}

/// One in which nothing is ever taken back, and nobody is a hub.
pub fn growing_scenario() -> impl Strategy<Value = Scenario> {
    any_scenario().prop_map(|mut scenario| {
        scenario.policy.limit = None;
        for step in &mut scenario.steps {
            match step {
                Step::Choose { action, rights, .. } => {
                    *action = Action::OptOut;
                    *rights = 1;
                }
                Step::Link { holds, .. } => *holds = true,
                Step::Policy(variant) => variant.limit = None,
                _ => {}
            }
        }
        scenario
    })
}

fn any_step(cast: usize) -> impl Strategy<Value = Step> {
    let action = prop_oneof![Just(Action::OptIn), Just(Action::OptOut)];
    let who = prop_oneof![
        12 => (0..cast).prop_map(Who::One),
        3 => (0..cast, 0..cast).prop_map(|(a, b)| Who::Two(a, b)),
        1 => Just(Who::Everybody),
    ];
    let holds = prop_oneof![2 => Just(true), 1 => Just(false)];
    prop_oneof![
        4 => (action, 1u8..16, 0i64..20, who)
            .prop_map(|(action, rights, at, who)| Step::Choose { action, rights, at, who }),
        8 => (0..cast, 1..cast, holds, 0i64..20)
            .prop_map(move |(a, further, holds, at)| Step::Link { a, b: (a + further) % cast, holds, at }),
        6 => (any::<u64>(), 1u8..12).prop_map(|(which, times)| Step::Deliver(which, times)),
        1 => Just(Step::Send),
        2 => (0i64..40).prop_map(Step::Seal),
        2 => (0usize..4).prop_map(Step::Commit),
        1 => Just(Step::Crash),
        1 => any_variant().prop_map(Step::Policy),
        2 => (any::<u64>(), 1usize..5).prop_map(|(which, limit)| Step::Review(which, limit)),
        1 => (0..cast, 0u8..2).prop_map(|(who, downstream)| Step::Acknowledge { who, downstream }),
    ]
}

/// The n-th of the cast.
pub fn identifier(number: usize) -> Identifier {
    let identifier_type = if number % 3 == 2 { "account_id" } else { "cookie_id" };
    Identifier::new(identifier_type, &number.to_string()).unwrap()
}

impl Scenario {
    /// Everything that happens, and not yet what follows by itself.
    pub fn play(&self) -> Deployment {
        let mut deployment = Deployment::new(policy(self.policy), self.shards);
        for (number, step) in self.steps.iter().enumerate() {
            self.step(&mut deployment, number, step);
        }
        deployment
    }

    fn step(&self, deployment: &mut Deployment, number: usize, step: &Step) {
        match step {
            Step::Choose { action, rights, at, who } => {
                let identifiers: Vec<Identifier> = match who {
                    Who::One(who) => vec![identifier(*who)],
                    Who::Two(a, b) if a == b => vec![identifier(*a)],
                    Who::Two(a, b) => vec![identifier(*a), identifier(*b)],
                    Who::Everybody => (0..self.cast).map(identifier).collect(),
                };
                // Ids need not be unique.
                let event_id = EventId::new(&format!("e{}", number / 2)).unwrap();
                let all = [("sale", 1), ("sharing", 2), ("admt", 4), ("admt:hiring", 8)];
                let names: Vec<&str> =
                    all.into_iter().filter(|(_, bit)| rights & bit != 0).map(|(name, _)| name).collect();
                let named = names.iter().map(|name| deployment.policy().named_by(name).unwrap());
                let rights = named.fold(RightSet::EMPTY, RightSet::union);
                let choice = Choice::new(event_id, *action, Millis(*at), Millis(*at), &identifiers);
                deployment.choose(&ChoiceEvent { choice: Arc::new(choice), rights, identifiers }, &names);
            }
            Step::Link { a, b, holds, at } => deployment.link(&LinkEvent {
                a: identifier(*a),
                b: identifier(*b),
                holds: *holds,
                observed_at: Millis(*at),
            }),
            Step::Deliver(which, times) => {
                (0..u64::from(*times)).for_each(|time| deployment.deliver(which.wrapping_add(time * 7919)));
            }
            Step::Send => deployment.send_all(),
            Step::Seal(after) => {
                deployment.now.0 += after;
                deployment.seal(after % 2 == 0);
            }
            Step::Commit(cached) => deployment.commit(*cached),
            Step::Crash => deployment.abort(),
            Step::Policy(variant) => deployment.change_policy(policy(*variant)),
            Step::Review(which, limit) => deployment.review(*which, *limit),
            Step::Acknowledge { who, downstream } => {
                deployment.acknowledge(&identifier(*who), DownstreamNumber(*downstream));
            }
        }
    }

    /// In what the end differs from what it should be.
    pub fn faults(&self) -> Vec<String> {
        let mut deployment = self.play();
        deployment.rest(self.rest);
        let mut faults = deployment.faults();
        let statements = deployment.statements;
        deployment.repeat_everything();
        deployment.rest(self.rest ^ 1);
        let more = deployment.statements - statements;
        if more > 0 {
            faults.push(format!("a second delivery of everything published {more} messages"));
        }
        faults
    }
}
