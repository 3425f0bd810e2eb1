//! The policy's file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use quell_decision::RulesError;
use quell_domain::{Downstream, Policy, PolicyError};

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
    /// A gate cannot hold to it.
    #[error("{}: {cause}", path.display())]
    NotForTheGate {
        /// Which.
        path: PathBuf,
        /// Why.
        cause: RulesError,
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

impl PolicyFileError {
    /// None of a policy's downstreams has a topic that a configuration's keys name.
    ///
    /// # Errors
    /// When one has.
    pub fn unless_apart(path: &Path, downstreams: &[Downstream], ours: &[(&'static str, &String)]) -> Result<(), Self> {
        for downstream in downstreams {
            if let Some((key, topic)) = ours.iter().find(|(_, name)| **name == downstream.topic) {
                return Err(Self::SharedTopic {
                    path: path.to_owned(),
                    downstream: downstream.name.clone(),
                    topic: (*topic).clone(),
                    key,
                });
            }
        }
        Ok(())
    }
}

/// A policy as it is written.
///
/// # Errors
/// When its file cannot be read.
pub fn read(path: &Path) -> Result<String, PolicyFileError> {
    fs::read_to_string(path).map_err(|source| PolicyFileError::Unreadable { path: path.to_owned(), source })
}

/// Reads the policy that a configuration names.
///
/// # Errors
/// When it cannot be used.
pub fn load(config: &Config) -> Result<Policy, PolicyFileError> {
    let path = &config.policy_path;
    let invalid = |cause| PolicyFileError::Invalid { path: path.clone(), cause };
    let policy = Policy::parse(&read(path)?).map_err(invalid)?;
    let topics = &config.topics;
    let ours = [
        ("topics.choices", &topics.choices),
        ("topics.links", &topics.links),
        ("topics.acks", &topics.acks),
        ("topics.dead_letters", &topics.dead_letters),
        ("topics.audit", &topics.audit),
        ("topics.graph", &topics.graph),
        ("topics.changelog", &topics.changelog),
        ("topics.watermarks", &topics.watermarks),
    ];
    PolicyFileError::unless_apart(path, policy.downstreams(), &ours)?;
    Ok(policy)
}
