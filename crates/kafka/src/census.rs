//! What the group says of its members, asked now and then on a thread of its own: which shards of others this instance
//! keeps a warm copy of, and whether a shard has no owner.
//!
//! The group's leader shares out shards without regard to copies: librdkafka has no assignor for that, as Kafka Streams
//! has (KIP-441). So a shard is sure to move to a warm copy only if every other instance has one; with fewer copies it
//! is as likely as there are copies among the others.

use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use quell_domain::{ShardCount, ShardNumber};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::outage::Outsider;
use crate::settings::Settings;

/// How often the group is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// A shard that has had no owner in so many looks, while the group was at rest, gets none by itself: when members die in
/// the middle of a cooperative rebalance, librdkafka's assignor may leave out what it believes to be owned still.
const ORPHANED_LOOKS: u32 = 7;

/// How long the broker is waited for.
const ASK: Duration = Duration::from_secs(2);

/// Looks at the group from time to time.
pub(crate) struct Census {
    /// What this instance owns: by that it knows itself among the members.
    owned: Option<Sender<Owned>>,
    news: Receiver<News>,
    last: Option<Vec<ShardNumber>>,
    thread: Option<JoinHandle<()>>,
}

/// What the group says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Of these shards a warm copy is to be kept.
    StandBy(Vec<ShardNumber>),
    /// This shard has no owner, and it is for this instance to have the group share them out anew.
    Orphaned(ShardNumber),
}

/// What an instance owns; none if it is no member.
type Owned = Option<BTreeSet<ShardNumber>>;

/// A member of the group, as the group describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Described {
    id: String,
    shards: BTreeSet<ShardNumber>,
}

