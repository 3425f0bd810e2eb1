//! What is published of a node: restrictions at once, relaxations with care.

use std::sync::Arc;
use std::time::Duration;

use quell_domain::{Action, Choice, Downstream, DownstreamNumber, Identifier, Millis, Policy, Right, RightSet};

use crate::basis::Retold;
use crate::generation::RetractionCause;
use crate::message::Origin;
use crate::node::{Delivery, Hold, Node, Published};

/// When relaxations may be published.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The time of this epoch.
    pub now: Millis,
    /// How long a relaxation must have held (`engine.relax_after`).
    pub relax_after: Duration,
    /// Whether this shard may relax at all: not while messages for it wait in the graph topic, for one of them may
    /// restrict again.
    pub may_relax: bool,
}

/// Whether a suppression takes protection away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It only adds to it, or names another choice.
    Restrict,
    /// A right that was opted out no longer is.
    Relax,
}

/// One right as a suppression says it. The due date is the calendar's matter.
#[derive(Clone, Debug)]
pub struct StatedRight {
    /// The right.
    pub right: Right,
    /// The named choice; its action is the state.
    pub choice: Arc<Choice>,
    /// Whether it is somebody else's.
    pub inherited: bool,
}

/// One suppression, for one downstream.
#[derive(Clone, Debug)]
pub struct Statement {
    /// Whose state it is.
    pub identifier: Identifier,
    /// Who is told.
    pub downstream: DownstreamNumber,
    /// The identifier's version.
    pub version: u64,
    /// The whole state, as far as this downstream takes it.
    pub rights: Vec<StatedRight>,
    /// Whether it takes protection away.
    pub direction: Direction,
    /// The input record that completed it.
    pub origin: Arc<Origin>,
}

/// What a look at a node's published state brought.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    pub statements: Vec<Statement>,
    pub relaxed: Vec<RetractionCause>,
    /// The node's row changed.
    pub changed: bool,
}

/// Why what is published of a node may differ from what holds, and the input record behind it.
pub(crate) type Moved = (RetractionCause, Arc<Origin>);

/// Brings what is published of a node up to what holds, as far as it may be. `moved` is none when only its time has
/// come: relaxations that were to wait until `due_through` may be published. `retold` are the downstreams of which the
/// policy has changed since it last told of the node.
pub(crate) fn publish(
    policy: &Policy,
    pace: Pace,
    due_through: Option<Millis>,
    me: &Identifier,
    node: &mut Node,
    moved: Option<&Moved>,
    retold: &[Retold],
) -> Publication {
    let mut publication = Publication::default();
    let rights: RightSet = node
        .effective
        .iter()
        .map(|effective| effective.claim.right)
        .chain(node.published.iter().map(|published| published.right))
        .collect();
    let before = published_rights(node);
    let (mut restated, mut relaxed) = (RightSet::EMPTY, RightSet::EMPTY);
    let mut origin = moved.map(|(_, origin)| Arc::clone(origin));
    for right in rights.iter() {
        match consider(policy, pace, due_through, me, node, right, moved) {
            Verdict::AsPublished => continue,
            Verdict::Wait => {}
            Verdict::Restate => restated.insert(right),
            Verdict::Relax(hold) => {
                publication.relaxed.push(hold.cause);
                // The record that relaxed it is the cause, unless another completed the change just now.
                origin.get_or_insert(hold.origin);
                restated.insert(right);
                relaxed.insert(right);
            }
        }
        publication.changed = true;
    }
    if let Some(origin) = origin.filter(|_| !restated.is_empty() || !retold.is_empty()) {
        let now = published_rights(node);
        let due = |number: DownstreamNumber, downstream: &Downstream, node: &Node| {
            let Some(retold) = retold.iter().find(|retold| retold.downstream == number) else {
                return !downstream.rights.intersection(restated).is_empty();
            };
            // What it takes now, against what it was told.
            let was_told = node.deliveries.iter().any(|delivery| delivery.downstream == number);
            let told = retold.told.filter(|_| was_told).unwrap_or(RightSet::EMPTY);
            let says = now.intersection(downstream.rights);
            says != before.intersection(told) || !says.intersection(restated).is_empty()
        };
        publication.statements = state(policy, pace.now, me, node, due, relaxed, &origin);
    }
    publication
}

