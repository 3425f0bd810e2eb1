//! What a shard counts, so that nobody has to scan it: in a row of its own.

use std::collections::BTreeMap;

use crate::encoding::{Corrupt, Reader, Writer};
use crate::node::Delivery;

/// The counts of one shard. By name, so that they outlive the policy's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Hubs, by identifier type.
    pub hubs: BTreeMap<String, u64>,
    /// Identifiers whose last suppression has not been acknowledged, by downstream.
    pub unacknowledged: BTreeMap<String, u64>,
    /// Identifiers, by type.
    pub identifiers: BTreeMap<String, u64>,
    /// Identifiers at which there is a choice, by right.
    pub choices: BTreeMap<String, u64>,
    /// Identifiers with a relaxation that waits.
    pub held: u64,
}

impl Counters {
    /// Counts a hub that came (or went).
    pub(crate) fn hub(&mut self, identifier_type: &str, came: bool) {
        change(&mut self.hubs, identifier_type, came);
    }

    /// Counts an identifier that is new.
    pub(crate) fn identifier(&mut self, identifier_type: &str) {
        change(&mut self.identifiers, identifier_type, true);
    }

    /// Counts a right of which there is a first choice at an identifier.
    pub(crate) fn choice(&mut self, right: &str) {
        change(&mut self.choices, right, true);
    }

    /// Counts a node's deliveries out (`present = false`) or in, by the downstreams' names.
    pub(crate) fn deliveries<'a>(
        &mut self,
        deliveries: &[Delivery],
        name_of: impl Fn(&Delivery) -> Option<&'a str>,
        present: bool,
    ) {
        for delivery in deliveries {
            if delivery.acknowledged_version < delivery.published_version
                && let Some(name) = name_of(delivery)
            {
                change(&mut self.unacknowledged, name, present);
            }
        }
    }

    /// The row.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for counts in [&self.hubs, &self.unacknowledged, &self.identifiers, &self.choices] {
            writer.count(counts.len());
            for (name, count) in counts {
                writer.bytes(name.as_bytes());
                writer.number(*count);
            }
        }
        writer.number(self.held);
        writer.0
    }

    /// The counts of a row.
    ///
    /// # Errors
    /// When the bytes are none that [`Counters::write`] wrote.
    pub fn read(bytes: &[u8]) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes);
        let mut counters = Self::default();
        for counts in
            [&mut counters.hubs, &mut counters.unacknowledged, &mut counters.identifiers, &mut counters.choices]
        {
            for _ in 0..reader.count()? {
                let name = reader.text()?.to_owned();
                counts.insert(name, reader.number()?);
            }
        }
        counters.held = reader.number()?;
        reader.end()?;
        Ok(counters)
    }
}

fn change(counts: &mut BTreeMap<String, u64>, name: &str, more: bool) {
    let count = counts.entry(name.to_owned()).or_default();
    *count = if more { *count + 1 } else { count.saturating_sub(1) };
}
