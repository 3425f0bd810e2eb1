//! Under which policy stored rows were computed, and what a changed policy asks of them.

use std::collections::{BTreeMap, BTreeSet};

use quell_domain::{DownstreamNumber, Join, Policy, Right, RightSet};

use crate::encoding::{Corrupt, Reader, Writer};

/// The layout of everything that a shard stores and logs. A row of a later one is refused.
pub const FORMAT: u8 = 1;

/// What a downstream takes, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Taken {
    topic: String,
    rights: BTreeSet<String>,
    identifier_types: BTreeSet<String>,
}

/// The parts of a policy that a shard's rows depend on, by name, so that they outlive the policy's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basis {
    /// [`Policy::fingerprint`]: if it is the same, so is all the rest.
    pub fingerprint: u64,
    joins: BTreeMap<String, Join>,
    downstreams: BTreeMap<String, Taken>,
}

/// What a policy changes of a basis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The rights that are joined otherwise now: what holds for them is computed anew.
    pub rejoined: RightSet,
    /// The downstreams that are new or take something else.
    pub retold: Vec<Retold>,
}

/// A downstream of which the policy has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retold {
    /// Which one.
    pub downstream: DownstreamNumber,
    /// The rights of which it has been told on its topic; none if it has been told nothing there.
    pub told: Option<RightSet>,
}

/// The rows are of a later version of Quell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the changelog has format {0}, and this version of Quell knows formats up to {FORMAT}: run a newer one")]
pub struct NewerFormat(pub u8);

