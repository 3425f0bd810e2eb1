//! Anything that a shard may write.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use quell_domain::{AckOutcome, Acknowledgement, Action, Choice, EventId, Identifier, Millis, Names, Right};

use super::{ADS, CRM, RIGHTS, account, me};
use crate::claim::{Claim, Contribution};
use crate::edge::{Edge, Edges, LinkRegister, NeighbourCount};
use crate::generation::{Generation, RetractionCause};
use crate::message::{Addressed, Message, Operation, Origin};
use crate::node::{Delivery, Effective, Hold, Node, Published};
use crate::own::OwnChoice;
use crate::wave::Wave;

pub fn any_node() -> BoxedStrategy<Node> {
    let edges = prop_oneof![4 => any_inline_edges(), 1 => any_edge_counts()];
    (prop::collection::vec(any_choice(), 1..4), edges)
        .prop_flat_map(|(choices, edges)| any_node_of(choices, edges))
        .boxed()
}

fn any_node_of(choices: Vec<Arc<Choice>>, edges: Edges) -> BoxedStrategy<Node> {
    let vias = match &edges {
        Edges::Inline(edges) => edges.iter().map(|(neighbour, _)| Some(neighbour.clone())).chain([None]).collect(),
        Edges::Rows(_) => vec![None, Some(account())],
    };
    let choice = select(choices);
    let own = by_right((choice.clone(), choice.clone()));
    let effective = by_right((choice.clone(), any_millis(), select(vias)));
    let published =
        by_right((choice, any::<bool>(), prop::option::of((any_millis(), any_cause(), any_stored_origin()))));
    let deliveries = subsequence(vec![ADS, CRM], 0..=2).prop_flat_map(|known| {
        known.into_iter().map(|number| (Just(number), any_number(), any_millis(), any_number())).collect::<Vec<_>>()
    });
    let numbers =
        (any_number(), any_number(), any_generation(), any::<bool>(), prop::collection::vec(any::<u64>(), 0..3));
    (own, effective, published, any::<bool>(), deliveries, numbers)
        .prop_map(move |(own, effective, published, as_it_holds, deliveries, numbers)| {
            let (version, counter, generation, is_hub, crowded_choices) = numbers;
            let mut node =
                Node { version, counter, generation, is_hub, crowded_choices, edges: edges.clone(), ..Node::default() };
            node.own.extend(own.into_iter().map(|(right, (named, latest))| OwnChoice { right, named, latest }));
            node.effective.extend(effective.into_iter().map(|(right, (choice, decided_at, via))| Effective {
                claim: Claim { right, decided_at, choice },
                via,
            }));
            for (right, (choice, inherited, hold)) in published {
                node.published.push(Published { right, choice, inherited });
                node.holds.extend(hold.map(|(until, cause, origin)| Hold { right, until, cause, origin }));
            }
            if as_it_holds {
                let holds = |known: &Effective| Published {
                    right: known.claim.right,
                    choice: Arc::clone(&known.claim.choice),
                    inherited: node.inherits(&me(), &known.claim.choice),
                };
                node.published = node.effective.iter().map(holds).collect();
                node.holds.clear();
            }
            node.deliveries.extend(deliveries.into_iter().map(
                |(downstream, published_version, published_at, acknowledged_version)| Delivery {
                    downstream,
                    published_version: published_version.min(version),
                    published_at,
                    acknowledged_version,
                },
            ));
            node
        })
        .boxed()
}

pub fn any_operations() -> BoxedStrategy<Vec<Addressed>> {
    let rights = subsequence(RIGHTS.to_vec(), 0..=3);
    let choose = (any_choice(), rights)
        .prop_map(|(choice, rights)| Operation::Choose { choice, rights: rights.into_iter().collect() });
    let link = (any_identifier(), any_register()).prop_map(|(other, register)| Operation::Link { other, register });
    let said = (any_contribution(), any::<bool>(), any::<bool>());
    let hear = (any_identifier(), any_register(), any_number(), any_generation(), said).prop_map(
        |(from, register, counter, generation, (said, from_hub, asks))| {
            Operation::Hear(Message { from, register, counter, generation, said, from_hub, asks })
        },
    );
    let outcome = select(vec![AckOutcome::Applied, AckOutcome::Failed]);
    let acknowledge = (select(vec![ADS, CRM]), any_identifier(), any_number(), outcome, any_millis()).prop_map(
        |(downstream, identifier, version, outcome, applied_at)| {
            Operation::Acknowledge(Acknowledgement { downstream, identifier, version, outcome, applied_at })
        },
    );
    let operation = prop_oneof![choose, link, hear, acknowledge];
    let addressed = (any_identifier(), operation, any_origin()).prop_map(|(to, operation, origin)| Addressed {
        to,
        operation,
        origin,
    });
    prop::collection::vec(addressed, 0..4).boxed()
}

