//! One epoch: records in; suppressions, dead letters, messages and changes out. Computed in memory, on top of the epoch
//! that is being committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use quell_domain::{Millis, RefusalCode, RightState, ShardNumber, Suppression};
use quell_graph::{Addressed, Direction, ReadError, RetractionCause, Statement, Vocabulary, write_operations};
use quell_wire::Encoder;

use crate::intake::{EventOutcome, TRACEPARENT};
use crate::log::{EpochNumber, InputPartition, InputTopic, Offset, Output, OutputTopic, PreparedEpoch, ShardWrite};

/// How many operations go into one record of the graph topic at most.
const GRAPH_RECORD_OPERATIONS: usize = 1_024;

/// How many bytes such a record has at most, so that any broker takes it. One operation alone is far below.
const GRAPH_RECORD_BYTES: usize = 512 * 1024;

/// An epoch that has been computed, and is to be committed.
#[derive(Debug)]
pub struct Computed {
    /// Its number.
    pub number: EpochNumber,
    /// What goes to the log; none once it is on its way.
    pub prepared: Option<PreparedEpoch>,
    /// The records that it took.
    pub records: Vec<(InputPartition, Offset)>,
    /// What goes to the log, and to the store once the log has it.
    pub writes: Arc<Vec<ShardWrite>>,
    /// What happened, for whoever watches.
    pub facts: Facts,
}

/// What happened in an epoch. It counts once the epoch is committed, so that a record that is read again after a crash
/// is not counted twice.
#[derive(Debug)]
pub struct Facts {
    /// When it began.
    pub began: Instant,
    /// How many input records it took, graph messages apart.
    pub events: u64,
    /// What became of them.
    pub outcomes: BTreeMap<(InputTopic, EventOutcome), u64>,
    /// Dead letters, by code.
    pub dead_letters: BTreeMap<RefusalCode, u64>,
    /// For each suppression: for whom, which way, and when its cause was written to Kafka.
    pub suppressions: Vec<(quell_domain::DownstreamNumber, Direction, Millis)>,
    /// Relaxations that were published.
    pub relaxed: Vec<RetractionCause>,
    /// Operations that were applied here.
    pub local_operations: u64,
    /// Operations for shards of other instances.
    pub remote_operations: u64,
    /// For each partition that it took records from: how many, and the earliest timestamp.
    pub taken: BTreeMap<InputPartition, (u64, Millis)>,
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            events: 0,
            outcomes: BTreeMap::new(),
            dead_letters: BTreeMap::new(),
            suppressions: Vec::new(),
            relaxed: Vec::new(),
            local_operations: 0,
            remote_operations: 0,
            taken: BTreeMap::new(),
        }
    }
}

impl Facts {
    /// Counts an outcome.
    pub fn count(&mut self, topic: InputTopic, outcome: EventOutcome, times: u64) {
        if times > 0 {
            *self.outcomes.entry((topic, outcome)).or_default() += times;
        }
    }
}

/// An epoch in the making.
#[derive(Debug, Default)]
pub struct Draft {
    /// Where to read on.
    pub next_offsets: BTreeMap<InputPartition, Offset>,
    /// What the records ask of nodes.
    pub operations: Vec<Addressed>,
    /// What goes out.
    pub outputs: Vec<Output>,
    /// What goes to the store.
    pub writes: Vec<ShardWrite>,
    /// Nodes were reviewed: rows may change although no record was taken.
    pub reviewed: bool,
    /// What happened.
    pub facts: Facts,
}

impl Draft {
    /// Adds what goes to other instances, in batches.
    pub fn send(&mut self, vocabulary: &Vocabulary, remote: BTreeMap<ShardNumber, Vec<Addressed>>) {
        for (shard, operations) in remote {
            self.facts.remote_operations += operations.len() as u64;
            operations.chunks(GRAPH_RECORD_OPERATIONS).for_each(|batch| self.send_batch(vocabulary, shard, batch));
        }
    }

