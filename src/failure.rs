//! How a command ends when it does not do what it was asked: one line on stderr, and an exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::ConfigError;
use crate::policy::PolicyFileError;

/// A command that ends early.
#[derive(Debug)]
pub enum Failure {
    /// The arguments, the configuration or the policy are wrong: 2.
    Usage(anyhow::Error),
    /// It was tried, and did not work: 1.
    Failed(anyhow::Error),
    /// All was said on stdout already, as with `--help`: 0.
    Done,
}

impl Failure {
    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(anyhow::Error::msg(message.into()))
    }

    /// It did not work.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(anyhow::Error::msg(message.into()))
    }

    /// Says it, and returns its exit code.
    pub fn report(&self) -> ExitCode {
        let (error, code) = match self {
            Self::Usage(error) => (error, ExitCode::from(2)),
            // Whoever read stdout has seen enough: `quell deadletters list | head`.
            Self::Failed(error) if is_broken_pipe(error) => return ExitCode::SUCCESS,
            Self::Failed(error) => (error, ExitCode::from(1)),
            Self::Done => return ExitCode::SUCCESS,
        };
        // There is nobody left to tell that stderr cannot be written to.
        drop(writeln!(io::stderr(), "quell: {}", one_line(error)));
        code
    }
}

/// The error and its causes. A cause that its error repeats is left out.
fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if !line.contains(&text) {
            line.push_str(if line.is_empty() { "" } else { ": " });
            line.push_str(&text);
        }
    }
    line
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.into())
    }
}

impl From<PolicyFileError> for Failure {
    fn from(error: PolicyFileError) -> Self {
        Self::Usage(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_its_causes_once() {
        let cause = anyhow::Error::new(io::Error::other("disk\n  on fire"));
        let error = cause.context("cannot read the store: disk on fire").context("cannot start");
        assert_eq!(one_line(&error), "cannot start: cannot read the store: disk on fire");
    }
}
