//! A wall clock that steps, for one process: the machine's own is everybody's.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

/// For Linux, and whoever has a C compiler: RocksDB takes one as well.
pub struct SteppedClock {
    file: File,
    environment: [(&'static str, String); 2],
}

impl SteppedClock {
    /// It shows what the machine's shows, at first.
    pub fn new(directory: &Path) -> Self {
        let (source, library) = (directory.join("stepped_clock.c"), directory.join("stepped_clock.so"));
        std::fs::write(&source, include_str!("stepped_clock.c")).unwrap();
        let compiled = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status().unwrap();
        assert!(compiled.success());
        let path = directory.join("stepped_clock");
        let file = File::create(&path).unwrap();
        let text = |path: &Path| path.display().to_string();
        let clock = Self { file, environment: [("LD_PRELOAD", text(&library)), ("STEPPED_CLOCK", text(&path))] };
        clock.set_ahead(0);
        clock
    }

    /// What a process has to find in its environment.
    pub fn environment(&self) -> Vec<(&str, &str)> {
        self.environment.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    /// From now on it is so many seconds ahead of the machine's.
    pub fn set_ahead(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