    fn send_batch(&mut self, vocabulary: &Vocabulary, shard: ShardNumber, batch: &[Addressed]) {
        let value = write_operations(vocabulary, batch);
        if value.len() > GRAPH_RECORD_BYTES && batch.len() > 1 {
            let (first, second) = batch.split_at(batch.len() / 2);
            self.send_batch(vocabulary, shard, first);
            self.send_batch(vocabulary, shard, second);
            return;
        }
        let topic = OutputTopic::Graph(shard);
        self.outputs.push(Output { topic, key: None, value: Some(value), headers: Vec::new() });
    }

    /// Tells the owners of other shards of our policy.
    pub fn tell(&mut self, vocabulary: &Vocabulary, shards: impl Iterator<Item = ShardNumber>) {
        shards.for_each(|shard| self.send_batch(vocabulary, shard, &[]));
    }

    /// Adds what a shard publishes and changes.
    ///
    /// # Errors
    /// When a suppression cannot be encoded.
    pub fn emit(
        &mut self,
        vocabulary: &Vocabulary,
        encoder: &Encoder,
        now: Millis,
        shard: ShardNumber,
        sealed: quell_graph::Sealed,
    ) -> Result<(), quell_wire::EncodeError> {
        for statement in &sealed.statements {
            self.outputs.push(suppression(vocabulary, encoder, now, statement)?);
            self.facts.suppressions.push((statement.downstream, statement.direction, statement.origin.timestamp));
        }
        self.facts.relaxed.extend(sealed.relaxed);
        self.writes.push(ShardWrite { shard, sequence: sealed.sequence, changes: sealed.changes });
        Ok(())
    }

    /// Whether there is nothing to commit.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let changes_nothing = self.writes.iter().all(|write| write.changes.is_empty());
        self.next_offsets.is_empty() && self.outputs.is_empty() && changes_nothing
    }

    /// The epoch, to be committed.
    #[must_use]
    pub fn finish(self, number: EpochNumber) -> Computed {
        let next_offsets = self.next_offsets.into_iter().collect();
        let writes = Arc::new(self.writes);
        let prepared = PreparedEpoch { number, next_offsets, outputs: self.outputs, writes: Arc::clone(&writes) };
        Computed { number, prepared: Some(prepared), records: Vec::new(), writes, facts: self.facts }
    }
}

fn suppression(
    vocabulary: &Vocabulary,
    encoder: &Encoder,
    now: Millis,
    statement: &Statement,
) -> Result<Output, quell_wire::EncodeError> {
    let policy = vocabulary.policy();
    let rights = statement.rights.iter().map(|stated| {
        let state = RightState {
            opted_out: stated.choice.action == quell_domain::Action::OptOut,
            choice_id: stated.choice.event_id.clone(),
            since: stated.choice.effective_at,
            inherited: stated.inherited,
            due_at: policy.calendar().due_at(stated.choice.received_at),
        };
        (stated.right, state)
    });
    let message = Suppression {
        identifier: statement.identifier.clone(),
        downstream: statement.downstream,
        version: statement.version,
        rights: rights.collect(),
        published_at: now,
    };
    let traceparent = statement.origin.traceparent.as_ref();
    Ok(Output {
        topic: OutputTopic::Suppressions(statement.downstream),
        key: Some(statement.identifier.key().into_bytes()),
        value: Some(encoder.suppression(policy, &message)?),
        headers: traceparent
            .map(|parent| (TRACEPARENT.to_owned(), Some(parent.as_bytes().to_vec())))
            .into_iter()
            .collect(),
    })
}

/// A shard's rows could not be read while an epoch was computed, or a suppression not be encoded.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// See [`ReadError`]. The epoch is thrown away; an operator must act.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A suppression has no encoding: the schema registry has no schema for it. An operator must act.
    #[error("cannot encode a suppression: {0}")]
    Encode(#[from] quell_wire::EncodeError),
}
