//! The consumer's lag. Unlike every other metric its series come and go: what is unknown is absent, not 0.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use prometheus::{GaugeVec, IntGaugeVec, Registry};

use crate::definitions;
use crate::events::TopicLag;
use crate::metrics::{float_gauges, gauges};

/// The lag's series, and which of them exist.
#[derive(Debug)]
pub(crate) struct ConsumerLag {
    records: IntGaugeVec,
    seconds: GaugeVec,
    present: Mutex<Present>,
}

#[derive(Debug, Default)]
struct Present {
    partitions: BTreeSet<(String, u32)>,
    topics: BTreeSet<String>,
}

impl ConsumerLag {
    pub fn new(registry: &Registry) -> Self {
        Self {
            records: gauges(registry, definitions::CONSUMER_LAG_RECORDS),
            seconds: float_gauges(registry, definitions::CONSUMER_LAG),
            present: Mutex::default(),
        }
    }

    /// Sets what is known, and removes what no longer is. Never all at once: a scrape in between must not see a topic
    /// vanish that is there before and after.
    pub fn set(&self, lag: &[TopicLag<'_>]) {
        let mut now = Present::default();
        for topic in lag {
            if let Some(seconds) = topic.seconds.filter(|seconds| seconds.is_finite()) {
                self.seconds.with_label_values(&[topic.topic]).set(seconds.max(0.0));
                now.topics.insert(topic.topic.to_owned());
            }
            for partition in &topic.partitions {
                let Some(records) = partition.records else { continue };
                let number = partition.partition.to_string();
                let records = i64::try_from(records).unwrap_or(i64::MAX);
                self.records.with_label_values(&[topic.topic, number.as_str()]).set(records);
                now.partitions.insert((topic.topic.to_owned(), partition.partition));
            }
        }
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        for topic in present.topics.difference(&now.topics) {
            drop(self.seconds.remove_label_values(&[topic.as_str()]));
        }
        for (topic, partition) in present.partitions.difference(&now.partitions) {
            drop(self.records.remove_label_values(&[topic.as_str(), partition.to_string().as_str()]));
        }
        *present = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::PartitionLag;
    use prometheus::core::Collector as _;

    fn known(lag: &ConsumerLag) -> usize {
        let series = lag.records.collect().into_iter().chain(lag.seconds.collect());
        series.map(|family| family.get_metric().len()).sum()
    }

    #[test]
    fn what_is_unknown_is_absent() {
        let lag = ConsumerLag::new(&Registry::new());
        let of = |seconds, records| TopicLag {
            topic: "links",
            seconds,
            partitions: vec![PartitionLag { partition: 0, records }, PartitionLag { partition: 1, records: Some(2) }],
        };
        lag.set(&[of(Some(0.5), Some(1))]);
        assert_eq!(known(&lag), 3);
        lag.set(&[of(Some(f64::NAN), None)]);
        assert_eq!(known(&lag), 1);
        lag.set(&[]);
        assert_eq!(known(&lag), 0);
        lag.set(&[of(Some(0.5), Some(1))]);
        assert_eq!(known(&lag), 3);
    }
}
