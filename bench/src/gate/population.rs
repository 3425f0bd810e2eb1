//! Who is asked about: so many who opted out of automated decisions, and strangers of whom nothing is known.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use quell_domain::{DownstreamNumber, EventId, Identifier, Millis, Policy, RightState, Suppression};
use quell_wire::{Encoder, Format};

use crate::chance::{Random, mix_all};
use crate::load::{BURST, Sender};
use crate::workload::{Type, Workload, uuid};

/// Of every question, in bytes: what enforcement points send, with the model and the hash of its input.
pub const QUESTION_BYTES: usize = 340;

/// When all of them opted out.
const SINCE: i64 = 1_790_000_000_000;
/// By when it had to be applied. Nothing here looks at it.
const DUE_AT: i64 = SINCE + 21 * 86_400_000;

/// As many different strangers are asked about.
const STRANGERS: u32 = 10_000;

/// Whose suppressions the gate reads, by deploy/policy.toml; and the rights that the others opted out of.
pub const DOWNSTREAM: &str = "ml";
const RIGHTS: [&str; 3] = ["admt", "admt:hiring", "admt:credit"];

const TYPES: [Type; 3] = [Type::Account, Type::Email, Type::Cookie];

/// A function of a seed.
pub struct Population {
    workload: Workload,
    suppressed: u32,
}

/// A question, and what is right.
#[derive(Clone, Debug)]
pub struct Asked {
    /// As it is sent.
    pub body: String,
    /// The identifier's value, which no other one has.
    pub subject: String,
    pub is_suppressed: bool,
}

/// A question about an identifier and an input.
pub fn question(identifier_type: &str, value: &str, input_sha256: &str) -> String {
    let with = |purpose: &str| {
        format!(
            r#"{{"subject":{{"type":"{identifier_type}","id":"{value}"}},"action":{{"name":"infer"}},"resource":{{"type":"admt_system","id":"hiring"}},"context":{{"model":{{"name":"ranker","version":"2026.11"}},"input_sha256":"{input_sha256}","purpose":"{purpose}"}}}}"#
        )
    };
    with(&"x".repeat(QUESTION_BYTES - with("").len()))
}

impl Population {
    pub fn new(seed: u64, suppressed: u32) -> Self {
        let mut workload = Workload::empty(seed);
        for _ in 0..(suppressed + STRANGERS).div_ceil(3) {
            for of in TYPES {
                workload.add(of);
            }
        }
        Self { workload, suppressed }
    }

    pub fn suppressed(&self) -> u32 {
        self.suppressed
    }

    /// So many questions, half of them about somebody who opted out.
    pub fn questions(&self, count: u32) -> Vec<Asked> {
        let mut random = Random::new(&[self.workload.seed, 5]);
        let mut ask = |place: u32| {
            let is_suppressed = place.is_multiple_of(2);
            let number =
                if is_suppressed { random.below(self.suppressed) } else { self.suppressed + random.below(STRANGERS) };
            self.ask(number, &mut random)
        };
        (0..count).map(&mut ask).collect()
    }

    fn ask(&self, number: u32, random: &mut Random) -> Asked {
        let subject = self.workload.value(number);
        let input: String = (0..4).map(|_| format!("{:016x}", random.next())).collect();
        let body = question(self.type_name(number), &subject, &input);
        Asked { body, subject, is_suppressed: number < self.suppressed }
    }

    /// Writes a suppression for each of them, as the engine does.
    pub fn publish(&self, bootstrap: &str, policy: &Policy) {
        let downstream = policy.downstream(DOWNSTREAM).unwrap();
        let topic = &policy.downstreams()[usize::from(downstream.0)].topic;
        let encoder = Encoder::new(Format::Avro, None);
        let sender = Sender::new(bootstrap, "20");
        sender.prepare(topic);
        for number in 0..self.suppressed {
            let suppression = self.suppression(number, policy, downstream);
            let value = encoder.suppression(policy, &suppression).unwrap();
            sender.send(topic, suppression.identifier.key().as_bytes(), &value);
            if (number as usize).is_multiple_of(BURST) {
                sender.look();
            }
        }
        sender.settle();
    }

    /// Writes the same as data for Open Policy Agent.
    pub fn write_data(&self, path: &Path) {
        let mut out = BufWriter::new(File::create(path).unwrap());
        out.write_all(br#"{"suppressed":{"#).unwrap();
        for (place, of) in TYPES.into_iter().enumerate() {
            write!(out, r#"{}"{}":{{"#, if place == 0 { "" } else { "," }, of.name()).unwrap();
            let numbers = (0..self.suppressed).filter(|number| self.workload.types[*number as usize] == of);
            for (place, number) in numbers.enumerate() {
                let (comma, value) = (if place == 0 { "" } else { "," }, self.workload.value(number));
                let choice = self.choice(number);
                write!(out, r#"{comma}"{value}":{{"choice_id":"{choice}","since":{SINCE}}}"#).unwrap();
            }
            out.write_all(b"}").unwrap();
        }
        out.write_all(b"}}").unwrap();
        out.flush().unwrap();
    }

    fn type_name(&self, number: u32) -> &'static str {
        self.workload.types[number as usize].name()
    }

    /// The id of a choice.
    fn choice(&self, number: u32) -> String {
        let part = |place| mix_all(&[self.workload.seed, 6, u64::from(number), place]);
        uuid(part(0), part(1))
    }

    fn suppression(&self, number: u32, policy: &Policy, downstream: DownstreamNumber) -> Suppression {
        let choice_id = EventId::new(&self.choice(number)).unwrap();
        let state = RightState {
            opted_out: true,
            choice_id,
            since: Millis(SINCE),
            inherited: !number.is_multiple_of(4),
            due_at: Millis(DUE_AT),
        };
        Suppression {
            identifier: Identifier::new(self.type_name(number), &self.workload.value(number)).unwrap(),
            downstream,
            version: 1,
            rights: RIGHTS.map(|right| (policy.right(right).unwrap(), state.clone())).to_vec(),
            published_at: Millis(SINCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_of_one_size_and_half_of_them_are_about_somebody_who_opted_out() {
        let questions = Population::new(1, 1_000).questions(1_000);
        assert!(questions.iter().all(|asked| asked.body.len() == QUESTION_BYTES));
        assert_eq!(questions.iter().filter(|asked| asked.is_suppressed).count(), 500);
    }
}
