//! What the topics say, against the model.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use quell_domain::{DownstreamNumber, EventId, Identifier, Millis, Policy, Right, RightState};
use quell_model::{World, final_state};
use quell_wire::{Decoder, SuppressionMessage};

use crate::deployment::Deployment;
use crate::events::{Event, records};
use crate::instance::Instance;
use crate::wait_for;

/// The last suppression of each identifier for each downstream, and how often a version came twice or went back.
pub struct Published {
    pub last: BTreeMap<(DownstreamNumber, Identifier), SuppressionMessage>,
    pub messages: usize,
    /// Versions that came twice, or went back.
    pub repeats: Vec<String>,
}

/// Reads all suppressions, and expects that none is a repeat.
pub fn published(deployment: &Deployment) -> Published {
    let published = read_published(deployment);
    assert!(published.repeats.is_empty(), "{}", published.repeats.join("\n"));
    published
}

/// Reads all suppressions, read committed, and checks what must hold of each: the key, the downstream, `suppressed`.
pub fn read_published(deployment: &Deployment) -> Published {
    let policy = &deployment.policy;
    let decoder = Decoder::new(None);
    let mut published = Published { last: BTreeMap::new(), messages: 0, repeats: Vec::new() };
    for (number, downstream) in (0..).map(DownstreamNumber).zip(policy.downstreams()) {
        for record in deployment.read(&downstream.topic) {
            let message = decoder.suppression(record.value.as_deref()).unwrap();
            let named = &message.identifier;
            assert_eq!(record.key.unwrap(), format!("{}:{}", named.identifier_type, named.value).into_bytes());
            assert_eq!(message.downstream, downstream.name);
            assert_eq!(message.suppressed, message.rights.values().any(|state| state.opted_out));
            let identifier = Identifier::new(&named.identifier_type, &named.value).unwrap();
            published.messages += 1;
            // All of a key's messages are in one partition, in their order.
            let version = message.version;
            let last = published.last.insert((number, identifier), message);
            if let Some(last) = last.filter(|last| last.version >= version) {
                let (of, name) = (&last.identifier, &downstream.name);
                published.repeats.push(format!("{of:?} for {name}: version {version} after {}", last.version));
            }
        }
    }
    published
}

/// In what the published suppressions differ from the model's final state.
pub fn disagreements(policy: &Policy, world: &World, published: &Published) -> Vec<String> {
    let state = final_state(policy, world);
    let none = BTreeMap::new();
    let mut identifiers: BTreeSet<Identifier> = state.identifiers().cloned().collect();
    identifiers.extend(published.last.keys().map(|(_, identifier)| identifier.clone()));
    let mut wrong = Vec::new();
    for identifier in &identifiers {
        for (number, _) in (0..).map(DownstreamNumber).zip(policy.downstreams()) {
            let last = published.last.get(&(number, identifier.clone()));
            let rights: Vec<(Right, RightState)> = last
                .map_or(&none, |message| &message.rights)
                .iter()
                .map(|(name, state)| {
                    let state = RightState {
                        opted_out: state.opted_out,
                        choice_id: EventId::new(&state.choice_id).unwrap(),
                        since: Millis(state.since),
                        inherited: state.inherited,
                        due_at: Millis(state.due_at),
                    };
                    (policy.right(name).unwrap(), state)
                })
                .collect();
            wrong.extend(state.disagreements(policy, number, identifier, last.map(|_| rights.as_slice())));
        }
    }
    wrong
}

/// Waits until the engines have nothing left to do and the topics say what the model says; then that nothing more is
/// published. Returns how many messages there were.
pub fn comes_to_the_models_state(deployment: &Deployment, instances: &[&Instance], world: &World) -> usize {
    let mut last_wrong = Vec::new();
    let began = Instant::now();
    let published = loop {
        wait_for("the engines to come to rest", || instances.iter().all(|one| one.is_at_rest()).then_some(()));
        let published = published(deployment);
        let wrong = disagreements(&deployment.policy, world, &published);
        if wrong.is_empty() {
            break published;
        }
        // Lag is measured now and then: what looked like rest may have been the moment before the last epoch.
        last_wrong.clone_from(&wrong);
        assert!(
            began.elapsed() < crate::DEADLINE,
            "{} disagreements with the model, among them:\n{}",
            last_wrong.len(),
            last_wrong.iter().take(10).cloned().collect::<Vec<_>>().join("\n")
        );
        std::thread::park_timeout(Duration::from_millis(300));
    };
    published.messages
}

/// Writes an event that names an identifier which no other names, and waits until all who take it were told. Returns how
/// long that took.
pub fn time_to_suppress(deployment: &Deployment, event: &Event) -> Duration {
    let Event::Choice(message) = event else { panic!("a link alone suppresses nothing") };
    let value = &message.identifiers[0].value;
    let began = Instant::now();
    deployment.produce(records(deployment, std::slice::from_ref(event)));
    wait_for("the suppression of an opt-out", || {
        let key = format!("{}:{value}", message.identifiers[0].identifier_type).into_bytes();
        let topics = deployment.topics().suppressions.iter();
        let mut read = topics.flat_map(|topic| deployment.try_read(topic).unwrap_or_default());
        read.any(|record| record.key.as_ref() == Some(&key)).then_some(())
    });
    began.elapsed()
}
