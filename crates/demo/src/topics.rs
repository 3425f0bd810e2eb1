//! The topics that the demo writes to and reads from.

use quell_domain::Policy;

/// Their names.
#[derive(Clone, Debug)]
pub struct Topics {
    /// Where choices go.
    pub choices: String,
    /// Where links go.
    pub links: String,
    /// Where refused records come out.
    pub dead_letters: String,
    /// Where suppressions come out, by downstream in the policy's order: its name and its topic.
    pub suppressions: Vec<(String, String)>,
}

impl Topics {
    /// The default names behind a prefix; those of the suppressions are the policy's.
    #[must_use]
    pub fn new(prefix: &str, policy: &Policy) -> Self {
        let downstreams = policy.downstreams().iter();
        Self {
            choices: format!("{prefix}optout.events"),
            links: format!("{prefix}identity.links"),
            dead_letters: format!("{prefix}quell.deadletters"),
            suppressions: downstreams.map(|known| (known.name.clone(), known.topic.clone())).collect(),
        }
    }

    /// The downstream whose topic this is.
    #[must_use]
    pub fn downstream(&self, topic: &str) -> Option<&str> {
        self.suppressions.iter().find(|(_, known)| known == topic).map(|(name, _)| name.as_str())
    }
}
