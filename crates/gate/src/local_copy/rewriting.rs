//! Writing the copy anew, without what has been superseded.
//!
//! By the thread that writes it, in turns with what comes from Kafka: so an identifier is never moved while it changes.
//! From the beginning on, changes go to the new file; one part of the index after the other is moved there. Until all
//! are, the old file is the copy: a crash leaves it with the positions that it had, and the new one is removed.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;

use quell_decision::{Change, Suppressions};

use super::files::generation_of;
use super::position::Positions;
use super::{FINISHED, LocalCopy, REWRITE_RECORDS_MIN, UNFINISHED, create, path_of};

/// Where it stands.
#[derive(Debug)]
pub(super) struct Rewriting {
    /// The old file.
    pub from: u8,
    part: usize,
}

/// The copy cannot be written anew.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// A record of the old file cannot be read, and would be lost: all has to be read from Kafka again.
    #[error("a record of the local copy cannot be read")]
    Unreadable,
    /// The disk. It is tried again.
    #[error("cannot write the local copy anew: {0}")]
    Io(#[from] io::Error),
}

impl LocalCopy {
    /// Whether it is being written anew, or most of it has been superseded.
    #[must_use]
    pub fn wants_rewriting(&self, index: &Suppressions) -> bool {
        let live = u64::try_from(index.len()).unwrap_or(u64::MAX);
        self.rewriting.is_some() || (self.records > REWRITE_RECORDS_MIN && self.records / 2 > live)
    }

    /// Does one part of it. Whether all is done.
    ///
    /// # Errors
    /// See [`RewriteError`].
    pub fn rewrite(&mut self, index: &Suppressions) -> Result<bool, RewriteError> {
        let Some(rewriting) = &self.rewriting else {
            self.begin_rewriting()?;
            return Ok(false);
        };
        let (from, part) = (rewriting.from, rewriting.part);
        let Some(locations) = index.locations(part) else {
            self.finish_rewriting(from)?;
            return Ok(true);
        };
        let old: Vec<_> = locations.into_iter().filter(|at| generation_of(*at) == from).collect();
        let changes = old.iter().map(|at| self.files.change(*at)).collect::<Option<Vec<Change>>>();
        let changes = changes.ok_or(RewriteError::Unreadable)?;
        let places = self.append(changes.iter(), &Positions::default())?;
        for ((change, from), to) in changes.iter().zip(old).zip(places) {
            index.moved(change.identifier(), from, to);
        }
        self.rewriting = Some(Rewriting { from, part: part + 1 });
        Ok(false)
    }

    fn begin_rewriting(&mut self) -> io::Result<()> {
        let generation = self.generation.wrapping_add(1);
        let (file, writer) = create(&path_of(&self.directory, generation, UNFINISHED), &self.topic)?;
        self.files.add(generation, Arc::clone(&file));
        self.rewriting = Some(Rewriting { from: self.generation, part: 0 });
        (self.current, self.writer, self.generation, self.records) = (file, writer, generation, 0);
        Ok(())
    }

    fn finish_rewriting(&mut self, from: u8) -> io::Result<()> {
        let positions = self.positions.clone();
        self.append(std::iter::empty(), &positions)?;
        self.current.sync_all()?;
        let unfinished = path_of(&self.directory, self.generation, UNFINISHED);
        // Removed first: two finished copies would leave open which one holds. Without any, all is read from Kafka.
        fs::remove_file(path_of(&self.directory, from, FINISHED))?;
        fs::rename(unfinished, path_of(&self.directory, self.generation, FINISHED))?;
        File::open(&self.directory)?.sync_all()?;
        self.files.only(self.generation, Arc::clone(&self.current));
        self.rewriting = None;
        Ok(())
    }
}
