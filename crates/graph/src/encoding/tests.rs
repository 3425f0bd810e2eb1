//! Stored bytes: a changed snapshot is a changed format, which rows on a disk and in a changelog do not have.
//!
//! `QUELL_SEED=n` runs a seed again, `QUELL_CASES=n` that many.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests may panic")]

mod anything;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use insta::assert_snapshot;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use quell_domain::{Action, Choice, DownstreamNumber, EventId, Identifier, Millis, Policy, Right};

use self::anything::{any_node, any_operations};
use super::*;
use crate::claim::Claim;
use crate::counters::Counters;
use crate::edge::{Edge, Edges, LinkRegister, NeighbourCount};
use crate::generation::{Generation, RetractionCause};
use crate::message::{Addressed, Message, Operation, Origin};
use crate::node::{Delivery, Effective, Hold, Node, Published};
use crate::own::OwnChoice;
use crate::wave::Wave;

const PROFILING: Right = Right(0);
const SALE: Right = Right(1);
const SHARING: Right = Right(2);
const RIGHTS: [Right; 3] = [PROFILING, SALE, SHARING];
const ADS: DownstreamNumber = DownstreamNumber(0);
const CRM: DownstreamNumber = DownstreamNumber(1);

/// The vocabulary of a policy with these rights and downstreams.
fn vocabulary(rights: &[&str], downstreams: &[&str]) -> Vocabulary {
    let mut policy = "version = \"tests\"\n[identifier_types.cookie_id]\n".to_owned();
    for right in rights {
        policy += &format!("[rights.{right}]\n");
    }
    for name in downstreams {
        policy += &format!("[downstreams.{name}]\ntopic = \"{name}\"\nidentifier_types = [\"cookie_id\"]\n");
        policy += &format!("rights = {rights:?}\n");
    }
    Vocabulary::new(Arc::new(Policy::parse(&policy).unwrap()))
}

fn everything() -> Vocabulary {
    let vocabulary = vocabulary(&["profiling", "sale", "sharing"], &["ads", "crm"]);
    assert_eq!(["profiling", "sale", "sharing"].map(|name| vocabulary.policy().right(name).unwrap()), RIGHTS);
    assert_eq!(["ads", "crm"].map(|name| vocabulary.policy().downstream(name).unwrap()), [ADS, CRM]);
    vocabulary
}

fn me() -> Identifier {
    Identifier::new("cookie_id", "laptop").unwrap()
}

fn account() -> Identifier {
    Identifier::new("account_id", "a-17").unwrap()
}

fn choice(id: &str, action: Action, at: i64, identifiers: &[Identifier]) -> Arc<Choice> {
    Arc::new(Choice::new(EventId::new(id).unwrap(), action, Millis(at), Millis(at + 5), identifiers))
}

fn origin(wave: Wave) -> Arc<Origin> {
    Arc::new(Origin { timestamp: Millis(1_000), traceparent: Some("00-4bf9-00f0-01".into()), wave })
}

/// A node with something in each of its fields.
fn full_node() -> Node {
    let own = choice("0191d3a0-8f00-7abc-8def-0123456789ab", Action::OptIn, 700, &[me()]);
    let theirs = choice("gpc-1", Action::OptOut, 600, &[account()]);
    let claim = |right| Claim { right, decided_at: Millis(601), choice: Arc::clone(&theirs) };
    let edge = Edge {
        register: LinkRegister { observed_at: Millis(500), holds: true },
        other_is_hub: true,
        heard: Some(3),
        remembered: [claim(SALE), claim(SHARING)].into_iter().collect(),
    };
    let gone = Edge::new(LinkRegister { observed_at: Millis(400), holds: false });
    Node {
        own: vec![OwnChoice { right: PROFILING, named: Arc::clone(&own), latest: Arc::clone(&own) }],
        effective: vec![
            Effective { claim: Claim::of(PROFILING, Arc::clone(&own)), via: None },
            Effective { claim: claim(SALE), via: Some(account()) },
        ],
        published: vec![
            Published { right: PROFILING, choice: Arc::clone(&theirs), inherited: true },
            Published { right: SALE, choice: theirs, inherited: true },
        ],
        holds: vec![Hold {
            right: PROFILING,
            until: Millis(9_000),
            cause: RetractionCause::Unlink,
            origin: origin(Wave::NONE),
        }],
        version: 4,
        deliveries: vec![
            Delivery { downstream: ADS, published_version: 4, published_at: Millis(800), acknowledged_version: 2 },
            Delivery { downstream: CRM, published_version: 3, published_at: Millis(650), acknowledged_version: 3 },
        ],
        told_under: 3,
        generation: Generation { counter: 2, tie: 0xabcd, cause: RetractionCause::Hub },
        counter: 9,
        is_hub: false,
        crowded_choices: vec![0x1234],
        edges: Edges::Inline(vec![(Identifier::new("cookie_id", "phone").unwrap(), gone), (account(), edge)]),
    }
}

