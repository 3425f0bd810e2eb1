//! What producers and downstreams write: choices, links, acknowledgements and nonsense.

use std::collections::BTreeMap;

use fastrand::Rng;
use quell_domain::{AckOutcome, Action, Millis, Policy, judge_choice, judge_link};
use quell_engine::log::InputTopic;
use quell_model::World;
use quell_wire::{AckMessage, ChoiceMessage, Decoder, Encoder, Format, LinkMessage};

use crate::scenario::Scenario;

/// How much later than the beginning of time something can have happened, in milliseconds: little, so that ties happen.
const MOMENTS: i64 = 20;

/// To how many of the cast something happens at the end of a path.
const PATH_END: usize = 3;

/// A record to be produced.
#[derive(Clone, Debug)]
pub struct Produced {
    pub topic: InputTopic,
    pub value: Vec<u8>,
    /// Whether it will be refused.
    pub is_nonsense: bool,
}

/// Makes events of a scenario.
pub struct Source {
    scenario: Scenario,
    encoders: [Encoder; 2],
    made: usize,
}

impl Source {
    pub fn new(scenario: Scenario) -> Self {
        Self { scenario, encoders: [Encoder::new(Format::Avro, None), Encoder::new(Format::Json, None)], made: 0 }
    }

    /// Whether all events have been made.
    pub fn is_dry(&self) -> bool {
        self.made >= self.scenario.events
    }

    /// The records of a path: links from the second of the cast to the last, and often an opt-out of the first, who
    /// stands beside it.
    pub fn path(&self, chance: &mut Rng) -> Vec<Produced> {
        let mut records: Vec<Option<Produced>> = Vec::new();
        for number in 2..self.scenario.cast {
            records.push(self.link("path", [number - 1, number], true, 0, chance));
        }
        if chance.u32(0..3) > 0 {
            records.push(self.choice("first", Action::OptOut, &["sale"], &[0], 0, chance));
        }
        records.into_iter().flatten().collect()
    }

    fn link(
        &self,
        event_id: &str,
        ends: [usize; 2],
        holds: bool,
        observed_at: i64,
        chance: &mut Rng,
    ) -> Option<Produced> {
        let [a, b] = ends.map(|end| self.scenario.identifier(end));
        let (event_id, source, attributes) = (event_id.to_owned(), "web".to_owned(), BTreeMap::new());
        let message = LinkMessage { event_id, holds, a, b, observed_at, source, attributes };
        let value = chance.choice(&self.encoders)?.link("", &message).ok()?;
        Some(Produced { topic: InputTopic::Links, value, is_nonsense: false })
    }

    fn choice(
        &self,
        event_id: &str,
        action: Action,
        rights: &[&str],
        who: &[usize],
        at: i64,
        chance: &mut Rng,
    ) -> Option<Produced> {
        let message = ChoiceMessage {
            event_id: event_id.to_owned(),
            action,
            rights: rights.iter().map(|right| (*right).to_owned()).collect(),
            identifiers: who.iter().map(|who| self.scenario.identifier(*who)).collect(),
            effective_at: at,
            received_at: at,
            source: "web".to_owned(),
            channel: None,
            jurisdiction: None,
            attributes: BTreeMap::new(),
        };
        let value = chance.choice(&self.encoders)?.choice("", &message).ok()?;
        Some(Produced { topic: InputTopic::Choices, value, is_nonsense: false })
    }

    /// The next record.
    pub fn next(&mut self, chance: &mut Rng) -> Option<Produced> {
        self.made += 1;
        // Whom something happens to.
        let some = if self.scenario.path { PATH_END } else { self.scenario.cast };
        let two = |chance: &mut Rng| {
            let one = chance.usize(0..some);
            [one, (one + chance.usize(1..some)) % some]
        };
        // Event ids need not be unique.
        let event_id = format!("e{}", self.made / 2);
        let at = chance.i64(1..MOMENTS);
        match chance.u32(if self.scenario.path { 10 } else { 0 }..100) {
            0..5 => {
                let topic = *chance.choice(&[InputTopic::Choices, InputTopic::Links, InputTopic::Acks])?;
                Some(Produced { topic, value: format!("nonsense {}", self.made).into_bytes(), is_nonsense: true })
            }
            5..10 => {
                let message = AckMessage {
                    downstream: "ads".to_owned(),
                    identifier: self.scenario.identifier(two(chance)[0]),
                    version: chance.i64(1..4),
                    outcome: AckOutcome::Applied,
                    applied_at: at,
                    detail: None,
                };
                let value = chance.choice(&self.encoders)?.ack("", &message).ok()?;
                Some(Produced { topic: InputTopic::Acks, value, is_nonsense: false })
            }
            10..60 => {
                let ends = two(chance);
                let holds = self.scenario.only_grows || chance.u32(0..3) > 0;
                self.link(&event_id, ends, holds, at, chance)
            }
            _ => {
                let [one, other] = two(chance);
                let opts_out = self.scenario.only_grows || chance.bool();
                let action = if opts_out { Action::OptOut } else { Action::OptIn };
                let rights: &[&str] = match chance.u32(0..4) {
                    // A later opt-out of a right of which the latest holds supersedes nothing, but names another time.
                    0 => &["sale", "sharing"],
                    1 => &["sharing"],
                    _ => &["sale"],
                };
                let who: &[usize] = if chance.u32(0..4) == 0 { &[one, other] } else { &[one] };
                self.choice(&event_id, action, rights, who, at, chance)
            }
        }
    }
}

/// What of the records is accepted, by the door.
pub fn world<'r>(
    decoder: &Decoder,
    policy: &Policy,
    now: Millis,
    records: impl IntoIterator<Item = &'r Produced>,
) -> World {
    let mut world = World::default();
    for record in records {
        let value = Some(record.value.as_slice());
        match record.topic {
            InputTopic::Choices => {
                world
                    .choices
                    .extend(decoder.choice(value).ok().and_then(|raw| judge_choice(policy, now, &raw).accepted));
            }
            InputTopic::Links => {
                world.links.extend(decoder.link(value).ok().and_then(|raw| judge_link(policy, now, &raw).ok()));
            }
            InputTopic::Acks | InputTopic::Graph => {}
        }
    }
    world
}
