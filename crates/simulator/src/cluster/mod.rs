//! The cluster: partitions with transactions, and one consumer group. Everybody's view of Kafka, and nobody's memory.

mod group;
mod partition;
mod transactions;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use quell_domain::{Millis, ShardNumber};
use quell_engine::log::{Header, InputPartition, InputTopic, Offset, OutputTopic};

pub use group::{Group, MemberNumber, Order};
pub use partition::Partition;
pub use transactions::{TransactionNumber, TransactionState, Transactions};

use crate::broken::Broken;

/// A partition of any topic. Suppressions and dead letters have one each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Of a topic that the engine consumes.
    Input(InputPartition),
    /// Of a topic that it only writes, or reads outside the group.
    Output(OutputTopic),
    /// A shard's changelog.
    Changelog(ShardNumber),
}

/// A record on its way.
pub struct Written {
    pub place: Place,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
}

impl Place {
    /// Where an output goes.
    pub fn of(topic: OutputTopic) -> Self {
        match topic {
            OutputTopic::Graph(shard) => Self::Input(InputPartition::of_shard(shard)),
            other => Self::Output(other),
        }
    }
}

/// Shared by all that take part in a run, on one thread.
pub type Shared = Rc<RefCell<Cluster>>;

/// A simulated Kafka.
pub struct Cluster {
    pub chance: Rng,
    pub broken: Option<Broken>,
    pub partitions: BTreeMap<Place, Partition>,
    pub transactions: Transactions,
    pub group: Group,
    /// How often a shard was taken over by an instance that had a copy of it.
    pub warm_take_overs: u64,
}

impl Cluster {
    /// With so many partitions of each input topic, and so many shards.
    pub fn new(chance: Rng, broken: Option<Broken>, inputs: u32, shards: u32) -> Self {
        let of = |topic, count| (0..count).map(move |partition| InputPartition { topic, partition });
        let plain = [InputTopic::Choices, InputTopic::Links, InputTopic::Acks];
        let all: Vec<InputPartition> = plain.into_iter().flat_map(|topic| of(topic, inputs)).collect();
        let group = Group::new(shards, all.clone());
        let all = all.into_iter().chain(of(InputTopic::Graph, shards));
        Self {
            chance,
            broken,
            partitions: all.map(|partition| (Place::Input(partition), Partition::default())).collect(),
            transactions: Transactions::default(),
            group,
            warm_take_overs: 0,
        }
    }

    /// True so many times out of a hundred.
    pub fn percent(&mut self, times: u32) -> bool {
        self.chance.u32(0..100) < times
    }

    pub fn partition(&mut self, place: Place) -> &mut Partition {
        self.partitions.entry(place).or_default()
    }

    /// Writes a producer's record, outside of any transaction.
    pub fn produce(&mut self, to: InputPartition, value: Vec<u8>, timestamp: Millis) {
        self.partition(Place::Input(to)).append(None, Some(b"key".to_vec()), Some(value), Vec::new(), timestamp);
    }

    /// Writes a record of a transaction. Where it stands.
    pub fn write(&mut self, transaction: TransactionNumber, written: Written, now: Millis) -> Offset {
        let Written { place, key, value, headers } = written;
        self.transactions.touch(transaction, place);
        self.partition(place).append(Some(transaction), key, value, headers, now)
    }

    /// Decides a transaction. Its markers reach their partitions, and its offsets the group, one by one.
    pub fn decide(&mut self, transaction: TransactionNumber, committed: bool) {
        self.transactions.decide(transaction, committed);
    }

    /// A marker of a decided transaction reaches its partition, or the group.
    pub fn deliver_marker(&mut self) {
        let waiting = self.transactions.markers();
        if waiting == 0 {
            return;
        }
        let at = self.chance.usize(0..waiting);
        self.deliver_marker_at(at);
    }

    fn deliver_marker_at(&mut self, at: usize) {
        let Some(marker) = self.transactions.take_marker(at) else { return };
        match marker.place {
            Some(place) => self.partition(place).mark(marker.transaction, marker.committed),
            None => self.group.settle(marker.transaction, marker.committed),
        }
    }

    /// Everything that is left of a producer's transactions ends: open ones are aborted, decided ones get their markers.
    pub fn settle_all_of(&mut self, producer: &str) {
        for transaction in self.transactions.open_of(producer) {
            self.decide(transaction, false);
        }
        while let Some(at) = self.transactions.marker_of(producer) {
            self.deliver_marker_at(at);
        }
    }

    /// The coordinator aborts a transaction that has been open for too long; any that is open may be.
    pub fn time_out_a_transaction(&mut self) -> bool {
        let open = self.transactions.open();
        let chosen = self.chance.choice(open.iter().copied());
        if let Some(transaction) = chosen {
            self.decide(transaction, false);
        }
        chosen.is_some()
    }

    /// The coordinator aborts all that are open but some.
    pub fn time_out_all_but(&mut self, at_work: &[TransactionNumber]) {
        for transaction in self.transactions.open() {
            if !at_work.contains(&transaction) {
                self.decide(transaction, false);
            }
        }
    }

    /// Removes what is superseded from the changelogs, and deletions that have been kept for long enough.
    pub fn compact_all(&mut self, now: Millis, deletions_kept: Duration) {
        for (place, partition) in &mut self.partitions {
            if matches!(place, Place::Changelog(_) | Place::Output(OutputTopic::Watermarks)) {
                partition.compact(now, deletions_kept);
            }
        }
    }
}
