//! What it all came to.

use std::collections::BTreeMap;
use std::io;

use crate::check::Report;
use crate::load::Outcome;
use crate::terminal::{Terminal, in_words, thousands};

/// So many faults show what is wrong; the others are counted.
const FAULTS_SHOWN_MAX: usize = 10;

/// Prints it.
///
/// # Errors
/// When nobody reads it any more.
pub fn show(outcome: &Outcome, report: &Report, terminal: &mut Terminal) -> io::Result<()> {
    terminal.line("\nSummary of the load")?;
    let rate = outcome.events * 1000 / u64::try_from(outcome.took.as_millis()).unwrap_or(u64::MAX).max(1);
    terminal.line(format!(
        "  events in          {} in {}: {} per second",
        thousands(outcome.events),
        in_words(outcome.took),
        thousands(rate)
    ))?;
    terminal.line(format!("  suppressions out   {}", counts(&outcome.suppressions)))?;
    terminal.line(format!("  dead letters       {}", counts(&outcome.dead_letters)))?;
    terminal.line(match outcome.propagation {
        None => "  propagation        nothing was measured".to_owned(),
        Some(times) => format!(
            "  propagation        p50 {}, p99 {}, from sending to a read_committed reader, of {} whose cause is known",
            in_words(times.p50),
            in_words(times.p99),
            thousands(times.count as u64)
        ),
    })?;

    if outcome.was_full {
        terminal
            .line("                     under as much load as it takes; --rate 2000 shows it with room to spare")?;
    }

    terminal.line("\nThe check of all that the topics hold")?;
    terminal.line(format!("  identifiers told about  {}", counts(&report.expected)))?;
    terminal.line(format!("  dead letters            {}", counts(&report.dead_letters)))?;
    if report.is_right() {
        return terminal.line("  every expected suppression is there, and no other: the final state is right");
    }
    terminal.line(format!("  NOT RIGHT: {} faults", thousands(report.faults.len() as u64)))?;
    for fault in report.faults.iter().take(FAULTS_SHOWN_MAX) {
        terminal.line(format!("    {fault}"))?;
    }
    Ok(())
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {}", thousands(*count))).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
