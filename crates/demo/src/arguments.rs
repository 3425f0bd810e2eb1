//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use quell_domain::parse_duration;

/// Plays a story and a load on a running engine, shows what comes out, and checks it.
#[derive(Debug, Parser)]
#[command(name = "quell-demo", version)]
pub struct Arguments {
    /// A broker's HOST:PORT
    #[arg(long)]
    pub bootstrap: String,

    /// Where the engine answers over HTTP; once for each of its instances
    #[arg(long, default_value = "http://127.0.0.1:9464", value_name = "URL")]
    pub http: Vec<String>,

    /// The policy that the engine runs with
    #[arg(long, default_value = "policy.toml", value_name = "FILE")]
    pub policy: PathBuf,

    /// What the names of the input topics and of the dead letters' topic begin with
    #[arg(long, default_value = "")]
    pub prefix: String,

    /// The engine's engine.relax_after: no relaxation may come earlier
    #[arg(long, default_value = "2s", value_name = "DURATION", value_parser = parse_duration)]
    pub relax_after: Duration,

    /// How many consumers the load has, with about 7.7 events each; 0: the story alone
    #[arg(long, default_value_t = 100_000)]
    pub consumers: u32,

    /// Events per second of the load [default: as fast as the engine keeps up]
    #[arg(long, value_name = "EVENTS")]
    pub rate: Option<f64>,

    /// All identifiers and all chance come from it, so one seed plays once on a Kafka [default: from the clock]
    #[arg(long)]
    pub seed: Option<u64>,
}
