//! A test's other process: the same program again, running one ignored test.

use std::path::{Path, PathBuf};
use std::process::Command;

const STORE_PATH: &str = "QUELL_TEST_STORE_PATH";

/// A command that runs an ignored test of this program on a store, after a line of shell.
pub fn command(test: &str, store: &Path, shell: &str) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("{shell} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(STORE_PATH, store);
    command
}

/// In the other process: the store that it was given; none if somebody runs all the ignored tests.
pub fn store_path() -> Option<PathBuf> {
    std::env::var_os(STORE_PATH).map(PathBuf::from)
}
