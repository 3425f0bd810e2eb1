//! A shard: the nodes of one hash range, as epochs change them.

use std::sync::Arc;

use quell_domain::{AckOutcome, Acknowledgement, Identifier, Millis, RightSet, ShardNumber};

use crate::basis::{Bases, BasisError, Changes, NewerFormat, Retold};
use crate::cache::{Cache, Entry, Slot, sort_key};
use crate::counters::Counters;
use crate::encoding::{Vocabulary, read_node, write_node};
use crate::generation::RetractionCause;
use crate::keys;
use crate::message::{Addressed, Operation, Origin};
use crate::node::{Delivery, Node};
use crate::overlay::{Overlay, Sequence};
use crate::publish::{Pace, Statement, publish};
use crate::revision::Revision;
use crate::rows::{Change, ReadError, Rows};
use crate::turn::{Effects, Turn};
use crate::wave::{Wave, Waves};

/// How many due relaxations are looked at in one epoch; the rest follows in the next.
const DUE_MAX: usize = 1_000;

/// What is stored, and what the policy does not declare any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeclared {
    /// `identifier_types.<name>` or `rights.<name>`.
    pub key: String,
    /// How many identifiers of the type, or with a choice about the right, there are in this shard.
    pub count: u64,
}

/// Why a shard cannot be computed on. An operator must act.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A later version wrote it.
    #[error(transparent)]
    Newer(#[from] NewerFormat),
    /// The policy no longer declares what is in use.
    #[error("the policy does not declare what is in use")]
    Undeclared(Vec<Undeclared>),
}

impl From<BasisError> for OpenError {
    fn from(error: BasisError) -> Self {
        match error {
            BasisError::Newer(newer) => newer.into(),
            BasisError::Corrupt(corrupt) => ReadError::from(corrupt).into(),
        }
    }
}

/// What became of the acknowledgements among some operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// They are known now.
    pub recorded: u64,
    /// No such version was ever published.
    pub stale: u64,
}

/// What one epoch did to a shard.
#[derive(Debug)]
pub struct Sealed {
    /// The epoch's number in this shard; [`Shard::settle`] takes it.
    pub sequence: Sequence,
    /// The rows that changed: what goes to the changelog, and then to the store.
    pub changes: Vec<Change>,
    /// The suppressions.
    pub statements: Vec<Statement>,
    /// Relaxations that were published, by cause.
    pub relaxed: Vec<RetractionCause>,
}

/// The nodes of one shard.
///
/// An epoch is: any number of [`Shard::apply`], then one [`Shard::seal`]. When its changes are in the store comes
/// [`Shard::settle`]; when they never will be, [`Shard::discard`]. Further epochs may be computed in between.
#[derive(Debug)]
pub struct Shard<R> {
    number: ShardNumber,
    vocabulary: Arc<Vocabulary>,
    nodes: Cache,
    /// The nodes that this epoch touched.
    touched: Vec<Slot>,
    rows: Overlay<R>,
    waves: Waves,
    counters: Counters,
    stored_counters: Counters,
    /// No relaxation is due before.
    next_due: Option<Millis>,
    /// Under which policies the rows stand.
    bases: Bases,
    /// They differ from what is stored.
    bases_are_due: bool,
    /// What the policy changes of the older ones, by number.
    changes: Vec<(u32, Changes)>,
    /// There are older ones, and the policy is being taken up.
    revision: Option<Revision>,
    /// It is over with this epoch.
    all_reviewed: bool,
}

