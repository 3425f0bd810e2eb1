//! What was measured, kept as JSON in `bench/results/`, from which `docs/performance.md` is made.

use std::path::PathBuf;

use quell_testbed::tree;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::machine::Circumstances;

/// The rounds of one command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Results<Run> {
    pub circumstances: Circumstances,
    pub runs: Vec<Run>,
}

impl<Run: Serialize + DeserializeOwned> Results<Run> {
    /// Of a command, as somebody would type it.
    pub fn of(command: &str, runs: Vec<Run>) -> Self {
        Self { circumstances: Circumstances::now(command), runs }
    }

    /// Keeps them under a name, in place of the last ones.
    pub fn write(&self, name: &str) {
        let path = path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, serde_json::to_string_pretty(self).unwrap() + "\n").unwrap();
    }

    /// The last ones of a name, if there are any.
    pub fn read(name: &str) -> Option<Self> {
        let text = std::fs::read_to_string(path(name)).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }
}

fn path(name: &str) -> PathBuf {
    tree().join("bench/results").join(format!("{name}.json"))
}
