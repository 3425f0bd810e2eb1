//! The log: one line for each thing that matters, on stderr, as text or as JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;

/// How a line of the log looks. `log.format`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, place, what happened, fields. Coloured if stderr is a terminal and `NO_COLOR` is unset.
    Text,
    /// For machines: one JSON object in a line.
    Json,
}

/// Which lines are written: `info`, or `info,quell::epoch=debug`. `log.level`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLevel(String);

/// No log level.
#[derive(Debug, thiserror::Error)]
pub enum LogLevelError {
    /// A word that is none of the levels. It would otherwise be taken for a module's name, and silence everything.
    #[error(
        "\"{0}\" is no level; use error, warn, info, debug or trace, as in \"info\" or \"info,quell::epoch=debug\""
    )]
    Unknown(String),
    /// Something else that cannot be read.
    #[error("\"{level}\" cannot be read; use a level, as in \"info\" or \"info,quell::epoch=debug\"")]
    Unreadable {
        /// What was given.
        level: String,
        /// Why.
        source: ParseError,
    },
}

/// The log cannot begin: this process has one already.
#[derive(Debug, thiserror::Error)]
#[error("cannot begin the log")]
pub struct LoggingError(#[from] TryInitError);

impl LogLevel {
    const WORDS: [&'static str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

    /// Reads a level, or several with the modules that they are for.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, LogLevelError> {
        let is_level = |word: &str| Self::WORDS.iter().any(|known| known.eq_ignore_ascii_case(word));
        let parts: Vec<&str> = text.split(',').map(str::trim).collect();
        for part in &parts {
            let level = part.rsplit('=').next().unwrap_or(part).trim();
            if !is_level(level) {
                return Err(LogLevelError::Unknown(level.to_owned()));
            }
        }
        let text = parts.join(",");
        match EnvFilter::try_new(&text) {
            Ok(_) => Ok(Self(text)),
            Err(source) => Err(LogLevelError::Unreadable { level: text, source }),
        }
    }
}

/// Sends all that is traced from now on to stderr.
///
/// # Errors
/// When this process has a log already.
pub fn init(format: LogFormat, level: &LogLevel) -> Result<(), LoggingError> {
    use tracing_subscriber::util::SubscriberInitExt as _;

    let lines = tracing_subscriber::fmt().with_env_filter(EnvFilter::new(&level.0)).with_writer(io::stderr);
    match format {
        LogFormat::Text => {
            let coloured =
                io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            lines.with_ansi(coloured).finish().try_init()?;
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_instead_of_silencing_everything() {
        for level in ["info", "INFO", "off", "info,quell::epoch=debug", "warn, rdkafka=trace"] {
            LogLevel::parse(level).unwrap();
        }
        let error = |level| LogLevel::parse(level).unwrap_err().to_string();
        insta::assert_snapshot!(error("inof"), @r#""inof" is no level; use error, warn, info, debug or trace, as in "info" or "info,quell::epoch=debug""#);
        insta::assert_snapshot!(error("info,quell::epoch=loud"), @r#""loud" is no level; use error, warn, info, debug or trace, as in "info" or "info,quell::epoch=debug""#);
        insta::assert_snapshot!(error(""), @r#""" is no level; use error, warn, info, debug or trace, as in "info" or "info,quell::epoch=debug""#);
    }
}
