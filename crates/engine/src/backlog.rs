//! Records that were fetched and are in no epoch yet. Bounded: when it is full, the log is paused.

use std::collections::{BTreeMap, VecDeque};

use quell_domain::Millis;

use crate::log::{InputPartition, InputTopic, Record};

/// What a record costs beyond its bytes.
const RECORD_OVERHEAD_BYTES: usize = 128;

/// Fetched records, in order within each partition. Those of the graph topic come first: they complete what has begun,
/// and nothing new may hold them up.
#[derive(Debug, Default)]
pub struct Backlog {
    graph: VecDeque<Record>,
    inputs: VecDeque<Record>,
    bytes: usize,
}

impl Backlog {
    /// Adds what arrived.
    pub fn extend(&mut self, records: Vec<Record>) {
        for record in records {
            self.bytes += bytes_of(&record);
            match record.source.topic {
                InputTopic::Graph => self.graph.push_back(record),
                _ => self.inputs.push_back(record),
            }
        }
    }

    /// The next record; without `inputs` only of the graph topic.
    #[must_use]
    pub fn next(&self, inputs: bool) -> Option<&Record> {
        self.graph.front().or_else(|| self.inputs.front().filter(|_| inputs))
    }

    /// Takes the next record; without `inputs` only of the graph topic.
    pub fn take(&mut self, inputs: bool) -> Option<Record> {
        let record = match self.graph.pop_front() {
            Some(record) => record,
            None => self.inputs.pop_front_if(|_| inputs)?,
        };
        self.bytes = self.bytes.saturating_sub(bytes_of(&record));
        Some(record)
    }

    /// Drops what came from partitions that belong to others now.
    pub fn drop_partitions(&mut self, dropped: &[InputPartition]) {
        for records in [&mut self.graph, &mut self.inputs] {
            records.retain(|record| !dropped.contains(&record.source));
        }
        self.bytes = self.graph.iter().chain(&self.inputs).map(bytes_of).sum();
    }

    /// Drops everything: it will be fetched again.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether records of a partition wait here.
    #[must_use]
    pub fn has_records_of(&self, partition: InputPartition) -> bool {
        let records = match partition.topic {
            InputTopic::Graph => &self.graph,
            _ => &self.inputs,
        };
        records.iter().any(|record| record.source == partition)
    }

    /// How many records wait here.
    #[must_use]
    pub fn records(&self) -> usize {
        self.graph.len() + self.inputs.len()
    }

    /// How many records of the graph topic wait here.
    #[must_use]
    pub fn graph_records(&self) -> u64 {
        self.graph.len() as u64
    }

    /// Roughly how much memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// For each partition, how many records wait, and the earliest timestamp among them.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<InputPartition, (u64, Millis)> {
        let mut waiting = BTreeMap::new();
        for record in self.graph.iter().chain(&self.inputs) {
            let (count, earliest) = waiting.entry(record.source).or_insert((0, record.timestamp));
            *count += 1;
            *earliest = record.timestamp.min(*earliest);
        }
        waiting
    }
}

/// What a record costs in memory.
#[must_use]
pub fn bytes_of(record: &Record) -> usize {
    let headers: usize =
        record.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Vec::len)).sum();
    let payload = record.key.as_ref().map_or(0, Vec::len) + record.value.as_ref().map_or(0, Vec::len);
    RECORD_OVERHEAD_BYTES + payload + headers
}
