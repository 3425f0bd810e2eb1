//! Primitive values.

use std::borrow::Cow;

/// What is wrong with the bytes.
pub(super) type Fault = &'static str;

/// Reads Avro's binary encoding. Never reads past the end, and never believes a count that the bytes cannot hold.
#[derive(Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, Fault> {
        let (first, rest) = self.0.split_first().ok_or("ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn long(&mut self) -> Result<i64, Fault> {
        let mut number = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err("has a number of more than 64 bits");
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok((number >> 1).cast_signed() ^ -((number & 1).cast_signed()));
            }
        }
        Err("has a number of more than 64 bits")
    }

    pub fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?).map_err(|_| "has a number of more than 32 bits")
    }

    pub fn boolean(&mut self) -> Result<bool, Fault> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err("has a boolean that is neither true nor false"),
        }
    }

    pub fn string(&mut self) -> Result<&'a str, Fault> {
        let length = usize::try_from(self.long()?).map_err(|_| "has a string of negative length")?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("ends too early")?;
        self.0 = rest;
        std::str::from_utf8(bytes).map_err(|_| "has a string that is not UTF-8")
    }

    pub fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.string().map(Cow::Borrowed)
    }

    pub fn optional_string(&mut self) -> Result<Option<&'a str>, Fault> {
        self.union(Self::string)
    }

    /// A union of null and something.
    pub fn union<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<Option<T>, Fault> {
        match self.long()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err("has a union of an unknown branch"),
        }
    }

    /// One of `symbols` values.
    pub fn symbol(&mut self, symbols: i64) -> Result<i64, Fault> {
        let symbol = self.long()?;
        if (0..symbols).contains(&symbol) { Ok(symbol) } else { Err("has an unknown symbol") }
    }

    /// The items of an array, or the entries of a map, each of at least one byte.
    pub fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block's size in bytes follows, for those who want to skip it.
                let size = self.long()?;
                if usize::try_from(size).map_or(true, |size| size > self.0.len()) {
                    return Err("has a block of a wrong size");
                }
                count = count.checked_neg().ok_or("has too long a block")?;
            }
            if usize::try_from(count).map_or(true, |count| count > self.0.len()) {
                return Err("ends too early");
            }
            for _ in 0..count {
                item(self)?;
            }
        }
    }

    pub fn attributes(&mut self) -> Result<(), Fault> {
        self.blocks(|reader| {
            reader.string()?;
            reader.string().map(drop)
        })
    }

    pub fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err("has bytes after its end") }
    }
}