/// Why a basis was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BasisError {
    /// An operator has to run a newer version.
    #[error(transparent)]
    Newer(#[from] NewerFormat),
    /// The row is none.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

impl Basis {
    /// That of a policy.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        let joins = policy.rights().iter().map(|right| (right.name.clone(), right.join)).collect();
        let downstreams = policy.downstreams().iter().map(|downstream| {
            let types = (0..).map(quell_domain::TypeNumber).zip(policy.identifier_types());
            let taken = Taken {
                topic: downstream.topic.clone(),
                rights: downstream.rights.iter().map(|right| policy.right_name(right).to_owned()).collect(),
                identifier_types: types
                    .filter(|(number, _)| downstream.takes(*number))
                    .map(|(_, known)| known.name.clone())
                    .collect(),
            };
            (downstream.name.clone(), taken)
        });
        Self { fingerprint: policy.fingerprint(), joins, downstreams: downstreams.collect() }
    }

    /// What a policy changes of this basis.
    fn changes(&self, policy: &Policy) -> Changes {
        let now = Self::of(policy);
        let rights = (0..).map(Right).zip(policy.rights());
        let rejoined = rights
            .filter(|(_, right)| self.joins.get(&right.name).is_some_and(|join| *join != right.join))
            .map(|(right, _)| right);
        let downstreams = (0..).map(DownstreamNumber).zip(policy.downstreams());
        let retold = downstreams.filter_map(|(number, downstream)| {
            let before = self.downstreams.get(&downstream.name);
            if before == now.downstreams.get(&downstream.name) {
                return None;
            }
            let same_topic = before.filter(|before| before.topic == downstream.topic);
            let told = same_topic.map(|before| before.rights.iter().filter_map(|name| policy.right(name)).collect());
            Some(Retold { downstream: number, told })
        });
        Changes { rejoined: rejoined.collect(), retold: retold.collect() }
    }

    fn write(&self, writer: &mut Writer) {
        writer.fixed(self.fingerprint);
        writer.count(self.joins.len());
        for (right, join) in &self.joins {
            writer.bytes(right.as_bytes());
            writer.byte(u8::from(*join == Join::LatestWins));
        }
        writer.count(self.downstreams.len());
        for (name, taken) in &self.downstreams {
            writer.bytes(name.as_bytes());
            writer.bytes(taken.topic.as_bytes());
            for names in [&taken.rights, &taken.identifier_types] {
                writer.count(names.len());
                names.iter().for_each(|name| writer.bytes(name.as_bytes()));
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Corrupt> {
        let fingerprint = reader.fixed()?;
        let joins = (0..reader.count()?).map(|_| {
            let right = reader.text()?.to_owned();
            let join = if reader.byte()? == 0 { Join::OptOutWins } else { Join::LatestWins };
            Ok((right, join))
        });
        let joins = joins.collect::<Result<_, Corrupt>>()?;
        let mut downstreams = BTreeMap::new();
        for _ in 0..reader.count()? {
            let name = reader.text()?.to_owned();
            let mut taken = Taken { topic: reader.text()?.to_owned(), ..Taken::default() };
            for names in [&mut taken.rights, &mut taken.identifier_types] {
                for _ in 0..reader.count()? {
                    names.insert(reader.text()?.to_owned());
                }
            }
            downstreams.insert(name, taken);
        }
        Ok(Self { fingerprint, joins, downstreams })
    }
}

/// The bases under which a shard's rows stand, numbered: one, save while a policy is being taken up. Then the last is
/// that policy's, and the others are those of nodes that have not been reviewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bases {
    numbered: Vec<(u32, Basis)>,
}

impl Bases {
    /// One, of a shard that is new.
    #[must_use]
    pub fn new(policy: &Policy) -> Self {
        Self { numbered: vec![(1, Basis::of(policy))] }
    }

    /// The number of the last.
    #[must_use]
    pub fn current(&self) -> u32 {
        self.numbered.last().map_or(0, |(number, _)| *number)
    }

    /// What a policy, that of the last, changes of each one before it, the latest first. A downstream that was gone at
    /// any time since, or had another topic, has been told nothing.
    #[must_use]
    pub fn changes(&self, policy: &Policy) -> Vec<(u32, Changes)> {
        let mut anew: Vec<Retold> = Vec::new();
        let older = self.numbered.iter().rev().skip(1).map(|(number, basis)| {
            let mut changes = basis.changes(policy);
            let others = changes.retold.iter().filter(|retold| retold.told.is_none());
            anew.extend(others.filter(|retold| !anew.contains(retold)).copied().collect::<Vec<_>>());
            changes.retold.retain(|retold| anew.iter().all(|known| known.downstream != retold.downstream));
            changes.retold.extend(&anew);
            (*number, changes)
        });
        older.collect()
    }

    /// Adds a policy, if it is another one than the last. Whether it is.
    pub fn take_up(&mut self, policy: &Policy) -> bool {
        let is_new = self.numbered.last().is_none_or(|(_, basis)| basis.fingerprint != policy.fingerprint());
        if is_new {
            self.numbered.push((self.current() + 1, Basis::of(policy)));
        }
        is_new
    }

    /// Every node has been reviewed: the older ones are of no use any more.
    pub fn settle(&mut self) {
        let count = self.numbered.len().saturating_sub(1);
        self.numbered.drain(..count);
    }

    /// The row.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut writer = Writer(vec![FORMAT]);
        writer.count(self.numbered.len());
        for (number, basis) in &self.numbered {
            writer.number(u64::from(*number));
            basis.write(&mut writer);
        }
        writer.0
    }

    /// The bases of a row.
    ///
    /// # Errors
    /// See [`BasisError`].
    pub fn read(bytes: &[u8]) -> Result<Self, BasisError> {
        let mut reader = Reader::new(bytes);
        let format = reader.byte()?;
        if format > FORMAT {
            return Err(NewerFormat(format).into());
        }
        let numbered = (0..reader.count()?).map(|_| {
            let number = u32::try_from(reader.number()?).map_err(|_| Corrupt)?;
            Ok((number, Basis::read(&mut reader)?))
        });
        let numbered = numbered.collect::<Result<_, Corrupt>>()?;
        reader.end()?;
        Ok(Self { numbered })
    }
}
