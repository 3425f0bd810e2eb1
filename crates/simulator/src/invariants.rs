//! What must hold of a run: `docs/invariants.md`, checked.

use std::collections::{BTreeMap, BTreeSet};

use quell_domain::{DownstreamNumber, EventId, Identifier, Millis, Policy, Right, RightState};
use quell_engine::log::{Offset, OutputTopic};
use quell_model::{World, final_state};
use quell_wire::{Decoder, SuppressionMessage, dead_letter};

use crate::cluster::{Cluster, Place, TransactionState};
use crate::disk::Disk;
use crate::events::{Produced, world};

/// With more records than that it is not worked out which of them may have taken effect.
const LATER_MAX: usize = 7;

/// A broken invariant.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{invariant}: {what}")]
pub struct Violation {
    /// Its name in `docs/invariants.md`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

pub(crate) fn violated(invariant: &'static str, what: impl Into<String>) -> Violation {
    Violation { invariant, what: what.into() }
}

/// What the topics have said so far, read as a downstream reads them.
pub struct Watch {
    decoder: Decoder,
    only_grows: bool,
    read_up_to: BTreeMap<Place, Offset>,
    last: BTreeMap<(DownstreamNumber, Identifier), SuppressionMessage>,
    dead_letters: BTreeSet<Vec<u8>>,
    /// How far the watermarks are read.
    watermarks_read: Offset,
    /// Up to when all is said to be complete.
    pub complete_through: Millis,
    /// How often what that says was checked.
    pub completions: u64,
    /// How many suppressions there were.
    pub suppressions: u64,
    /// How many of them relaxed something.
    pub relaxations: u64,
    /// After how many it was last checked that nothing is missing of what is said to be complete (W4).
    relaxations_checked: u64,
}

impl Watch {
    pub fn new(only_grows: bool) -> Self {
        Self {
            decoder: Decoder::new(None),
            only_grows,
            read_up_to: BTreeMap::new(),
            last: BTreeMap::new(),
            dead_letters: BTreeSet::new(),
            watermarks_read: Offset::START,
            complete_through: Millis(0),
            completions: 0,
            suppressions: 0,
            relaxations: 0,
            relaxations_checked: 0,
        }
    }

    /// Reads on, and checks what must hold of each message and of what lies on disks.
    pub fn look(&mut self, policy: &Policy, cluster: &Cluster) -> Result<(), Violation> {
        for (place, partition) in &cluster.partitions {
            let from = self.read_up_to.get(place).copied().unwrap_or(Offset::START);
            let until = partition.stable();
            let new = partition.committed(from, until);
            match place {
                Place::Output(OutputTopic::Suppressions(downstream)) => {
                    for (_, entry) in new {
                        let said = self.decoder.suppression(entry.value.as_deref());
                        self.hear(policy, *downstream, said.map_err(|error| violated("F1", error.to_string()))?)?;
                    }
                }
                Place::Output(OutputTopic::DeadLetters) => {
                    for (_, entry) in new {
                        let letter = entry.value.clone().unwrap_or_default();
                        let cause = dead_letter::cause(&entry.headers);
                        let place = cause.map(|cause| format!("{}/{}/{}", cause.topic, cause.partition, cause.offset));
                        let letter = [letter, place.unwrap_or_default().into_bytes()].concat();
                        if !self.dead_letters.insert(letter) {
                            return Err(violated("D1", "a record is a dead letter twice"));
                        }
                    }
                }
                _ => {}
            }
            self.read_up_to.insert(*place, until.max(from));
        }
        match cluster.group.went_back {
            Some(partition) => Err(violated("T3", format!("the committed offset of {partition:?} went back"))),
            None => Ok(()),
        }
    }