impl Census {
    /// Keeps `replicas` warm copies of each shard, over the whole group.
    pub fn start(settings: &Settings, replicas: usize) -> std::io::Result<Self> {
        let (owned, told) = channel::<Owned>();
        let (given, news) = channel();
        let (config, group, topic) = (settings.admin(), settings.group_id.clone(), settings.topics.graph.clone());
        let thread = std::thread::Builder::new().name("quell-census".to_owned());
        let thread = thread.spawn(move || {
            let mut client: Option<BaseConsumer<Outsider>> = None;
            let mut shards = None;
            let mut owned = None;
            let mut orphaned = 0;
            loop {
                match told.recv_timeout(LOOK_EVERY) {
                    Ok(now) => {
                        owned = now;
                        continue;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
                let Some(owned) = &owned else { continue };
                let looked = match &client {
                    Some(client) => look(client, &group, &topic, &mut shards),
                    None => config.create_with_context(Outsider::default()).and_then(|made| {
                        let made = client.insert(made);
                        look(made, &group, &topic, &mut shards)
                    }),
                };
                match looked {
                    // In the middle of a rebalance, what was wanted stays so.
                    Ok(None) => orphaned = 0,
                    Ok(Some((members, shards))) => {
                        let orphan = orphan(&members, shards, owned);
                        orphaned = if orphan.is_some() { orphaned + 1 } else { 0 };
                        if let Some(orphan) = orphan.filter(|_| orphaned >= ORPHANED_LOOKS) {
                            orphaned = 0;
                            drop(given.send(News::Orphaned(orphan)));
                        }
                        if let Some(chosen) = choose(&members, shards, owned, replicas) {
                            drop(given.send(News::StandBy(chosen)));
                        }
                    }
                    // One broker that is away is enough, and nothing to worry about: the copies stay where they are.
                    Err(error) => tracing::debug!(%error, "the group's members are not known"),
                }
            }
        })?;
        Ok(Self { owned: Some(owned), news, last: None, thread: Some(thread) })
    }

    /// What this instance owns from now on; none if it is no member. What is to be kept warm is said anew.
    pub fn owns(&mut self, shards: Owned) {
        self.last = None;
        if let Some(owned) = &self.owned {
            // The thread ends only after this handle.
            drop(owned.send(shards));
        }
    }

    /// The next thing that is new.
    pub fn poll(&mut self) -> Option<News> {
        loop {
            let news = self.news.try_recv().ok()?;
            match &news {
                News::StandBy(wanted) if self.last.as_ref() == Some(wanted) => {}
                News::StandBy(wanted) => {
                    self.last = Some(wanted.clone());
                    return Some(news);
                }
                News::Orphaned(_) => return Some(news),
            }
        }
    }
}

impl Drop for Census {
    fn drop(&mut self) {
        self.owned = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The members of a group that is at rest, and how many shards there are: asked once, since it stays so.
fn look(
    client: &BaseConsumer<Outsider>,
    group: &str,
    topic: &str,
    shards: &mut Option<ShardCount>,
) -> KafkaResult<Option<(Vec<Described>, ShardCount)>> {
    let list = client.fetch_group_list(Some(group), ASK)?;
    let Some(described) = list.groups().iter().find(|known| known.name() == group && known.state() == "Stable") else {
        return Ok(None);
    };
    if shards.is_none() {
        let metadata = client.fetch_metadata(Some(topic), ASK)?;
        let partitions = metadata.topics().iter().find(|known| known.name() == topic);
        *shards = partitions.and_then(|known| ShardCount::new(u32::try_from(known.partitions().len()).ok()?));
    }
    let members = described.members().iter().map(|member| Described {
        id: member.id().to_owned(),
        shards: member.assignment().and_then(|bytes| assigned(bytes, topic)).unwrap_or_default(),
    });
    Ok(shards.map(|shards| (members.collect(), shards)))
}

/// The partitions of a topic in an assignment, as consumers of a group encode it: a version, then topics with their
/// partitions, then what we do not need (ConsumerProtocolAssignment of Kafka).
fn assigned(bytes: &[u8], topic: &str) -> Option<BTreeSet<ShardNumber>> {
    let mut rest = bytes.get(2..)?;
    let mut shards = BTreeSet::new();
    for _ in 0..count(&mut rest)? {
        let length = u16::from_be_bytes(*take(&mut rest)?);
        let name = rest.get(..usize::from(length))?;
        rest = rest.get(usize::from(length)..)?;
        for _ in 0..count(&mut rest)? {
            let partition = u32::from_be_bytes(*take(&mut rest)?);
            if name == topic.as_bytes() {
                shards.insert(ShardNumber(partition));
            }
        }
    }
    Some(shards)
}

fn count(bytes: &mut &[u8]) -> Option<u32> {
    take(bytes).map(|count| u32::from_be_bytes(*count))
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(taken)
}

/// A shard without an owner, if the member that owns `owned` is who has the fewest to lose by joining again.
fn orphan(members: &[Described], shards: ShardCount, owned: &BTreeSet<ShardNumber>) -> Option<ShardNumber> {
    let orphan = shards.shards().find(|shard| !members.iter().any(|member| member.shards.contains(shard)))?;
    // Of a group of which nobody owns anything, we know nothing.
    let is_known = members.iter().any(|member| !member.shards.is_empty());
    let first = members.iter().min_by_key(|member| (member.shards.len(), &member.id))?;
    (is_known && first.shards == *owned).then_some(orphan)
}

/// The shards that the member that owns `owned` stands by for. Each shard has its own order of members (rendezvous
/// hashing), so that every instance finds the same ones, and few copies move when instances come or go. None if no member
/// owns just these: what the group says is older, or newer, than what it has told us.
fn choose(
    members: &[Described],
    shards: ShardCount,
    owned: &BTreeSet<ShardNumber>,
    replicas: usize,
) -> Option<Vec<ShardNumber>> {
    if replicas == 0 {
        return Some(Vec::new());
    }
    if !members.iter().any(|member| member.shards == *owned) {
        return None;
    }
    let is_wanted = |shard: &ShardNumber| {
        // Without shards of its own an instance does not know itself among others of the kind, and has room for all.
        if owned.is_empty() {
            return true;
        }
        let mut others: Vec<&Described> =
            members.iter().filter(|member| !member.shards.contains(shard) && !member.shards.is_empty()).collect();
        others.sort_by_key(|member| xxh3_64_with_seed(member.id.as_bytes(), u64::from(shard.0)));
        others.iter().take(replicas).any(|member| member.shards == *owned)
    };
    Some(shards.shards().filter(|shard| !owned.contains(shard)).filter(is_wanted).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn members(shards_of: &[&[u32]]) -> Vec<Described> {
        let described = |(number, shards): (usize, &&[u32])| Described {
            id: format!("quell-{number}"),
            shards: shards.iter().copied().map(ShardNumber).collect(),
        };
        shards_of.iter().enumerate().map(described).collect()
    }

    #[test]
    fn each_shard_has_as_many_copies_as_wanted_and_none_at_its_owner() {
        let group = members(&[&[0, 1], &[2, 3], &[4, 5], &[6, 7]]);
        let shards = ShardCount::new(8).unwrap();
        for replicas in 0..4 {
            let mut copies = [0; 8];
            for member in &group {
                for shard in choose(&group, shards, &member.shards, replicas).unwrap() {
                    assert!(!member.shards.contains(&shard));
                    *copies.get_mut(shard.0 as usize).unwrap() += 1;
                }
            }
            assert_eq!(copies, [replicas; 8]);
        }
    }

    #[test]
    fn an_instance_without_shards_stands_by_for_all() {
        let group = members(&[&[0, 1], &[]]);
        let chosen = choose(&group, ShardCount::new(2).unwrap(), &BTreeSet::new(), 1);
        assert_eq!(chosen, Some(vec![ShardNumber(0), ShardNumber(1)]));
    }

    #[test]
    fn a_group_that_does_not_know_what_we_own_says_nothing_of_copies() {
        let group = members(&[&[0, 1], &[2, 3]]);
        assert_eq!(choose(&group, ShardCount::new(4).unwrap(), &BTreeSet::from([ShardNumber(0)]), 1), None);
    }

    #[test]
    fn who_has_the_fewest_shards_calls_for_the_owner_of_one_that_has_none() {
        let shards = ShardCount::new(4).unwrap();
        let group = members(&[&[0, 1], &[], &[3]]);
        let calls: Vec<Option<u32>> =
            group.iter().map(|member| orphan(&group, shards, &member.shards).map(|shard| shard.0)).collect();
        assert_eq!(calls, [None, Some(2), None]);
        let whole = members(&[&[0, 1], &[2, 3]]);
        assert!(whole.iter().all(|member| orphan(&whole, shards, &member.shards).is_none()));
        let unknown = members(&[&[], &[]]);
        assert!(unknown.iter().all(|member| orphan(&unknown, shards, &member.shards).is_none()));
    }

    #[test]
    fn an_assignment_is_read_and_a_broken_one_is_none() {
        let bytes = [
            &[0, 3, 0, 0, 0, 2, 0, 1][..],
            b"x",
            &[0, 0, 0, 1, 0, 0, 0, 9, 0, 2],
            b"g!",
            &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 0],
        ]
        .concat();
        assert_eq!(assigned(&bytes, "g!"), Some(BTreeSet::from([ShardNumber(1), ShardNumber(4)])));
        assert_eq!(assigned(&bytes, "h"), Some(BTreeSet::new()));
        assert_eq!(assigned(bytes.get(..20).unwrap(), "g!"), None);
        assert_eq!(assigned(&[], "g!"), None);
    }
}
