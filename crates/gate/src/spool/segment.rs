//! Segments: the files of the spool.
//!
//! `[magic]`, then blocks. A block is a header, `[bytes: u32][records: u32][XXH3 of the body: u64]` and
//! `[XXH3 of the header so far: u64]`, and a body, its records: `[topic: u8][key: 16 bytes][timestamp: i64]`,
//! `[bytes: u32]` and the value. Numbers are little-endian.
//!
//! What a crash cuts off at the end of a segment was never answered, or not longer ago than `spool.sync_within`: a block
//! whose header says that it is longer, or fewer bytes than a header has. Everything else that is not as it was written is damage. A crash may leave that, too:
//! some file systems put zeros, or what lay on the disk before, where the end was not yet written. Nobody can tell it
//! from a disk that forgot what was answered, so it is said to be damage.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use quell_domain::Millis;

use super::{Record, Topic};

const MAGIC: &[u8; 8] = b"QSPOOL3\n";
const FIELDS_BYTES: usize = 16;
const HEADER_BYTES: usize = FIELDS_BYTES + 8;

/// What is on its way to Kafka.
const SPOOL: &str = "spool";

/// What Kafka refused.
const REFUSED: &str = "refused";

/// Segments that could not be read whole.
const DAMAGED: &str = "damaged";

/// How much is read at once, if no block is larger.
const READ_BYTES: u64 = 256 << 10;

/// A segment that does not have its magic yet.
const UNFINISHED: &str = "new";

/// The number of a segment; later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SegmentNumber(pub u64);

impl SegmentNumber {
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub fn path(self, directory: &Path) -> PathBuf {
        directory.join(format!("{:020}.{SPOOL}", self.0))
    }

    /// Where what Kafka refused of it is kept.
    pub fn path_of_refused(self, directory: &Path) -> PathBuf {
        self.path(directory).with_extension(REFUSED)
    }
}

/// The segments in a directory, in order, with their sizes.
pub(crate) fn segments(directory: &Path) -> io::Result<Vec<(SegmentNumber, u64)>> {
    numbered(directory, SPOOL)
}

/// What Kafka refused of segments that had some of it, likewise.
pub(super) fn refused(directory: &Path) -> io::Result<Vec<(SegmentNumber, u64)>> {
    numbered(directory, REFUSED)
}

/// The number of the next segment: of none that has left anything in the directory.
pub(super) fn next_number(directory: &Path) -> io::Result<SegmentNumber> {
    let mut last = None;
    for extension in [SPOOL, REFUSED, DAMAGED] {
        last = last.max(numbered(directory, extension)?.last().map(|(number, _)| *number));
    }
    Ok(last.map_or(SegmentNumber(0), SegmentNumber::next))
}

