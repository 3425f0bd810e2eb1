//! Edges as bytes: inside their node's row, or as rows of their own.

use super::bytes::{Corrupt, Reader, Writer};
use super::choice::{read_contribution, write_contribution};
use super::vocabulary::Vocabulary;
use crate::claim::silence;
use crate::edge::{Edge, LinkRegister};

const HOLDS: u8 = 1;
const OTHER_IS_HUB: u8 = 1 << 1;
const HEARD: u8 = 1 << 2;
const REMEMBERED: u8 = 1 << 3;

/// The row of an edge.
#[must_use]
pub fn write_edge(vocabulary: &Vocabulary, edge: &Edge) -> Vec<u8> {
    let mut writer = Writer::default();
    write(&mut writer, vocabulary, edge);
    writer.0
}

/// The edge of a row.
///
/// # Errors
/// When the bytes are none that [`write_edge`] wrote.
pub fn read_edge(vocabulary: &Vocabulary, bytes: &[u8]) -> Result<Edge, Corrupt> {
    let mut reader = Reader::new(bytes);
    let edge = read(&mut reader, vocabulary)?;
    reader.end()?;
    Ok(edge)
}

pub(super) fn write(writer: &mut Writer, vocabulary: &Vocabulary, edge: &Edge) {
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    writer.byte(
        flag(edge.holds(), HOLDS)
            | flag(edge.other_is_hub, OTHER_IS_HUB)
            | flag(edge.heard.is_some(), HEARD)
            | flag(!edge.remembered.is_empty(), REMEMBERED),
    );
    writer.millis(edge.register.observed_at);
    if let Some(counter) = edge.heard {
        writer.number(counter);
    }
    if !edge.remembered.is_empty() {
        write_contribution(writer, vocabulary, &edge.remembered);
    }
}

pub(super) fn read(reader: &mut Reader<'_>, vocabulary: &Vocabulary) -> Result<Edge, Corrupt> {
    let flags = reader.byte()?;
    let register = LinkRegister { observed_at: reader.millis()?, holds: flags & HOLDS != 0 };
    let heard = if flags & HEARD != 0 { Some(reader.number()?) } else { None };
    let remembered = if flags & REMEMBERED != 0 { read_contribution(reader, vocabulary)? } else { silence() };
    Ok(Edge { register, other_is_hub: flags & OTHER_IS_HUB != 0, heard, remembered })
}
