//! Names that the policy numbers, as they are stored.

use std::sync::Arc;

use quell_domain::{DownstreamNumber, Policy, Right, RightSet};

use super::bytes::{Corrupt, Reader, Writer};

/// Rights that are stored as one byte. A code is its right's for ever; 0 stands before a name in full.
const WELL_KNOWN: [(u8, &str); 4] = [(1, "sale"), (2, "sharing"), (3, "sensitive_pi"), (4, "admt")];
const IN_FULL: u8 = 0;

/// How rights and downstreams of a policy are stored.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    policy: Arc<Policy>,
    codes: Vec<Vec<u8>>,
    by_code: [Option<Right>; WELL_KNOWN.len() + 1],
}

impl Vocabulary {
    /// The vocabulary of a policy.
    #[must_use]
    pub fn new(policy: Arc<Policy>) -> Self {
        let code = |name: &str| match WELL_KNOWN.iter().find(|(_, known)| *known == name) {
            Some((code, _)) => vec![*code],
            None => {
                let mut writer = Writer(vec![IN_FULL]);
                writer.bytes(name.as_bytes());
                writer.0
            }
        };
        let codes = policy.rights().iter().map(|right| code(&right.name)).collect();
        let mut by_code = [None; WELL_KNOWN.len() + 1];
        for (code, name) in WELL_KNOWN {
            if let Some(slot) = by_code.get_mut(usize::from(code)) {
                *slot = policy.right(name);
            }
        }
        Self { policy, codes, by_code }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// A right's code.
    pub(crate) fn right_code(&self, right: Right) -> &[u8] {
        self.codes.get(usize::from(right.0)).map_or(&[], Vec::as_slice)
    }

    pub(super) fn write_right(&self, writer: &mut Writer, right: Right) {
        writer.raw(self.right_code(right));
    }

    /// None for a right that the policy does not declare; the reader remembers that there was one.
    pub(super) fn read_right(&self, reader: &mut Reader<'_>) -> Result<Option<Right>, Corrupt> {
        let (right, name) = match reader.byte()? {
            IN_FULL => {
                let name = reader.text()?;
                (self.policy.right(name), name)
            }
            code => {
                let (_, name) = WELL_KNOWN.iter().find(|(known, _)| *known == code).ok_or(Corrupt)?;
                (self.by_code.get(usize::from(code)).copied().flatten(), *name)
            }
        };
        if right.is_none() {
            reader.undeclared.get_or_insert(name);
        }
        Ok(right)
    }

    pub(super) fn write_rights(&self, writer: &mut Writer, rights: RightSet) {
        writer.count(rights.len());
        for right in rights.iter() {
            self.write_right(writer, right);
        }
    }

    pub(super) fn read_rights(&self, reader: &mut Reader<'_>) -> Result<RightSet, Corrupt> {
        let mut rights = RightSet::EMPTY;
        for _ in 0..reader.count()? {
            if let Some(right) = self.read_right(reader)? {
                rights.insert(right);
            }
        }
        Ok(rights)
    }

    pub(super) fn write_downstream(&self, writer: &mut Writer, number: DownstreamNumber) {
        let name =
            self.policy.downstreams().get(usize::from(number.0)).map_or("", |downstream| downstream.name.as_str());
        writer.bytes(name.as_bytes());
    }

    /// None for a downstream that the policy does not declare.
    pub(super) fn read_downstream(&self, reader: &mut Reader<'_>) -> Result<Option<DownstreamNumber>, Corrupt> {
        let name = reader.text()?;
        let downstream = self.policy.downstream(name);
        if downstream.is_none() {
            reader.undeclared.get_or_insert(name);
        }
        Ok(downstream)
    }
}
