//! `quell topics create`

use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use quell_decision::RightBits;
use quell_kafka::{Checked, Cleanup, Finding, TopicAdmin, TopicPlan, TopicsError};
use rdkafka::ClientConfig;

use crate::config::{Config, GateConfig};
use crate::failure::Failure;
use crate::{gate, parts, policy};

/// How long one question to the brokers waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a topic that was just made may be unknown to some broker.
const SETTLE_DEADLINE: Duration = Duration::from_secs(10);
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

/// Arguments of `quell topics create`.
#[derive(Debug, Args)]
pub struct CreateArguments {
    /// Those of the gate, by gate.toml unless --config says otherwise
    #[arg(long)]
    gate: bool,
}

/// Topics that are looked after.
struct Topics {
    admin: ClientConfig,
    bootstrap_servers: String,
    /// Those that are made if they are missing.
    made: Vec<TopicPlan>,
    /// Those that must be there beside them.
    needed: Vec<TopicPlan>,
}

/// Makes the topics that are missing, and says what is wrong with the others.
///
/// # Errors
/// When that cannot be done, or anything is wrong.
pub fn create(path: Option<&Path>, asked: &CreateArguments, out: &mut dyn Write) -> Result<(), Failure> {
    let Topics { admin, bootstrap_servers, made: plans, needed } =
        if asked.gate { of_the_gate(path)? } else { of_the_engine(path)? };
    let unusable = |error: TopicsError| Failure::Usage(anyhow::Error::new(error).context("cannot use kafka.client"));
    let admin = TopicAdmin::new(&admin, PATIENCE).map_err(unusable)?;
    let cannot_reach = || format!("cannot look after the topics at {bootstrap_servers} (kafka.bootstrap_servers)");

    let made = admin.create(&plans).with_context(cannot_reach)?;
    for plan in &plans {
        writeln!(out, "{}", line(plan, &made))?;
    }
    let all = [plans, needed].concat();
    let checked = settled(&admin, &all, &made).with_context(cannot_reach)?;
    report(&checked.findings, out)
}

fn of_the_engine(path: Option<&Path>) -> Result<Topics, Failure> {
    let config = Config::load(path)?;
    let policy = policy::load(&config)?;
    let settings = parts::kafka(&config, &policy)?;
    let made = parts::topic_plans(&config, &settings);
    let admin = settings.admin();
    Ok(Topics { admin, bootstrap_servers: config.kafka.bootstrap_servers, made, needed: Vec::new() })
}

fn of_the_gate(path: Option<&Path>) -> Result<Topics, Failure> {
    let config = GateConfig::load(path)?;
    let rules = gate::rules(&config, &RightBits::default())?;
    let plans = gate::TopicPlans::new(&config.topics, rules.topic());
    let (admin, bootstrap_servers) = (config.kafka.admin(), config.kafka.bootstrap_servers);
    Ok(Topics { admin, bootstrap_servers, made: plans.own, needed: plans.of_the_engine })
}

fn line(plan: &TopicPlan, made: &[String]) -> String {
    if made.contains(&plan.name) {
        let (name, partitions, replicas) = (&plan.name, plan.partitions, plan.replication_factor);
        let keeps = match plan.cleanup {
            Cleanup::Compact => "compact",
            Cleanup::Delete => "delete",
        };
        format!("made {name} (partitions {partitions}, replicas {replicas}, cleanup.policy {keeps})")
    } else {
        format!("kept {}", plan.name)
    }
}

/// What is wrong, once every topic that was just made is known everywhere.
fn settled(admin: &TopicAdmin, plans: &[TopicPlan], made: &[String]) -> Result<Checked, TopicsError> {
    let began = Instant::now();
    loop {
        let checked = admin.check(plans)?;
        let is_about_a_new_one = |finding: &Finding| made.iter().any(|name| finding.text.contains(name.as_str()));
        if !checked.findings.iter().any(is_about_a_new_one) || began.elapsed() > SETTLE_DEADLINE {
            return Ok(checked);
        }
        sleep(SETTLE_PAUSE);
    }
}

fn report(findings: &[Finding], out: &mut dyn Write) -> Result<(), Failure> {
    for finding in findings {
        writeln!(out, "wrong: {finding}")?;
    }
    match findings.len() {
        0 => Ok(()),
        1 => Err(Failure::failed("a topic is not as it should be; do what is said above")),
        many => Err(Failure::failed(format!("{many} things are wrong with the topics; do what is said above"))),
    }
}
