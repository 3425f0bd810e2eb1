//! W1, without Kafka: when no message of a wave, or of one before it, is on its way any more, what belongs to them has
//! come through, whatever of later waves has.
//!
//! Every message may overtake every other, so this is harder than what instances do to each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use quell_domain::{
    Action, Choice, ChoiceEvent, DownstreamNumber, EventId, Identifier, LinkEvent, Millis, Policy, Right, RightSet,
    ShardCount, ShardNumber,
};
use quell_graph::{Addressed, LinkRegister, Operation, Origin, Pace, Shard, Vocabulary, Wave, authority};
use quell_model::{World, final_state};

use crate::memory_rows::MemoryRows;
use crate::scenario::{Variant, identifier, policy};

const NOW: Millis = Millis(1_795_464_000_000);

const RELAX_AFTER: Duration = Duration::from_secs(1);

/// How many shards there are, each at an instance of its own.
const SHARDS: u32 = 4;

/// With more events than that it is not worked out which of them may have taken effect.
const LATER_MAX: usize = 6;

/// An event, and what it came to.
#[derive(Clone)]
enum Event {
    Choice(ChoiceEvent),
    Link(LinkEvent),
}

/// The shards, and the messages between them.
pub struct Waters {
    variant: Variant,
    /// It was another one: what is joined otherwise need not be right before all have been reviewed.
    is_changed: bool,
    vocabulary: Arc<Vocabulary>,
    rows: Vec<MemoryRows>,
    shards: Vec<Shard<MemoryRows>>,
    /// What is on its way.
    pub waiting: Vec<Addressed>,
    complete: Wave,
    now: Millis,
    /// When everybody looked, at the earliest, in a wave that is complete.
    looked_at: Millis,
    events: Vec<(Wave, Event)>,
    opted_out: BTreeMap<(Identifier, DownstreamNumber), BTreeSet<Right>>,
    /// How often it was worked out what must have come through.
    pub checked: usize,
}

impl Waters {
    pub fn new(variant: Variant) -> Self {
        let vocabulary = Arc::new(Vocabulary::new(Arc::new(policy(variant))));
        let rows: Vec<MemoryRows> = (0..SHARDS).map(|_| MemoryRows::default()).collect();
        let mut waters = Self {
            variant,
            is_changed: false,
            vocabulary,
            rows,
            shards: Vec::new(),
            waiting: Vec::new(),
            complete: Wave::UNKNOWN,
            now: NOW,
            looked_at: NOW,
            events: Vec::new(),
            opted_out: BTreeMap::new(),
            checked: 0,
        };
        waters.open();
        waters
    }

    fn open(&mut self) {
        let open = |(number, rows): (u32, &MemoryRows)| {
            Shard::new(ShardNumber(number), Arc::clone(&self.vocabulary), rows.clone()).unwrap()
        };
        self.shards = (0..).zip(&self.rows).map(open).collect();
        self.tell_of_waves();
    }

    fn tell_of_waves(&mut self) {
        for shard in &mut self.shards {
            shard.set_waves(true, self.complete, self.looked_at);
        }
    }

    fn shard(&mut self, of: &Identifier) -> &mut Shard<MemoryRows> {
        &mut self.shards[of.shard(ShardCount::new(SHARDS).unwrap()).0 as usize]
    }

    /// The wave that comes so many behind those that are complete.
    pub fn wave(&self, further: u64) -> Wave {
        Wave(self.complete.0 + 1 + further)
    }

    // ---- what comes in

    pub fn choose(&mut self, wave: Wave, action: Action, rights: &[&str], at: i64, who: &[usize]) {
        let identifiers: Vec<Identifier> = who.iter().map(|who| identifier(*who)).collect();
        let event_id = EventId::new(&format!("e{}", self.events.len())).unwrap();
        let named = rights.iter().map(|right| self.vocabulary.policy().named_by(right).unwrap());
        let rights = named.fold(RightSet::EMPTY, RightSet::union);
        let choice = Arc::new(Choice::new(event_id, action, Millis(at), Millis(at), &identifiers));
        for to in &identifiers {
            self.hand_in(wave, to.clone(), Operation::Choose { choice: Arc::clone(&choice), rights });
        }
        self.events.push((wave, Event::Choice(ChoiceEvent { choice, rights, identifiers })));
    }

