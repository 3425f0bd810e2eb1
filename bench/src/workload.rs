//! The events that everybody gets, and nothing about the state that they demand (that is `expectation`).
//!
//! Per consumer: one account; one or two e-mails; one cookie and a geometric number more (mean 4, at most 40 in all).
//! Links: account-email, account-cookie, and with a chance of 0.2 each further cookie to an earlier one. One in ten opts
//! out of sale and sharing at one cookie, and that choice comes three times more, a day later each, with an id of its own,
//! as browsers repeat their signal. One in fifty opts out of automated decisions at the account. That makes about 7.7
//! events each, 5.6 % of them choices. All are shuffled together, so links come after choices and repeats before firsts;
//! either end of a link may come first; the record keys are random.

use std::fmt::Write as _;

use quell_domain::Action;
use quell_wire::{ChoiceMessage, Encoder, Format, LinkMessage, NamedIdentifier};

use crate::chance::{Random, mix, mix_all};

/// Unpaced events happened then: 2024, which is past for any clock.
const BASE_MILLIS: i64 = 1_704_067_200_000;
const DAY_MILLIS: i64 = 86_400_000;
const COOKIES_MAX: u32 = 40;
const MORE_COOKIES_MEAN: f64 = 4.0;
const SECOND_EMAIL: f64 = 0.5;
const COOKIE_LINKS: f64 = 0.2;
const SIGNALS: f64 = 0.1;
const SIGNAL_REPEATS: u32 = 3;
const DECISIONS: f64 = 0.02;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Account,
    Email,
    Cookie,
}

impl Type {
    pub fn name(self) -> &'static str {
        match self {
            Self::Account => "account_id",
            Self::Email => "email_sha256",
            Self::Cookie => "cookie_id",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Two identifiers are one consumer's.
    Link { other: u32 },
    /// A browser's signal: no sale, no sharing.
    Signal { repeat: u32 },
    /// No automated decisions.
    Decision,
}

/// Something that happened at an identifier.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub at: u32,
    pub what: What,
}

impl Event {
    pub fn is_choice(self) -> bool {
        !matches!(self.what, What::Link { .. })
    }
}

pub struct Workload {
    /// Two seeds share no identifier and no event.
    pub seed: u64,
    /// Of each identifier, by its number.
    pub types: Vec<Type>,
    /// In their order.
    pub events: Vec<Event>,
    /// Identifiers with more neighbours than the policy allows: nothing passes through them. None of them opts out.
    pub hubs: Vec<u32>,
}

impl Workload {
    pub fn empty(seed: u64) -> Self {
        Self { seed, types: Vec::new(), events: Vec::new(), hubs: Vec::new() }
    }

    pub fn consumers(seed: u64, consumers: u32) -> Self {
        let mut workload = Self::empty(seed);
        for consumer in 0..consumers {
            workload.add_consumer(&mut Random::new(&[seed, 1, u64::from(consumer)]));
        }
        Random::new(&[seed, 2]).shuffle(&mut workload.events);
        workload
    }

    /// As many consumers as have so many events, and no event more. (Of fewer events than all, most links would be
    /// missing.)
    pub fn of_events(seed: u64, events: usize) -> Self {
        let mut consumers = (events as f64 / 7.7) as u32;
        loop {
            let mut workload = Self::consumers(seed, consumers);
            if workload.events.len() >= events {
                workload.events.truncate(events);
                return workload;
            }
            consumers += consumers / 200 + 1;
        }
    }

    /// Opt-outs of consumers of whom nothing else is known.
    pub fn lone_opt_outs(seed: u64, count: u32) -> Self {
        let mut workload = Self::empty(seed);
        for _ in 0..count {
            let at = workload.add(Type::Cookie);
            workload.events.push(Event { at, what: What::Signal { repeat: 0 } });
        }
        workload
    }

    fn add_consumer(&mut self, random: &mut Random) {
        let account = self.add(Type::Account);
        for _ in 0..if random.happens(SECOND_EMAIL) { 2 } else { 1 } {
            let email = self.add(Type::Email);
            self.link(account, email);
        }
        let continues = MORE_COOKIES_MEAN / (1.0 + MORE_COOKIES_MEAN);
        let more = ((1.0 - random.unit()).ln() / continues.ln()) as u32;
        let first = self.types.len() as u32;
        let cookies = (1 + more).min(COOKIES_MAX);
        for number in 0..cookies {
            let cookie = self.add(Type::Cookie);
            self.link(account, cookie);
            if number > 0 && random.happens(COOKIE_LINKS) {
                self.link(cookie, first + random.below(number));
            }
        }
        if random.happens(SIGNALS) {
            let at = first + random.below(cookies);
            let signals = (0..=SIGNAL_REPEATS).map(|repeat| Event { at, what: What::Signal { repeat } });
            self.events.extend(signals);
        }
        if random.happens(DECISIONS) {
            self.events.push(Event { at: account, what: What::Decision });
        }
    }