fn numbered(directory: &Path, extension: &str) -> io::Result<Vec<(SegmentNumber, u64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let stem = name.to_str().and_then(|name| name.strip_suffix(extension)).and_then(|name| name.strip_suffix('.'));
        if let Some(number) = stem.and_then(|number| number.parse().ok()) {
            found.push((SegmentNumber(number), entry.metadata()?.len()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Takes a segment out of the spool. Its size.
pub(crate) fn remove(directory: &Path, number: SegmentNumber) -> io::Result<u64> {
    let path = number.path(directory);
    let bytes = bytes_of(&path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(bytes),
    }
}

/// Sets a segment aside, for a human to look at. Its size.
pub(crate) fn set_aside(directory: &Path, number: SegmentNumber) -> io::Result<u64> {
    let path = number.path(directory);
    let bytes = bytes_of(&path)?;
    match fs::rename(&path, path.with_extension(DAMAGED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(bytes),
    }
}

/// A file's size; none if it is not there.
pub(super) fn bytes_of(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// A segment that is being written.
#[derive(Debug)]
pub(crate) struct Segment {
    pub number: SegmentNumber,
    file: Arc<File>,
    /// How much of it is whole.
    pub bytes: u64,
}

impl Segment {
    /// A new one. Its name is on disk, too.
    pub fn create(directory: &Path, number: SegmentNumber) -> io::Result<Self> {
        Self::create_at(number, &number.path(directory))
    }

    /// A new one for what Kafka refused of a segment, in place of the one that there may be.
    pub fn create_for_refused(directory: &Path, number: SegmentNumber) -> io::Result<Self> {
        Self::create_at(number, &number.path_of_refused(directory))
    }

    fn create_at(number: SegmentNumber, path: &Path) -> io::Result<Self> {
        // It gets its name once it has its magic: whenever a crash comes, one that is shorter is damaged.
        let unfinished = path.with_extension(UNFINISHED);
        let file = File::create(&unfinished)?;
        let begun = file
            .write_all_at(MAGIC, 0)
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&unfinished, path))
            .and_then(|()| File::open(path.parent().unwrap_or(path))?.sync_all());
        if let Err(error) = begun {
            // A full disk has room for names long after it has none for bytes, and is tried again many times.
            drop(fs::remove_file(unfinished).or_else(|_| fs::remove_file(path)));
            return Err(error);
        }
        Ok(Self { number, file: Arc::new(file), bytes: MAGIC.len() as u64 })
    }

    /// For whoever has it synced.
    pub fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Appends a block, which is the operating system's then: it outlives the process, not a loss of power. On failure
    /// nothing of it counts.
    pub fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all_at(block, self.bytes)?;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// Appends a block and waits until it is on disk. On failure nothing of it counts, and nobody knows what the disk
    /// has of it: only the same block may be written after that, which then has the same place.
    pub fn append_synced(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all_at(block, self.bytes)?;
        self.file.sync_data()?;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// Cuts off what did not become whole.
    pub fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.bytes)
    }
}

/// Makes a block.
#[derive(Debug, Default)]
pub(crate) struct BlockBuilder {
    bytes: Vec<u8>,
    records: u32,
}

impl BlockBuilder {
    pub fn push<V: AsRef<[u8]>>(&mut self, record: &Record<V>) {
        let value = record.value.as_ref();
        if self.bytes.is_empty() {
            self.bytes.resize(HEADER_BYTES, 0);
        }
        self.bytes.push(record.topic.code());
        self.bytes.extend_from_slice(&record.key);
        self.bytes.extend_from_slice(&record.timestamp.0.to_le_bytes());
        // A record has some kilobytes at most: what callers give is bounded.
        self.bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
        self.bytes.extend_from_slice(value);
        self.records += 1;
    }

    /// The block; the builder is as new.
    pub fn finish(&mut self) -> Vec<u8> {
        let mut block = std::mem::take(&mut self.bytes);
        let records = std::mem::take(&mut self.records);
        if let Some((header, body)) = block.split_first_chunk_mut::<HEADER_BYTES>() {
            let bytes = u32::try_from(body.len()).unwrap_or(u32::MAX);
            *header = Header { bytes, records, checksum: xxh3_64(body) }.encode();
        }
        block
    }
}

/// What stands before the records of a block.
struct Header {
    bytes: u32,
    records: u32,
    checksum: u64,
}

impl Header {
    fn encode(&self) -> [u8; HEADER_BYTES] {
        let [a, b, c, d] = self.bytes.to_le_bytes();
        let [e, f, g, h] = self.records.to_le_bytes();
        let [i, j, k, l, m, n, o, p] = self.checksum.to_le_bytes();
        let fields: [u8; FIELDS_BYTES] = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p];
        let [q, r, s, t, u, v, w, x] = xxh3_64(&fields).to_le_bytes();
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w, x]
    }

    /// None if it is not as it was written.
    fn decode(header: [u8; HEADER_BYTES]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = header;
        let decoded = Self {
            bytes: u32::from_le_bytes([a, b, c, d]),
            records: u32::from_le_bytes([e, f, g, h]),
            checksum: u64::from_le_bytes([i, j, k, l, m, n, o, p]),
        };
        (decoded.encode() == header).then_some(decoded)
    }
}

/// Reads a segment some blocks at a time.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    pub number: SegmentNumber,
    file: File,
    /// Whether its magic was looked at.
    has_begun: bool,
    /// Where the next block begins.
    pub at: u64,
}

/// Whole blocks that were read, one behind the other.
pub(crate) struct Blocks {
    bytes: Vec<u8>,
}

/// What comes next in a segment.
pub(crate) enum Next {
    /// As many as are read at once.
    Blocks(Blocks),
    /// Nothing more, up to where it was asked.
    End,
    /// So many bytes at the end that are no whole block, as a crash leaves them.
    Cut(u64),
    /// So many bytes that are not as they were written; all, in a segment of another version. What is behind comes
    /// next.
    Damaged(u64),
}

impl SegmentReader {
    pub fn open(directory: &Path, number: SegmentNumber) -> io::Result<Self> {
        Self::open_at(directory, number, 0)
    }

