//! A shard: the nodes of one hash range, as epochs change them.

use std::sync::Arc;

use hashbrown::HashMap;
use quell_domain::{AckOutcome, Acknowledgement, Identifier, Millis, ShardNumber};

use crate::counters::Counters;
use crate::encoding::{Vocabulary, read_node, write_node};
use crate::generation::RetractionCause;
use crate::keys;
use crate::message::{Addressed, Operation, Origin};
use crate::node::Node;
use crate::overlay::{Overlay, Sequence};
use crate::publish::{Pace, Statement, publish};
use crate::rows::{Change, ReadError, Rows};
use crate::turn::{Effects, Turn};

/// How many due relaxations are looked at in one epoch; the rest follows in the next.
const DUE_MAX: usize = 10_000;

/// A node in memory. It stands for its row until that is in the store, and may stay as a cache thereafter.
#[derive(Debug)]
struct Entry {
    node: Node,
    /// The epoch that changed it last; it may be dropped once that one is in the store. 0: none.
    changed_in: Sequence,
    /// Why and by which record its published state may be out of date, in this epoch.
    moved: Option<(RetractionCause, Arc<Origin>)>,
    /// The time under which it stands in the index of waiting relaxations.
    held_until: Option<Millis>,
}

impl Entry {
    fn new(node: Node) -> Self {
        let held_until = first_hold(&node);
        Self { node, changed_in: 0, moved: None, held_until }
    }
}

/// What became of an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledged {
    /// It is known now.
    Recorded,
    /// No such version was ever published.
    Stale,
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
    nodes: HashMap<Identifier, Entry>,
    /// The nodes that this epoch touched.
    touched: Vec<Identifier>,
    rows: Overlay<R>,
    counters: Counters,
    stored_counters: Counters,
    /// No relaxation is due before.
    next_due: Option<Millis>,
}

