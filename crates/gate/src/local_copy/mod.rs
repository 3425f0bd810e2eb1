//! The local copy: every current suppression in full, in one file.
//!
//! It is the details behind the index, and what a restart begins with. It only grows: changes are appended in blocks,
//! each with a checksum over itself and all before it, and with how far the topic has been read. So whatever is cut off
//! or altered, what stands before it is whole and says where to read on; what stands behind it is cut off (L1). When most
//! of it has been superseded it is written anew, a part at a time, into a file that takes its place at once or never.

mod block;
mod files;
mod position;
mod rewriting;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use quell_decision::{Change, Location, Suppressions};

use block::{BlockReader, BlockWriter};
pub use files::CopyFiles;
pub use position::{Anchor, Position, Positions};
pub use rewriting::RewriteError;
use rewriting::Rewriting;

const FINISHED: &str = "copy";
const UNFINISHED: &str = "copy.new";

/// Below so many records it is not worth writing anew.
const REWRITE_RECORDS_MIN: u64 = 100_000;

/// The local copy cannot be used; an operator must act.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the local copy in {}", path.display())]
pub struct CopyError {
    /// Where.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// What was found at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How far the topic has been read.
    pub positions: Positions,
    /// Bytes that were cut off.
    pub cut_bytes: u64,
}

/// The writer's end of it. There is one.
#[derive(Debug)]
pub struct LocalCopy {
    directory: PathBuf,
    topic: String,
    files: Arc<CopyFiles>,
    current: Arc<File>,
    generation: u8,
    writer: BlockWriter,
    positions: Positions,
    /// How many records are in the file, those that are superseded included.
    records: u64,
    rewriting: Option<Rewriting>,
}

impl LocalCopy {
    /// Opens the copy in a directory, which is made if it is missing, and fills the index from it. One of another topic
    /// is discarded. Its records are found through `files` from then on.
    ///
    /// # Errors
    /// When the directory or the file cannot be used.
    pub fn open(
        directory: &Path,
        topic: &str,
        index: &Suppressions,
        files: &Arc<CopyFiles>,
    ) -> Result<(Self, Found), CopyError> {
        let failed = |source| CopyError { path: directory.to_owned(), source };
        Self::open_or_fail(directory, topic, index, Arc::clone(files)).map_err(failed)
    }

    fn open_or_fail(
        directory: &Path,
        topic: &str,
        index: &Suppressions,
        files: Arc<CopyFiles>,
    ) -> io::Result<(Self, Found)> {
        fs::create_dir_all(directory)?;
        let found = Self::existing(directory)?;
        let Some((generation, path)) = found else { return Self::begin(directory, topic, 1, files) };
        let file = Arc::new(File::options().read(true).write(true).open(&path)?);
        files.only(generation, Arc::clone(&file));
        let bytes_in_all = file.metadata()?.len();
        let Some(mut reader) = BlockReader::begin(&file, topic)? else {
            return Self::begin_anew(directory, topic, generation, files);
        };
        let (mut positions, mut records) = (Positions::default(), 0);
        while let Some(block) = reader.next()? {
            positions.take(&block.positions());
            for (place, bytes) in block.records() {
                // L1: the block is as it was written. What is no change all the same is another version's.
                let Ok(change) = Change::decode(bytes) else {
                    index.clear();
                    let (copy, found) = Self::begin_anew(directory, topic, generation, files)?;
                    return Ok((copy, Found { cut_bytes: bytes_in_all, ..found }));
                };
                if let Some(at) = files::location(generation, place) {
                    index.apply(&change, at, &*files);
                }
                records += 1;
            }
        }
        let writer = reader.into_writer();
        file.set_len(writer.end)?;
        let cut_bytes = bytes_in_all.saturating_sub(writer.end);
        let found = Found { positions: positions.clone(), cut_bytes };
        let directory = directory.to_owned();
        let (topic, current) = (topic.to_owned(), file);
        let rewriting = None;
        Ok((Self { directory, topic, files, current, generation, writer, positions, records, rewriting }, found))
    }