    /// One that begins with a block in the middle.
    pub fn open_at(directory: &Path, number: SegmentNumber, at: u64) -> io::Result<Self> {
        Self::open_file(&number.path(directory), number, at)
    }

    /// One of what Kafka refused.
    #[cfg(test)]
    pub fn open_refused(directory: &Path, number: SegmentNumber) -> io::Result<Self> {
        Self::open_file(&number.path_of_refused(directory), number, 0)
    }

    fn open_file(path: &Path, number: SegmentNumber, at: u64) -> io::Result<Self> {
        Ok(Self { number, file: File::open(path)?, has_begun: at > 0, at })
    }

    /// How long the segment is.
    pub fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The next blocks that end at or before `until`, where a block ends, or the segment does.
    pub fn next(&mut self, until: u64) -> io::Result<Next> {
        if !self.has_begun {
            let mut magic = [0; MAGIC.len()];
            let is_ours = until >= magic.len() as u64 && {
                self.file.read_exact_at(&mut magic, 0)?;
                magic == *MAGIC
            };
            self.has_begun = true;
            if !is_ours {
                return Ok(Next::Damaged(self.skip_to(until)));
            }
            self.at = magic.len() as u64;
        }
        let left = until.saturating_sub(self.at);
        if left == 0 {
            return Ok(Next::End);
        }
        // What can be read before a bad place on the disk is.
        let mut bytes = zeros(left.min(READ_BYTES))?;
        let read = self.file.read_at(&mut bytes, self.at)?;
        bytes.truncate(read);
        loop {
            let (whole, first_fault) = whole_blocks(&bytes);
            if whole > 0 {
                bytes.truncate(whole);
                self.at += whole as u64;
                return Ok(Next::Blocks(Blocks { bytes }));
            }
            match first_fault {
                Fault::Altered(length) => return Ok(Next::Damaged(self.skip_to(self.at + length as u64))),
                // Without its length nobody knows where the next one begins.
                Fault::NoHeader => return Ok(Next::Damaged(self.skip_to(until))),
                Fault::Longer(length) if length as u64 <= left => {
                    bytes = zeros(length as u64)?;
                    self.file.read_exact_at(&mut bytes, self.at)?;
                }
                Fault::Longer(_) => return Ok(Next::Cut(self.skip_to(until))),
            }
        }
    }

    /// How many bytes that were.
    fn skip_to(&mut self, at: u64) -> u64 {
        at - std::mem::replace(&mut self.at, at)
    }
}

fn zeros(bytes: u64) -> io::Result<Vec<u8>> {
    Ok(vec![0; usize::try_from(bytes).map_err(io::Error::other)?])
}

/// Why what comes next is no whole block.
enum Fault {
    /// It is so long, and not as it was written.
    Altered(usize),
    /// Its header is not as it was written.
    NoHeader,
    /// It is so long, or at least, and what was read is not.
    Longer(usize),
}

/// How many bytes at the beginning are whole blocks, and why what is behind them is none.
fn whole_blocks(bytes: &[u8]) -> (usize, Fault) {
    let mut rest = bytes;
    let fault = loop {
        let Some((header, behind)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            break Fault::Longer(HEADER_BYTES);
        };
        let Some(Header { bytes, records, checksum }) = Header::decode(*header) else { break Fault::NoHeader };
        // Numbers of 32 bits; whoever reads has more.
        let (bytes, records) = (bytes as usize, records as usize);
        let Some((body, behind)) = behind.split_at_checked(bytes) else { break Fault::Longer(HEADER_BYTES + bytes) };
        if xxh3_64(body) != checksum || records_of(body).count() != records {
            break Fault::Altered(HEADER_BYTES + bytes);
        }
        rest = behind;
    };
    (bytes.len() - rest.len(), fault)
}

impl Blocks {
    /// Their records.
    pub fn records(&self) -> impl Iterator<Item = Record<&[u8]>> {
        let mut rest = self.bytes.as_slice();
        let bodies = std::iter::from_fn(move || {
            let (header, behind) = rest.split_first_chunk::<HEADER_BYTES>()?;
            let (body, behind) = behind.split_at_checked(Header::decode(*header)?.bytes as usize)?;
            rest = behind;
            Some(body)
        });
        bodies.flat_map(records_of)
    }
}

/// The records of a block.
fn records_of(mut rest: &[u8]) -> impl Iterator<Item = Record<&[u8]>> {
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
