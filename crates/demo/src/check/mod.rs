//! The independent check: everything is read back from Kafka, and compared with what the contract demands.
//!
//! The inputs go through the door and into the naive model of `quell-model`, which computes the final state from the
//! whole set. What was published is what a subscriber would keep: the highest version of each identifier.

mod inputs;
mod published;
mod reading;

use std::collections::{BTreeMap, HashSet};
use std::time::Instant;

use quell_domain::{Identifier, Policy};
use quell_model::final_state;

use crate::terminal::{Terminal, in_words, thousands};
use crate::topics::Topics;
use inputs::Inputs;
use published::Published;

/// What the check found.
#[derive(Debug, Default)]
pub struct Report {
    /// Records on the input topics.
    pub inputs: u64,
    /// Records on the suppression topics.
    pub suppressions: u64,
    /// Identifiers of which downstreams must have heard, by downstream.
    pub expected: BTreeMap<String, u64>,
    /// Dead letters of the input topics, by code.
    pub dead_letters: BTreeMap<String, u64>,
    /// What is wrong, a line each.
    pub faults: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Reads all topics from the beginning and compares.
///
/// # Errors
/// When a topic cannot be read.
pub fn run(bootstrap: &str, topics: &Topics, policy: &Policy, terminal: &mut Terminal) -> anyhow::Result<Report> {
    let began_at = Instant::now();
    terminal.line("\nThe check: all topics are read back, and the final state is computed from the events alone.")?;
    terminal.passing("  reading the input topics")?;
    let inputs = Inputs::read(bootstrap, topics, policy)?;
    terminal.passing("  reading the suppression topics")?;
    let published = Published::read(bootstrap, topics, policy)?;
    terminal.passing("  computing the final state")?;
    let report = compare(policy, inputs, &published);
    terminal.line(format!(
        "  {} events and {} suppressions compared in {}.",
        thousands(report.inputs),
        thousands(report.suppressions),
        in_words(began_at.elapsed())
    ))?;
    Ok(report)
}

fn compare(policy: &Policy, inputs: Inputs, published: &Published) -> Report {
    let mut report = Report {
        inputs: inputs.records,
        suppressions: published.records,
        faults: published.faults.clone(),
        ..Report::default()
    };
    report.faults.extend(inputs.refusals.faults());
    report.dead_letters = inputs.refusals.by_code();

    let state = final_state(policy, &inputs.world);
    for (number, downstream) in policy.downstreams().iter().enumerate() {
        let Some(number) = u8::try_from(number).ok().map(quell_domain::DownstreamNumber) else { continue };
        let heard = published.of(number);
        let concerned: HashSet<&Identifier> = state.identifiers().chain(heard.keys()).collect();
        let mut expected = 0;
        for identifier in concerned {
            expected += u64::from(!state.suppression(policy, number, identifier).is_empty());
            let said = heard.get(identifier).map(|row| row.rights.as_slice());
            report.faults.extend(state.disagreements(policy, number, identifier, said));
        }
        report.expected.insert(downstream.name.clone(), expected);
    }
    // They come out of hash maps: two runs over the same topics shall say the same.
    report.faults.sort_unstable();
    report
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use quell_domain::{Action, Millis};
    use quell_wire::{ChoiceMessage, Encoder, Format, NamedIdentifier, RightMessage, SuppressionMessage};

    use super::*;
    use crate::tests::policy;
    use inputs::Place;

    const NOW: Millis = Millis(1_795_500_000_000);

    fn place(offset: i64) -> Place {
        Place { topic: "optout.events".to_owned(), partition: 0, offset }
    }

    /// One opt-out at a cookie, and one bad record.
    fn inputs(policy: &Policy) -> Inputs {
        let choice = ChoiceMessage {
            event_id: "e1".to_owned(),
            action: Action::OptOut,
            rights: vec!["sale".to_owned()],
            identifiers: vec![NamedIdentifier::new("cookie_id", "laptop")],
            effective_at: NOW.0 - 1000,
            // Monday 2026-11-23, noon in Los Angeles.
            received_at: 1_795_464_000_000,
            source: "web".to_owned(),
            channel: None,
            jurisdiction: None,
            attributes: [].into(),
        };
        let good = Encoder::new(Format::Avro, None).choice("optout.events", &choice).unwrap();
        let mut inputs = Inputs::new();
        inputs.choice(policy, NOW, place(0), Some(&good)).unwrap();
        inputs.choice(policy, NOW, place(1), Some(b"junk")).unwrap();
        inputs
    }

    fn suppression(policy: &Policy, downstream: &str, version: i64, opted_out: bool) -> SuppressionMessage {
        let state = RightMessage {
            opted_out,
            choice_id: "e1".to_owned(),
            since: NOW.0 - 1000,
            inherited: false,
            due_at: policy.calendar().due_at(Millis(1_795_464_000_000)).0,
        };
        SuppressionMessage {
            identifier: NamedIdentifier::new("cookie_id", "laptop"),
            downstream: downstream.to_owned(),
            version,
            suppressed: opted_out,
            rights: [("sale".to_owned(), state)].into(),
            published_at: NOW.0,
        }
    }

    fn published(policy: &Policy, messages: &[SuppressionMessage]) -> Published {
        let mut published = Published::new(policy);
        for message in messages {
            published.take(policy, &message.downstream, "cookie_id:laptop", message);
        }
        published
    }

    fn faults(messages: impl Fn(&Policy) -> Vec<SuppressionMessage>, dead_letters: &[(i64, &str)]) -> Vec<String> {
        let policy = policy();
        let mut inputs = inputs(&policy);
        for (offset, code) in dead_letters {
            inputs.refusals.dead_letter(place(*offset), code);
        }
        compare(&policy, inputs, &published(&policy, &messages(&policy))).faults
    }

    fn right(policy: &Policy) -> Vec<SuppressionMessage> {
        vec![suppression(policy, "ads", 1, true), suppression(policy, "analytics", 1, true)]
    }

    const REFUSED: [(i64, &str); 1] = [(1, "malformed")];

    #[test]
    fn what_the_contract_demands_is_right() {
        assert_eq!(faults(right, &REFUSED), Vec::<String>::new());
    }

    #[test]
    fn a_missing_suppression_is_found() {
        let found = faults(|policy| right(policy).split_off(1), &REFUSED);
        assert!(matches!(&found[..], [fault] if fault.contains("for ads, sale")), "{found:?}");
    }

    #[test]
    fn a_wrong_state_is_found_and_an_older_version_does_not_hide_it() {
        let wrong = |policy: &Policy| {
            let mut messages = right(policy);
            messages.push(suppression(policy, "ads", 2, false));
            messages
        };
        assert_eq!(faults(wrong, &REFUSED).len(), 1);
    }

    #[test]
    fn a_version_that_does_not_grow_is_found() {
        let twice = |policy: &Policy| [right(policy), right(policy)].concat();
        let found = faults(twice, &REFUSED);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().all(|fault| fault.contains("version 1: after version 1")), "{found:?}");
    }

    #[test]
    fn a_record_of_another_downstream_is_found() {
        let policy = policy();
        let mut published = published(&policy, &right(&policy));
        published.take(&policy, "ads", "cookie_id:laptop", &suppression(&policy, "analytics", 7, true));
        assert!(!published.faults.is_empty());
    }

    #[test]
    fn each_refused_record_must_be_one_dead_letter_with_its_code() {
        assert_eq!(faults(right, &[]).len(), 1, "none");
        assert_eq!(faults(right, &[(1, "future")]).len(), 1, "another code");
        assert_eq!(faults(right, &[(1, "malformed"), (1, "malformed")]).len(), 1, "twice");
        assert_eq!(faults(right, &[(1, "malformed"), (0, "malformed")]).len(), 1, "a good one, too");
    }
}