impl<R: Rows> Shard<R> {
    /// The shard with these committed rows.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(number: ShardNumber, vocabulary: Arc<Vocabulary>, committed: R) -> Result<Self, ReadError> {
        let mut shard = Self {
            number,
            vocabulary,
            nodes: HashMap::new(),
            touched: Vec::new(),
            rows: Overlay::new(committed),
            counters: Counters::default(),
            stored_counters: Counters::default(),
            next_due: None,
        };
        shard.reload()?;
        Ok(shard)
    }

    /// Which one it is.
    #[must_use]
    pub fn number(&self) -> ShardNumber {
        self.number
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

    fn reload(&mut self) -> Result<(), ReadError> {
        self.counters = match self.rows.get(&keys::counters())? {
            Some(row) => Counters::read(&row)?,
            None => Counters::default(),
        };
        self.stored_counters = self.counters.clone();
        self.find_next_due()
    }

    fn find_next_due(&mut self) -> Result<(), ReadError> {
        let (from, until) = keys::holds();
        let first = self.rows.scan(&from, &until, 1)?.into_iter().next();
        self.next_due = first.and_then(|(key, _)| keys::hold_of(&key)).map(|(until, _)| until);
        Ok(())
    }

    /// Reads what operations are going to need, all at once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn prefetch<'a>(&mut self, identifiers: impl Iterator<Item = &'a Identifier>) -> Result<(), ReadError> {
        let mut missing: Vec<&Identifier> =
            identifiers.filter(|identifier| !self.nodes.contains_key(*identifier)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let wanted: Vec<Vec<u8>> = missing.iter().map(|identifier| keys::node(identifier)).collect();
        let rows = self.rows.committed().get_many(&wanted)?;
        for (identifier, row) in missing.into_iter().zip(rows) {
            let node = match row {
                Some(row) => read_node(&self.vocabulary, identifier, &row)?,
                None => Node::default(),
            };
            self.nodes.insert(identifier.clone(), Entry::new(node));
        }
        Ok(())
    }

    fn load(&mut self, identifier: &Identifier) -> Result<(), ReadError> {
        if self.nodes.contains_key(identifier) { Ok(()) } else { self.prefetch(std::iter::once(identifier)) }
    }

    /// Applies one operation. What it makes nodes say to others is added to `out`. For an acknowledgement, what became
    /// of it.
    ///
    /// # Errors
    /// When the store cannot be read: the epoch must be discarded.
    pub fn apply(
        &mut self,
        addressed: &Addressed,
        out: &mut Vec<Addressed>,
    ) -> Result<Option<Acknowledged>, ReadError> {
        let me = &addressed.to;
        self.load(me)?;
        let Some(entry) = self.nodes.get_mut(me) else { return Ok(None) };
        if let Operation::Acknowledge(acknowledgement) = &addressed.operation {
            return Ok(Some(self.acknowledge(me, acknowledgement)));
        }
        let was_hub = entry.node.is_hub;
        let mut turn = Turn {
            me,
            node: &mut entry.node,
            rows: &mut self.rows,
            vocabulary: &self.vocabulary,
            origin: &addressed.origin,
            out,
            effects: Effects::default(),
        };
        match &addressed.operation {
            Operation::Choose { choice, rights } => turn.choose(choice, *rights)?,
            Operation::Link { other, register } => turn.link(other, *register)?,
            Operation::Hear(message) => turn.hear(message)?,
            Operation::Acknowledge(_) => {}
        }
        let effects = turn.effects;
        if entry.node.is_hub != was_hub {
            self.counters.hub(me.identifier_type(), entry.node.is_hub);
        }
        if let Some(cause) = effects.moved {
            entry.moved = Some((cause, Arc::clone(&addressed.origin)));
        }
        if effects.changed {
            self.touch(me);
        }
        Ok(None)
    }

    fn acknowledge(&mut self, me: &Identifier, acknowledgement: &Acknowledgement) -> Acknowledged {
        let Some(entry) = self.nodes.get_mut(me) else { return Acknowledged::Stale };
        let delivery =
            entry.node.deliveries.iter_mut().find(|delivery| delivery.downstream == acknowledgement.downstream);
        let Some(delivery) = delivery.filter(|delivery| acknowledgement.version <= delivery.published_version) else {
            return Acknowledged::Stale;
        };
        if acknowledgement.outcome == AckOutcome::Applied && acknowledgement.version > delivery.acknowledged_version {
            let before = delivery.clone();
            delivery.acknowledged_version = acknowledgement.version;
            let after = delivery.clone();
            self.count_deliveries(&[before], false);
            self.count_deliveries(&[after], true);
            self.touch(me);
        }
        Acknowledged::Recorded
    }

    fn count_deliveries(&mut self, deliveries: &[crate::node::Delivery], present: bool) {
        let policy = self.vocabulary.policy();
        let name_of = |delivery: &crate::node::Delivery| {
            policy.downstreams().get(usize::from(delivery.downstream.0)).map(|downstream| downstream.name.as_str())
        };
        self.counters.deliveries(deliveries, name_of, present);
    }

    fn touch(&mut self, identifier: &Identifier) {
        let current = self.rows.current();
        if let Some(entry) = self.nodes.get_mut(identifier)
            && entry.changed_in != current
        {
            entry.changed_in = current;
            self.touched.push(identifier.clone());
        }
    }

    /// Ends the epoch: publishes what may be published, and says what changed.
    ///
    /// # Errors
    /// When the store cannot be read: the epoch must be discarded.
    pub fn seal(&mut self, pace: Pace) -> Result<Sealed, ReadError> {
        self.touch_due(pace)?;
        let (mut statements, mut relaxed) = (Vec::new(), Vec::new());
        let mut changes = Vec::with_capacity(self.touched.len());
        let vocabulary = Arc::clone(&self.vocabulary);
        let touched = std::mem::take(&mut self.touched);
        for identifier in &touched {
            let Some(entry) = self.nodes.get_mut(identifier) else { continue };
            let moved = entry.moved.take();
            let due = entry.held_until.is_some_and(|until| until <= pace.now);
            let mut recount = None;
            if moved.is_some() || due {
                let moved = moved.as_ref().map(|(cause, origin)| (*cause, origin));
                let before = entry.node.deliveries.clone();
                let publication = publish(vocabulary.policy(), pace, identifier, &mut entry.node, moved);
                if !publication.statements.is_empty() {
                    recount = Some((before, entry.node.deliveries.clone()));
                }
                statements.extend(publication.statements);
                relaxed.extend(publication.relaxed);
            }
            let (was, held_until) = (entry.held_until, first_hold(&entry.node));
            entry.held_until = held_until;
            changes.push((keys::node(identifier), Some(write_node(&vocabulary, identifier, &entry.node))));
            self.index_hold(identifier, was, held_until);
            if let Some((before, after)) = recount {
                self.count_deliveries(&before, false);
                self.count_deliveries(&after, true);
            }
        }
        if self.counters != self.stored_counters {
            self.rows.put(keys::counters(), Some(self.counters.write()));
            self.stored_counters = self.counters.clone();
        }
        if self.next_due.is_some_and(|due| due <= pace.now) && pace.may_relax {
            self.find_next_due()?;
        }
        let (sequence, rows) = self.rows.seal();
        changes.extend(rows);
        Ok(Sealed { sequence, changes, statements, relaxed })
    }

    /// Takes up the nodes whose relaxations are due.
    fn touch_due(&mut self, pace: Pace) -> Result<(), ReadError> {
        if !pace.may_relax || self.next_due.is_none_or(|due| due > pace.now) {
            return Ok(());
        }
        let (from, until) = keys::holds_due(pace.now);
        let due = self.rows.scan(&from, &until, DUE_MAX)?;
        let due: Vec<Identifier> =
            due.iter().filter_map(|(key, _)| keys::hold_of(key)).map(|(_, identifier)| identifier).collect();
        self.prefetch(due.iter())?;
        due.iter().for_each(|identifier| self.touch(identifier));
        Ok(())
    }

    /// Keeps the index of waiting relaxations.
    fn index_hold(&mut self, identifier: &Identifier, was: Option<Millis>, now: Option<Millis>) {
        if was == now {
            return;
        }
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
        if self.nodes.len() > cached_nodes_max {
            self.nodes.retain(|_, entry| entry.changed_in > sequence);
        }
    }

    /// What was computed since the last epoch that is in the store will never be committed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn discard(&mut self) -> Result<(), ReadError> {
        self.nodes.clear();
        self.touched.clear();
        self.rows.discard();
        self.reload()
    }

    /// The node of an identifier as it stands now, with all its edges; for a look from outside.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn look(&mut self, identifier: &Identifier, edges_max: usize) -> Result<Option<crate::look::Look>, ReadError> {
        let known = self.nodes.contains_key(identifier);
        self.load(identifier)?;
        let looked = match self.nodes.get_mut(identifier) {
            Some(entry) => crate::look::look(identifier, &mut entry.node, &mut self.rows, &self.vocabulary, edges_max)?,
            None => None,
        };
        if !known && self.nodes.get(identifier).is_some_and(|entry| entry.changed_in == 0) {
            self.nodes.remove(identifier);
        }
        Ok(looked)
    }
}

fn first_hold(node: &Node) -> Option<Millis> {
    node.holds.iter().map(|hold| hold.until).min()
}
