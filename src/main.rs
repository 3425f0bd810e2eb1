//! The `quell` binary: arguments, configuration, wiring, exit codes.

mod cli;
mod commands;
mod config;
mod failure;
mod gate;
mod moment;
mod parts;
mod policy;
mod run;
mod values;
mod waiting;

use std::io;
use std::process::ExitCode;

/// An epoch makes and drops hundreds of thousands of small things on several threads: glibc's allocator took a quarter
/// of the engine's time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let done = cli::parse().and_then(|arguments| commands::run(arguments, &mut io::stdout().lock()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