    /// W2: when it is said that all is complete up to some time, what had been written before is in the suppressions,
    /// and stays there (W4): who is opted out by it, whatever of what was written later takes effect, is said to be.
    pub fn hear_of_waves(
        &mut self,
        policy: &Policy,
        cluster: &Cluster,
        sent: &[(Millis, Produced)],
        now: Millis,
    ) -> Result<(), Violation> {
        let Some(topic) = cluster.partitions.get(&Place::Output(OutputTopic::Watermarks)) else { return Ok(()) };
        let until = topic.stable();
        let mut through = self.complete_through;
        for (_, entry) in topic.history(self.watermarks_read, until) {
            let said = self.decoder.watermark(entry.value.as_deref());
            through = through.max(Millis(said.map_err(|error| violated("W2", error.to_string()))?.complete_through));
        }
        self.watermarks_read = until.max(self.watermarks_read);
        let has_relaxed = self.relaxations > std::mem::replace(&mut self.relaxations_checked, self.relaxations);
        if through == self.complete_through && !has_relaxed {
            return Ok(());
        }
        self.complete_through = through;
        let (before, later): (Vec<_>, Vec<_>) = sent.iter().partition(|(at, _)| *at < through);
        if later.len() > LATER_MAX {
            return Ok(());
        }
        self.completions += 1;
        let said = self.said_by_now(cluster);
        let is_said = |(identifier, right): &(Identifier, Right)| {
            let name = policy.right_name(*right);
            (0..).map(DownstreamNumber).zip(policy.downstreams()).all(|(number, downstream)| {
                let is_taken = policy.type_number(identifier).is_some_and(|number| downstream.takes(number));
                let message = said.get(&(number, identifier.key()));
                let is_out = message.and_then(|said| said.rights.get(name)).is_some_and(|state| state.opted_out);
                is_out || !is_taken || !downstream.rights.contains(*right)
            })
        };
        // Hardly ever more than the first of these is looked for.
        let mut missing: Option<BTreeSet<(Identifier, Right)>> = None;
        for some in 0..1_u32 << later.len() {
            let taken = later.iter().enumerate().filter(|(at, _)| some & (1 << at) != 0).map(|(_, record)| record);
            let out = opted_out(&self.decoder, policy, now, before.iter().chain(taken).map(|(_, record)| record));
            match &mut missing {
                Some(known) => known.retain(|of| out.contains(of)),
                None => missing = Some(out.into_iter().filter(|of| !is_said(of)).collect()),
            }
            if missing.as_ref().is_some_and(BTreeSet::is_empty) {
                return Ok(());
            }
        }
        let missing: Vec<String> = missing
            .into_iter()
            .flatten()
            .map(|(identifier, right)| format!("{} of {}", policy.right_name(right), identifier.key()))
            .collect();
        Err(violated("W2", format!("not opted out: {}", missing.join(", "))))
    }

    /// The last that was said of each identifier, by all that is decided.
    fn said_by_now(&self, cluster: &Cluster) -> BTreeMap<(DownstreamNumber, String), SuppressionMessage> {
        let is_committed = |number| cluster.transactions.state(number) == TransactionState::Committed;
        let mut last = BTreeMap::new();
        for (place, partition) in &cluster.partitions {
            let Place::Output(OutputTopic::Suppressions(downstream)) = place else { continue };
            for entry in partition.decided(is_committed) {
                if let Ok(said) = self.decoder.suppression(entry.value.as_deref()) {
                    let key = String::from_utf8_lossy(entry.key.as_deref().unwrap_or_default()).into_owned();
                    last.insert((*downstream, key), said);
                }
            }
        }
        last
    }

    fn hear(
        &mut self,
        policy: &Policy,
        downstream: DownstreamNumber,
        said: SuppressionMessage,
    ) -> Result<(), Violation> {
        let named = Identifier::new(&said.identifier.identifier_type, &said.identifier.value);
        let named = named.map_err(|error| violated("F1", error.to_string()))?;
        let name = policy.downstreams().get(usize::from(downstream.0)).map_or("?", |known| &known.name);
        self.suppressions += 1;
        if let Some(last) = self.last.get(&(downstream, named.clone())) {
            if last.version >= said.version {
                return Err(violated(
                    "V1",
                    format!("{} of {:?} for {name} after {}", said.version, said.identifier, last.version),
                ));
            }
            if last.rights == said.rights {
                return Err(violated(
                    "V2",
                    format!("version {} of {:?} for {name} repeats the last", said.version, said.identifier),
                ));
            }
            let opted_out = |message: &SuppressionMessage, right: &String| {
                message.rights.get(right).is_some_and(|state| state.opted_out)
            };
            let relaxed = last.rights.keys().find(|right| opted_out(last, right) && !opted_out(&said, right));
            if let Some(right) = relaxed {
                self.relaxations += 1;
                if self.only_grows {
                    return Err(violated("V3", format!("{right} of {:?} for {name} was relaxed", said.identifier)));
                }
            }
        }
        self.last.insert((downstream, named), said);
        Ok(())
    }

