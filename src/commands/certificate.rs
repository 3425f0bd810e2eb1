//! `quell certificate verify`

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use quell_certificate::{Claims, NotShown, PublicKeys, SubjectKey, subject_text, verify};
use quell_domain::hashed_email;
use quell_wire::NamedIdentifier;

use crate::failure::Failure;
use crate::values::IdentifierArgument;

/// An address, of which no certificate has more than its hash.
const EMAIL: &str = "email";

/// What policies call such hashes, as a rule. A certificate with its subject hashed does not say it.
const EMAIL_HASHED: &str = "email_sha256";

/// `quell certificate …`
#[derive(Debug, Subcommand)]
pub enum CertificateCommand {
    /// Print what a decision's certificate says, if its signature holds
    #[command(
        after_help = "Needs no gate and no network. It ends with 1 if the certificate proves nothing, or not that it is \
                      about --subject."
    )]
    Verify(VerifyArguments),
}

/// Arguments of `quell certificate verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The certificate: a JWS in compact form
    #[arg(value_name = "FILE")]
    certificate: PathBuf,
    /// The keys: what the gate answers at /.well-known/jwks.json
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
    /// Show that it is about this identifier, too; email=ADDRESS means its hash, an email_sha256
    #[arg(long, value_name = "TYPE=VALUE")]
    subject: Option<IdentifierArgument>,
    /// What shows it, if the certificate has its subject hashed
    #[arg(long, value_name = "KEY", requires = "subject", value_parser = SubjectKey::parse)]
    subject_key: Option<SubjectKey>,
}

/// Prints the claims as JSON.
///
/// # Errors
/// When a file cannot be read, or the certificate proves nothing.
pub fn run(command: &CertificateCommand, out: &mut dyn Write) -> Result<(), Failure> {
    let CertificateCommand::Verify(asked) = command;
    let jwks = PublicKeys::parse(&read(&asked.jwks)?)
        .with_context(|| format!("cannot verify by {}", asked.jwks.display()))
        .map_err(Failure::Usage)?;
    let certificate = read(&asked.certificate)?;
    let proves_nothing = || format!("{} proves nothing", asked.certificate.display());
    let claims = verify(certificate.trim(), &jwks).with_context(proves_nothing)?;
    if let Some(IdentifierArgument(subject)) = &asked.subject {
        show(&claims, subject, asked.subject_key.as_ref()).context("the signature holds")?;
    }
    writeln!(out, "{}", claims.to_pretty_json())?;
    Ok(())
}

/// An address is normalised and hashed as at the door, unless a policy has a type of that name that is not.
fn show(claims: &Claims, subject: &NamedIdentifier, key: Option<&SubjectKey>) -> anyhow::Result<()> {
    let shown = claims.show_subject(&subject_text(&subject.identifier_type, &subject.value), key);
    if subject.identifier_type != EMAIL || shown != Err(NotShown::Other) {
        return Ok(shown?);
    }
    let hash = hashed_email(&subject.value).context("--subject is no address")?;
    claims.show_subject(&subject_text(EMAIL_HASHED, &hash), key).map_err(|error| {
        anyhow!(
            "{error}; if the policy calls hashes of addresses otherwise than {EMAIL_HASHED}, say --subject TYPE={hash}"
        )
    })
}

fn read(path: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    text.map_err(Failure::Usage)
}