enum Verdict {
    /// Nothing to say.
    AsPublished,
    /// A relaxation began to wait.
    Wait,
    /// What is published was changed; the downstreams are to be told.
    Restate,
    /// The same, and it was a relaxation.
    Relax(Hold),
}

/// Decides about one right, and changes `published` and `holds` by it.
fn consider(
    policy: &Policy,
    pace: Pace,
    due_through: Option<Millis>,
    me: &Identifier,
    node: &mut Node,
    right: Right,
    moved: Option<&Moved>,
) -> Verdict {
    let next = node.effective(right).map(|effective| Published {
        right,
        choice: Arc::clone(&effective.claim.choice),
        inherited: node.inherits(me, &effective.claim.choice),
    });
    let published = node.published.iter().find(|published| published.right == right);
    let opted_out =
        |published: Option<&Published>| published.is_some_and(|known| known.choice.action == Action::OptOut);
    let held = node.holds.iter().position(|hold| hold.right == right);

    if opted_out(published) && !opted_out(next.as_ref()) {
        let hold = match held.and_then(|at| node.holds.get(at)) {
            Some(hold) => hold.clone(),
            None => {
                let Some((cause, origin)) = moved else { return Verdict::AsPublished };
                let until = pace.now + pace.relax_after;
                Hold { right, until, cause: *cause, origin: Arc::clone(origin) }
            }
        };
        if Some(hold.until) > due_through {
            if held.is_some() {
                return Verdict::AsPublished;
            }
            node.holds.push(hold);
            node.holds.sort_by_key(|hold| hold.right);
            return Verdict::Wait;
        }
        node.holds.retain(|hold| hold.right != right);
        replace(node, right, next);
        return Verdict::Relax(hold);
    }
    // Opted out again, or never relaxed: nothing waits any more.
    if let Some(at) = held {
        node.holds.remove(at);
    }
    let same = match (published, &next) {
        (None, None) => true,
        (Some(published), Some(next)) => published.reads_like(next, policy.calendar()),
        _ => false,
    };
    if same {
        return if held.is_some() { Verdict::Wait } else { Verdict::AsPublished };
    }
    replace(node, right, next);
    Verdict::Restate
}

fn replace(node: &mut Node, right: Right, next: Option<Published>) {
    node.published.retain(|published| published.right != right);
    node.published.extend(next);
    node.published.sort_by_key(|published| published.right);
}

fn published_rights(node: &Node) -> RightSet {
    node.published.iter().map(|published| published.right).collect()
}

/// One suppression for each downstream to which one is due, with its whole state.
fn state(
    policy: &Policy,
    now: Millis,
    me: &Identifier,
    node: &mut Node,
    due: impl Fn(DownstreamNumber, &Downstream, &Node) -> bool,
    relaxed: RightSet,
    origin: &Arc<Origin>,
) -> Vec<Statement> {
    let Some(own_type) = policy.type_number(me) else { return Vec::new() };
    let version = node.version + 1;
    let mut statements = Vec::new();
    for (number, downstream) in (0..).map(DownstreamNumber).zip(policy.downstreams()) {
        if !downstream.takes(own_type) || !due(number, downstream, node) {
            continue;
        }
        let taken = node.published.iter().filter(|published| downstream.rights.contains(published.right));
        let rights = taken.map(|published| StatedRight {
            right: published.right,
            choice: Arc::clone(&published.choice),
            inherited: published.inherited,
        });
        let relaxes = !downstream.rights.intersection(relaxed).is_empty();
        statements.push(Statement {
            identifier: me.clone(),
            downstream: number,
            version,
            rights: rights.collect(),
            direction: if relaxes { Direction::Relax } else { Direction::Restrict },
            origin: Arc::clone(origin),
        });
        match node.deliveries.iter_mut().find(|delivery| delivery.downstream == number) {
            Some(delivery) => {
                delivery.published_version = version;
                delivery.published_at = now;
            }
            None => node.deliveries.push(Delivery {
                downstream: number,
                published_version: version,
                published_at: now,
                acknowledged_version: 0,
            }),
        }
    }
    if !statements.is_empty() {
        node.version = version;
        node.deliveries.sort_by_key(|delivery| delivery.downstream);
    }
    statements
}
