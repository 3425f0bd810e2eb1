//! The keys of rows. Each kind has a tag, its first byte, that is its own for ever; 0 belongs to the store.

use quell_domain::{Action, Identifier, Millis};

use crate::claim::Claim;

/// A node, by its identifier.
const NODE: u8 = 1;
/// An edge of a node whose edges are in rows of their own, by the node and its neighbour.
const EDGE: u8 = 2;
/// What such a node remembers of a neighbour, by the node, the right, and the claim's rank: the highest first.
const MEMORY: u8 = 3;
/// A node with a relaxation that waits, by its time.
const HOLD: u8 = 4;
/// The shard's counters.
const COUNTERS: u8 = 5;

/// The key of a node's row.
#[must_use]
pub fn node(identifier: &Identifier) -> Vec<u8> {
    [&[NODE], identifier.as_bytes()].concat()
}

/// The key of an edge's row.
#[must_use]
pub fn edge(me: &Identifier, neighbour: &Identifier) -> Vec<u8> {
    let mut key = of_node(EDGE, me);
    key.extend_from_slice(neighbour.as_bytes());
    key
}

/// The keys of all the edges of a node: from, until.
#[must_use]
pub fn edges(me: &Identifier) -> (Vec<u8>, Vec<u8>) {
    range(of_node(EDGE, me))
}

/// The neighbour of an edge's row.
#[must_use]
pub fn neighbour_of_edge(key: &[u8], me: &Identifier) -> Option<Identifier> {
    key.strip_prefix(of_node(EDGE, me).as_slice()).and_then(|bytes| Identifier::from_bytes(bytes).ok())
}

/// The key of what is remembered of a neighbour for one right. `right` is the right's code.
#[must_use]
pub fn memory(me: &Identifier, right: &[u8], claim: &Claim, neighbour: &Identifier) -> Vec<u8> {
    let mut key = memories_of(me, right, claim.action()).0;
    key.extend_from_slice(&rank(claim.decided_at));
    key.extend_from_slice(neighbour.as_bytes());
    key
}

/// The keys of what a node remembers for one right and action, the latest first: from, until.
#[must_use]
pub fn memories_of(me: &Identifier, right: &[u8], action: Action) -> (Vec<u8>, Vec<u8>) {
    let mut key = of_node(MEMORY, me);
    key.extend_from_slice(right);
    key.push(match action {
        Action::OptOut => 0,
        Action::OptIn => 1,
    });
    range(key)
}

/// The neighbour that a memory's key names. `from` is the beginning of its range.
#[must_use]
pub fn neighbour_of_memory(key: &[u8], from: &[u8]) -> Option<Identifier> {
    let behind_rank = key.strip_prefix(from)?.get(RANK_BYTES..)?;
    Identifier::from_bytes(behind_rank).ok()
}

/// The key of a node with a relaxation that waits.
#[must_use]
pub fn hold(until: Millis, identifier: &Identifier) -> Vec<u8> {
    let mut key = vec![HOLD];
    key.extend_from_slice(&ordered(until));
    key.extend_from_slice(identifier.as_bytes());
    key
}

/// The keys of the nodes whose relaxations are due at `now`: from, until.
#[must_use]
pub fn holds_due(now: Millis) -> (Vec<u8>, Vec<u8>) {
    let mut until = vec![HOLD];
    until.extend_from_slice(&ordered(Millis(now.0.saturating_add(1))));
    (vec![HOLD], until)
}

/// The keys of all waiting relaxations: from, until.
#[must_use]
pub fn holds() -> (Vec<u8>, Vec<u8>) {
    (vec![HOLD], vec![HOLD + 1])
}

/// The time and the node of a waiting relaxation.
#[must_use]
pub fn hold_of(key: &[u8]) -> Option<(Millis, Identifier)> {
    let (time, identifier) = key.strip_prefix(&[HOLD])?.split_first_chunk::<8>()?;
    Some((Millis(i64::from_be_bytes(*time) ^ i64::MIN), Identifier::from_bytes(identifier).ok()?))
}

/// The key of the shard's counters.
#[must_use]
pub fn counters() -> Vec<u8> {
    vec![COUNTERS]
}

const RANK_BYTES: usize = 8;

/// Later times first.
fn rank(at: Millis) -> [u8; RANK_BYTES] {
    (!(at.0 ^ i64::MIN)).to_be_bytes()
}

/// Earlier times first, those before 1970, too.
fn ordered(at: Millis) -> [u8; 8] {
    (at.0 ^ i64::MIN).to_be_bytes()
}

/// The tag, and the node with its length before it: no node's rows lie between another's.
fn of_node(tag: u8, me: &Identifier) -> Vec<u8> {
    let bytes = me.as_bytes();
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX); // identifiers are far shorter
    [&[tag], length.to_be_bytes().as_slice(), bytes].concat()
}

/// All keys that begin with a prefix. The prefix never ends in 255: the last byte is a code or a tag.
fn range(prefix: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let mut until = prefix.clone();
    while let Some(last) = until.pop() {
        if last < u8::MAX {
            until.push(last + 1);
            break;
        }
    }
    (prefix, until)
}
