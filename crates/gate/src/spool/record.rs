//! What is recorded, and for which topic.

use quell_domain::Millis;

/// The id of a decision, as bytes.
pub type DecisionId = [u8; 16];

/// A topic that records go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// `topics.decisions`
    Decisions,
    /// `topics.reviews`
    Reviews,
}

/// A record of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<V = Vec<u8>> {
    /// Where it goes.
    pub topic: Topic,
    /// Its key, which stands in Kafka as text: the decision's id, or the review's.
    pub key: DecisionId,
    /// When what it tells of was so. Kafka's timestamp.
    pub timestamp: Millis,
    /// As it stands in Kafka.
    pub value: V,
}

impl Topic {
    /// As it stands in segments, for ever.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Decisions => 0,
            Self::Reviews => 1,
        }
    }

    pub(super) fn of_code(code: u8) -> Option<Self> {
        [Self::Decisions, Self::Reviews].into_iter().find(|topic| topic.code() == code)
    }
}
