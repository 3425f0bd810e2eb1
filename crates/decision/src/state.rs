//! What is known of one identifier, in full, and the bytes that the local copy keeps of it.

use quell_domain::{Identifier, Millis};

/// What holds for one right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightStanding {
    /// Its name: a record may be older, or newer, than the policy in hand.
    pub name: String,
    /// Whether it is opted out.
    pub opted_out: bool,
    /// A choice that brought this about.
    pub choice_id: String,
    /// When that choice was made.
    pub since: Millis,
    /// Whether it was made at another identifier.
    pub inherited: bool,
}

impl RightStanding {
    /// What stands for every right there is.
    pub const EVERY: &str = "*";
}

/// What one identifier's suppression says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Whose it is.
    pub identifier: Identifier,
    /// Grows with every message for this identifier.
    pub version: i64,
    /// By right; none on which nobody has chosen.
    pub rights: Vec<RightStanding>,
}

impl State {
    /// The version of a state that no record told: what comes later counts, whatever its version.
    pub const UNVERSIONED: i64 = 0;

    /// An identifier whose record cannot be understood: it is taken to be opted out of everything, since then (Q1).
    #[must_use]
    pub fn not_understood(identifier: Identifier, since: Millis) -> Self {
        let name = RightStanding::EVERY.to_owned();
        let right = RightStanding { name, opted_out: true, choice_id: String::new(), since, inherited: false };
        Self { identifier, version: Self::UNVERSIONED, rights: vec![right] }
    }
}

/// What one record of the suppressions' topic brings about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// This is the state now.
    Holds(State),
    /// The record was deleted: nothing is known any more.
    Gone(Identifier),
}

/// Bytes that are no change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of the local copy cannot be read")]
pub struct StateError;

const HOLDS: u8 = 1;
const GONE: u8 = 0;

const OPTED_OUT: u8 = 1;
const INHERITED: u8 = 2;

impl Change {
    /// Whose it is.
    #[must_use]
    pub fn identifier(&self) -> &Identifier {
        match self {
            Self::Holds(state) => &state.identifier,
            Self::Gone(identifier) => identifier,
        }
    }

    /// Appends its bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Gone(identifier) => {
                out.push(GONE);
                put(out, identifier.as_bytes());
            }
            Self::Holds(state) => {
                out.push(HOLDS);
                put(out, state.identifier.as_bytes());
                out.extend_from_slice(&state.version.to_le_bytes());
                for right in &state.rights {
                    put(out, right.name.as_bytes());
                    out.push((u8::from(right.opted_out) * OPTED_OUT) | (u8::from(right.inherited) * INHERITED));
                    put(out, right.choice_id.as_bytes());
                    out.extend_from_slice(&right.since.0.to_le_bytes());
                }
            }
        }
    }

    /// The change of these bytes.
    ///
    /// # Errors
    /// When they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut rest = Rest(bytes);
        let kind = rest.byte()?;
        let identifier = Identifier::from_bytes(rest.part()?).map_err(|_| StateError)?;
        if kind == GONE && rest.0.is_empty() {
            return Ok(Self::Gone(identifier));
        }
        if kind != HOLDS {
            return Err(StateError);
        }
        let version = rest.number()?;
        let mut rights = Vec::new();
        while !rest.0.is_empty() {
            let name = rest.text()?.to_owned();
            let flags = rest.byte()?;
            let choice_id = rest.text()?.to_owned();
            let since = Millis(rest.number()?);
            let (opted_out, inherited) = (flags & OPTED_OUT != 0, flags & INHERITED != 0);
            rights.push(RightStanding { name, opted_out, choice_id, since, inherited });
        }
        Ok(Self::Holds(State { identifier, version, rights }))
    }
}

/// Its length in two bytes, and a part. What comes from Kafka's schema is bounded well below.
fn put(out: &mut Vec<u8>, part: &[u8]) {
    let part = part.get(..usize::from(u16::MAX)).unwrap_or(part);
    out.extend_from_slice(&u16::try_from(part.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(part);
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Result<u8, StateError> {
        let (first, rest) = self.0.split_first().ok_or(StateError)?;
        self.0 = rest;
        Ok(*first)
    }

    fn number(&mut self) -> Result<i64, StateError> {
        let (number, rest) = self.0.split_first_chunk::<8>().ok_or(StateError)?;
        self.0 = rest;
        Ok(i64::from_le_bytes(*number))
    }

    fn part(&mut self) -> Result<&'a [u8], StateError> {
        let (length, rest) = self.0.split_first_chunk::<2>().ok_or(StateError)?;
        let (part, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length))).ok_or(StateError)?;
        self.0 = rest;
        Ok(part)
    }

    fn text(&mut self) -> Result<&'a str, StateError> {
        std::str::from_utf8(self.part()?).map_err(|_| StateError)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_change_is_read_as_it_was_written_and_no_part_of_it_is_one() {
        let identifier = Identifier::new("cookie_id", "c-1").unwrap();
        let right = |name: &str, opted_out, inherited| RightStanding {
            name: name.to_owned(),
            opted_out,
            choice_id: format!("choice of {name}"),
            since: Millis(1_790_000_000_000),
            inherited,
        };
        let rights = vec![right("admt", true, false), right("admt:hiring", false, true)];
        let state = State { identifier: identifier.clone(), version: 7, rights };
        for change in [Change::Holds(state), Change::Gone(identifier)] {
            let mut bytes = Vec::new();
            change.encode(&mut bytes);
            assert_eq!(Change::decode(&bytes).unwrap(), change);
            for cut in 0..bytes.len() {
                assert_ne!(Change::decode(&bytes[..cut]), Ok(change.clone()), "cut at {cut}");
            }
        }
    }
}
