//! What the engine says of itself on `/metrics`.

use std::time::Duration;

use anyhow::Context;
use ureq::Agent;

/// An engine that is busy still answers at once: HTTP has threads of its own.
const ANSWER_SECONDS_MAX: u64 = 10;

/// Asks the engine: all its instances.
pub struct Metrics {
    agent: Agent,
    urls: Vec<String>,
}

impl Metrics {
    /// The engine at addresses such as `http://127.0.0.1:9464`, one for each instance.
    #[must_use]
    pub fn new(http: &[String]) -> Self {
        let config = Agent::config_builder().timeout_global(Some(Duration::from_secs(ANSWER_SECONDS_MAX))).build();
        let urls = http.iter().map(|address| format!("{}/metrics", address.trim_end_matches('/'))).collect();
        Self { agent: config.into(), urls }
    }

    /// All samples of now.
    ///
    /// # Errors
    /// When an instance does not answer.
    pub fn scrape(&self) -> anyhow::Result<Samples> {
        let mut samples = Samples::default();
        for url in &self.urls {
            let unanswered = || format!("the engine does not answer on {url}; does it run?");
            let mut answer = self.agent.get(url).call().with_context(unanswered)?;
            let text = answer.body_mut().read_to_string().with_context(unanswered)?;
            samples.0.extend(Samples::parse(&text).0);
        }
        Ok(samples)
    }
}

/// The samples of one scrape, of all instances together.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<Sample>);

#[derive(Clone, Debug)]
struct Sample {
    name: String,
    labels: String,
    value: f64,
}

impl Samples {
    /// Reads Prometheus' text format. What is no sample is left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum of a metric over all its labels that have this text in them; none if there is no such sample.
    #[must_use]
    pub fn sum(&self, name: &str, label: &str) -> Option<f64> {
        let mut chosen = self.0.iter().filter(|sample| sample.name == name && sample.labels.contains(label)).peekable();
        chosen.peek()?;
        Some(chosen.map(|sample| sample.value).sum())
    }
}

fn sample(line: &str) -> Option<Sample> {
    // A label's value may have spaces in it, so the value is what follows the last one. (No timestamps: we have none.)
    let (metric, value) = line.trim_end().rsplit_once(' ')?;
    let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
    Some(Sample { name: name.to_owned(), labels: labels.trim_end_matches('}').to_owned(), value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_by_name_and_label() {
        let samples = Samples::parse(concat!(
            "# HELP quell_events_total Records.\n",
            "# TYPE quell_events_total counter\n",
            "quell_events_total{outcome=\"accepted\",topic=\"optout.events\"} 3\n",
            "quell_events_total{outcome=\"refused\",topic=\"identity.links\"} 4\n",
            "quell_events_total_created 9\n",
            "quell_shards_owned 8\n",
        ));
        assert_eq!(samples.sum("quell_events_total", ""), Some(7.0));
        assert_eq!(samples.sum("quell_events_total", "topic=\"optout.events\""), Some(3.0));
        assert_eq!(samples.sum("quell_shards_owned", ""), Some(8.0));
        assert_eq!(samples.sum("quell_consumer_lag_records", ""), None);
    }
}
