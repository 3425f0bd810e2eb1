//! Segments: the files of the spool.
//!
//! `[magic]`, then blocks: `[bytes: u32][records: u32][XXH3 of the rest: u64]`, then records:
//! `[topic: u8][key: 16 bytes][timestamp: i64][bytes: u32]` and the value. Numbers are little-endian. A block that was cut
//! off by a crash was never answered, and is the end of its segment.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use quell_domain::Millis;

use super::{Record, Topic};

const MAGIC: &[u8; 8] = b"QSPOOL2\n";
const HEADER_BYTES: usize = 16;
const SUFFIX: &str = ".spool";

/// The number of a segment; later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentNumber(pub u64);

impl SegmentNumber {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub fn path(self, directory: &Path) -> PathBuf {
        directory.join(format!("{:020}{SUFFIX}", self.0))
    }
}

/// The segments in a directory, in order, with their sizes.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<(SegmentNumber, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|number| number.parse().ok());
        if let Some(number) = number {
            found.push((SegmentNumber(number), entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Takes a segment out of the spool. Its size.
pub(crate) fn remove(directory: &Path, number: SegmentNumber) -> io::Result<u64> {
    let path = number.path(directory);
    let bytes = fs::metadata(&path)?.len();
    fs::remove_file(path)?;
    Ok(bytes)
}

/// Sets a segment aside, for a human to look at. Its size.
pub(crate) fn set_aside(directory: &Path, number: SegmentNumber) -> io::Result<u64> {
    let path = number.path(directory);
    let bytes = fs::metadata(&path)?.len();
    fs::rename(&path, path.with_extension("damaged"))?;
    Ok(bytes)
}

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct Segment {
    pub number: SegmentNumber,
    file: File,
    /// How much of it is whole and on disk.
    pub bytes: u64,
}

impl Segment {
    /// A new one. Its name is on disk, too.
    pub fn create(directory: &Path, number: SegmentNumber) -> io::Result<Self> {
        let path = number.path(directory);
        let mut file = File::options().write(true).create_new(true).open(&path)?;
        let begun =
            file.write_all(MAGIC).and_then(|()| file.sync_all()).and_then(|()| File::open(directory)?.sync_all());
        if let Err(error) = begun {
            // A full disk has room for names long after it has none for bytes, and is tried again many times.
            drop(fs::remove_file(path));
            return Err(error);
        }
        Ok(Self { number, file, bytes: MAGIC.len() as u64 })
    }

    /// Appends a block and waits until it is on disk. On failure nothing of it counts, and the segment must not be
    /// written to again: after a failed sync nobody knows what the disk has.
    pub fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all_at(block, self.bytes)?;
        self.file.sync_data()?;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// Cuts off what did not become whole.
    pub fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.bytes)?;
        self.file.sync_all()
    }
}

/// Makes a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    records: u32,
}

impl BlockBuilder {
    pub fn push(&mut self, record: &Record) {
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER_BYTES, 0);
        }
        self.bytes.push(record.topic.code());
        self.bytes.extend_from_slice(&record.key);
        self.bytes.extend_from_slice(&record.timestamp.0.to_le_bytes());
        // A record has some kilobytes at most: what callers give is bounded.
        self.bytes.extend_from_slice(&u32::try_from(record.value.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(&record.value);
        self.records += 1;
    }

    /// The block; the builder is as new.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut block = std::mem::take(&mut self.bytes);
        let records = std::mem::take(&mut self.records);
        if let Some((header, body)) = block.split_first_chunk_mut::<HEADER_BYTES>() {
            let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
            *header = header_of(bytes, records, xxh3_64(body));
        }
        block
    }
}

fn header_of(bytes: u32, records: u32, checksum: u64) -> [u8; HEADER_BYTES] {
    let [a, b, c, d] = bytes.to_le_bytes();
    let [e, f, g, h] = records.to_le_bytes();
    let [i, j, k, l, m, n, o, p] = checksum.to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
}

/// Reads a segment block by block.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    pub number: SegmentNumber,
    file: File,
    /// Where the next block begins.
    pub at: u64,
}

/// A block that was read.
pub(crate) struct Block {
    body: Vec<u8>,
    /// Where the next one begins.
    pub end: u64,
}

/// What comes next in a segment.
pub(crate) enum Next {
    Block(Block),
    /// Nothing more, up to where it was asked.
    End,
    /// A block that was cut off: whoever wrote it was, too, and answered none of it.
    Cut,
    /// A block that is not as it was written, or a segment of another version.
    Damaged,
}

impl SegmentReader {
    pub fn open(directory: &Path, number: SegmentNumber) -> io::Result<Self> {
        Self::open_at(directory, number, 0)
    }

    /// One that begins with a block in the middle.
    pub fn open_at(directory: &Path, number: SegmentNumber, at: u64) -> io::Result<Self> {
        Ok(Self { number, file: File::open(number.path(directory))?, at })
    }

    /// How long the segment is.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The next block that ends at or before `until`.
    pub fn next(&mut self, until: u64) -> io::Result<Next> {
        if self.at >= until {
            return Ok(Next::End);
        }
        if self.at == 0 {
            let mut magic = [0; MAGIC.len()];
            if until < magic.len() as u64 {
                return Ok(Next::Cut);
            }
            self.file.read_exact_at(&mut magic, 0)?;
            if magic != *MAGIC {
                return Ok(Next::Damaged);
            }
            self.at = magic.len() as u64;
            if self.at == until {
                return Ok(Next::End);
            }
        }
        let mut header = [0; HEADER_BYTES];
        if self.at + HEADER_BYTES as u64 > until {
            return Ok(Next::Cut);
        }
        self.file.read_exact_at(&mut header, self.at)?;
        let [a, b, c, d, e, f, g, h, checksum @ ..] = header;
        let records = usize::try_from(u32::from_le_bytes([e, f, g, h])).map_err(io::Error::other)?;
        let bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
        let body_at = self.at + HEADER_BYTES as u64;
        if body_at + bytes > until {
            return Ok(Next::Cut);
        }
        let mut body = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut body, body_at)?;
        let is_whole = xxh3_64(&body) == u64::from_le_bytes(checksum);
        let block = Block { body, end: body_at + bytes };
        if !is_whole || block.records().count() != records {
            return Ok(Next::Damaged);
        }
        self.at = block.end;
        Ok(Next::Block(block))
    }
}

impl Block {
    /// Its records.
    pub fn records(&self) -> impl Iterator<Item = Record<&[u8]>> {
        let mut rest = self.body.as_slice();
        std::iter::from_fn(move || {
            let ([code], after) = rest.split_first_chunk::<1>()?;
            let (key, after) = after.split_first_chunk::<16>()?;
            let (timestamp, after) = after.split_first_chunk::<8>()?;
            let (bytes, after) = after.split_first_chunk::<4>()?;
            let (value, after) = after.split_at_checked(usize::try_from(u32::from_le_bytes(*bytes)).ok()?)?;
            rest = after;
            let timestamp = Millis(i64::from_le_bytes(*timestamp));
            Some(Record { topic: Topic::of_code(*code)?, key: *key, timestamp, value })
        })
    }
}
