//! The contract's steps from events to the sources of an identifier, and from those to what holds for it.

use std::collections::{HashMap, HashSet, VecDeque};

use quell_domain::{Action, ChoiceEvent, ChoiceOrder, Identifier, Join, LinkEvent, Policy, Right};

/// By identifier: its neighbours.
pub type Edges<'w> = HashMap<&'w Identifier, Vec<&'w Identifier>>;

/// By identifier: the choices that name it.
pub type Choices<'w> = HashMap<&'w Identifier, Vec<&'w ChoiceEvent>>;

/// Point 1: the latest event of a pair holds, and of two at the same time a link. (Which of two equal ones holds, their
/// ids decide; it makes no difference.)
pub fn edges(links: &[LinkEvent]) -> Edges<'_> {
    let mut pairs = HashMap::new();
    for link in links {
        let pair = if link.a < link.b { (&link.a, &link.b) } else { (&link.b, &link.a) };
        let latest = pairs.entry(pair).or_insert((link.observed_at, link.holds));
        *latest = (*latest).max((link.observed_at, link.holds));
    }
    let mut edges = Edges::new();
    for ((a, b), (_, holds)) in pairs {
        if holds {
            edges.entry(a).or_default().push(b);
            edges.entry(b).or_default().push(a);
        }
    }
    edges
}

/// Who is named by which choices.
pub fn choices(events: &[ChoiceEvent]) -> Choices<'_> {
    let mut choices = Choices::new();
    for event in events {
        for identifier in &event.identifiers {
            choices.entry(identifier).or_default().push(event);
        }
    }
    choices
}

/// Point 2: what holds at one identifier for a right, of the choices that name it.
pub fn own(named_by: &[&ChoiceEvent], right: Right) -> Option<ChoiceOrder> {
    named_by.iter().filter(|event| event.rights.contains(right)).map(|event| event.choice.order()).max()
}

/// Point 3: identifiers with more neighbours of a type than their own type may have.
pub fn hubs<'w>(policy: &Policy, edges: &Edges<'w>) -> HashSet<&'w Identifier> {
    let is_hub = |identifier: &Identifier, neighbours: &[&Identifier]| {
        let mut of_type = HashMap::new();
        for neighbour in neighbours.iter().filter_map(|neighbour| policy.type_number(neighbour)) {
            *of_type.entry(neighbour).or_insert(0_u32) += 1;
        }
        policy.type_number(identifier).is_some_and(|own_type| {
            of_type.iter().any(|(of, count)| policy.hub_limit(own_type, *of).is_some_and(|limit| *count > limit))
        })
    };
    edges.iter().filter(|(identifier, neighbours)| is_hub(identifier, neighbours)).map(|(hub, _)| *hub).collect()
}

/// Point 4: the identifier itself, and all on paths from it whose inner identifiers are no hubs.
pub fn sources<'w>(from: &'w Identifier, edges: &Edges<'w>, hubs: &HashSet<&Identifier>) -> HashSet<&'w Identifier> {
    let mut sources = HashSet::from([from]);
    let mut to_leave = VecDeque::from([from]);
    while let Some(identifier) = to_leave.pop_front() {
        for neighbour in edges.get(identifier).into_iter().flatten().copied() {
            if sources.insert(neighbour) && !hubs.contains(neighbour) {
                to_leave.push_back(neighbour);
            }
        }
    }
    sources
}

/// Point 5: what the own choices of the sources amount to.
pub fn effective(join: Join, own_choices: impl Iterator<Item = ChoiceOrder>) -> Option<Action> {
    match join {
        Join::OptOutWins => own_choices.map(|own| own.action).max(), // an opt-out is the greater
        Join::LatestWins => own_choices.max().map(|own| own.action),
    }
}

/// Point 7: the choices of an action that name one identifier and right and are not superseded there.
pub fn standing<'w>(
    named_by: &[&'w ChoiceEvent],
    right: Right,
    action: Action,
) -> impl Iterator<Item = &'w ChoiceEvent> {
    let for_right = || named_by.iter().copied().filter(move |event| event.rights.contains(right));
    let opposite = for_right().map(|event| event.choice.order()).filter(|order| order.action != action).max();
    for_right().filter(move |event| event.choice.action == action && Some(event.choice.order()) > opposite)
}
