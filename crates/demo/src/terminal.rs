//! What the watcher of the demo sees: lines, and at a terminal one line that is rewritten.

use std::io::{self, IsTerminal, Write};

/// Back to the first column, and clear what stands there: what comes may be shorter.
const CLEAR_LINE: &str = "\r\x1b[2K";

/// What is too long for the terminal is cut off: of a line that wraps, only the last row could be cleared.
const NO_WRAP: &str = "\x1b[?7l";
const WRAP: &str = "\x1b[?7h";

/// Standard output. Without a terminal the live line is a line like any other, so that a log of it can be read.
pub struct Terminal {
    rewrites: bool,
    live_line_stands: bool,
}

impl Terminal {
    /// Standard output as it is.
    #[must_use]
    pub fn new() -> Self {
        Self { rewrites: io::stdout().is_terminal(), live_line_stands: false }
    }

    /// Prints a line, in the place of the live one if that stands.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if std::mem::take(&mut self.live_line_stands) {
            write!(out, "{CLEAR_LINE}")?;
        }
        writeln!(out, "{}", text.as_ref())?;
        out.flush()
    }

    /// Shows, at a terminal alone, that time passes.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn passing(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        if self.rewrites { self.live(text) } else { Ok(()) }
    }

    /// Prints a line in the place of the last one that was printed in this way.
    ///
    /// # Errors
    /// When nobody reads it any more.
    pub fn live(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        if !self.rewrites {
            return self.line(text);
        }
        let mut out = io::stdout().lock();
        write!(out, "{CLEAR_LINE}{NO_WRAP}{}{WRAP}", text.as_ref())?;
        self.live_line_stands = true;
        out.flush()
    }
}

/// A number with its thousands set apart: 1,234,567.
#[must_use]
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A duration as people say it: 41 ms, 2.3 s, 75 s.
#[must_use]
pub fn in_words(duration: std::time::Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        0.0..1.0 => format!("{} ms", duration.as_millis()),
        1.0..10.0 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(
            [0, 999, 1000, 12_345, 1_234_567].map(thousands),
            ["0", "999", "1,000", "12,345", "1,234,567"].map(str::to_owned)
        );
    }

    #[test]
    fn durations_have_the_digits_that_matter() {
        assert_eq!(
            [41, 999, 2340, 75_400].map(|millis| in_words(Duration::from_millis(millis))),
            ["41 ms", "999 ms", "2.3 s", "75 s"].map(str::to_owned)
        );
    }
}
