//! The final state of a set of events.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use quell_domain::{Action, ChoiceEvent, Identifier, LinkEvent, Policy, Right, RightSet};

use crate::steps::{self, Choices};

/// All accepted events, in any order; repeats change nothing. Judged under the policy that the state is asked for, so
/// that `admt` names what it names today.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Opt-outs and opt-ins.
    pub choices: Vec<ChoiceEvent>,
    /// Links and unlinks.
    pub links: Vec<LinkEvent>,
}

/// What holds in the end, for every identifier that an event names.
#[derive(Clone, Debug)]
pub struct FinalState<'w> {
    identifiers: HashMap<&'w Identifier, IdentifierState<'w>>,
}

/// What holds for one identifier.
#[derive(Clone, Debug)]
pub struct IdentifierState<'w> {
    /// Whether it has more neighbours than it may.
    pub hub: bool,
    /// By right; one on which nobody in reach has chosen is absent.
    pub rights: Arc<BTreeMap<Right, Effective<'w>>>,
}

/// What holds for one right.
#[derive(Clone, Debug)]
pub struct Effective<'w> {
    /// Whether it is opted out.
    pub action: Action,
    /// The choices that a suppression may name for it; any of them, since event ids need not be unique. One that was
    /// made at several sources is here as often.
    pub may_be_named: Vec<&'w ChoiceEvent>,
}

/// The final state of a set of events.
#[must_use]
pub fn final_state<'w>(policy: &Policy, world: &'w World) -> FinalState<'w> {
    let edges = steps::edges(&world.links);
    let choices = steps::choices(&world.choices);
    let hubs = steps::hubs(policy, &edges);

    let linked = world.links.iter().flat_map(|link| [&link.a, &link.b]);
    let named = world.choices.iter().flat_map(|event| &event.identifiers);
    let mut identifiers = HashMap::new();
    for identifier in linked.chain(named) {
        if identifiers.contains_key(identifier) {
            continue;
        }
        let sources = steps::sources(identifier, &edges, &hubs);
        let rights = Arc::new(rights(policy, &choices, sources.iter().copied()));
        let hub = hubs.contains(identifier);
        if !hub {
            // No hub stands between it and the other sources that are no hubs, so their sources are the same.
            for other in sources.into_iter().filter(|source| !hubs.contains(source)) {
                identifiers.insert(other, IdentifierState { hub, rights: Arc::clone(&rights) });
            }
        }
        identifiers.insert(identifier, IdentifierState { hub, rights });
    }
    FinalState { identifiers }
}

/// Points 5 and 7, for every right on which there is a choice at one of the sources.
fn rights<'w>(
    policy: &Policy,
    choices: &Choices<'w>,
    sources: impl Iterator<Item = &'w Identifier>,
) -> BTreeMap<Right, Effective<'w>> {
    let at_sources: Vec<&[&ChoiceEvent]> =
        sources.filter_map(|source| choices.get(source)).map(Vec::as_slice).collect();
    let chosen = at_sources.iter().copied().flatten().fold(RightSet::EMPTY, |all, event| all.union(event.rights));
    let effective = |right| {
        let own_choices = at_sources.iter().filter_map(|named_by| steps::own(named_by, right));
        let action = steps::effective(policy.join(right), own_choices)?;
        let may_be_named = at_sources.iter().flat_map(|named_by| steps::standing(named_by, right, action)).collect();
        Some((right, Effective { action, may_be_named }))
    };
    chosen.iter().filter_map(effective).collect()
}

impl<'w> FinalState<'w> {
    /// Every identifier that an event names, in no order.
    pub fn identifiers(&self) -> impl Iterator<Item = &'w Identifier> {
        self.identifiers.keys().copied()
    }

    /// What holds for an identifier; none if no event names it.
    #[must_use]
    pub fn of(&self, identifier: &Identifier) -> Option<&IdentifierState<'w>> {
        self.identifiers.get(identifier)
    }

    /// Who is opted out, and of what.
    #[must_use]
    pub fn opted_out(&self) -> BTreeSet<(Identifier, Right)> {
        let of = |(identifier, state): (&&Identifier, &IdentifierState<'_>)| {
            let out = state.rights.iter().filter(|(_, effective)| effective.action == Action::OptOut);
            out.map(|(right, _)| ((*identifier).clone(), *right)).collect::<Vec<_>>()
        };
        self.identifiers.iter().flat_map(of).collect()
    }
}
