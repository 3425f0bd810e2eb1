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
/// The policy under which the shard's rows stand.
const BASIS: u8 = 6;
/// How far a changed policy has been taken up.
const REVISION: u8 = 7;

/// The key of a node's row.
#[must_use]
pub fn node(identifier: &Identifier) -> Vec<u8> {
    [&[NODE], identifier.as_bytes()].concat()
}

/// The keys of the nodes from one on, or of all: from, until.
#[must_use]
pub fn nodes_from(next_key: &[u8]) -> (Vec<u8>, Vec<u8>) {
    (next_key.max([NODE].as_slice()).to_vec(), vec![NODE + 1])
}

/// The identifier of a node's key.
#[must_use]
pub fn node_of(key: &[u8]) -> Option<Identifier> {
    Identifier::from_bytes(key.strip_prefix(&[NODE])?).ok()
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

/// The key of the policy under which the shard's rows stand.
#[must_use]
pub fn basis() -> Vec<u8> {
    vec![BASIS]
}

/// The key of how far a changed policy has been taken up.
#[must_use]
pub fn revision() -> Vec<u8> {
    vec![REVISION]
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

/// All keys that begin with a prefix.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests may panic")]

    use std::sync::Arc;

    use quell_domain::{Choice, EventId, Right};

    use super::*;

    fn identifier(identifier_type: &str, value: &str) -> Identifier {
        Identifier::new(identifier_type, value).unwrap()
    }

    fn claim(action: Action, at: i64) -> Claim {
        let choice = Choice::new(EventId::new("e").unwrap(), action, Millis(at), Millis(at), &[]);
        Claim::of(Right(0), Arc::new(choice))
    }

    /// Rows on a disk and in a changelog have these keys for ever.
    #[test]
    fn the_bytes_of_keys() {
        let (me, other) = (identifier("cookie_id", "laptop"), identifier("loyalty_card", "17"));
        let keys = [
            ("node", node(&me)),
            ("edge", edge(&me, &other)),
            ("memory", memory(&me, &[1], &claim(Action::OptOut, 700), &other)),
            ("hold", hold(Millis(700), &me)),
            ("counters", counters()),
        ];
        let hex = |key: &[u8]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let keys = keys.map(|(kind, key)| format!("{kind} {}", hex(&key)));
        insta::assert_snapshot!(keys.join("\n"), @"
        node 01046c6170746f70
        edge 020007046c6170746f70000c6c6f79616c74795f636172643137
        memory 030007046c6170746f7001007ffffffffffffd43000c6c6f79616c74795f636172643137
        hold 0480000000000002bc046c6170746f70
        counters 05
        ");
    }

    /// Identifiers whose bytes begin, or end, like others'.
    fn alike() -> Vec<Identifier> {
        let uuids = [
            "00000000-0000-0000-0000-0000000000ff",
            "00000000-0000-0000-0000-00000000ffff",
            "00000000-0000-0000-0000-000000000100",
        ];
        let texts = ["a", "aa", "a\u{7f}", "b"];
        let values = uuids.into_iter().chain(texts);
        values.flat_map(|value| ["cookie_id", "loyalty_card"].map(|of| identifier(of, value))).collect()
    }

    #[test]
    fn a_nodes_edges_lie_together_and_no_others_between_them() {
        for me in &alike() {
            let (from, until) = edges(me);
            for (node, neighbour) in
                alike().iter().flat_map(|node| alike().into_iter().map(move |other| (node.clone(), other)))
            {
                let key = edge(&node, &neighbour);
                assert_eq!(from <= key && key < until, node == *me);
                assert_eq!(neighbour_of_edge(&key, me), (node == *me).then_some(neighbour));
            }
        }
    }

    #[test]
    fn the_latest_memory_comes_first() {
        let (me, other) = (identifier("cookie_id", "laptop"), identifier("account_id", "a"));
        let (from, until) = memories_of(&me, &[1], Action::OptOut);
        let mut last = from.clone();
        for at in [i64::MAX, 700, 1, 0, -1, i64::MIN] {
            let key = memory(&me, &[1], &claim(Action::OptOut, at), &other);
            assert!(last < key && key < until, "{at}");
            assert_eq!(neighbour_of_memory(&key, &from), Some(other.clone()));
            last = key;
        }
        assert!(memory(&me, &[1], &claim(Action::OptIn, 0), &other) >= until);
        assert!(memory(&me, &[2], &claim(Action::OptOut, 0), &other) >= until);
    }

    #[test]
    fn the_hold_that_is_due_first_comes_first() {
        let me = identifier("cookie_id", "laptop");
        let (from, until) = holds();
        let mut last = from;
        for at in [i64::MIN, -1, 0, 1, 700, i64::MAX] {
            let key = hold(Millis(at), &me);
            assert!(last < key && key < until, "{at}");
            assert_eq!(hold_of(&key), Some((Millis(at), me.clone())));
            last = key;
        }
        let (_, until) = holds_due(Millis(700));
        assert!(hold(Millis(700), &me) < until && hold(Millis(701), &me) >= until);
    }
}