    pub fn link(&mut self, wave: Wave, a: usize, b: usize, holds: bool, at: i64) {
        let event = LinkEvent { a: identifier(a), b: identifier(b), holds, observed_at: Millis(at) };
        let (to, other) = authority(event.a.clone(), event.b.clone());
        self.hand_in(wave, to, Operation::Link { other, register: LinkRegister { observed_at: Millis(at), holds } });
        self.events.push((wave, Event::Link(event)));
    }

    fn hand_in(&mut self, wave: Wave, to: Identifier, operation: Operation) {
        self.waiting.push(Addressed { to, operation, origin: Arc::new(Origin { wave, ..Origin::default() }) });
    }

    /// Some nodes of a shard are reviewed under the policy of now.
    pub fn review(&mut self, wave: Wave, which: u64) {
        let at = usize::try_from(which % u64::from(SHARDS)).unwrap();
        let origin = Arc::new(Origin { wave, ..Origin::default() });
        self.shards[at].review(1, &origin, &mut self.waiting).unwrap();
    }

    /// Another policy, which joins `sharing` the other way, after all that is on its way has arrived.
    pub fn change_policy(&mut self) {
        let last = self.events.iter().map(|(wave, _)| *wave).chain(self.last_wave()).max();
        self.complete(last.unwrap_or_default().max(self.complete), 0);
        self.variant.latest = !self.variant.latest;
        self.is_changed = true;
        self.vocabulary = Arc::new(Vocabulary::new(Arc::new(policy(self.variant))));
        self.open();
    }

    // ---- what happens to it

    fn arrive(&mut self, taken: &Addressed) {
        let mut out = Vec::new();
        self.shard(&taken.to).apply(std::iter::once(taken), &mut out).unwrap();
        self.waiting.extend(out);
    }

    /// Delivers the first that is on its way between two under a wave; from nobody: an event.
    pub fn deliver_to(&mut self, from: Option<usize>, to: usize, wave: Wave) {
        let from = from.map(identifier);
        let is_it = |addressed: &Addressed| {
            let sender = match &addressed.operation {
                Operation::Hear(message) => Some(&message.from),
                _ => None,
            };
            addressed.to == identifier(to) && sender == from.as_ref() && addressed.origin.wave == wave
        };
        let at = self.waiting.iter().position(is_it).expect("no such message is on its way");
        let taken = self.waiting.remove(at);
        self.arrive(&taken);
    }

    /// Delivers any of those that are due; `which` picks. Whether there was one.
    fn deliver_any(&mut self, which: u64, is_due: impl Fn(Wave) -> bool) -> bool {
        let due = self.waiting.iter().enumerate().filter(|(_, addressed)| is_due(addressed.origin.wave));
        let places: Vec<usize> = due.map(|(at, _)| at).collect();
        if places.is_empty() {
            return false;
        }
        let taken = self.waiting.swap_remove(places[usize::try_from(which % places.len() as u64).unwrap()]);
        self.arrive(&taken);
        true
    }

    /// The last wave of which anything is on its way.
    fn last_wave(&self) -> Option<Wave> {
        self.waiting.iter().map(|addressed| addressed.origin.wave).max()
    }

    /// Delivers all of the waves up to one: they are complete. What then has not come through, and should have.
    pub fn complete(&mut self, wave: Wave, mut which: u64) -> Vec<String> {
        while self.deliver_any(which >> 20, |of| of <= wave) {
            which = which.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        }
        self.seal(false);
        self.complete = wave;
        self.tell_of_waves();
        self.missing()
    }

    /// Ends an epoch of every shard.
    fn seal(&mut self, may_relax: bool) {
        let pace = Pace { now: self.now, relax_after: RELAX_AFTER, may_relax };
        for (shard, rows) in self.shards.iter_mut().zip(&self.rows) {
            let sealed = shard.seal(pace).unwrap();
            rows.write(sealed.changes);
            shard.settle(sealed.sequence, 0);
            for said in sealed.statements {
                let out = said.rights.iter().filter(|stated| stated.choice.action == Action::OptOut);
                self.opted_out.insert((said.identifier, said.downstream), out.map(|stated| stated.right).collect());
            }
        }
    }

    // ---- what must be true then

