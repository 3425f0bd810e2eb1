//! How far a changed policy has been taken up: every node that was stored under another one is reviewed, some with each
//! epoch, beside the live stream. It is a row, so that a crash or a hand-over goes on from there.

use crate::encoding::{Corrupt, Reader, Writer};

/// The review of a shard's nodes under a changed policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// Nodes before this key have been reviewed; none have, if it is empty.
    pub next_key: Vec<u8>,
    /// How many that are.
    pub reviewed: u64,
}

impl Revision {
    /// The row. `basis` is the number of the policy's basis.
    #[must_use]
    pub fn write(&self, basis: u32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.number(u64::from(basis));
        writer.bytes(&self.next_key);
        writer.number(self.reviewed);
        writer.0
    }

    /// Goes on from where a row says, if it is of the same basis; one of another begins anew.
    ///
    /// # Errors
    /// When the bytes are none that [`Revision::write`] wrote.
    pub fn read(bytes: &[u8], basis: u32) -> Result<Self, Corrupt> {
        let mut reader = Reader::new(bytes);
        if reader.number()? != u64::from(basis) {
            return Ok(Self::default());
        }
        Ok(Self { next_key: reader.bytes()?.to_vec(), reviewed: reader.number()? })
    }
}
