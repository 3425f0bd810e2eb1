//! The log port: what the engine needs of Kafka.
//!
//! [`Log`] is a source of [`LogEvent`]s and a sink of [`PreparedEpoch`]s. It is driven by one thread and never calls
//! back: a rebalance, a fence, a restored shard and a committed epoch are all events that the engine meets in its own
//! time. `quell-kafka` fills it with librdkafka, `quell-simulator` with a simulated cluster.
//!
//! ```text
//! poll() ──> Assigned ──> assign(partitions), restore(shards) ──> Restored ──> resume(partitions)
//!        ──> Records  ──> commit(epoch) ──> Committed | Failed ──> rewind()
//!        ──> Revoked  ──> release(partitions)
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quell_domain::{Millis, ShardNumber};
use quell_graph::{Change, Sequence};

/// A topic that the engine consumes under its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputTopic {
    /// `topics.choices`
    Choices,
    /// `topics.links`
    Links,
    /// `topics.acks`
    Acks,
    /// `topics.graph`: messages between shards. Whoever is assigned partition *n* owns shard *n*.
    Graph,
}

/// A partition of an input topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputPartition {
    /// The topic.
    pub topic: InputTopic,
    /// The partition's number.
    pub partition: u32,
}

impl InputPartition {
    /// The shard that comes with this partition, if it is one of the graph topic.
    #[must_use]
    pub fn shard(self) -> Option<ShardNumber> {
        (self.topic == InputTopic::Graph).then_some(ShardNumber(self.partition))
    }

    /// The graph partition of a shard.
    #[must_use]
    pub fn of_shard(shard: ShardNumber) -> Self {
        Self { topic: InputTopic::Graph, partition: shard.0 }
    }
}

/// A place in a partition. Which one is meant stands in the name: `next_offset` is where to read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset(pub i64);

impl Offset {
    /// The first place of a partition that has lost nothing yet.
    pub const START: Self = Self(0);

    /// The place behind this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Counts the epochs of one instance since it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EpochNumber(pub u64);

impl fmt::Display for EpochNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record header: name, and value if it has one.
pub type Header = (String, Option<Vec<u8>>);

/// A record as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands.
    pub source: InputPartition,
    /// Its offset there.
    pub offset: Offset,
    /// Its Kafka timestamp; 0 if it has none.
    pub timestamp: Millis,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in their order.
    pub headers: Vec<Header>,
}

/// Where an output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutputTopic {
    /// The topic of the policy's n-th downstream. Keyed: the partition follows from the key, as in every Kafka client.
    Suppressions(quell_domain::DownstreamNumber),
    /// `topics.dead_letters`.
    DeadLetters,
    /// A shard's partition of `topics.graph`.
    Graph(ShardNumber),
    /// `topics.watermarks`.
    Watermarks,
}

/// What an epoch changes in one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardWrite {
    /// The shard.
    pub shard: ShardNumber,
    /// The epoch's number in this shard.
    pub sequence: Sequence,
    /// The rows.
    pub changes: Vec<Change>,
}

/// A record to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Where it goes.
    pub topic: OutputTopic,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; none deletes the key from a compacted topic.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<Header>,
}

/// Everything that one epoch writes, to be committed whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreparedEpoch {
    /// Its number.
    pub number: EpochNumber,
    /// Where to read on in each input partition that the epoch took records from.
    pub next_offsets: Vec<(InputPartition, Offset)>,
    /// Its records, changelogs apart. Order is kept per topic partition.
    pub outputs: Vec<Output>,
    /// For each shard's partition of `topics.changelog`, what is written there: each change a record. The store is
    /// written with the same once it is committed; whoever commits lets go of it before it says so.
    pub writes: Arc<Vec<ShardWrite>>,
}

/// Something that happened.
#[derive(Debug)]
pub enum LogEvent {
    /// Nothing, for as long as the caller was ready to wait.
    Idle,
    /// Records arrived. In order within each partition.
    Records(Vec<Record>),
    /// The group gives these partitions to this instance. Nothing of them is consumed until [`Log::assign`].
    Assigned(Vec<InputPartition>),
    /// The group takes these away, and waits for [`Log::release`]: an epoch in flight may still finish before.
    Revoked(Vec<InputPartition>),
    /// The group has taken these away already, and others may own them: an epoch in flight will be fenced.
    /// Answered with [`Log::release`], too.
    Lost(Vec<InputPartition>),
    /// The epoch in flight was committed. For each shard that it changed, where its changelog goes on.
    Committed {
        /// Which epoch.
        epoch: EpochNumber,
        /// For each shard in the epoch's writes that has changes: the offset behind its last record.
        changelog: Vec<(ShardNumber, Offset)>,
    },
    /// The epoch in flight was not committed, or nobody knows. The log can take the next one.
    Failed {
        /// Which epoch.
        epoch: EpochNumber,
        /// What to do about it.
        error: CommitError,
    },
    /// More of the changelogs of shards that are restored or followed.
    Changelog(Vec<Piece>),
    /// Of these shards, which others own, a warm copy is to be kept here, and of no others any more.
    StandBy(Vec<ShardNumber>),
    /// Records of `topics.watermarks`, in their order: first all that stood there, if only nothing, then what is new.
    Watermarks(Vec<Vec<u8>>),
    /// Answers [`Log::look`]: where each partition that was assigned at that time ends.
    Looked(Vec<(InputPartition, Offset)>),
    /// A restoring shard's changelog was read up to the high watermark that stood when its restore began.
    Restored {
        /// Which shard.
        shard: ShardNumber,
        /// Where the changelog goes on.
        next_offset: Offset,
    },
    /// The changelog no longer has the offset from which a shard was to be restored (or never had it): what is
    /// stored must be thrown away and restored from [`Offset::START`].
    ChangelogTruncated {
        /// Which shard.
        shard: ShardNumber,
    },
}