    /// Who is opted out by the events of complete waves, whichever of the later ones take effect, and is not said to
    /// be.
    fn missing(&mut self) -> Vec<String> {
        let (before, later): (Vec<_>, Vec<_>) = self.events.iter().partition(|(wave, _)| *wave <= self.complete);
        if later.len() > LATER_MAX {
            return Vec::new();
        }
        self.checked += 1;
        let mut missing: Option<BTreeSet<(Identifier, Right)>> = None;
        for some in 0..1_u32 << later.len() {
            let taken = later.iter().enumerate().filter(|(at, _)| some & (1 << at) != 0).map(|(_, event)| *event);
            let events = before.iter().copied().chain(taken).map(|(_, event)| event);
            let out = opted_out(self.vocabulary.policy(), events);
            match &mut missing {
                Some(known) => known.retain(|of| out.contains(of)),
                None => missing = Some(out),
            }
        }
        let mut missing = missing.unwrap_or_default();
        let sharing = self.vocabulary.policy().right("sharing");
        missing.retain(|(_, right)| !self.is_changed || Some(*right) != sharing);
        let is_said = |(who, right): &(Identifier, Right)| {
            self.opted_out.get(&(who.clone(), DownstreamNumber(0))).is_some_and(|said| said.contains(right))
        };
        missing.retain(|of| !is_said(of));
        let name = |right: Right| self.vocabulary.policy().right_name(right);
        missing.iter().map(|(who, right)| format!("{}: {} after {:?}", who, name(*right), self.complete)).collect()
    }
}

fn opted_out<'e>(policy: &Policy, events: impl Iterator<Item = &'e Event>) -> BTreeSet<(Identifier, Right)> {
    let mut world = World::default();
    for event in events {
        match event {
            Event::Choice(choice) => world.choices.push(choice.clone()),
            Event::Link(link) => world.links.push(link.clone()),
        }
    }
    final_state(policy, &world).opted_out()
}

// ---- by chance

/// One thing that happens. `further`: how many waves behind those that are complete.
#[derive(Clone)]
enum Step {
    Choose {
        further: u64,
        action: Action,
        rights: u8,
        at: i64,
        who: Vec<usize>,
    },
    Link {
        further: u64,
        a: usize,
        b: usize,
        holds: bool,
        at: i64,
    },
    /// So many of the waves up to one are delivered.
    Deliver {
        which: u64,
        times: u8,
        further: u64,
    },
    /// So many of the last wave.
    DeliverLate {
        which: u64,
        times: u8,
    },
    Complete {
        further: u64,
        which: u64,
    },
    /// `sharing` is joined the other way.
    Policy,
    Review {
        further: u64,
        which: u64,
    },
}

impl fmt::Debug for Step {
    /// As it is written in a test, so that a failure can be kept.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choose { further, action, rights, at, who } => write!(
                f,
                "Choose {{ further: {further}, action: {action:?}, rights: {rights}, at: {at}, who: vec!{who:?} }}"
            ),
            Self::Link { further, a, b, holds, at } => {
                write!(f, "Link {{ further: {further}, a: {a}, b: {b}, holds: {holds}, at: {at} }}")
            }
            Self::Deliver { which, times, further } => {
                write!(f, "Deliver {{ which: {which}, times: {times}, further: {further} }}")
            }
            Self::DeliverLate { which, times } => write!(f, "DeliverLate {{ which: {which}, times: {times} }}"),
            Self::Complete { further, which } => write!(f, "Complete {{ further: {further}, which: {which} }}"),
            Self::Policy => f.write_str("Policy"),
            Self::Review { further, which } => write!(f, "Review {{ further: {further}, which: {which} }}"),
        }
    }
}

#[derive(Clone, Debug)]
struct Tide {
    policy: Variant,
    steps: Vec<Step>,
    rest: u64,
}

fn any_tide() -> impl Strategy<Value = Tide> {
    let limit = prop_oneof![3 => Just(None), 2 => (1_u32..3).prop_map(Some)];
    let variant = (limit, any::<bool>()).prop_map(|(limit, latest)| Variant { limit, latest, more: false });
    let few = prop_oneof![3_usize..6, 6_usize..10];
    (variant, few, any::<bool>(), any::<u64>()).prop_flat_map(|(policy, cast, revises, rest)| {
        prop::collection::vec(any_step(cast, revises), 1..40).prop_map(move |steps| Tide { policy, steps, rest })
    })
}

