//! What producers and downstreams write: choices, links, acknowledgements and nonsense.

use std::collections::BTreeMap;

use fastrand::Rng;
use quell_domain::{AckOutcome, Action, Millis, Policy, judge_choice, judge_link};
use quell_engine::log::InputTopic;
use quell_model::World;
use quell_wire::{AckMessage, ChoiceMessage, Decoder, Encoder, Format, LinkMessage, NamedIdentifier};

use crate::scenario::Scenario;

/// How much later than the beginning of time something can have happened, in milliseconds: little, so that ties happen.
const MOMENTS: i64 = 20;

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

    fn identifier(number: usize) -> NamedIdentifier {
        let kind = if number.is_multiple_of(3) { "account_id" } else { "cookie_id" };
        NamedIdentifier::new(kind, format!("{number}"))
    }

    /// The next record.
    pub fn next(&mut self, chance: &mut Rng) -> Option<Produced> {
        self.made += 1;
        let encoder = chance.choice(&self.encoders)?;
        let two = |chance: &mut Rng| {
            let one = chance.usize(0..self.scenario.cast);
            let other = (one + chance.usize(1..self.scenario.cast)) % self.scenario.cast;
            (Self::identifier(one), Self::identifier(other))
        };
        // Event ids need not be unique.
        let event_id = format!("e{}", self.made / 2);
        let at = chance.i64(1..MOMENTS);
        Some(match chance.u32(0..100) {
            0..5 => {
                let topic = *chance.choice(&[InputTopic::Choices, InputTopic::Links, InputTopic::Acks])?;
                Produced { topic, value: format!("nonsense {}", self.made).into_bytes(), is_nonsense: true }
            }
            5..10 => {
                let message = AckMessage {
                    downstream: "ads".to_owned(),
                    identifier: two(chance).0,
                    version: chance.i64(1..4),
                    outcome: AckOutcome::Applied,
                    applied_at: at,
                    detail: None,
                };
                Produced { topic: InputTopic::Acks, value: encoder.ack("", &message).ok()?, is_nonsense: false }
            }
            10..60 => {
                let (a, b) = two(chance);
                let holds = self.scenario.only_grows || chance.u32(0..3) > 0;
                let source = "web".to_owned();
                let message =
                    LinkMessage { event_id, holds, a, b, observed_at: at, source, attributes: BTreeMap::new() };
                Produced { topic: InputTopic::Links, value: encoder.link("", &message).ok()?, is_nonsense: false }
            }
            _ => {
                let (one, other) = two(chance);
                let opts_out = self.scenario.only_grows || chance.bool();
                let rights: &[&str] = match chance.u32(0..4) {
                    // A later opt-out of a right of which the latest holds supersedes nothing, but names another time.
                    0 => &["sale", "sharing"],
                    1 => &["sharing"],
                    _ => &["sale"],
                };
                let message = ChoiceMessage {
                    event_id,
                    action: if opts_out { Action::OptOut } else { Action::OptIn },
                    rights: rights.iter().map(|right| (*right).to_owned()).collect(),
                    identifiers: if chance.u32(0..4) == 0 { vec![one, other] } else { vec![one] },
                    effective_at: at,
                    received_at: at,
                    source: "web".to_owned(),
                    channel: None,
                    jurisdiction: None,
                    attributes: BTreeMap::new(),
                };
                Produced { topic: InputTopic::Choices, value: encoder.choice("", &message).ok()?, is_nonsense: false }
            }
        })
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
