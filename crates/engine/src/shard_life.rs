//! A shard's life at this instance: restoring, then active, then gone.

use std::collections::BTreeMap;
use std::time::Duration;

use quell_domain::{Millis, ShardNumber};
use quell_graph::{Rows, Shard};

use crate::log::Offset;

/// A shard whose changelog is being read: nothing can be applied to it.
#[derive(Debug)]
pub struct Restoring<R> {
    /// Its committed rows.
    pub rows: R,
    /// Where reading began.
    pub from: Offset,
    /// The changelog is contained up to here.
    pub next_offset: Offset,
    /// When the rows were last all that the changelog said; until all of it is read, they are of that time.
    pub true_at: Millis,
    /// When the restore began: of that time they will be.
    pub began_at: Millis,
    /// How many records have been read.
    pub read: u64,
    /// How many offsets are to come; compaction has left gaps between records, so there are fewer of those.
    pub remaining: Option<u64>,
}

impl<R> Restoring<R> {
    /// How many offsets have been passed.
    pub fn passed(&self) -> u64 {
        u64::try_from(self.next_offset.0.saturating_sub(self.from.0)).unwrap_or(0)
    }

    /// How long it will take at the pace so far; none while that cannot be told.
    pub fn time_left(&self, now: Millis) -> Option<Duration> {
        let taken = u64::try_from(now.0.saturating_sub(self.began_at.0)).ok()?;
        Some(Duration::from_millis(taken.saturating_mul(self.remaining?).checked_div(self.passed())?))
    }
}

/// Where a shard of this instance stands.
#[derive(Debug)]
pub enum Life<R> {
    /// Its changelog is being read.
    Restoring(Restoring<R>),
    /// It computes.
    Active(Box<Shard<R>>),
}

/// The shards of this instance.
#[derive(Debug)]
pub struct Shards<R>(BTreeMap<ShardNumber, Life<R>>);

impl<R> Default for Shards<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Rows> Shards<R> {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Their numbers.
    #[must_use]
    pub fn numbers(&self) -> Vec<ShardNumber> {
        self.0.keys().copied().collect()
    }

    /// Adds a shard that is to be restored, or puts one back to that.
    pub fn restore(&mut self, number: ShardNumber, restoring: Restoring<R>) {
        self.0.insert(number, Life::Restoring(restoring));
    }

    /// Adds a shard that has been restored.
    pub fn activate(&mut self, shard: Shard<R>) {
        self.0.insert(shard.number(), Life::Active(Box::new(shard)));
    }

    /// Lets a shard go.
    pub fn remove(&mut self, number: ShardNumber) {
        self.0.remove(&number);
    }

    /// A shard that is being restored.
    pub fn restoring(&mut self, number: ShardNumber) -> Option<&mut Restoring<R>> {
        match self.0.get_mut(&number) {
            Some(Life::Restoring(restoring)) => Some(restoring),
            _ => None,
        }
    }

    /// Takes a shard out that was being restored.
    pub fn take_restoring(&mut self, number: ShardNumber) -> Option<Restoring<R>> {
        self.restoring(number)?;
        match self.0.remove(&number) {
            Some(Life::Restoring(restoring)) => Some(restoring),
            _ => None,
        }
    }

    /// The shards that compute.
    pub fn active(&mut self) -> impl Iterator<Item = &mut Shard<R>> {
        self.0.values_mut().filter_map(|life| match life {
            Life::Active(shard) => Some(&mut **shard),
            Life::Restoring(_) => None,
        })
    }

    /// One of the shards that compute.
    pub fn active_shard(&mut self, number: ShardNumber) -> Option<&mut Shard<R>> {
        match self.0.get_mut(&number) {
            Some(Life::Active(shard)) => Some(shard),
            _ => None,
        }
    }

    /// The numbers of the shards that compute.
    #[must_use]
    pub fn active_numbers(&self) -> Vec<ShardNumber> {
        let active = self.0.iter().filter(|(_, life)| matches!(life, Life::Active(_)));
        active.map(|(number, _)| *number).collect()
    }

    /// Those that are being restored.
    pub fn still_restoring(&self) -> impl Iterator<Item = (ShardNumber, &Restoring<R>)> {
        self.0.iter().filter_map(|(number, life)| match life {
            Life::Restoring(restoring) => Some((*number, restoring)),
            Life::Active(_) => None,
        })
    }
}
