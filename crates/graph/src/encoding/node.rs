//! Nodes as bytes.

use std::sync::Arc;

use quell_domain::{Identifier, Millis};

use super::bytes::{Corrupt, Reader, Writer};
use super::choice::{ChoiceTable, by_right, read_decided_at, write_decided_at};
use super::edge;
use super::message::{read_generation, read_origin, write_generation, write_origin};
use super::vocabulary::Vocabulary;
use crate::claim::{Claim, same_choice};
use crate::edge::{Edges, NeighbourCount};
use crate::generation::RetractionCause;
use crate::node::{Delivery, Effective, Hold, Node, Published};
use crate::own::OwnChoice;

/// The layout of a node's row. A larger one is refused.
const LAYOUT: u8 = 1;

const IS_HUB: u8 = 1;
const EDGES_IN_ROWS: u8 = 1 << 1;
const HAS_CHOICES: u8 = 1 << 2;
const HAS_GENERATION: u8 = 1 << 3;
/// What is published is what holds: the rule, save while a relaxation waits.
const PUBLISHED_AS_IT_HOLDS: u8 = 1 << 4;
const HAS_SPOKEN: u8 = 1 << 5;
const HAS_DELIVERIES: u8 = 1 << 6;
const HAS_CROWDED_CHOICES: u8 = 1 << 7;

/// The row of a node.
#[must_use]
pub fn write_node(vocabulary: &Vocabulary, me: &Identifier, node: &Node) -> Vec<u8> {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let as_it_holds = published_as_it_holds(me, node);
    let has_choices = !(node.own.is_empty() && node.effective.is_empty() && node.published.is_empty());
    // V1: its version is kept, too, when the policy no longer declares any downstream that it was published to.
    let has_deliveries = node.version > 0 || !node.deliveries.is_empty();
    let mut writer = Writer(Vec::with_capacity(about_as_long_as(node)));
    writer.byte(LAYOUT);
    writer.byte(
        flag(node.is_hub, IS_HUB)
            | flag(matches!(node.edges, Edges::Rows(_)), EDGES_IN_ROWS)
            | flag(has_choices, HAS_CHOICES)
            | flag(node.generation.counter > 0, HAS_GENERATION)
            | flag(as_it_holds, PUBLISHED_AS_IT_HOLDS)
            | flag(node.counter > 0, HAS_SPOKEN)
            | flag(has_deliveries, HAS_DELIVERIES)
            | flag(!node.crowded_choices.is_empty(), HAS_CROWDED_CHOICES),
    );
    if node.counter > 0 {
        writer.number(node.counter);
    }
    if node.generation.counter > 0 {
        write_generation(&mut writer, node.generation);
    }
    write_edges(&mut writer, vocabulary, &node.edges);
    if has_choices {
        write_choices(&mut writer, vocabulary, me, node, as_it_holds);
    }
    if has_deliveries {
        write_deliveries(&mut writer, vocabulary, node);
    }
    if !node.crowded_choices.is_empty() {
        writer.count(node.crowded_choices.len());
        node.crowded_choices.iter().for_each(|fingerprint| writer.fixed(*fingerprint));
    }
    writer.0
}

/// About how long a node's row is: most are written without growing on the way.
fn about_as_long_as(node: &Node) -> usize {
    const HEAD: usize = 16;
    const EDGE: usize = 10;
    const CHOICE: usize = 40;
    const DELIVERY: usize = 12;
    let edges = match &node.edges {
        Edges::Inline(edges) => edges.iter().map(|(neighbour, _)| neighbour.as_bytes().len() + EDGE).sum(),
        Edges::Rows(counts) => counts.len() * EDGE,
    };
    HEAD + edges + (node.own.len() + node.effective.len()) * CHOICE + node.deliveries.len() * DELIVERY
}

/// The node of a row.
///
/// # Errors
/// When the bytes are none that [`write_node`] wrote.
pub fn read_node(vocabulary: &Vocabulary, me: &Identifier, bytes: &[u8]) -> Result<Node, Corrupt> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != LAYOUT {
        return Err(Corrupt);
    }
    let flags = reader.byte()?;
    let has = |flag: u8| flags & flag != 0;
    let mut node = Node { is_hub: has(IS_HUB), ..Node::default() };
    if has(HAS_SPOKEN) {
        node.counter = reader.number()?;
    }
    if has(HAS_GENERATION) {
        node.generation = read_generation(&mut reader)?;
    }
    node.edges = read_edges(&mut reader, vocabulary, has(EDGES_IN_ROWS))?;
    if has(HAS_CHOICES) {
        read_choices(&mut reader, vocabulary, me, &mut node, has(PUBLISHED_AS_IT_HOLDS))?;
    }
    if has(HAS_DELIVERIES) {
        read_deliveries(&mut reader, vocabulary, &mut node)?;
    }
    if has(HAS_CROWDED_CHOICES) {
        let count = reader.count()?;
        node.crowded_choices = (0..count).map(|_| reader.fixed()).collect::<Result<_, _>>()?;
    }
    if has(PUBLISHED_AS_IT_HOLDS) {
        // Last, since who is inherited depends on the crowded choices.
        node.published = as_it_holds(me, &node);
    }
    reader.end()?;
    Ok(node)
}