impl<R: Rows> Shard<R> {
    /// The shard with these committed rows.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn new(number: ShardNumber, vocabulary: Arc<Vocabulary>, committed: R) -> Result<Self, OpenError> {
        let mut shard = Self {
            number,
            bases: Bases::new(vocabulary.policy()),
            vocabulary,
            nodes: Cache::default(),
            touched: Vec::new(),
            rows: Overlay::new(committed),
            waves: Waves::default(),
            counters: Counters::default(),
            stored_counters: Counters::default(),
            next_due: None,
            bases_are_due: false,
            changes: Vec::new(),
            revision: None,
            all_reviewed: false,
        };
        shard.reload()?;
        let undeclared = shard.undeclared();
        if undeclared.is_empty() { Ok(shard) } else { Err(OpenError::Undeclared(undeclared)) }
    }

    fn undeclared(&self) -> Vec<Undeclared> {
        let policy = self.vocabulary.policy();
        let declares_type = |name: &String| policy.identifier_types().iter().any(|known| known.name == *name);
        let types = self.counters.identifiers.iter().filter(|(name, _)| !declares_type(name));
        let rights = self.counters.choices.iter().filter(|(name, _)| policy.right(name).is_none());
        let types = types.map(|(name, count)| (format!("identifier_types.{name}"), count));
        let rights = rights.map(|(name, count)| (format!("rights.{name}"), count));
        types.chain(rights).map(|(key, count)| Undeclared { key, count: *count }).collect()
    }

    /// The policy that is being taken up, if it is another one than the rows'.
    #[must_use]
    pub fn revision(&self) -> Option<&Revision> {
        self.revision.as_ref()
    }

    /// How many nodes have yet to be reviewed, about.
    #[must_use]
    pub fn to_be_reviewed(&self) -> u64 {
        let all: u64 = self.counters.identifiers.values().sum();
        self.revision.as_ref().map_or(0, |revision| all.saturating_sub(revision.reviewed))
    }

    /// Reviews up to so many nodes that were stored under another policy; how many. What that makes them say is added to
    /// `out`. When all have been reviewed, the revision is over.
    ///
    /// # Errors
    /// When the store cannot be read: the epoch must be discarded.
    pub fn review(&mut self, limit: usize, origin: &Arc<Origin>, out: &mut Vec<Addressed>) -> Result<usize, ReadError> {
        let Some(mut revision) = self.revision.take() else { return Ok(0) };
        let (from, until) = keys::nodes_from(&revision.next_key);
        let stored = self.rows.committed().scan(&from, &until, limit)?;
        let identifiers: Vec<Identifier> = stored.iter().filter_map(|(key, _)| keys::node_of(key)).collect();
        let rejoined = self.changes.iter().fold(RightSet::EMPTY, |all, (_, changes)| all.union(changes.rejoined));
        for slot in self.load(identifiers.iter())? {
            self.turn(slot, origin, out, |turn| turn.review(rejoined))?;
            let is_told_otherwise = self.nodes.get(slot).is_some_and(|entry| !self.retold(&entry.node).is_empty());
            if is_told_otherwise {
                self.touch(slot);
                if let Some(entry) = self.nodes.get_mut(slot) {
                    entry.moved.get_or_insert_with(|| (RetractionCause::Policy, Arc::clone(origin)));
                }
            }
        }
        if let Some((last, _)) = stored.last().filter(|_| stored.len() == limit) {
            revision.next_key = [last.as_slice(), &[0]].concat();
            revision.reviewed += stored.len() as u64;
            self.rows.put(keys::revision(), Some(revision.write(self.bases.current())));
            self.revision = Some(revision);
        } else {
            self.all_reviewed = true;
        }
        Ok(stored.len())
    }

    fn end_revision(&mut self) {
        self.rows.put(keys::revision(), None);
        self.bases.settle();
        self.bases_are_due = true;
        self.changes.clear();
    }

    /// The downstreams of which the policy has changed since they were last told of a node.
    fn retold(&self, node: &Node) -> &[Retold] {
        let of = |number: u32| self.changes.iter().find(|(known, _)| *known == number);
        // A node that was not touched since an earlier revision stands under what that one brought: the oldest.
        let older =
            if node.told_under == self.bases.current() { None } else { of(node.told_under).or(self.changes.last()) };
        older.map_or(&[], |(_, changes)| &changes.retold)
    }

    /// Which one it is.
    #[must_use]
    pub fn number(&self) -> ShardNumber {
        self.number
    }

    /// Whether other instances own shards, up to which wave all is complete, and until when a relaxation was to wait
    /// that may be published. Whether something that waves wait for was forgotten, since this was last called: then
    /// those of today can be said to be complete only together.
    pub fn set_waves(&mut self, shared: bool, complete: Wave, relaxes_through: Millis) -> bool {
        self.waves.set(shared, complete, relaxes_through);
        self.waves.take_forgotten()
    }

    /// For tests: what a later wave has told is not said once more under an earlier one (W1).
    pub fn repeat_nothing(&mut self) {
        self.waves.repeats = false;
    }

    /// What it counts.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Before this time no relaxation is due; none if none waits.
    #[must_use]
    pub fn next_due(&self) -> Option<Millis> {
        self.next_due
    }

    /// How many nodes are in memory.
    #[must_use]
    pub fn cached_nodes(&self) -> usize {
        self.nodes.len()
    }

    fn reload(&mut self) -> Result<(), OpenError> {
        self.counters = match self.rows.get(&keys::counters())? {
            Some(row) => Counters::read(&row).map_err(ReadError::from)?,
            None => Counters::default(),
        };
        self.stored_counters = self.counters.clone();
        let policy = self.vocabulary.policy();
        let stored = self.rows.get(&keys::basis())?.map(|row| Bases::read(&row)).transpose()?;
        self.bases_are_due = stored.is_none();
        self.bases = stored.unwrap_or_else(|| Bases::new(policy));
        let is_changed = self.bases.take_up(policy);
        self.bases_are_due |= is_changed;
        self.changes = self.bases.changes(policy);
        if is_changed {
            // What downstreams that are gone, or have another topic, were told, nobody will acknowledge.
            let anew = self.changes.first().into_iter().flat_map(|(_, changes)| &changes.retold);
            let anew: Vec<_> = anew.filter(|retold| retold.told.is_none()).map(|retold| retold.downstream).collect();
            let stays = |name: &str| policy.downstream(name).is_some_and(|known| !anew.contains(&known));
            self.counters.unacknowledged.retain(|name, _| stays(name));
        }
        (self.revision, self.all_reviewed) = (None, false);
        if !self.changes.is_empty() {
            let row = self.rows.get(&keys::revision())?;
            let begun = row.map(|row| Revision::read(&row, self.bases.current())).transpose();
            self.revision = Some(begun.map_err(ReadError::from)?.unwrap_or_default());
        }
        Ok(self.find_next_due()?)
    }

    fn find_next_due(&mut self) -> Result<(), ReadError> {
        let (from, until) = keys::holds();
        let first = self.rows.scan(&from, &until, 1)?.into_iter().next();
        self.next_due = first.and_then(|(key, _)| keys::hold_of(&key)).map(|(until, _)| until);
        Ok(())
    }

    /// Where the nodes of identifiers are, in their order. Those that are not in memory are read, all at once.
    fn load<'a>(&mut self, identifiers: impl Iterator<Item = &'a Identifier>) -> Result<Vec<Slot>, ReadError> {
        let known = self.nodes.len();
        let slots = identifiers.map(|identifier| self.nodes.admit(identifier)).collect();
        let read = read_rows(&self.vocabulary, self.rows.committed(), self.nodes.last_from(known));
        if read.is_err() {
            self.nodes.truncate(known);
        }
        read.map(|()| slots)
    }

    /// Applies operations, one after the other. What they make nodes say to others is added to `out`.
    ///
    /// # Errors
    /// When the store cannot be read: the epoch must be discarded.
    pub fn apply<'a, I>(&mut self, operations: I, out: &mut Vec<Addressed>) -> Result<Acknowledged, ReadError>
    where
        I: Iterator<Item = &'a Addressed> + Clone,
    {
        let mut acknowledged = Acknowledged::default();
        let slots = self.load(operations.clone().map(|addressed| &addressed.to))?;
        for (addressed, slot) in operations.zip(slots) {
            let origin = &addressed.origin;
            match &addressed.operation {
                Operation::Choose { choice, rights } => {
                    self.turn(slot, origin, out, |turn| turn.choose(choice, *rights))?;
                }
                Operation::Link { other, register } => {
                    self.turn(slot, origin, out, |turn| turn.link(other, *register))?
                }
                Operation::Hear(message) => self.turn(slot, origin, out, |turn| turn.hear(message))?,
                Operation::Acknowledge(acknowledgement) => {
                    let is_known = self.acknowledge(slot, acknowledgement);
                    *(if is_known { &mut acknowledged.recorded } else { &mut acknowledged.stale }) += 1;
                }
            }
        }
        Ok(acknowledged)
    }

    /// A turn of a node.
    fn turn(
        &mut self,
        slot: Slot,
        origin: &Arc<Origin>,
        out: &mut Vec<Addressed>,
        act: impl FnOnce(&mut Turn<'_, R>) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        let Some(entry) = self.nodes.get_mut(slot) else { return Ok(()) };
        let current = self.rows.current();
        let was_hub = entry.node.is_hub;
        let mut turn = Turn {
            me: &entry.identifier,
            node: &mut entry.node,
            rows: &mut self.rows,
            vocabulary: &self.vocabulary,
            origin,
            awaited: self.waves.awaited(&entry.identifier),
            earlier: None,
            out,
            effects: Effects::default(),
        };
        act(&mut turn)?;
        turn.repeat_for_an_earlier_wave()?;
        let effects = turn.effects;
        self.waves.note(&entry.identifier, origin.wave, effects.told);
        if entry.node.is_hub != was_hub {
            self.counters.hub(entry.identifier.identifier_type(), entry.node.is_hub);
        }
        if let Some(cause) = effects.moved {
            entry.moved = Some((cause, Arc::clone(origin)));
        }
        if effects.changed && entry.touch(current) {
            self.touched.push(slot);
        }
        Ok(())
    }

    /// Whether there was such a version.
    fn acknowledge(&mut self, slot: Slot, acknowledgement: &Acknowledgement) -> bool {
        let Some(entry) = self.nodes.get_mut(slot) else { return false };
        let delivery =
            entry.node.deliveries.iter_mut().find(|delivery| delivery.downstream == acknowledgement.downstream);
        let Some(delivery) = delivery.filter(|delivery| acknowledgement.version <= delivery.published_version) else {
            return false;
        };
        if acknowledgement.outcome == AckOutcome::Applied && acknowledgement.version > delivery.acknowledged_version {
            let before = delivery.clone();
            delivery.acknowledged_version = acknowledgement.version;
            let after = delivery.clone();
            self.count_deliveries(&[before], false);
            self.count_deliveries(&[after], true);
            self.touch(slot);
        }
        true
    }

    fn count_deliveries(&mut self, deliveries: &[Delivery], present: bool) {
        let policy = self.vocabulary.policy();
        let name_of = |delivery: &Delivery| {
            policy.downstreams().get(usize::from(delivery.downstream.0)).map(|downstream| downstream.name.as_str())
        };
        self.counters.deliveries(deliveries, name_of, present);
    }

    fn touch(&mut self, slot: Slot) {
        let current = self.rows.current();
        if let Some(entry) = self.nodes.get_mut(slot)
            && entry.touch(current)
        {
            self.touched.push(slot);
        }
    }

    /// Ends the epoch: publishes what may be published, and says what changed.
    ///
    /// # Errors
    /// When the store cannot be read: the epoch must be discarded.
    pub fn seal(&mut self, pace: Pace) -> Result<Sealed, ReadError> {
        let due_through = pace.may_relax.then(|| pace.now.min(self.waves.relaxes_through));
        self.touch_due(due_through)?;
        let (mut statements, mut relaxed) = (Vec::new(), Vec::new());
        let mut changes = Vec::with_capacity(self.touched.len());
        let vocabulary = Arc::clone(&self.vocabulary);
        let touched = self.nodes.in_key_order(std::mem::take(&mut self.touched));
        let current = self.bases.current();
        for slot in touched {
            let retold = self.nodes.get(slot).map_or_else(Vec::new, |entry| self.retold(&entry.node).to_vec());
            let Some(entry) = self.nodes.get_mut(slot) else { continue };
            let (identifier, node) = (&entry.identifier, &mut *entry.node);
            node.deliveries.retain(|delivery| !is_former(delivery, &retold));
            let moved = entry.moved.take();
            let due = entry.held_until.is_some_and(|until| Some(until) <= due_through);
            let mut recount = None;
            if moved.is_some() || due {
                let before = node.deliveries.clone();
                let publication =
                    publish(vocabulary.policy(), pace, due_through, identifier, node, moved.as_ref(), &retold);
                // A look for which nothing has moved, and nothing was due after all, has told nobody of a changed policy.
                if moved.is_some() || !publication.statements.is_empty() {
                    node.told_under = current;
                }
                if !publication.statements.is_empty() {
                    recount = Some((before, node.deliveries.clone()));
                }
                statements.extend(publication.statements);
                relaxed.extend(publication.relaxed);
            }
            changes.push((keys::node(identifier), Some(write_node(&vocabulary, identifier, node))));
            if !std::mem::replace(&mut entry.is_stored, true) {
                self.counters.identifier(identifier.identifier_type());
            }
            for own in &node.own {
                if !entry.counted.contains(own.right) {
                    entry.counted.insert(own.right);
                    self.counters.choice(vocabulary.policy().right_name(own.right));
                }
            }
            let held_until = node.first_hold();
            let was = std::mem::replace(&mut entry.held_until, held_until);
            if was != held_until {
                let identifier = identifier.clone();
                self.index_hold(&identifier, was, held_until);
            }
            if let Some((before, after)) = recount {
                self.count_deliveries(&before, false);
                self.count_deliveries(&after, true);
            }
        }
        if std::mem::take(&mut self.all_reviewed) {
            self.end_revision();
        }
        // A shard without anything in it says nothing.
        if self.bases_are_due && !(changes.is_empty() && self.counters.identifiers.is_empty()) {
            self.rows.put(keys::basis(), Some(self.bases.write()));
            self.bases_are_due = false;
        }
        if self.counters != self.stored_counters {
            self.rows.put(keys::counters(), Some(self.counters.write()));
            self.stored_counters = self.counters.clone();
        }
        if self.next_due.is_some_and(|due| Some(due) <= due_through) {
            self.find_next_due()?;
        }
        let (sequence, rows) = self.rows.seal();
        changes.extend(rows);
        Ok(Sealed { sequence, changes, statements, relaxed })
    }

    /// Takes up the nodes whose relaxations are due.
    fn touch_due(&mut self, due_through: Option<Millis>) -> Result<(), ReadError> {
        let Some(due_through) = due_through.filter(|through| self.next_due.is_some_and(|due| due <= *through)) else {
            return Ok(());
        };
        let (from, until) = keys::holds_due(due_through);
        let due = self.rows.scan(&from, &until, DUE_MAX)?;
        let due: Vec<Identifier> =
            due.iter().filter_map(|(key, _)| keys::hold_of(key)).map(|(_, identifier)| identifier).collect();
        self.load(due.iter())?.into_iter().for_each(|slot| self.touch(slot));
        Ok(())
    }

    /// Keeps the index of waiting relaxations.
    fn index_hold(&mut self, identifier: &Identifier, was: Option<Millis>, now: Option<Millis>) {
        if let Some(until) = was {
            self.rows.put(keys::hold(until, identifier), None);
            self.counters.held = self.counters.held.saturating_sub(1);
        }
        if let Some(until) = now {
            self.rows.put(keys::hold(until, identifier), Some(Vec::new()));
            self.counters.held += 1;
            self.next_due = Some(self.next_due.map_or(until, |due| due.min(until)));
        }
    }

    /// The changes of this epoch, and of those before it, are in the store.
    pub fn settle(&mut self, sequence: Sequence, cached_nodes_max: usize) {
        self.rows.settle(sequence);
        // What an epoch has touched that is still being computed stays where it is.
        if self.nodes.len() > cached_nodes_max && self.touched.is_empty() {
            self.nodes.retain(|entry| entry.changed_in > sequence);
        }
    }

    /// What was computed since the last epoch that is in the store will never be committed.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn discard(&mut self) -> Result<(), OpenError> {
        self.nodes.clear();
        self.touched.clear();
        self.waves.discard();
        self.rows.discard();
        self.reload()
    }

    /// The node of an identifier as it stands now, with all its edges; for a look from outside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn look(&mut self, identifier: &Identifier, edges_max: usize) -> Result<Option<crate::look::Look>, ReadError> {
        let known = self.nodes.len();
        let mut looked = None;
        for slot in self.load(std::iter::once(identifier))? {
            let Some(entry) = self.nodes.get_mut(slot) else { continue };
            looked = crate::look::look(identifier, &mut entry.node, &mut self.rows, &self.vocabulary, edges_max)?;
        }
        self.nodes.truncate(known);
        Ok(looked)
    }
}

/// Reads the rows of nodes of which nothing is known yet.
fn read_rows(vocabulary: &Vocabulary, rows: &impl Rows, entries: &mut [Entry]) -> Result<(), ReadError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut sorted: Vec<&mut Entry> = entries.iter_mut().collect();
    sorted.sort_unstable_by(|one, other| sort_key(&one.identifier).cmp(&sort_key(&other.identifier)));
    let keys: Vec<Vec<u8>> = sorted.iter().map(|entry| keys::node(&entry.identifier)).collect();
    rows.get_many(&keys, &mut |place, row| {
        if let Some(entry) = sorted.get_mut(place) {
            let node = read_node(vocabulary, &entry.identifier, row)?;
            entry.stored(node);
        }
        Ok(())
    })
}

/// What a downstream was told before the policy made it another one.
fn is_former(delivery: &Delivery, retold: &[Retold]) -> bool {
    retold.iter().any(|retold| retold.downstream == delivery.downstream && retold.told.is_none())
}