fn any_step(cast: usize, revises: bool) -> impl Strategy<Value = Step> {
    let action = prop_oneof![1 => Just(Action::OptIn), 2 => Just(Action::OptOut)];
    let who = prop_oneof![
        4 => (0..cast).prop_map(|who| vec![who]),
        1 => (0..cast, 1..cast).prop_map(move |(who, more)| vec![who, (who + more) % cast]),
    ];
    let holds = prop_oneof![3 => Just(true), 1 => Just(false)];
    let revises = u32::from(revises);
    prop_oneof![
        6 => (0_u64..3, action, 1_u8..4, 0_i64..12, who)
            .prop_map(|(further, action, rights, at, who)| Step::Choose { further, action, rights, at, who }),
        10 => (0_u64..3, 0..cast, 1..cast, holds, 0_i64..12).prop_map(move |(further, a, more, holds, at)| Step::Link {
            further,
            a,
            b: (a + more) % cast,
            holds,
            at
        }),
        6 => (any::<u64>(), 1_u8..8, 0_u64..4)
            .prop_map(|(which, times, further)| Step::Deliver { which, times, further }),
        4 => (any::<u64>(), 1_u8..8).prop_map(|(which, times)| Step::DeliverLate { which, times }),
        4 => (0_u64..3, any::<u64>()).prop_map(|(further, which)| Step::Complete { further, which }),
        revises => Just(Step::Policy),
        3 * revises => (0_u64..3, any::<u64>()).prop_map(|(further, which)| Step::Review { further, which }),
    ]
}

impl Tide {
    fn faults(&self) -> Vec<String> {
        let mut waters = Waters::new(self.policy);
        for step in &self.steps {
            let missing = step.happen(&mut waters);
            if !missing.is_empty() {
                return missing;
            }
        }
        let last = waters.wave(0);
        waters.complete(last, self.rest)
    }
}

impl Step {
    fn happen(&self, waters: &mut Waters) -> Vec<String> {
        match self {
            Self::Choose { further, action, rights, at, who } => {
                let all = [("sale", 1), ("sharing", 2)];
                let rights: Vec<&str> =
                    all.into_iter().filter(|(_, bit)| rights & bit != 0).map(|(name, _)| name).collect();
                waters.choose(waters.wave(*further), *action, &rights, *at, who);
            }
            Self::Link { further, a, b, holds, at } => waters.link(waters.wave(*further), *a, *b, *holds, *at),
            Self::Deliver { which, times, further } => {
                let up_to = waters.wave(*further);
                (0..u64::from(*times)).for_each(|time| {
                    waters.deliver_any(which.wrapping_add(time * 7919) >> 8, |wave| wave <= up_to);
                });
            }
            Self::DeliverLate { which, times } => {
                for time in 0..u64::from(*times) {
                    let Some(last) = waters.last_wave() else { break };
                    waters.deliver_any(which.wrapping_add(time * 7919) >> 8, |wave| wave == last);
                }
            }
            Self::Complete { further, which } => {
                let wave = waters.wave(*further);
                return waters.complete(wave, *which);
            }
            Self::Policy => waters.change_policy(),
            Self::Review { further, which } => waters.review(waters.wave(*further), *which),
        }
        Vec::new()
    }
}

#[test]
fn what_belongs_to_complete_waves_has_come_through() {
    crate::any_order_ends_in_the_models_state::check(20_000, any_tide(), Tide::faults);
}

// ---- how news comes to be on its way under a later wave

/// Linked, one after the other, and known to all.
fn linked(limit: Option<u32>, pairs: &[(usize, usize)]) -> Waters {
    let mut waters = Waters::new(Variant { limit, latest: false, more: false });
    pairs.iter().for_each(|(a, b)| waters.link(waters.wave(0), *a, *b, true, 1));
    waters
}

/// The waves that come next: all that has happened has come through.
fn next_waves(waters: &mut Waters) -> (Wave, Wave) {
    assert_eq!(waters.complete(waters.wave(0), 0), Vec::<String>::new());
    (waters.wave(0), waters.wave(1))
}

fn is_authority(of: usize, over: usize) -> bool {
    authority(identifier(of), identifier(over)).0 == identifier(of)
}

#[test]
fn an_answer_is_not_heard_by_the_other_neighbours() {
    let (a, b, c, d, e) = (8, 1, 3, 4, 6);
    let mut waters = linked(None, &[(b, c), (c, d), (d, e)]);
    waters.choose(waters.wave(0), Action::OptOut, &["sale"], 1, &[a]);
    let (wave, later) = next_waves(&mut waters);
    assert!(is_authority(a, b));
    waters.link(wave, a, b, true, 2);
    waters.choose(later, Action::OptOut, &["sale"], 5, &[b]);
    waters.deliver_to(None, b, later);
    waters.deliver_to(None, a, wave);
    waters.deliver_to(Some(a), b, wave);
    assert_eq!(waters.complete(wave, 0), Vec::<String>::new());
}

