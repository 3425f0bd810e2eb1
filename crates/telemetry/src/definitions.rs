//! Every metric: its name with its unit, what it says, its labels and its buckets. Nowhere else is one named.
//!
//! A unit is the last word of a name before `_total`: seconds, bytes, records; a name without one counts things.

/// A metric's definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What it says, for whoever reads `/metrics`.
    pub help: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// The upper bounds of its buckets; empty for what is no histogram.
    pub buckets: &'static [f64],
}

const fn metric(name: &'static str, help: &'static str, labels: &'static [&'static str]) -> Definition {
    Definition { name, help, labels, buckets: &[] }
}

/// From a broker's round trip up to what only an outage explains; 5 s is the objective of the alerts.
const PROPAGATION_BUCKETS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

/// An epoch takes a transaction's time at least; one of many seconds is a broker that does not answer.
const EPOCH_BUCKETS: &[f64] = &[0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// One event on an idle system, `engine.epoch_records_max` on a busy one.
const EPOCH_EVENTS_BUCKETS: &[f64] = &[0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5];

/// What came in, and what became of it.
pub const EVENTS: Definition = metric(
    "quell_events_total",
    "Records taken from an input topic and committed, by what became of them.",
    &["topic", "outcome"],
);

/// What went out.
pub const SUPPRESSIONS: Definition =
    metric("quell_suppressions_total", "Suppressions published, by downstream.", &["downstream"]);

/// What was refused.
pub const DEAD_LETTERS: Definition = metric(
    "quell_dead_letters_total",
    "Records that were refused, whole or in part, and are dead letters, by the reason's code.",
    &["code"],
);

/// Bugs, or records made to find one.
pub const PANICS: Definition =
    metric("quell_panics_total", "Epochs that panicked and were thrown away; the record becomes a dead letter.", &[]);

/// Broken disks.
pub const STORE_DAMAGES: Definition =
    metric("quell_store_damages_total", "Times that the store was found damaged and restored from the changelog.", &[]);

/// Whether all run the same.
pub const POLICY_MISMATCH: Definition =
    metric("quell_policy_mismatch", "1 while another instance runs another policy: nothing relaxes until then.", &[]);

/// What of a changed policy is still to come.
pub const TO_BE_REVIEWED: Definition = metric(
    "quell_policy_unreviewed_identifiers",
    "Identifiers that have yet to be reviewed under a changed policy; 0 once it is taken up.",
    &[],
);

/// How fast an opt-out arrives.
pub const PROPAGATION: Definition = Definition {
    name: "quell_propagation_seconds",
    help: "From the causing record's Kafka timestamp to the suppression's commit; a relaxation waits on purpose.",
    labels: &["downstream", "action"],
    buckets: PROPAGATION_BUCKETS,
};

/// What waits, in records. Absent for a partition of which it is not known.
pub const CONSUMER_LAG_RECORDS: Definition = metric(
    "quell_consumer_lag_records",
    "Records of an owned partition that are not yet committed. Absent while unknown.",
    &["topic", "partition"],
);

/// What waits, in time. Absent for a topic of which it is not known.
pub const CONSUMER_LAG: Definition = metric(
    "quell_consumer_lag_seconds",
    "Age of the oldest record of the topic that is not yet committed; 0 when there is none. Absent while unknown.",
    &["topic"],
);

/// The engine's pulse.
pub const EPOCHS: Definition = metric("quell_epochs_total", "Epochs that were committed.", &[]);

/// How long the pulse takes.
pub const EPOCH_SECONDS: Definition = Definition {
    name: "quell_epoch_seconds",
    help: "From the first record of an epoch being taken to its commit.",
    labels: &[],
    buckets: EPOCH_BUCKETS,
};

/// How much the pulse carries.
pub const EPOCH_EVENTS: Definition = Definition {
    name: "quell_epoch_events",
    help: "Input records per epoch, graph messages apart.",
    labels: &[],
    buckets: EPOCH_EVENTS_BUCKETS,
};

/// When the pulse was last felt.
pub const LAST_COMMIT: Definition = metric(
    "quell_last_commit_timestamp_seconds",
    "When an epoch was last committed, in seconds since 1970; 0 before the first.",
    &[],
);

/// How far everything has come.
pub const COMPLETE_THROUGH: Definition = metric(
    "quell_complete_through_timestamp_seconds",
    "What was in the input topics then is in the suppressions, in seconds since 1970; 0 while unknown.",
    &[],
);

/// Epochs that were thrown away, and computed again.
pub const COMMIT_FAILURES: Definition = metric(
    "quell_commit_failures_total",
    "Epochs that were not committed and were computed again, by reason. Fencing is a part of every hand-over.",
    &["reason"],
);

/// The opt-outs that were lifted.
pub const RELAXATIONS: Definition = metric(
    "quell_relaxations_total",
    "Relaxations published: a right that was opted out no longer is, by cause.",
    &["cause"],
);

/// The opt-outs that are about to be lifted.
pub const DEFERRED_RELAXATIONS: Definition = metric(
    "quell_deferred_relaxations",
    "Identifiers with a relaxation that waits: for engine.relax_after, or for a shard to catch up.",
    &[],
);

/// What shards tell each other.
pub const GRAPH_MESSAGES: Definition = metric(
    "quell_graph_messages_total",
    "Messages between identifiers: within this instance (local), or through the graph topic (remote).",
    &["scope"],
);

/// What was read back.
pub const RESTORE_RECORDS: Definition =
    metric("quell_restore_records_total", "Changelog records read to restore shards and to keep warm copies.", &[]);

/// What the group did.
pub const REBALANCES: Definition = metric(
    "quell_rebalances_total",
    "Times that the group gave this instance partitions, asked for some, or took some away without asking (lost).",
    &["event"],
);

/// What keeps the inputs waiting.
pub const INPUT_PAUSES: Definition = metric(
    "quell_input_pauses_total",
    "Times that the inputs were paused: most shards restoring, the graph topic behind, or the memory for records full.",
    &["reason"],
);

/// What this instance answers for.
pub const SHARDS_OWNED: Definition =
    metric("quell_shards_owned", "Shards that the group has given to this instance.", &[]);

/// What this instance does not yet answer for.
pub const SHARDS_RESTORING: Definition =
    metric("quell_shards_restoring", "Owned shards that are still being restored from the changelog.", &[]);

/// Where each shard stands.
pub const SHARD_STATE: Definition = metric(
    "quell_shard_state",
    "Where a shard stands at this instance: 1 a copy is kept, 2 owned and being restored, 3 owned and active.",
    &["shard"],
);

/// How much is still to be read back.
pub const RESTORE_REMAINING: Definition = metric(
    "quell_restore_remaining_records",
    "Changelog offsets still to be passed until every owned shard is restored.",
    &[],
);

/// How long that will take.
pub const RESTORE_TIME_LEFT: Definition = metric(
    "quell_restore_seconds_left",
    "About how long until every owned shard is restored, by the pace so far; 0 when nothing is.",
    &[],
);

/// Identifiers through which nothing passes.
pub const HUBS: Definition = metric(
    "quell_hubs",
    "Identifiers of the owned shards with more neighbours than max_neighbours allows, by identifier type.",
    &["type"],
);

/// Whom to ask for an answer.
pub const UNACKNOWLEDGED: Definition = metric(
    "quell_unacknowledged",
    "Identifiers of the owned shards whose last suppression the downstream has not acknowledged.",
    &["downstream"],
);

/// How much disk is used.
pub const STORE_BYTES: Definition =
    metric("quell_store_bytes", "Bytes on disk of all shards that are there: owned, copied, or owned once.", &[]);

/// Whether a schema is missing.
pub const REGISTRY_STALLED: Definition = metric(
    "quell_registry_stalled",
    "1 while records wait for a schema because the schema registry does not answer, else 0.",
    &[],
);

/// Which Quell this is.
pub const BUILD_INFO: Definition =
    metric("quell_build_info", "Always 1; the labels say which build runs.", &["version"]);

/// What the gate answered.
pub const GATE_DECISIONS: Definition = metric(
    "quell_gate_decisions_total",
    "Decisions that were recorded, by system, answer and reason.",
    &["system", "decision", "reason"],
);

/// From a small machine's best to what no caller waits for.
const GATE_DECISION_BUCKETS: &[f64] =
    &[5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0];

/// How long the gate takes.
pub const GATE_DECISION_SECONDS: Definition = Definition {
    name: "quell_gate_decision_seconds",
    help: "From a question being read to its answer, recording included.",
    labels: &[],
    buckets: GATE_DECISION_BUCKETS,
};

/// What the gate did not answer.
pub const GATE_REFUSED: Definition =
    metric("quell_gate_refused_total", "Questions that got no decision, by reason.", &["reason"]);

/// Whether the gate answers.
pub const GATE_READY: Definition =
    metric("quell_gate_ready", "1 once all that stood in the topic at the start is read, else 0.", &[]);

/// How many the gate knows.
pub const GATE_SUPPRESSED: Definition =
    metric("quell_gate_identifiers", "Identifiers with a choice about a right that the gate is told of.", &[]);

/// How large the gate's file is.
pub const GATE_COPY_BYTES: Definition = metric("quell_gate_copy_bytes", "Bytes of the local copy.", &[]);

/// Files that were of no use.
pub const GATE_COPIES_DISCARDED: Definition = metric(
    "quell_gate_copies_discarded_total",
    "Times that the local copy was of no use, and all was read from Kafka anew.",
    &[],
);

/// Records that restrict because nobody knows what they say.
pub const GATE_NOT_UNDERSTOOD: Definition = metric(
    "quell_gate_records_not_understood_total",
    "Suppressions that cannot be decoded; their identifiers are taken to be opted out of everything.",
    &[],
);

/// How old the gate's knowledge is.
pub const GATE_STALENESS: Definition = metric(
    "quell_gate_staleness_seconds",
    "How long ago every opt-out was known; +Inf while the engine has not said.",
    &[],
);

/// What is not yet in Kafka.
pub const GATE_SPOOL_BYTES: Definition =
    metric("quell_gate_spool_bytes", "Bytes of recorded decisions that are not yet known to be in Kafka.", &[]);

/// When nothing can be recorded.
pub const GATE_SPOOL_STALLS: Definition =
    metric("quell_gate_spool_stalls_total", "Times that decisions could not be written to the spool.", &[]);

/// What of the spool could not be read.
pub const GATE_SPOOL_DAMAGES: Definition = metric(
    "quell_gate_spool_damages_total",
    "Segments of the spool that could not be read whole, and are set aside.",
    &[],
);

/// What does not get into Kafka.
pub const GATE_REFUSED_BY_KAFKA: Definition = metric(
    "quell_gate_records_refused_by_kafka_total",
    "Records of decisions and reviews that Kafka refuses for what they are, and are set aside.",
    &[],
);

/// Whether a new key would not be taken up.
pub const GATE_KEYS_REFUSED: Definition = metric(
    "quell_gate_keys_refused",
    "1 while the keys of certificates cannot be read, and the gate holds to those that it read last, else 0.",
    &[],
);

/// What is in Kafka.
pub const GATE_DELIVERED: Definition =
    metric("quell_gate_decisions_delivered_total", "Records of decisions that have arrived in Kafka.", &[]);

/// What became of changed policies.
pub const GATE_POLICIES: Definition = metric(
    "quell_gate_policies_total",
    "Policies that changed while the gate ran, by what became of them.",
    &["outcome"],
);

/// Whether the gate holds to something else than the file.
pub const GATE_POLICY_REFUSED: Definition = metric(
    "quell_gate_policy_refused",
    "1 while the policy's file is one that the gate cannot hold to, so that it holds to an older one; else 0.",
    &[],
);

/// What of the reviews is in Kafka.
pub const GATE_REVIEWS_DELIVERED: Definition = metric(
    "quell_gate_reviews_delivered_total",
    "Records of reviews, opened or resolved, that have arrived in Kafka.",
    &[],
);

/// What waits for humans.
pub const GATE_REVIEWS_PENDING: Definition = metric(
    "quell_gate_reviews_pending",
    "Decisions that a human has to make and has not, by system; those of all gates.",
    &["system"],
);

/// How long it has waited.
pub const GATE_REVIEWS_OLDEST: Definition = metric(
    "quell_gate_reviews_oldest_pending_seconds",
    "How long the oldest pending review has waited; 0 when none does.",
    &[],
);

/// Whether there are more.
pub const GATE_REVIEWS_LEFT_OUT: Definition = metric(
    "quell_gate_reviews_left_out",
    "1 while there are more pending reviews in Kafka than this gate has room for, else 0.",
    &[],
);

/// What humans have decided.
pub const GATE_REVIEWS_RESOLVED: Definition =
    metric("quell_gate_reviews_resolved_total", "Reviews that were resolved at this gate, by outcome.", &["outcome"]);

/// Two humans at once.
pub const GATE_REVIEWS_RESOLVED_TWICE: Definition = metric(
    "quell_gate_reviews_resolved_twice_total",
    "Resolutions read of a review that had another one: made at two gates at once; the earlier holds.",
    &[],
);

/// Records of reviews that say nothing.
pub const GATE_REVIEWS_NOT_UNDERSTOOD: Definition = metric(
    "quell_gate_reviews_not_understood_total",
    "Records of the reviews' topic that cannot be decoded, or are under no id.",
    &[],
);
