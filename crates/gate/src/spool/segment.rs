//! Segments: the files of the spool.
//!
//! `[magic]`, then blocks. A block is a header, `[bytes: u32][records: u32][XXH3 of the body: u64]` and
//! `[XXH3 of the header so far: u64]`, and a body, its records: `[topic: u8][key: 16 bytes][timestamp: i64]`,
//! `[bytes: u32]` and the value. Numbers are little-endian.
//!
//! What a crash cuts off at the end of a segment was never answered: a block whose header says that it is longer, or
//! fewer bytes than a header has. Everything else that is not as it was written is damage. A crash may leave that, too:
//! some file systems put zeros, or what lay on the disk before, where the end was not yet written. Nobody can tell it
//! from a disk that forgot what was answered, so it is said to be damage.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

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
    file: File,
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
        Ok(Self { number, file, bytes: MAGIC.len() as u64 })
    }

    /// Appends a block and waits until it is on disk. On failure nothing of it counts, and nobody knows what the disk
    /// has of it: only the same block may be written after that, which then has the same place.
    pub fn append(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all_at(block, self.bytes)?;
        self.sync()?;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// Appends a block, which is the operating system's then: it outlives the process, not a loss of power.
    pub fn append_unsynced(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.write_all_at(block, self.bytes)?;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// Waits until all of it is on disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
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

/// Reads a segment block by block.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    pub number: SegmentNumber,
    file: File,
    /// Whether its magic was looked at.
    has_begun: bool,
    /// Where the next block begins.
    pub at: u64,
}

/// A block that was read.
pub(crate) struct Block {
    body: Vec<u8>,
}

/// What comes next in a segment.
pub(crate) enum Next {
    Block(Block),
    /// Nothing more, up to where it was asked.
    End,
    /// So many bytes at the end that are no whole block, as a crash leaves them: nothing of them was answered.
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

    /// The next block that ends at or before `until`, where a block ends, or the segment does.
    pub fn next(&mut self, until: u64) -> io::Result<Next> {
        if !std::mem::replace(&mut self.has_begun, true) {
            let mut magic = [0; MAGIC.len()];
            if until < magic.len() as u64 {
                return Ok(Next::Damaged(self.skip_to(until)));
            }
            self.file.read_exact_at(&mut magic, 0)?;
            if magic != *MAGIC {
                return Ok(Next::Damaged(self.skip_to(until)));
            }
            self.at = magic.len() as u64;
        }
        if self.at >= until {
            return Ok(Next::End);
        }
        let mut header = [0; HEADER_BYTES];
        let body_at = self.at + HEADER_BYTES as u64;
        if body_at > until {
            return Ok(Next::Cut(self.skip_to(until)));
        }
        self.file.read_exact_at(&mut header, self.at)?;
        // Without its length nobody knows where the next one begins.
        let Some(header) = Header::decode(header) else { return Ok(Next::Damaged(self.skip_to(until))) };
        let end = body_at + u64::from(header.bytes);
        if end > until {
            return Ok(Next::Cut(self.skip_to(until)));
        }
        let mut body = vec![0; usize::try_from(header.bytes).map_err(io::Error::other)?];
        self.file.read_exact_at(&mut body, body_at)?;
        let is_whole = xxh3_64(&body) == header.checksum;
        let block = Block { body };
        let records = usize::try_from(header.records).map_err(io::Error::other)?;
        let bytes = self.skip_to(end);
        if is_whole && block.records().count() == records { Ok(Next::Block(block)) } else { Ok(Next::Damaged(bytes)) }
    }

    /// How many bytes that were.
    fn skip_to(&mut self, at: u64) -> u64 {
        at - std::mem::replace(&mut self.at, at)
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