/// What would be published if nothing waited.
fn as_it_holds(me: &Identifier, node: &Node) -> Vec<Published> {
    let published = |effective: &Effective| Published {
        right: effective.claim.right,
        choice: Arc::clone(&effective.claim.choice),
        inherited: node.inherits(me, &effective.claim.choice),
    };
    node.effective.iter().map(published).collect()
}

fn published_as_it_holds(me: &Identifier, node: &Node) -> bool {
    node.holds.is_empty()
        && node.published.len() == node.effective.len()
        && node.published.iter().zip(&node.effective).all(|(published, effective)| {
            published.right == effective.claim.right
                && same_choice(&published.choice, &effective.claim.choice)
                && published.inherited == node.inherits(me, &published.choice)
        })
}

fn write_edges(writer: &mut Writer, vocabulary: &Vocabulary, edges: &Edges) {
    match edges {
        Edges::Inline(edges) => {
            writer.count(edges.len());
            for (neighbour, known) in edges {
                writer.identifier(neighbour);
                edge::write(writer, vocabulary, known);
            }
        }
        Edges::Rows(counts) => {
            writer.count(counts.len());
            for known in counts {
                writer.bytes(known.identifier_type.as_bytes());
                writer.number(u64::from(known.count));
            }
        }
    }
}

fn read_edges(reader: &mut Reader<'_>, vocabulary: &Vocabulary, in_rows: bool) -> Result<Edges, Corrupt> {
    let count = reader.count()?;
    if in_rows {
        let counts = (0..count).map(|_| {
            let identifier_type = reader.text()?.to_owned();
            let count = u32::try_from(reader.number()?).map_err(|_| Corrupt)?;
            Ok(NeighbourCount { identifier_type, count })
        });
        return Ok(Edges::Rows(counts.collect::<Result<_, _>>()?));
    }
    let edges = (0..count).map(|_| Ok((reader.identifier()?, edge::read(reader, vocabulary)?)));
    Ok(Edges::Inline(edges.collect::<Result<_, _>>()?))
}

fn write_choices(writer: &mut Writer, vocabulary: &Vocabulary, me: &Identifier, node: &Node, as_it_holds: bool) {
    let mut choices = ChoiceTable::default();
    for own in &node.own {
        choices.place(&own.named);
        choices.place(&own.latest);
    }
    node.effective.iter().for_each(|effective| _ = choices.place(&effective.claim.choice));
    node.published.iter().for_each(|published| _ = choices.place(&published.choice));
    choices.write(writer, Some(me.hash64()));

    let same_own =
        |a: &&OwnChoice, b: &&OwnChoice| same_choice(&a.named, &b.named) && same_choice(&a.latest, &b.latest);
    let own = by_right(node.own.iter().map(|own| (own.right, own)), same_own);
    writer.count(own.len());
    for (rights, own) in own {
        vocabulary.write_rights(writer, rights);
        writer.count(choices.place(&own.named));
        writer.count(choices.place(&own.latest));
    }

    let same_effective = |a: &&Effective, b: &&Effective| {
        same_choice(&a.claim.choice, &b.claim.choice) && a.claim.decided_at == b.claim.decided_at && a.via == b.via
    };
    let effective = by_right(node.effective.iter().map(|effective| (effective.claim.right, effective)), same_effective);
    writer.count(effective.len());
    for (rights, effective) in effective {
        vocabulary.write_rights(writer, rights);
        writer.count(choices.place(&effective.claim.choice));
        write_decided_at(writer, &effective.claim);
        write_via(writer, &node.edges, effective.via.as_ref());
    }

    if !as_it_holds {
        let same_published =
            |a: &&Published, b: &&Published| same_choice(&a.choice, &b.choice) && a.inherited == b.inherited;
        let published = by_right(node.published.iter().map(|published| (published.right, published)), same_published);
        writer.count(published.len());
        for (rights, published) in published {
            vocabulary.write_rights(writer, rights);
            writer.count(choices.place(&published.choice));
            writer.byte(u8::from(published.inherited));
        }
        writer.count(node.holds.len());
        for hold in &node.holds {
            vocabulary.write_right(writer, hold.right);
            writer.millis(hold.until);
            writer.byte(hold.cause.code());
            write_origin(writer, &hold.origin);
        }
    }
}

