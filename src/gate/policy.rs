//! The policy's file, as the gate holds to it.

use std::path::PathBuf;

use quell_decision::{RightBits, Rules};
use sha2::{Digest, Sha256};

use crate::config::GateConfig;
use crate::policy::{PolicyFileError, read};

/// Reads the policy that a configuration names.
///
/// # Errors
/// When the gate cannot hold to it.
pub fn rules(config: &GateConfig, bits: &RightBits) -> Result<Rules, PolicyFileError> {
    let path: &PathBuf = &config.policy_path;
    let text = read(path)?;
    let fingerprint = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let rules = Rules::parse(&text, fingerprint, &config.downstream, &config.resource_type, bits)
        .map_err(|cause| PolicyFileError::NotForTheGate { path: path.clone(), cause })?;
    let topics = &config.topics;
    let ours = [
        ("topics.watermarks", &topics.watermarks),
        ("topics.decisions", &topics.decisions),
        ("topics.reviews", &topics.reviews),
    ];
    PolicyFileError::unless_apart(path, rules.downstreams(), &ours)?;
    Ok(rules)
}
