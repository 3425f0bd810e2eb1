//! Events made to hurt, and what of them is accepted.

use std::collections::BTreeMap;

use quell_domain::{Action, Millis, Policy, RawChoice, RawIdentifier, RawLink, judge_choice, judge_link};
use quell_model::World;
use quell_wire::{ChoiceMessage, Encoder, Format, LinkMessage, NamedIdentifier};

use crate::deployment::{Deployment, Produced};
use crate::now_millis;

/// A small generator of numbers; the same seed, the same numbers (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// An event.
#[derive(Clone, Debug)]
pub enum Event {
    Choice(ChoiceMessage),
    Link(LinkMessage),
}

/// A choice of now, by one source, in one right at one identifier; for stories.
pub fn choice(id: &str, action: Action, right: &str, identifier: (&str, &str)) -> Event {
    let now = now_millis();
    Event::Choice(ChoiceMessage {
        event_id: id.to_owned(),
        action,
        rights: vec![right.to_owned()],
        identifiers: vec![NamedIdentifier::new(identifier.0, identifier.1)],
        effective_at: now,
        received_at: now,
        source: "web".to_owned(),
        channel: Some("gpc".to_owned()),
        jurisdiction: None,
        attributes: BTreeMap::new(),
    })
}

/// A link of now, or its withdrawal.
pub fn link(id: &str, holds: bool, a: (&str, &str), b: (&str, &str)) -> Event {
    Event::Link(LinkMessage {
        event_id: id.to_owned(),
        holds,
        a: NamedIdentifier::new(a.0, a.1),
        b: NamedIdentifier::new(b.0, b.1),
        observed_at: now_millis(),
        source: "web".to_owned(),
        attributes: BTreeMap::new(),
    })
}

/// Events among clusters of identifiers: links and unlinks, ties in time, shared devices beyond their limits, opt-ins
/// between opt-outs, choices that name several identifiers, and events that come twice.
pub fn hurting(seed: u64, clusters: u64, events_each: u64) -> Vec<Event> {
    let mut random = Random(seed);
    let mut events = Vec::new();
    let from = 1_780_000_000_000;
    for cluster in 0..clusters {
        let size = 3 + random.below(9);
        let member = |number: u64| {
            let name = format!("{seed}-{cluster}-{number}");
            match number % 4 {
                0 => NamedIdentifier::new("account_id", format!("acc-{name}")),
                1 => NamedIdentifier::new("email", format!(" User{name}@Example.com")),
                _ => NamedIdentifier::new("cookie_id", format!("c-{name}")),
            }
        };
        // Some know a neighbour of the cluster before.
        let stranger = NamedIdentifier::new("cookie_id", format!("c-{seed}-{}-2", cluster.saturating_sub(1)));
        for number in 0..events_each {
            let id = format!("e-{seed}-{cluster}-{number}");
            let at = from + i64::try_from(if random.chance(50) { random.below(12) } else { number }).unwrap();
            let one = member(random.below(size));
            let other = if random.chance(4) { stranger.clone() } else { member(random.below(size)) };
            let event = if random.chance(62) {
                if one == other {
                    continue;
                }
                Event::Link(LinkMessage {
                    event_id: id,
                    holds: random.chance(70),
                    a: one,
                    b: other,
                    observed_at: at,
                    source: "web".to_owned(),
                    attributes: BTreeMap::new(),
                })
            } else {
                let rights = ["sale", "sharing", "sensitive_pi", "admt", "admt:hiring"];
                let mut named = vec![(*random.pick(&rights)).to_owned()];
                if random.chance(30) {
                    named.push((*random.pick(&rights)).to_owned());
                }
                let mut identifiers = vec![one];
                if random.chance(20) {
                    identifiers.push(other);
                }
                Event::Choice(ChoiceMessage {
                    event_id: id,
                    action: if random.chance(60) { Action::OptOut } else { Action::OptIn },
                    rights: named,
                    identifiers,
                    effective_at: at,
                    received_at: at + i64::try_from(random.below(3)).unwrap() * 86_400_000,
                    source: "web".to_owned(),
                    channel: None,
                    jurisdiction: Some("US-CA".to_owned()),
                    attributes: BTreeMap::new(),
                })
            };
            if random.chance(5) {
                events.push(event.clone());
            }
            events.push(event);
        }
    }
    for at in (1..events.len()).rev() {
        events.swap(at, usize::try_from(random.below(at as u64 + 1)).unwrap());
    }
    events
}

impl Event {
    /// As a record, in a format, under a key that says nothing.
    pub fn record(&self, deployment: &Deployment, encoder: &Encoder) -> Produced {
        let topics = deployment.topics();
        let (topic, value) = match self {
            Self::Choice(message) => (&topics.choices, encoder.choice(&topics.choices, message).unwrap()),
            Self::Link(message) => (&topics.links, encoder.link(&topics.links, message).unwrap()),
        };
        let key = Some(value.iter().rev().take(5).copied().collect());
        Produced { topic: topic.clone(), key, value: Some(value), ..Produced::default() }
    }
}

/// Records of events, alternating between the encodings that need no registry.
pub fn records(deployment: &Deployment, events: &[Event]) -> Vec<Produced> {
    let (avro, json) = (Encoder::new(Format::Avro, None), Encoder::new(Format::Json, None));
    let encoder = |at: usize| if at.is_multiple_of(3) { &json } else { &avro };
    events.iter().enumerate().map(|(at, event)| event.record(deployment, encoder(at))).collect()
}

/// What of the events is accepted, by the door.
pub fn world(policy: &Policy, events: &[Event]) -> World {
    let now = Millis(now_millis());
    let raw = |named: &NamedIdentifier| RawIdentifier {
        identifier_type: named.identifier_type.clone().into(),
        value: named.value.clone().into(),
    };
    let mut world = World { choices: Vec::new(), links: Vec::new() };
    for event in events {
        match event {
            Event::Choice(message) => {
                let judged = judge_choice(
                    policy,
                    now,
                    &RawChoice {
                        event_id: message.event_id.as_str().into(),
                        action: message.action,
                        rights: message.rights.iter().map(|right| right.as_str().into()).collect(),
                        identifiers: message.identifiers.iter().map(raw).collect(),
                        effective_at: message.effective_at,
                        received_at: message.received_at,
                        source: message.source.as_str().into(),
                    },
                );
                world.choices.extend(judged.accepted);
            }
            Event::Link(message) => {
                let judged = judge_link(
                    policy,
                    now,
                    &RawLink {
                        event_id: message.event_id.as_str().into(),
                        holds: message.holds,
                        a: raw(&message.a),
                        b: raw(&message.b),
                        observed_at: message.observed_at,
                        source: message.source.as_str().into(),
                    },
                );
                world.links.extend(judged);
            }
        }
    }
    world
}
