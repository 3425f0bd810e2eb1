//! Numbers and strings as bytes.

use quell_domain::{Identifier, Millis};

/// Stored bytes are not what this version writes: the disk is broken, or another version wrote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes cannot be read")]
pub struct Corrupt;

/// Appends to a buffer.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push((number & 0x7f) as u8);
    }

    pub fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    pub fn signed(&mut self, number: i64) {
        self.number(((number << 1) ^ (number >> 63)).cast_unsigned());
    }

    pub fn millis(&mut self, at: Millis) {
        self.signed(at.0);
    }

    pub fn fixed(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.raw(bytes);
    }

    pub fn identifier(&mut self, identifier: &Identifier) {
        self.bytes(identifier.as_bytes());
    }
}

/// Reads from a buffer.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
    /// A name that was read and that the policy does not declare.
    pub undeclared: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes, undeclared: None }
    }

    pub fn byte(&mut self) -> Result<u8, Corrupt> {
        let (first, rest) = self.left.split_first().ok_or(Corrupt)?;
        self.left = rest;
        Ok(*first)
    }

    pub fn number(&mut self) -> Result<u64, Corrupt> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(Corrupt)
    }

    /// A count of things of at least one byte each: no more than bytes are left.
    pub fn count(&mut self) -> Result<usize, Corrupt> {
        let count = usize::try_from(self.number()?).map_err(|_| Corrupt)?;
        if count <= self.left.len() { Ok(count) } else { Err(Corrupt) }
    }

    pub fn signed(&mut self) -> Result<i64, Corrupt> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    pub fn millis(&mut self) -> Result<Millis, Corrupt> {
        self.signed().map(Millis)
    }

    pub fn fixed(&mut self) -> Result<u64, Corrupt> {
        let (number, rest) = self.left.split_first_chunk::<8>().ok_or(Corrupt)?;
        self.left = rest;
        Ok(u64::from_be_bytes(*number))
    }

    pub fn raw(&mut self, length: usize) -> Result<&'a [u8], Corrupt> {
        let (bytes, rest) = self.left.split_at_checked(length).ok_or(Corrupt)?;
        self.left = rest;
        Ok(bytes)
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], Corrupt> {
        let length = self.count()?;
        self.raw(length)
    }

    pub fn text(&mut self) -> Result<&'a str, Corrupt> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Corrupt)
    }

    pub fn identifier(&mut self) -> Result<Identifier, Corrupt> {
        Identifier::from_bytes(self.bytes()?).map_err(|_| Corrupt)
    }

    pub fn end(&self) -> Result<(), Corrupt> {
        if self.left.is_empty() { Ok(()) } else { Err(Corrupt) }
    }
}