fn any_inline_edges() -> BoxedStrategy<Edges> {
    let edge = (any_register(), any::<bool>(), prop::option::of(any_number()), any_contribution());
    let edge =
        edge.prop_map(|(register, other_is_hub, heard, remembered)| Edge { register, other_is_hub, heard, remembered });
    prop::collection::btree_map(any_identifier(), edge, 0..4)
        .prop_map(|edges| Edges::Inline(edges.into_iter().collect()))
        .boxed()
}

fn any_edge_counts() -> BoxedStrategy<Edges> {
    let count =
        ("[a-z_]{0,8}", any::<u32>()).prop_map(|(identifier_type, count)| NeighbourCount { identifier_type, count });
    prop::collection::vec(count, 0..3).prop_map(Edges::Rows).boxed()
}

fn any_contribution() -> BoxedStrategy<Contribution> {
    let claims = by_right((any_choice(), any_millis()));
    claims
        .prop_map(|claims| {
            claims.into_iter().map(|(right, (choice, decided_at))| Claim { right, decided_at, choice }).collect()
        })
        .boxed()
}

/// Something for some of the rights, in their order.
fn by_right<S: Strategy<Value: Clone> + 'static>(thing: S) -> BoxedStrategy<Vec<(Right, S::Value)>> {
    let rights = subsequence(RIGHTS.to_vec(), 0..=3);
    (rights, prop::collection::vec(thing, 3))
        .prop_map(|(rights, things)| rights.into_iter().zip(things).collect())
        .boxed()
}

fn any_choice() -> BoxedStrategy<Arc<Choice>> {
    let event_id = prop_oneof![Just("0191d3a0-8f00-7abc-8def-0123456789ab".to_owned()), "\\PC{1,16}"];
    let names = prop_oneof![
        Just(Names::Listed([me().hash64()].into_iter().collect())),
        prop::collection::vec(any::<u64>(), 0..3).prop_map(|names| Names::Listed(names.into())),
        any::<u64>().prop_map(Names::Many),
    ];
    let action = select(vec![Action::OptIn, Action::OptOut]);
    (event_id, action, any_millis(), prop::option::of(any_millis()), names)
        .prop_map(|(event_id, action, effective_at, received_at, names)| {
            let (event_id, received_at) = (EventId::new(&event_id).unwrap(), received_at.unwrap_or(effective_at));
            Arc::new(Choice { event_id, action, effective_at, received_at, names })
        })
        .boxed()
}

fn any_identifier() -> BoxedStrategy<Identifier> {
    let value = prop_oneof!["\\PC{1,8}", "[0-9a-f]{16}", Just("0191d3a0-8f00-7abc-8def-0123456789ff".to_owned())];
    (select(vec!["cookie_id", "account_id", "loyalty_card"]), value)
        .prop_map(|(of, value)| Identifier::new(of, &value).unwrap())
        .boxed()
}

fn any_register() -> BoxedStrategy<LinkRegister> {
    (any_millis(), any::<bool>()).prop_map(|(observed_at, holds)| LinkRegister { observed_at, holds }).boxed()
}

fn any_generation() -> BoxedStrategy<Generation> {
    let retracted =
        (1u64.., any::<u64>(), any_cause()).prop_map(|(counter, tie, cause)| Generation { counter, tie, cause });
    prop_oneof![Just(Generation::default()), retracted].boxed()
}

fn any_cause() -> BoxedStrategy<RetractionCause> {
    select(RetractionCause::ALL.to_vec()).boxed()
}

fn any_origin() -> BoxedStrategy<Arc<Origin>> {
    (any_millis(), prop::option::of("\\PC{1,8}"), any_number())
        .prop_map(|(timestamp, parent, wave)| {
            Arc::new(Origin { timestamp, traceparent: parent.map(Into::into), wave: Wave(wave) })
        })
        .boxed()
}

/// What is stored has come through.
fn any_stored_origin() -> BoxedStrategy<Arc<Origin>> {
    any_origin().prop_map(|origin| Arc::new(Origin { wave: Wave::NONE, ..(*origin).clone() })).boxed()
}

fn any_millis() -> BoxedStrategy<Millis> {
    prop_oneof![any::<i64>(), -9i64..9, Just(i64::MIN), Just(i64::MAX)].prop_map(Millis).boxed()
}

fn any_number() -> BoxedStrategy<u64> {
    prop_oneof![any::<u64>(), 0u64..9, Just(u64::MAX)].boxed()
}
