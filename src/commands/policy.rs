//! `quell policy check`

use std::io::Write;
use std::path::Path;

use crate::config::Config;
use crate::failure::Failure;
use crate::policy;

/// Says whether the policy is valid.
///
/// # Errors
/// When it is not.
pub fn check(path: Option<&Path>, out: &mut dyn Write) -> Result<(), Failure> {
    let config = Config::load(path)?;
    let policy = policy::load(&config)?;
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    writeln!(
        out,
        "{} is valid: version {}, {}, {}, {}",
        config.policy_path.display(),
        policy.version(),
        counted(policy.identifier_types().len(), "identifier type"),
        counted(policy.rights().len(), "right"),
        counted(policy.downstreams().len(), "downstream"),
    )?;
    Ok(())
}