    pub fn add(&mut self, kind: Type) -> u32 {
        self.types.push(kind);
        self.types.len() as u32 - 1
    }

    pub fn link(&mut self, at: u32, other: u32) {
        self.events.push(Event { at, what: What::Link { other } });
    }

    pub fn choices(&self) -> usize {
        self.events.iter().filter(|event| event.is_choice()).count()
    }

    /// An identifier's value, in the form that its type usually has.
    pub fn value(&self, number: u32) -> String {
        let of = self.types[number as usize];
        let part = |place: u64| mix_all(&[self.seed, 16 + of as u64, u64::from(number), place]);
        let mut value = String::with_capacity(64);
        match of {
            Type::Account => write!(value, "a-{:016x}", part(0)).unwrap(),
            Type::Email => (0..4).for_each(|place| write!(value, "{:016x}", part(place)).unwrap()),
            Type::Cookie => write_uuid(&mut value, part(0), part(1)),
        }
        value
    }

    fn identifier(&self, number: u32) -> NamedIdentifier {
        NamedIdentifier::new(self.types[number as usize].name(), self.value(number))
    }
}

/// A UUID of chance.
pub fn uuid(high: u64, low: u64) -> String {
    let mut text = String::with_capacity(36);
    write_uuid(&mut text, high, low);
    text
}

fn write_uuid(out: &mut String, high: u64, low: u64) {
    let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, high & 0xfff);
    let (d, e) = ((low >> 48) & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    write!(out, "{a:08x}-{b:04x}-4{c:03x}-{d:04x}-{e:012x}").unwrap();
}

/// Makes records' values.
pub struct EventWriter {
    encoder: Encoder,
}

impl EventWriter {
    pub fn new() -> Self {
        Self { encoder: Encoder::new(Format::Avro, None) }
    }

    /// An event's bytes. A paced one happens `now`, in milliseconds.
    pub fn write(&self, workload: &Workload, event: Event, now: Option<i64>) -> Vec<u8> {
        let (kind, part) = match event.what {
            What::Link { other } => (0, other),
            What::Signal { repeat } => (1, repeat),
            What::Decision => (2, 0),
        };
        let hash = mix_all(&[workload.seed, 3, u64::from(event.at), kind << 32 | u64::from(part)]);
        let event_id = uuid(hash, mix(hash));
        let past = BASE_MILLIS + (mix(hash ^ 1) % DAY_MILLIS as u64) as i64;
        let encoded = match event.what {
            What::Link { other } => {
                let (a, b) = if hash & 1 == 0 { (event.at, other) } else { (other, event.at) };
                let message = LinkMessage {
                    event_id,
                    holds: true,
                    a: workload.identifier(a),
                    b: workload.identifier(b),
                    observed_at: now.unwrap_or(past),
                    source: "web".to_owned(),
                    attributes: [].into(),
                };
                self.encoder.link("", &message)
            }
            What::Signal { repeat } => {
                let at = now.unwrap_or(past + (1 + i64::from(repeat)) * DAY_MILLIS);
                self.encoder
                    .choice("", &choice(event_id, workload.identifier(event.at), at, &["sale", "sharing"], "gpc"))
            }
            What::Decision => {
                let at = now.unwrap_or(past + DAY_MILLIS);
                self.encoder.choice("", &choice(event_id, workload.identifier(event.at), at, &["admt"], "web_form"))
            }
        };
        encoded.unwrap()
    }
}

fn choice(event_id: String, at: NamedIdentifier, millis: i64, rights: &[&str], channel: &str) -> ChoiceMessage {
    ChoiceMessage {
        event_id,
        action: Action::OptOut,
        rights: rights.iter().map(|right| (*right).to_owned()).collect(),
        identifiers: vec![at],
        effective_at: millis,
        received_at: millis,
        source: "web".to_owned(),
        channel: Some(channel.to_owned()),
        jurisdiction: Some("US-CA".to_owned()),
        attributes: [].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_makes_the_same_bytes_for_ever() {
        let workload = Workload::consumers(1, 100);
        let bytes = workload.events.iter().map(|event| EventWriter::new().write(&workload, *event, None));
        let digest = bytes.flatten().fold(0_u64, |digest, byte| mix(digest ^ u64::from(byte)));
        assert_eq!((workload.types.len(), workload.events.len(), digest), (746, 758, 3_522_773_319_947_382_664));
    }
}