/// A piece of a shard's changelog, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which shard.
    pub shard: ShardNumber,
    /// Rows put or deleted.
    pub changes: Vec<Change>,
    /// Where the changelog goes on after them.
    pub next_offset: Offset,
    /// About how many records are still to come; 0 once the end is reached.
    pub remaining: u64,
}

/// Why an epoch was not committed. Whatever the reason, what it computed is thrown away, every owned shard reads the
/// tail of its changelog again, and the instance goes back to the committed offsets: so the answer is right, too, when
/// nobody knows whether it committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A newer generation of the group, or a newer producer of our name, owns what we wrote for. Go on with what the
    /// group gives us next.
    #[error("fenced by a newer owner: {0}")]
    Fenced(String),
    /// The transaction was aborted for a passing reason. Go on.
    #[error("aborted: {0}")]
    Aborted(String),
    /// A record is larger than the broker takes. Go on, but with something else.
    #[error("a record is too large for its topic: {0}")]
    TooLarge(String),
    /// Nobody knows whether it committed; a new producer of the same name has settled it by now. Go on.
    #[error("outcome unknown: {0}")]
    Ambiguous(String),
}

/// The log cannot be used, and an operator must act: credentials, authorisation, a missing topic, a client of the
/// wrong settings. Whatever passes by itself is waited out inside the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct LogError(pub String);

/// A log with consumer groups and transactions. See the module's docs for who calls what when.
pub trait Log {
    /// The next thing that happened; waits at most `wait`, or not at all with zero.
    ///
    /// # Errors
    /// When an operator must act.
    fn poll(&mut self, wait: Duration) -> Result<LogEvent, LogError>;

    /// Answers [`LogEvent::Assigned`]: positions at the committed offsets (at the start, where there are none), paused
    /// until [`Log::resume`].
    fn assign(&mut self, partitions: &[InputPartition]);

    /// Answers [`LogEvent::Revoked`] and [`LogEvent::Lost`]: the partitions may go to others. Records of them that were
    /// fetched before are not delivered any more.
    fn release(&mut self, partitions: &[InputPartition]);

    /// Delivers nothing of these until resumed. What has been delivered stays delivered.
    fn pause(&mut self, partitions: &[InputPartition]);

    /// Delivers again, from where it was paused.
    fn resume(&mut self, partitions: &[InputPartition]);

    /// Back to the committed offsets, in every assigned partition. Paused ones stay paused.
    fn rewind(&mut self);

    /// Begins to commit an epoch; its end is a [`LogEvent::Committed`] or [`LogEvent::Failed`]. One at a time.
    fn commit(&mut self, epoch: PreparedEpoch);

    /// Begins to read a shard's changelog from `next_offset` up to the high watermark that stands now, read committed.
    /// A restore of the same shard that is under way is forgotten.
    fn restore(&mut self, shard: ShardNumber, next_offset: Offset);

    /// Begins to read a shard's changelog from `next_offset`, read committed, and goes on with what is still to be
    /// written, until the shard is restored or stopped. No [`LogEvent::Restored`] follows.
    fn follow(&mut self, shard: ShardNumber, next_offset: Offset);

    /// Reads no more of a shard's changelog.
    fn stop_restore(&mut self, shard: ShardNumber);

    /// Asks how far every assigned partition goes: up to the high watermark at some moment from now on, whatever is decided
    /// of what lies before it. The answer is a [`LogEvent::Looked`], unless partitions come, go or are rewound before.
    fn look(&mut self);

    /// Whether everything in front of an offset was delivered, of an assigned partition. What is not sure is not so.
    fn has_delivered(&self, partition: InputPartition, end: Offset) -> bool;

    /// Whether the group has assigned partitions since this instance joined, if only none.
    fn has_joined(&self) -> bool;

    /// How many records of an assigned partition have not been delivered yet; none while unknown.
    fn undelivered(&self, partition: InputPartition) -> Option<u64>;
}