#[test]
fn whoever_brings_other_news_is_told_once_more_as_well() {
    let (a, b, e, f, k) = (1, 3, 4, 6, 7);
    let mut waters = linked(None, &[(a, b), (b, e), (a, f), (f, k)]);
    let (wave, later) = next_waves(&mut waters);
    waters.choose(wave, Action::OptOut, &["sharing"], 5, &[a]);
    waters.choose(wave, Action::OptOut, &["sale"], 5, &[e]);
    waters.choose(later, Action::OptOut, &["sale"], 5, &[b]);
    waters.deliver_to(None, b, later);
    waters.deliver_to(None, a, wave);
    waters.deliver_to(Some(a), b, wave);
    waters.deliver_to(None, e, wave);
    waters.deliver_to(Some(e), b, wave);
    waters.deliver_to(Some(b), a, later);
    assert_eq!(waters.complete(wave, 0), Vec::<String>::new());
}

#[test]
fn that_an_edge_is_gone_is_told_once_more_as_well() {
    for other_news in [false, true] {
        let (one, two, hub, friend) = (8, 5, 1, 3);
        let mut waters = linked(Some(1), &[(one, hub), (two, hub), (hub, friend)]);
        waters.choose(waters.wave(0), Action::OptOut, &["sale"], 1, &[two]);
        let (wave, later) = next_waves(&mut waters);
        assert!(is_authority(one, hub));
        waters.link(later, one, hub, false, 5);
        waters.deliver_to(None, one, later);
        if other_news {
            waters.choose(wave, Action::OptOut, &["sharing"], 1, &[one]);
            waters.deliver_to(None, one, wave);
        }
        waters.link(wave, one, hub, false, 3);
        waters.deliver_to(None, one, wave);
        assert_eq!(waters.complete(wave, 0), Vec::<String>::new(), "{other_news}");
    }
}

#[test]
fn a_review_belongs_to_a_wave() {
    let (a, b, d, f) = (8, 9, 7, 6);
    let mut waters = linked(None, &[(a, b), (b, d)]);
    waters.choose(waters.wave(0), Action::OptOut, &["sale"], 1, &[a]);
    waters.choose(waters.wave(0), Action::OptIn, &["sharing"], 1, &[b]);
    next_waves(&mut waters);
    waters.change_policy();
    let (wave, later) = (waters.wave(0), waters.wave(1));
    assert!(is_authority(d, f));
    waters.link(wave, d, f, true, 2);
    waters.review(later, u64::from(identifier(b).shard(ShardCount::new(SHARDS).unwrap()).0));
    waters.deliver_to(Some(b), d, later);
    waters.deliver_to(Some(b), a, later);
    waters.deliver_to(None, d, wave);
    assert_eq!(waters.complete(wave, 0), Vec::<String>::new());
}

#[test]
fn a_relaxation_waits_for_what_may_restrict_again_wherever_it_is() {
    let (a, b, d) = (8, 9, 7);
    let mut waters = linked(None, &[(a, b), (b, d)]);
    waters.choose(waters.wave(0), Action::OptOut, &["sale"], 1, &[a, b]);
    let (wave, later) = next_waves(&mut waters);
    waters.choose(wave, Action::OptIn, &["sale"], 5, &[b]);
    waters.deliver_to(None, b, wave);
    waters.deliver_to(Some(b), d, wave);
    waters.seal(true);
    waters.now = waters.now + 2 * RELAX_AFTER;
    waters.seal(true);
    assert_eq!(waters.missing(), Vec::<String>::new(), "nobody has heard what the first says now");
    assert_eq!(waters.complete(wave, 0), Vec::<String>::new());
    waters.looked_at = waters.now;
    waters.tell_of_waves();
    waters.seal(true);
    assert_eq!(waters.missing(), Vec::<String>::new(), "it is opted out still");

    waters.choose(later, Action::OptIn, &["sale"], 6, &[a]);
    waters.complete(later, 0);
    waters.now = waters.now + 2 * RELAX_AFTER;
    waters.seal(true);
    let said = |waters: &Waters| waters.opted_out.values().filter(|said| !said.is_empty()).count();
    assert_eq!(said(&waters), 3, "a wave has yet to begin");
    waters.looked_at = waters.now;
    waters.tell_of_waves();
    waters.seal(true);
    assert_eq!(said(&waters), 0);
}
