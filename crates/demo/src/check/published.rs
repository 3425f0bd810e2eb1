//! What came out, as a subscriber keeps it.

use std::collections::HashMap;

use quell_domain::{DownstreamNumber, EventId, Identifier, Millis, Policy, Right, RightState};
use quell_wire::{Decoder, SuppressionMessage};
use rdkafka::Message;

use super::reading::read;
use crate::topics::Topics;

/// The last that a downstream heard of somebody.
#[derive(Clone, Debug)]
pub struct Row {
    version: i64,
    /// What it says, by right.
    pub rights: Vec<(Right, RightState)>,
}

/// By downstream and identifier, the highest version.
#[derive(Debug)]
pub struct Published {
    /// How many records there were.
    pub records: u64,
    tables: Vec<HashMap<Identifier, Row>>,
    /// What is wrong with the records themselves, a line each.
    pub faults: Vec<String>,
}

impl Published {
    /// Nothing.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        Self { records: 0, tables: vec![HashMap::new(); policy.downstreams().len()], faults: Vec::new() }
    }

    /// Reads all suppression topics.
    ///
    /// # Errors
    /// When a topic cannot be read.
    pub fn read(bootstrap: &str, topics: &Topics, policy: &Policy) -> anyhow::Result<Self> {
        let mut published = Self::new(policy);
        let decoder = Decoder::new(None);
        for (downstream, topic) in &topics.suppressions {
            read(bootstrap, topic, |record| {
                let key = String::from_utf8_lossy(record.key().unwrap_or_default());
                match decoder.suppression(record.payload()) {
                    Ok(message) => published.take(policy, downstream, &key, &message),
                    Err(error) => published.faults.push(format!("{topic}: {error}")),
                }
                Ok(())
            })?;
        }
        Ok(published)
    }

    /// What a downstream knows.
    #[must_use]
    pub fn of(&self, downstream: DownstreamNumber) -> &HashMap<Identifier, Row> {
        static NOTHING: std::sync::LazyLock<HashMap<Identifier, Row>> = std::sync::LazyLock::new(HashMap::new);
        self.tables.get(usize::from(downstream.0)).unwrap_or(&NOTHING)
    }

    /// Takes a record of a downstream's topic.
    pub fn take(&mut self, policy: &Policy, downstream: &str, key: &str, message: &SuppressionMessage) {
        self.records += 1;
        if let Err(fault) = self.apply(policy, downstream, key, message) {
            self.faults.push(format!("{downstream}, {key}, version {}: {fault}", message.version));
        }
    }

    fn apply(
        &mut self,
        policy: &Policy,
        downstream: &str,
        key: &str,
        message: &SuppressionMessage,
    ) -> Result<(), String> {
        let (identifier_type, value) = (&message.identifier.identifier_type, &message.identifier.value);
        let identifier = Identifier::new(identifier_type, value).map_err(|error| error.to_string())?;
        if identifier.key() != key {
            return Err("the key is not that of its identifier".to_owned());
        }
        if message.downstream != downstream {
            return Err(format!("it is for {}", message.downstream));
        }
        if message.suppressed != message.rights.values().any(|state| state.opted_out) {
            return Err("suppressed is not what its rights say".to_owned());
        }
        let mut rights = Vec::with_capacity(message.rights.len());
        for (name, state) in &message.rights {
            let right = policy.right(name).ok_or_else(|| format!("{name} is no right of the policy"))?;
            let choice_id = EventId::new(&state.choice_id).map_err(|error| error.to_string())?;
            let (since, due_at) = (Millis(state.since), Millis(state.due_at));
            let (opted_out, inherited) = (state.opted_out, state.inherited);
            rights.push((right, RightState { opted_out, choice_id, since, inherited, due_at }));
        }
        let number = policy.downstream(downstream).ok_or("the policy does not declare the downstream")?;
        let table = self.tables.get_mut(usize::from(number.0)).ok_or("the policy does not declare the downstream")?;
        match table.get(&identifier) {
            Some(row) if message.version <= row.version => Err(format!("after version {}", row.version)),
            _ => {
                table.insert(identifier, Row { version: message.version, rights });
                Ok(())
            }
        }
    }
}
