//! Blocks: `[bytes: u32][checksum: u64]`, then positions, then records.
//!
//! A checksum is XXH3 of the block, seeded with that of the block before: no block can be left out, or moved. A record is
//! `[bytes: u32][checksum: u32]` and a change, so that it can be read by itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use quell_decision::Change;
use quell_topic_id::TopicId;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::position::{Anchor, Position, Positions};

const MAGIC: &[u8; 8] = b"QCOPY2\r\n";
const HEADER_BYTES: usize = 12;

/// What stands before a record's bytes.
pub(super) const RECORD_HEADER_BYTES: usize = 8;

/// No block is larger: whatever says so is no header.
const BLOCK_BYTES_MAX: u64 = 1 << 30;

/// The checksum of a record.
pub(super) fn record_checksum(bytes: &[u8]) -> [u8; 4] {
    let [a, b, c, d, ..] = xxh3_64(bytes).to_le_bytes();
    [a, b, c, d]
}

/// Where to write on.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockWriter {
    pub end: u64,
    chain: u64,
}

/// A block to be written.
pub(super) struct NewBlock {
    pub bytes: Vec<u8>,
    checksum: u64,
}

impl BlockWriter {
    /// A file's first bytes.
    pub fn begin(topic: &str) -> (Vec<u8>, Self) {
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&length(topic.len()).to_le_bytes());
        header.extend_from_slice(topic.as_bytes());
        let writer = Self { end: header.len() as u64, chain: xxh3_64(&header) };
        (header, writer)
    }

    /// The block of some changes; and where in the file each of them will be.
    pub fn block<'a>(&self, changes: impl Iterator<Item = &'a Change>, positions: &Positions) -> (NewBlock, Vec<u64>) {
        let mut bytes = vec![0; HEADER_BYTES];
        put_positions(&mut bytes, positions);
        let mut places = Vec::with_capacity(changes.size_hint().0);
        for change in changes {
            places.push(self.end + bytes.len() as u64);
            let begin = bytes.len();
            bytes.resize(begin + RECORD_HEADER_BYTES, 0);
            change.encode(&mut bytes);
            let (record, checksum) = match bytes.get(begin + RECORD_HEADER_BYTES..) {
                Some(record) => (length(record.len()).to_le_bytes(), record_checksum(record)),
                None => continue,
            };
            if let Some(header) = bytes.get_mut(begin..begin + RECORD_HEADER_BYTES) {
                header.iter_mut().zip(record.into_iter().chain(checksum)).for_each(|(to, from)| *to = from);
            }
        }
        let mut checksum = 0;
        if let Some((header, body)) = bytes.split_first_chunk_mut::<HEADER_BYTES>() {
            checksum = xxh3_64_with_seed(body, self.chain);
            let parts = length(body.len()).to_le_bytes().into_iter().chain(checksum.to_le_bytes());
            header.iter_mut().zip(parts).for_each(|(to, from)| *to = from);
        }
        (NewBlock { bytes, checksum }, places)
    }

    /// A block was written.
    pub fn wrote(&mut self, block: &NewBlock) {
        self.end += block.bytes.len() as u64;
        self.chain = block.checksum;
    }
}

/// A batch is bounded by the reader, far below this.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

fn put_positions(out: &mut Vec<u8>, positions: &Positions) {
    out.extend_from_slice(&positions.topic.map_or([0; 16], |topic| topic.0));
    out.extend_from_slice(&length(positions.partitions.len()).to_le_bytes());
    for (partition, position) in &positions.partitions {
        out.extend_from_slice(&partition.to_le_bytes());
        out.extend_from_slice(&position.next_offset.to_le_bytes());
        out.extend_from_slice(&length(position.anchors.len()).to_le_bytes());
        for anchor in &position.anchors {
            out.extend_from_slice(&anchor.offset.to_le_bytes());
            out.extend_from_slice(&anchor.fingerprint.to_le_bytes());
        }
    }
}

/// Reads a file block by block, from its beginning.
pub(super) struct BlockReader<'a> {
    file: &'a File,
    bytes: u64,
    writer: BlockWriter,
    buffer: Vec<u8>,
}

/// A block that was read.
pub(super) struct Block<'a> {
    body: &'a [u8],
    /// Where the body begins in the file.
    at: u64,
}

impl<'a> BlockReader<'a> {
    /// None if the file is not a copy of this topic.
    pub fn begin(file: &'a File, topic: &str) -> io::Result<Option<Self>> {
        let (expected, writer) = BlockWriter::begin(topic);
        let bytes = file.metadata()?.len();
        let mut header = vec![0; expected.len()];
        if bytes < header.len() as u64 {
            return Ok(None);
        }
        file.read_exact_at(&mut header, 0)?;
        Ok((header == expected).then_some(Self { file, bytes, writer, buffer: Vec::new() }))
    }

    /// The next block that is whole, and follows the one before.
    pub fn next(&mut self) -> io::Result<Option<Block<'_>>> {
        let (at, left) = (self.writer.end, self.bytes.saturating_sub(self.writer.end));
        let mut header = [0; HEADER_BYTES];
        if left < HEADER_BYTES as u64 {
            return Ok(None);
        }
        self.file.read_exact_at(&mut header, at)?;
        let [a, b, c, d, checksum @ ..] = header;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        if length > BLOCK_BYTES_MAX || length > left - HEADER_BYTES as u64 {
            return Ok(None);
        }
        self.buffer.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        let body_at = at + HEADER_BYTES as u64;
        self.file.read_exact_at(&mut self.buffer, body_at)?;
        let checksum = u64::from_le_bytes(checksum);
        if xxh3_64_with_seed(&self.buffer, self.writer.chain) != checksum {
            return Ok(None);
        }
        self.writer = BlockWriter { end: body_at + length, chain: checksum };
        Ok(Some(Block { body: &self.buffer, at: body_at }))
    }

    /// Where to write on: behind the last whole block.
    pub fn into_writer(self) -> BlockWriter {
        self.writer
    }
}

impl<'a> Block<'a> {
    /// How far the topic was read.
    pub fn positions(&self) -> Positions {
        self.parse().0
    }

    /// Its records, and where each is in the file.
    pub fn records(&self) -> impl Iterator<Item = (u64, &'a [u8])> {
        let (_, mut rest) = self.parse();
        let (all, at) = (self.body.len(), self.at);
        std::iter::from_fn(move || {
            let place = at + (all - rest.0.len()) as u64;
            let bytes = rest.number()?;
            rest.number()?;
            Some((place, rest.bytes(usize::try_from(bytes).ok()?)?))
        })
    }

    fn parse(&self) -> (Positions, Rest<'a>) {
        let mut rest = Rest(self.body);
        let topic = rest.bytes(16).and_then(|id| id.try_into().ok()).filter(|id| *id != [0; 16]).map(TopicId);
        let mut positions = Positions { topic, ..Positions::default() };
        for _ in 0..rest.number().unwrap_or(0) {
            let Some((partition, position)) = position(&mut rest) else { break };
            positions.partitions.insert(partition, position);
        }
        (positions, rest)
    }
}

fn position(rest: &mut Rest<'_>) -> Option<(i32, Position)> {
    let partition = rest.number()?.cast_signed();
    let next_offset = rest.long()?.cast_signed();
    let anchors = (0..rest.number()?)
        .map(|_| Some(Anchor { offset: rest.long()?.cast_signed(), fingerprint: rest.long()? }))
        .collect::<Option<_>>()?;
    Some((partition, Position { next_offset, anchors }))
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*number))
    }

    fn long(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }
}