/// In lines of 32 bytes.
fn hex(bytes: &[u8]) -> String {
    let line = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    bytes.chunks(32).map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_bytes_of_a_node() {
    assert_snapshot!(hex(&write_node(&everything(), &me(), &full_node())), @"
    01ec0902000000000000abcd0202060470686f6e6500a006050c612d31370fe8
    07030102010201056770632d31b009ba09017db1ed2fb5967c2402020a0191d3
    a08f007abc8def0123456789abf80a820b01056770632d31b009ba09017db1ed
    2fb5967c240101000970726f66696c696e6700000201000970726f66696c696e
    6700000001010102020102000970726f66696c696e6701010101000970726f66
    696c696e67d08c0101d00f0f30302d346266392d303066302d30310403c00c02
    036164730000020363726d01ac0203010000000000001234
    ");
}

/// The usual node: what is published is what holds, by a choice that names it alone.
#[test]
fn the_bytes_of_a_node_with_a_choice_of_its_own() {
    let own = choice("0191d3a0-8f00-7abc-8def-0123456789ab", Action::OptOut, 700, &[me()]);
    let of = |right| OwnChoice { right, named: Arc::clone(&own), latest: Arc::clone(&own) };
    let holds = |right| Effective { claim: Claim::of(right, Arc::clone(&own)), via: None };
    let published = |right| Published { right, choice: Arc::clone(&own), inherited: false };
    let node = Node {
        own: vec![of(SALE), of(SHARING)],
        effective: vec![holds(SALE), holds(SHARING)],
        published: vec![published(SALE), published(SHARING)],
        ..Node::default()
    };
    assert_snapshot!(hex(&write_node(&everything(), &me(), &node)), @"
    011400010b0191d3a08f007abc8def0123456789abf80a820b01020102000001
    020102000000
    ");
}

#[test]
fn the_bytes_of_a_node_whose_edges_are_in_rows() {
    let counts = [("account_id", 70), ("loyalty_card", 2)];
    let counts = counts.map(|(name, count)| NeighbourCount { identifier_type: name.to_owned(), count });
    let node = Node { is_hub: true, edges: Edges::Rows(counts.into()), ..Node::default() };
    assert_snapshot!(hex(&write_node(&everything(), &me(), &node)), @"0113020a6163636f756e745f6964460c6c6f79616c74795f6361726402");
}

#[test]
fn the_bytes_of_an_edge() {
    let Edges::Inline(edges) = full_node().edges else { panic!("its edges are inline") };
    assert_snapshot!(hex(&write_edge(&everything(), &edges[0].1)), @"00a006");
    assert_snapshot!(hex(&write_edge(&everything(), &edges[1].1)), @"0fe807030102010201056770632d31b009ba09017db1ed2fb5967c2402");
}

#[test]
fn the_bytes_of_counters() {
    let counters = Counters {
        hubs: BTreeMap::from([("cookie_id".to_owned(), 300)]),
        unacknowledged: BTreeMap::from([("ads".to_owned(), 2), ("crm".to_owned(), 1)]),
        identifiers: BTreeMap::from([("cookie_id".to_owned(), 1_000)]),
        choices: BTreeMap::from([("sale".to_owned(), 8)]),
        held: 7,
    };
    assert_snapshot!(hex(&counters.write()), @"
    0109636f6f6b69655f6964ac020203616473020363726d010109636f6f6b6965
    5f6964e807010473616c650807
    ");
    assert_eq!(Counters::read(&counters.write()).unwrap(), counters);
}

#[test]
fn the_bytes_of_a_graph_message() {
    let message = Message {
        from: account(),
        register: LinkRegister { observed_at: Millis(500), holds: true },
        counter: 9,
        generation: Generation { counter: 2, tie: 0xabcd, cause: RetractionCause::Unlink },
        said: Arc::from([Claim::of(SALE, choice("gpc-1", Action::OptOut, 600, &[me(), account()]))]),
        from_hub: false,
        asks: true,
    };
    let addressed = Addressed { to: me(), operation: Operation::Hear(message), origin: origin(Wave(7)) };
    assert_snapshot!(hex(&write_operations(&everything(), &[addressed])), @"
    018a3f2d0d99fc22a90100d00f0f30302d346266392d303066302d3031070704
    6c6170746f700305050c612d3137e8070902000000000000abcd010101010105
    6770632d31b009ba090231d17808375503777db1ed2fb5967c2400
    ");
}

#[test]
fn a_newer_layout_is_refused() {
    let mut row = write_node(&everything(), &me(), &full_node());
    row[0] += 1;
    assert_eq!(read_node(&everything(), &me(), &row).unwrap_err(), Corrupt);
    let mut record = write_operations(&everything(), &[]);
    record[0] += 1;
    assert!(matches!(read_operations(&everything(), &record), Err(BatchError::Newer(_))));
}

#[test]
fn a_row_means_the_same_under_another_policy() {
    let (before, after) = (everything(), vocabulary(&["another", "profiling", "sale"], &["crm"]));
    let row = write_node(&before, &me(), &full_node());
    let node = read_node(&after, &me(), &row).unwrap();
    let name = |right: Right| after.policy().right_name(right);
    let effective: Vec<_> = node.effective.iter().map(|known| (name(known.claim.right), &known.via)).collect();
    assert_eq!(effective, [("profiling", &None), ("sale", &Some(account()))]);
    assert_eq!(node.published.iter().map(|known| name(known.right)).collect::<Vec<_>>(), ["profiling", "sale"]);
    assert_eq!(node.deliveries.len(), 1);
    assert_eq!((node.deliveries[0].downstream, node.deliveries[0].acknowledged_version), (DownstreamNumber(0), 3));
}

/// A downstream that comes back, or another on the same topic, must not see lower versions than before (V1).
#[test]
fn a_version_outlives_its_downstreams() {
    let nobody = vocabulary(&["sale"], &[]);
    let known = read_node(&nobody, &me(), &write_node(&everything(), &me(), &full_node())).unwrap();
    assert!(known.deliveries.is_empty());
    let again = read_node(&everything(), &me(), &write_node(&nobody, &me(), &known)).unwrap();
    assert_eq!(again.version, 4);
}

#[expect(clippy::print_stdout, reason = "the seed is for whoever reads the test's output")]
fn check<S: Strategy<Value: Debug>>(cases: u32, strategy: S, promise: impl Fn(S::Value)) {
    let number = |variable: &str| std::env::var(variable).ok().map(|value| value.parse::<u64>().unwrap());
    let clock = || std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    let seed = number("QUELL_SEED").unwrap_or_else(|| u64::from(clock()));
    let cases = number("QUELL_CASES").map_or(cases, |cases| cases.try_into().unwrap());
    println!("QUELL_SEED={seed} QUELL_CASES={cases}");
    let config = Config { cases, rng_seed: RngSeed::Fixed(seed), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&strategy, |input| {
        promise(input);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("QUELL_SEED={seed}\n{failure}");
    }
}

/// Nodes and operations have no equality, which nothing but a test needs.
fn assert_same(read: &impl Debug, written: &impl Debug) {
    assert_eq!(format!("{read:?}"), format!("{written:?}"));
}

#[test]
fn what_is_written_is_read_again() {
    let vocabulary = everything();
    check(5_000, any_node(), |node| {
        let row = write_node(&vocabulary, &me(), &node);
        assert_same(&read_node(&vocabulary, &me(), &row).unwrap(), &node);
        if let Edges::Inline(edges) = &node.edges {
            for (_, edge) in edges {
                assert_same(&read_edge(&vocabulary, &write_edge(&vocabulary, edge)).unwrap(), edge);
            }
        }
    });
    check(3_000, any_operations(), |operations| {
        let record = write_operations(&vocabulary, &operations);
        assert_same(&read_operations(&vocabulary, &record).unwrap().operations, &operations);
    });
}

/// Reads bytes as every kind of row, and as a record.
fn read_as_everything(vocabulary: &Vocabulary, bytes: &[u8]) {
    drop(read_node(vocabulary, &me(), bytes));
    drop(read_edge(vocabulary, bytes));
    drop(read_operations(vocabulary, bytes));
    drop(Counters::read(bytes));
}

#[test]
fn no_bytes_make_a_reader_panic() {
    let vocabulary = everything();
    let bytes = prop::collection::vec(prop_oneof![any::<u8>(), 0u8..8], 0..100);
    check(100_000, bytes, |bytes| {
        read_as_everything(&vocabulary, &bytes);
        read_as_everything(&vocabulary, &[&[1], bytes.as_slice()].concat()); // the layout
    });
}

#[test]
fn damaged_bytes_are_read_or_refused_and_what_is_cut_short_is_refused() {
    let vocabulary = everything();
    check(500, (any_node(), any_operations(), any::<u8>()), |(node, operations, byte)| {
        let row = write_node(&vocabulary, &me(), &node);
        for length in 0..row.len() {
            assert!(read_node(&vocabulary, &me(), &row[..length]).is_err());
        }
        let record = write_operations(&vocabulary, &operations);
        for length in 0..record.len() {
            assert!(read_operations(&vocabulary, &record[..length]).is_err());
        }
        for whole in [row, record] {
            for at in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                read_as_everything(&vocabulary, &damaged);
            }
        }
    });
}