    /// The finished copy that there is. What was not finished is removed.
    fn existing(directory: &Path) -> io::Result<Option<(u8, PathBuf)>> {
        let mut found = None;
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some((generation, kind)) = name.split_once('.') else { continue };
            match (generation.parse::<u8>(), kind) {
                (Ok(generation), FINISHED) => found = Some((generation, path)),
                (Ok(_), UNFINISHED) => fs::remove_file(path)?,
                _ => {}
            }
        }
        Ok(found)
    }

    /// In place of one that is of no use.
    fn begin_anew(directory: &Path, topic: &str, old: u8, files: Arc<CopyFiles>) -> io::Result<(Self, Found)> {
        fs::remove_file(path_of(directory, old, FINISHED))?;
        Self::begin(directory, topic, old.wrapping_add(1), files)
    }

    fn begin(directory: &Path, topic: &str, generation: u8, files: Arc<CopyFiles>) -> io::Result<(Self, Found)> {
        let (file, writer) = create(&path_of(directory, generation, FINISHED), topic)?;
        files.only(generation, Arc::clone(&file));
        let copy = Self {
            directory: directory.to_owned(),
            topic: topic.to_owned(),
            files,
            current: file,
            generation,
            writer,
            positions: Positions::default(),
            records: 0,
            rewriting: None,
        };
        Ok((copy, Found { positions: Positions::default(), cut_bytes: 0 }))
    }

    /// How large the file is.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.writer.end
    }

    /// How far the topic has been read.
    #[must_use]
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Takes changes up, and how far the topic has been read with them: first into the file, then into the index.
    ///
    /// # Errors
    /// When the file cannot be written to: nothing has been taken up.
    pub fn take(&mut self, changes: &[Change], positions: &Positions, index: &Suppressions) -> io::Result<()> {
        let places = self.append(changes.iter(), positions)?;
        self.positions.take(positions);
        for (change, at) in changes.iter().zip(places) {
            index.apply(change, at, &*self.files);
        }
        Ok(())
    }

    /// Forgets everything: the topic is to be read anew.
    ///
    /// # Errors
    /// When there can be no new file.
    pub fn discard(&mut self, index: &Suppressions) -> Result<(), CopyError> {
        let failed = |source| CopyError { path: self.directory.clone(), source };
        let generation = self.generation.wrapping_add(1);
        let unfinished = path_of(&self.directory, generation, UNFINISHED);
        let (file, writer) = create(&unfinished, &self.topic).map_err(failed)?;
        let mut old = vec![path_of(&self.directory, self.generation, FINISHED)];
        if let Some(rewriting) = self.rewriting.take() {
            old.push(path_of(&self.directory, self.generation, UNFINISHED));
            old.push(path_of(&self.directory, rewriting.from, FINISHED));
        }
        for path in old.into_iter().filter(|path| path.exists()) {
            fs::remove_file(path).map_err(failed)?;
        }
        fs::rename(&unfinished, path_of(&self.directory, generation, FINISHED)).map_err(failed)?;
        index.clear();
        self.files.only(generation, Arc::clone(&file));
        (self.current, self.writer, self.generation) = (file, writer, generation);
        (self.positions, self.records) = (Positions::default(), 0);
        Ok(())
    }

    /// Appends a block. Where its records are.
    fn append<'a>(
        &mut self,
        changes: impl Iterator<Item = &'a Change>,
        positions: &Positions,
    ) -> io::Result<Vec<Location>> {
        let (block, places) = self.writer.block(changes, positions);
        self.current.write_all_at(&block.bytes, self.writer.end)?;
        self.writer.wrote(&block);
        self.records += places.len() as u64;
        let located = places.into_iter().map(|place| files::location(self.generation, place));
        located.collect::<Option<_>>().ok_or_else(|| io::Error::other("the local copy has grown beyond 1 TiB"))
    }
}

fn path_of(directory: &Path, generation: u8, kind: &str) -> PathBuf {
    directory.join(format!("{generation}.{kind}"))
}

fn create(path: &Path, topic: &str) -> io::Result<(Arc<File>, BlockWriter)> {
    let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    let (header, writer) = BlockWriter::begin(topic);
    file.write_all_at(&header, 0)?;
    Ok((Arc::new(file), writer))
}

#[cfg(test)]
mod tests;
