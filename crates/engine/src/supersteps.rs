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
    let mut waiting = operations;
    while !waiting.is_empty() {
        let spent = outcome.applied >= OPERATIONS_MAX as u64;
        let mut inboxes: BTreeMap<ShardNumber, Vec<Addressed>> = BTreeMap::new();
        // A quarter more than an even share: identifiers are spread by their hash.
        let share = waiting.len() / shards.len().max(1);
        let share = share + share / 4;
        for operation in waiting {
            let shard = operation.to.shard(count);
            let boxes = if spent || !shards.contains_key(&shard) { &mut outcome.remote } else { &mut inboxes };
            boxes.entry(shard).or_insert_with(|| Vec::with_capacity(share)).push(operation);
        }
        let local: usize = inboxes.values().map(Vec::len).sum();
        let mut work: Vec<_> = shards
            .iter_mut()
            .filter_map(|(number, shard)| inboxes.remove(number).map(|inbox| (&mut **shard, inbox)))
            .collect();
        let turns: Vec<Turn> = match threads {
            Some(threads) if local >= PARALLEL_MIN => threads.install(|| {
                work.par_iter_mut().map(|(shard, inbox)| superstep(shard, inbox)).collect::<Result<_, _>>()
            })?,
            _ => work.iter_mut().map(|(shard, inbox)| superstep(shard, inbox)).collect::<Result<_, _>>()?,
        };
        outcome.applied += local as u64;
        waiting = Vec::new();
        for turn in turns {
            outcome.acknowledged += turn.acknowledged;
            outcome.stale += turn.stale;
            waiting.extend(turn.said);
        }
    }
    Ok(outcome)
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

#[derive(Default)]
struct Turn {
    said: Vec<Addressed>,
    acknowledged: u64,
    stale: u64,
}

fn superstep<R: Rows>(shard: &mut Shard<R>, inbox: &[Addressed]) -> Result<Turn, ReadError> {
    let mut turn = Turn::default();
    shard.prefetch(inbox.iter().map(|addressed| &addressed.to))?;
    for addressed in inbox {
        match shard.apply(addressed, &mut turn.said)? {
            Some(Acknowledged::Recorded) => turn.acknowledged += 1,
            Some(Acknowledged::Stale) => turn.stale += 1,
            None => {}
        }
    }
    Ok(turn)
}
