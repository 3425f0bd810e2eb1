//! The policy's file.

use std::fs;
use std::io;
use std::path::PathBuf;

use quell_domain::{Policy, PolicyError};

use crate::config::Config;

/// A policy that cannot be used. One line, which says what to do.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// Its file cannot be read.
    #[error("cannot read {}, which policy.path names", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not valid.
    #[error("{}: {cause}", path.display())]
    Invalid {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: PolicyError,
    },
    /// A downstream would read what is not meant for it.
    #[error("{}: downstreams.{downstream}.topic is \"{topic}\", which is {key}; give it a topic of its own", path.display())]
    SharedTopic {
        /// Which file.
        path: PathBuf,
        /// Whose.
        downstream: String,
        /// The topic.
        topic: String,
        /// The configuration's key that names the same.
        key: &'static str,
    },
}

/// Reads the policy that a configuration names.
///
/// # Errors
/// When it cannot be used.
pub fn load(config: &Config) -> Result<Policy, PolicyFileError> {
    let path = config.policy_path.clone();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(PolicyFileError::Unreadable { path, source }),
    };
    let policy = match Policy::parse(&text) {
        Ok(policy) => policy,
        Err(cause) => return Err(PolicyFileError::Invalid { path, cause }),
    };
    let topics = &config.topics;
    let ours = [
        ("topics.choices", &topics.choices),
        ("topics.links", &topics.links),
        ("topics.acks", &topics.acks),
        ("topics.dead_letters", &topics.dead_letters),
        ("topics.audit", &topics.audit),
        ("topics.graph", &topics.graph),
        ("topics.changelog", &topics.changelog),
    ];
    for downstream in policy.downstreams() {
        if let Some((key, topic)) = ours.iter().find(|(_, name)| **name == downstream.topic) {
            let (downstream, topic) = (downstream.name.clone(), (*topic).clone());
            return Err(PolicyFileError::SharedTopic { path, downstream, topic, key });
        }
    }
    Ok(policy)
}
