//! The consumer group: who owns which shards, in which generation, and how far the inputs are committed.
//!
//! Cooperative, as the engine's is: a shard moves by being revoked, released and only then assigned. A member that is
//! expelled (its session ended) loses all at once, and others may own it before it hears of that.

use std::collections::{BTreeMap, BTreeSet};

use quell_domain::ShardNumber;
use quell_engine::log::{InputPartition, Offset};

use super::TransactionNumber;

/// Counts the members of a run; one that comes back has a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MemberNumber(u64);

/// What a member hears when it asks.
#[derive(Debug)]
pub enum Order {
    Assign(Vec<ShardNumber>),
    Revoke(Vec<ShardNumber>),
    /// It is a member no more.
    Lost,
}

#[derive(Debug, Default)]
struct Member {
    /// The generation that it knows of.
    generation: u64,
    owned: BTreeSet<ShardNumber>,
    /// Asked back, and not yet released.
    revoked: BTreeSet<ShardNumber>,
    has_joined: bool,
}

/// The group's coordinator.
#[derive(Debug)]
pub struct Group {
    shards: u32,
    inputs: Vec<InputPartition>,
    generation: u64,
    members: BTreeMap<MemberNumber, Member>,
    joined: u64,
    committed: BTreeMap<InputPartition, Offset>,
    /// Offsets in transactions that are not decided here yet.
    pending: BTreeMap<TransactionNumber, Vec<(InputPartition, Offset)>>,
    /// Offsets went back: which must never happen.
    pub went_back: Option<InputPartition>,
}

impl Group {
    pub fn new(shards: u32, inputs: Vec<InputPartition>) -> Self {
        Self {
            shards,
            inputs,
            generation: 0,
            members: BTreeMap::new(),
            joined: 0,
            committed: BTreeMap::new(),
            pending: BTreeMap::new(),
            went_back: None,
        }
    }

    /// The input partitions that come with a shard, its graph partition first.
    pub fn with_inputs(&self, shard: ShardNumber) -> Vec<InputPartition> {
        let comes = |input: &&InputPartition| input.partition % self.shards == shard.0;
        [InputPartition::of_shard(shard)].into_iter().chain(self.inputs.iter().filter(comes).copied()).collect()
    }

    // ---- membership

    pub fn join(&mut self) -> MemberNumber {
        let number = MemberNumber(self.joined);
        self.joined += 1;
        self.generation += 1;
        self.members.insert(number, Member::default());
        number
    }

    /// A member leaves, or its session ends.
    pub fn remove(&mut self, member: MemberNumber) {
        if self.members.remove(&member).is_some() {
            self.generation += 1;
        }
    }

    pub fn generation_of(&self, member: MemberNumber) -> u64 {
        self.members.get(&member).map_or(0, |known| known.generation)
    }

    /// Whether a member's generation is that of the group.
    pub fn is_current(&self, member: MemberNumber, generation: u64) -> bool {
        self.members.contains_key(&member) && generation == self.generation
    }

    /// Whom each shard is for: in turn, by number.
    fn target(&self, member: MemberNumber) -> BTreeSet<ShardNumber> {
        let place = self.members.keys().position(|known| *known == member).unwrap_or(0);
        let count = self.members.len().max(1);
        (0..self.shards).filter(|shard| *shard as usize % count == place).map(ShardNumber).collect()
    }

    /// What the group wants of a member that asks.
    pub fn order(&mut self, number: MemberNumber) -> Option<Order> {
        let generation = self.generation;
        let target = self.target(number);
        let taken: BTreeSet<ShardNumber> =
            self.members.values().flat_map(|member| member.owned.iter().copied()).collect();
        let Some(member) = self.members.get_mut(&number) else { return Some(Order::Lost) };
        member.generation = generation;
        let back: Vec<ShardNumber> =
            member.owned.difference(&target).filter(|shard| !member.revoked.contains(shard)).copied().collect();
        if !back.is_empty() {
            member.revoked.extend(&back);
            return Some(Order::Revoke(back));
        }
        let new: Vec<ShardNumber> = target.difference(&taken).copied().collect();
        if !new.is_empty() || !member.has_joined {
            member.owned.extend(&new);
            member.has_joined = true;
            return Some(Order::Assign(new));
        }
        None
    }

    /// A member gives shards back.
    pub fn release(&mut self, number: MemberNumber, shards: &[ShardNumber]) {
        let Some(member) = self.members.get_mut(&number) else { return };
        for shard in shards {
            member.owned.remove(shard);
            member.revoked.remove(shard);
        }
        if !shards.is_empty() {
            self.generation += 1;
        }
    }

    // ---- offsets

    /// Offsets of a transaction that has yet to be decided.
    pub fn add_pending(&mut self, transaction: TransactionNumber, offsets: Vec<(InputPartition, Offset)>) {
        self.pending.entry(transaction).or_default().extend(offsets);
    }

    /// A transaction's decision reaches the group.
    pub fn settle(&mut self, transaction: TransactionNumber, committed: bool) {
        let offsets = self.pending.remove(&transaction).unwrap_or_default();
        if !committed {
            return;
        }
        for (partition, offset) in offsets {
            let known = self.committed.entry(partition).or_insert(offset);
            if *known > offset {
                self.went_back = Some(partition);
            }
            *known = offset;
        }
    }

    /// The committed offset; none while a transaction may still change it (KIP-447).
    pub fn stable_offset(&self, partition: InputPartition) -> Option<Offset> {
        let mut pending = self.pending.values().flatten();
        let unstable = pending.any(|(of, _)| *of == partition);
        (!unstable).then(|| self.committed(partition))
    }

    pub fn committed(&self, partition: InputPartition) -> Offset {
        self.committed.get(&partition).copied().unwrap_or(Offset::START)
    }
}
