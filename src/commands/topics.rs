//! `quell topics create`

use std::io::Write;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use quell_kafka::{Checked, Cleanup, Finding, TopicAdmin, TopicPlan, TopicsError};

use crate::config::Config;
use crate::failure::Failure;
use crate::{parts, policy};

/// How long one question to the brokers waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a topic that was just made may be unknown to some broker.
const SETTLE_DEADLINE: Duration = Duration::from_secs(10);
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

/// Makes the topics that are missing, and says what is wrong with the others.
///
/// # Errors
/// When that cannot be done, or anything is wrong.
pub fn create(path: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let policy = policy::load(&config)?;
    let settings = parts::kafka(&config, &policy)?;
    let plans = parts::topic_plans(&config, &settings);
    let unusable = |error: TopicsError| Failure::Usage(anyhow::Error::new(error).context("cannot use kafka.client"));
    let admin = TopicAdmin::new(&settings, PATIENCE).map_err(unusable)?;

    let made = admin.create(&plans).with_context(|| cannot_reach(&config))?;
    for plan in &plans {
        writeln!(out, "{}", line(plan, &made))?;
    }
    let checked = settled(&admin, &plans, &made).with_context(|| cannot_reach(&config))?;
    report(&checked.findings, out)
}

fn cannot_reach(config: &Config) -> String {
    format!("cannot look after the topics at {} (kafka.bootstrap_servers)", config.kafka.bootstrap_servers)
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