    /// At rest: what the topics say is what the model says, and every refused record is a dead letter.
    pub fn at_rest(&self, policy: &Policy, world: &World, nonsense: usize) -> Result<(), Violation> {
        if self.dead_letters.len() != nonsense {
            return Err(violated("D1", format!("{} dead letters of {nonsense} bad records", self.dead_letters.len())));
        }
        let state = final_state(policy, world);
        let mut identifiers: BTreeSet<&Identifier> = state.identifiers().collect();
        identifiers.extend(self.last.keys().map(|(_, identifier)| identifier));
        let downstreams = || (0..).map(DownstreamNumber).take(policy.downstreams().len());
        for identifier in identifiers {
            for downstream in downstreams() {
                let said = self.last.get(&(downstream, identifier.clone())).map(|said| rights(policy, said));
                let wrong = state.disagreements(policy, downstream, identifier, said.as_deref());
                if let Some(wrong) = wrong.first() {
                    return Err(violated("F1", wrong.clone()));
                }
            }
        }
        Ok(())
    }
}

/// Who is opted out of what by some records.
fn opted_out<'r>(
    decoder: &Decoder,
    policy: &Policy,
    now: Millis,
    records: impl IntoIterator<Item = &'r Produced>,
) -> BTreeSet<(Identifier, Right)> {
    final_state(policy, &world(decoder, policy, now, records)).opted_out()
}

fn rights(policy: &Policy, said: &SuppressionMessage) -> Vec<(Right, RightState)> {
    let right = |(name, state): (&String, &quell_wire::RightMessage)| {
        let state = RightState {
            opted_out: state.opted_out,
            choice_id: EventId::new(&state.choice_id).ok()?,
            since: Millis(state.since),
            inherited: state.inherited,
            due_at: Millis(state.due_at),
        };
        Some((policy.right(name)?, state))
    };
    said.rights.iter().filter_map(right).collect()
}

/// T2: the rows of every shard on a disk are what its changelog says up to the stored offset. What was compacted away
/// may be missing while a restore has not come to what superseded it.
pub fn disk_agrees(cluster: &Cluster, disk: &Disk) -> Result<(), Violation> {
    let mut result = Ok(());
    disk.each(|shard, next_offset, rows| {
        let mut last = BTreeMap::new();
        if let Some(changelog) = cluster.partitions.get(&Place::Changelog(shard)) {
            if changelog.stable() < next_offset {
                return; // the markers of what the store has are on their way
            }
            for (_, entry) in changelog.history(Offset::START, next_offset) {
                last.insert(entry.key.as_deref().unwrap_or_default(), entry);
            }
        }
        let strangers = rows.keys().filter(|key| !last.contains_key(key.as_slice())).count();
        let wrong =
            last.iter().filter(|(key, entry)| !entry.compacted && rows.get(**key) != entry.value.as_ref()).count();
        if strangers + wrong > 0 {
            let what = format!(
                "shard {shard} up to {next_offset}: {wrong} rows differ from the changelog's, {strangers} are not in it"
            );
            result = Err(violated("T2", what));
        }
    });
    result
}

/// Records of the inputs and of the graph topic that nobody has taken.
pub fn untaken(cluster: &Cluster) -> usize {
    let inputs = cluster.partitions.iter().filter_map(|(place, partition)| match place {
        Place::Input(input) => Some((input, partition)),
        Place::Output(_) | Place::Changelog(_) => None,
    });
    inputs
        .map(|(input, partition)| partition.committed(cluster.group.committed(*input), partition.high()).count())
        .sum()
}
