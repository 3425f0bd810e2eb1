//! Supersteps: shards compute side by side, then what they say to each other is handed over; until nobody has anything
//! left to say (bulk-synchronous, as in Pregel).

use std::collections::BTreeMap;

use quell_domain::{ShardCount, ShardNumber};
use quell_graph::{Acknowledged, Addressed, Pace, ReadError, Rows, Sealed, Shard};
use rayon::prelude::*;

/// Below this many operations a superstep is not worth handing to other threads: waking them takes longer.
const PARALLEL_MIN: usize = 256;

/// How many operations an epoch computes at most. What a giant component has left to say then travels through the graph
/// topic, as to another instance: so neither memory nor the transaction grows without bound.
pub const OPERATIONS_MAX: usize = 1_000_000;

/// What the supersteps of one epoch came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Operations for shards that are not active here, in the order in which they arose.
    pub remote: BTreeMap<ShardNumber, Vec<Addressed>>,
    /// How many operations were applied here.
    pub applied: u64,
    /// Acknowledgements of versions that were published.
    pub acknowledged: u64,
    /// Acknowledgements of versions that never were.
    pub stale: u64,
}

/// What waits for one shard, in the pieces in which it was sent.
type Inbox = Vec<Vec<Addressed>>;

/// Applies operations, and what they set off, in the shards that are active here.
///
/// # Errors
/// When the store cannot be read: the epoch must be discarded.
pub fn run<R: Rows + Send + Sync>(
    shards: &mut BTreeMap<ShardNumber, &mut Shard<R>>,
    count: ShardCount,
    threads: Option<&rayon::ThreadPool>,
    operations: Vec<Addressed>,
) -> Result<Outcome, ReadError> {
    let mut outcome = Outcome::default();
    let mut sent = vec![sort_out(operations, count)];
    while !sent.is_empty() {
        let mut inboxes: BTreeMap<ShardNumber, Inbox> = BTreeMap::new();
        for (shard, piece) in sent.into_iter().flat_map(|pieces| count.shards().zip(pieces)) {
            if !piece.is_empty() {
                inboxes.entry(shard).or_default().push(piece);
            }
        }
        let spent = outcome.applied >= OPERATIONS_MAX as u64;
        let active = shards.iter_mut().filter(|_| !spent);
        let work: Vec<_> =
            active.filter_map(|(number, shard)| inboxes.remove(number).map(|inbox| (&mut **shard, inbox))).collect();
        for (shard, inbox) in inboxes {
            outcome.remote.entry(shard).or_default().extend(inbox.into_iter().flatten());
        }
        let local: usize = work.iter().flat_map(|(_, inbox)| inbox).map(Vec::len).sum();
        let superstep = |(shard, inbox)| superstep(shard, inbox, count);
        let turns: Vec<Turn> = match threads {
            Some(threads) if local >= PARALLEL_MIN => {
                threads.install(|| work.into_par_iter().map(superstep).collect::<Result<_, _>>())?
            }
            _ => work.into_iter().map(superstep).collect::<Result<_, _>>()?,
        };
        outcome.applied += local as u64;
        sent = Vec::with_capacity(turns.len());
        for turn in turns {
            outcome.acknowledged += turn.acknowledged.recorded;
            outcome.stale += turn.acknowledged.stale;
            sent.push(turn.sent);
        }
    }
    Ok(outcome)
}

/// Operations by the shards that they are for, which are as many.
fn sort_out(operations: Vec<Addressed>, count: ShardCount) -> Inbox {
    // A quarter more than an even share: identifiers are spread by their hash.
    let share = operations.len() * 5 / 4 / count.shards().count();
    let mut pieces: Inbox = count.shards().map(|_| Vec::with_capacity(share)).collect();
    for operation in operations {
        if let Some(piece) = pieces.get_mut(operation.to.shard(count).0 as usize) {
            piece.push(operation);
        }
    }
    pieces
}

/// Ends the epoch in every shard; `applied` is how much there was to do.
///
/// # Errors
/// When the store cannot be read: the epoch must be discarded.
pub fn seal<R: Rows + Send + Sync>(
    shards: BTreeMap<ShardNumber, &mut Shard<R>>,
    threads: Option<&rayon::ThreadPool>,
    applied: u64,
    pace: impl Fn(ShardNumber) -> Pace + Sync,
) -> Result<Vec<(ShardNumber, Sealed)>, ReadError> {
    let seal = |(number, shard): (ShardNumber, &mut Shard<R>)| Ok((number, shard.seal(pace(number))?));
    match threads {
        Some(threads) if applied >= PARALLEL_MIN as u64 => {
            threads.install(|| shards.into_par_iter().map(seal).collect())
        }
        _ => shards.into_iter().map(seal).collect(),
    }
}

struct Turn {
    /// By the shards that it is for.
    sent: Inbox,
    acknowledged: Acknowledged,
}

/// What a shard does is thrown away where it was done: by the same thread, beside the others.
fn superstep<R: Rows>(shard: &mut Shard<R>, inbox: Inbox, count: ShardCount) -> Result<Turn, ReadError> {
    // About one for one; what grows by doubling is copied on the way.
    let mut said = Vec::with_capacity(inbox.iter().map(Vec::len).sum());
    let acknowledged = shard.apply(inbox.iter().flatten(), &mut said)?;
    Ok(Turn { sent: sort_out(said, count), acknowledged })
}