fn read_choices(
    reader: &mut Reader<'_>,
    vocabulary: &Vocabulary,
    me: &Identifier,
    node: &mut Node,
    as_it_holds: bool,
) -> Result<(), Corrupt> {
    let choices = ChoiceTable::read(reader, Some(me.hash64()))?;
    for _ in 0..reader.count()? {
        let rights = vocabulary.read_rights(reader)?;
        let (named, latest) = (choices.read_place(reader)?, choices.read_place(reader)?);
        let own = |right| OwnChoice { right, named: Arc::clone(&named), latest: Arc::clone(&latest) };
        node.own.extend(rights.iter().map(own));
    }
    for _ in 0..reader.count()? {
        let rights = vocabulary.read_rights(reader)?;
        let choice = choices.read_place(reader)?;
        let decided_at = read_decided_at(reader, &choice)?;
        let via = read_via(reader, &node.edges)?;
        let effective =
            |right| Effective { claim: Claim { right, decided_at, choice: Arc::clone(&choice) }, via: via.clone() };
        node.effective.extend(rights.iter().map(effective));
    }
    if !as_it_holds {
        for _ in 0..reader.count()? {
            let rights = vocabulary.read_rights(reader)?;
            let (choice, inherited) = (choices.read_place(reader)?, reader.byte()? != 0);
            let published = |right| Published { right, choice: Arc::clone(&choice), inherited };
            node.published.extend(rights.iter().map(published));
        }
        for _ in 0..reader.count()? {
            let right = vocabulary.read_right(reader)?;
            let until = reader.millis()?;
            let cause = RetractionCause::of_code(reader.byte()?).ok_or(Corrupt)?;
            let origin = Arc::new(read_origin(reader)?);
            node.holds.extend(right.map(|right| Hold { right, until, cause, origin }));
        }
        node.published.sort_by_key(|published| published.right);
        node.holds.sort_by_key(|hold| hold.right);
    }
    node.own.sort_by_key(|own| own.right);
    node.effective.sort_by_key(|effective| effective.claim.right);
    Ok(())
}

/// A neighbour whose edge is in the same row is named by its place: 0 is none, 1 the first; with the edges elsewhere 1
/// stands before it.
fn write_via(writer: &mut Writer, edges: &Edges, via: Option<&Identifier>) {
    let Some(via) = via else { return writer.count(0) };
    match edges {
        Edges::Inline(edges) => match edges.binary_search_by(|(neighbour, _)| neighbour.cmp(via)) {
            Ok(place) => writer.count(place + 1),
            Err(_) => writer.count(0),
        },
        Edges::Rows(_) => {
            writer.count(1);
            writer.identifier(via);
        }
    }
}

fn read_via(reader: &mut Reader<'_>, edges: &Edges) -> Result<Option<Identifier>, Corrupt> {
    let Some(place) = usize::try_from(reader.number()?).map_err(|_| Corrupt)?.checked_sub(1) else { return Ok(None) };
    match edges {
        Edges::Inline(edges) => edges.get(place).map(|(via, _)| Some(via.clone())).ok_or(Corrupt),
        Edges::Rows(_) => reader.identifier().map(Some),
    }
}

fn write_deliveries(writer: &mut Writer, vocabulary: &Vocabulary, node: &Node) {
    writer.number(node.version);
    writer.number(u64::from(node.told_under));
    let latest = node.deliveries.iter().map(|delivery| delivery.published_at).max().unwrap_or(Millis(0));
    writer.millis(latest);
    writer.count(node.deliveries.len());
    for delivery in &node.deliveries {
        vocabulary.write_downstream(writer, delivery.downstream);
        writer.number(node.version.saturating_sub(delivery.published_version));
        writer.signed(latest.0.wrapping_sub(delivery.published_at.0));
        writer.number(delivery.acknowledged_version);
    }
}

fn read_deliveries(reader: &mut Reader<'_>, vocabulary: &Vocabulary, node: &mut Node) -> Result<(), Corrupt> {
    node.version = reader.number()?;
    node.told_under = u32::try_from(reader.number()?).map_err(|_| Corrupt)?;
    let latest = reader.millis()?;
    for _ in 0..reader.count()? {
        let downstream = vocabulary.read_downstream(reader)?;
        let published_version = node.version.saturating_sub(reader.number()?);
        let published_at = Millis(latest.0.wrapping_sub(reader.signed()?));
        let acknowledged_version = reader.number()?;
        node.deliveries.extend(downstream.map(|downstream| Delivery {
            downstream,
            published_version,
            published_at,
            acknowledged_version,
        }));
    }
    node.deliveries.sort_by_key(|delivery| delivery.downstream);
    Ok(())
}
