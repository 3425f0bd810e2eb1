//! Choices and contributions as bytes.

use std::sync::Arc;

use quell_domain::{Action, Choice, EventId, Millis, Names, Right, RightSet};

use super::bytes::{Corrupt, Reader, Writer};
use super::vocabulary::Vocabulary;
use crate::claim::{Claim, Contribution, same_choice, silence};

const OPT_OUT: u8 = 1;
const ID_IS_UUID: u8 = 1 << 1;
const NAMES_MANY: u8 = 1 << 2;
/// The choice names nobody but the node in whose row it stands.
const NAMES_OWNER: u8 = 1 << 3;
const RECEIVED_WHEN_MADE: u8 = 1 << 4;

/// Writes a choice. `owner` is the hash of the node in whose row it stands, if it does.
pub(super) fn write_choice(writer: &mut Writer, choice: &Choice, owner: Option<u64>) {
    let id = choice.event_id.as_str();
    let uuid = quell_domain::uuid_bytes(id);
    let names_owner =
        owner.is_some_and(|owner| matches!(&choice.names, Names::Listed(names) if names.as_slice() == [owner]));
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    writer.byte(
        flag(choice.action == Action::OptOut, OPT_OUT)
            | flag(uuid.is_some(), ID_IS_UUID)
            | flag(matches!(choice.names, Names::Many(_)), NAMES_MANY)
            | flag(names_owner, NAMES_OWNER)
            | flag(choice.received_at == choice.effective_at, RECEIVED_WHEN_MADE),
    );
    match uuid {
        Some(bytes) => writer.raw(&bytes),
        None => writer.bytes(id.as_bytes()),
    }
    writer.millis(choice.effective_at);
    if choice.received_at != choice.effective_at {
        writer.millis(choice.received_at);
    }
    match &choice.names {
        Names::Many(fingerprint) => writer.fixed(*fingerprint),
        Names::Listed(_) if names_owner => {}
        Names::Listed(names) => {
            writer.count(names.len());
            names.iter().for_each(|name| writer.fixed(*name));
        }
    }
}

pub(super) fn read_choice(reader: &mut Reader<'_>, owner: Option<u64>) -> Result<Arc<Choice>, Corrupt> {
    let flags = reader.byte()?;
    let event_id = if flags & ID_IS_UUID != 0 {
        let bytes: [u8; 16] = reader.raw(16)?.try_into().map_err(|_| Corrupt)?;
        EventId::new(&quell_domain::uuid_text(&bytes))
    } else {
        EventId::new(reader.text()?)
    }
    .map_err(|_| Corrupt)?;
    let effective_at = reader.millis()?;
    let received_at = if flags & RECEIVED_WHEN_MADE != 0 { effective_at } else { reader.millis()? };
    let names = if flags & NAMES_MANY != 0 {
        Names::Many(reader.fixed()?)
    } else if flags & NAMES_OWNER != 0 {
        Names::Listed([owner.ok_or(Corrupt)?].into_iter().collect())
    } else {
        let count = reader.count()?;
        Names::Listed((0..count).map(|_| reader.fixed()).collect::<Result<_, _>>()?)
    };
    let action = if flags & OPT_OUT != 0 { Action::OptOut } else { Action::OptIn };
    Ok(Arc::new(Choice { event_id, action, effective_at, received_at, names }))
}

/// The distinct choices of a row: each is written once, and referred to by its place.
#[derive(Debug, Default)]
pub(super) struct ChoiceTable(pub Vec<Arc<Choice>>);

impl ChoiceTable {
    pub fn place(&mut self, choice: &Arc<Choice>) -> usize {
        self.0.iter().position(|known| same_choice(known, choice)).unwrap_or_else(|| {
            self.0.push(Arc::clone(choice));
            self.0.len() - 1
        })
    }

    pub fn write(&self, writer: &mut Writer, owner: Option<u64>) {
        writer.count(self.0.len());
        self.0.iter().for_each(|choice| write_choice(writer, choice, owner));
    }

    pub fn read(reader: &mut Reader<'_>, owner: Option<u64>) -> Result<Self, Corrupt> {
        let count = reader.count()?;
        (0..count).map(|_| read_choice(reader, owner)).collect::<Result<_, _>>().map(Self)
    }

    pub fn read_place(&self, reader: &mut Reader<'_>) -> Result<Arc<Choice>, Corrupt> {
        let place = usize::try_from(reader.number()?).map_err(|_| Corrupt)?;
        self.0.get(place).cloned().ok_or(Corrupt)
    }
}

/// Puts things of one right each that are alike in all else into one entry: a browser's signal names two rights, and
/// an opt-out of ADMT each of its systems.
pub(super) fn by_right<T>(
    things: impl Iterator<Item = (Right, T)>,
    alike: impl Fn(&T, &T) -> bool,
) -> Vec<(RightSet, T)> {
    let mut groups: Vec<(RightSet, T)> = Vec::new();
    for (right, thing) in things {
        match groups.iter_mut().find(|(_, known)| alike(known, &thing)) {
            Some((rights, _)) => rights.insert(right),
            None => groups.push(([right].into_iter().collect(), thing)),
        }
    }
    groups
}

/// How much later than the named choice the deciding one was made.
pub(super) fn write_decided_at(writer: &mut Writer, claim: &Claim) {
    writer.signed(claim.decided_at.0.wrapping_sub(claim.choice.effective_at.0));
}

pub(super) fn read_decided_at(reader: &mut Reader<'_>, choice: &Choice) -> Result<Millis, Corrupt> {
    Ok(Millis(choice.effective_at.0.wrapping_add(reader.signed()?)))
}

/// Writes what a node says.
pub(super) fn write_contribution(writer: &mut Writer, vocabulary: &Vocabulary, said: &[Claim]) {
    let alike = |a: &&Claim, b: &&Claim| a.decided_at == b.decided_at && same_choice(&a.choice, &b.choice);
    let groups = by_right(said.iter().map(|claim| (claim.right, claim)), alike);
    writer.count(groups.len());
    for (rights, claim) in groups {
        vocabulary.write_rights(writer, rights);
        write_choice(writer, &claim.choice, None);
        write_decided_at(writer, claim);
    }
}

pub(super) fn read_contribution(reader: &mut Reader<'_>, vocabulary: &Vocabulary) -> Result<Contribution, Corrupt> {
    let groups = reader.count()?;
    if groups == 0 {
        return Ok(silence());
    }
    let mut claims = Vec::new();
    for _ in 0..groups {
        let rights = vocabulary.read_rights(reader)?;
        let choice = read_choice(reader, None)?;
        let decided_at = read_decided_at(reader, &choice)?;
        claims.extend(rights.iter().map(|right| Claim { right, decided_at, choice: Arc::clone(&choice) }));
    }
    claims.sort_by_key(|claim| claim.right);
    Ok(claims.into())
}
