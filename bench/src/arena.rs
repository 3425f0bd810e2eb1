//! Where it happens: a real broker, a directory, and names that nobody else has.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};

use quell_testbed::broker::broker;
use tempfile::TempDir;

use crate::topics::{Inputs, create};

pub struct Arena {
    bootstrap: String,
    broker: u32,
    dir: RefCell<TempDir>,
    path: PathBuf,
    names: Cell<u32>,
}

impl Arena {
    /// Starts a broker, which ends with this process.
    pub fn open() -> Self {
        let broker = broker();
        let dir = tempfile::Builder::new().prefix("quell-bench-").tempdir().unwrap();
        let path = dir.path().to_path_buf();
        Self {
            bootstrap: broker.bootstrap.clone(),
            broker: broker.process(),
            dir: RefCell::new(dir),
            path,
            names: Cell::new(0),
        }
    }

    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The broker's process.
    pub fn broker(&self) -> u32 {
        self.broker
    }

    pub fn dir(&self) -> &Path {
        &self.path
    }

    /// No figure counts without the right state, and whoever wants to know why it was not needs the logs.
    pub fn fail(&self, name: &str, fault: &str) -> ! {
        self.dir.borrow_mut().disable_cleanup(true);
        panic!("{name}: {fault}; the logs are in {}", self.path.display());
    }

    pub fn new_name(&self) -> String {
        self.names.set(self.names.get() + 1);
        format!("run{:03}", self.names.get())
    }

    pub fn new_inputs(&self) -> Inputs {
        let inputs = Inputs::of(&self.new_name());
        create(&self.bootstrap, &inputs.names(), "delete");
        inputs
    }
}
