//! What a certificate says: everything in the decision's record, in the terms of JWT (RFC 7519) where it has some.

use quell_domain::Millis;
use serde_json::{Map, Value};

use crate::ring::{KeyRing, NoKey};
use crate::subject::{HASHED, SubjectKey, SubjectSecret, subject_text};

/// How a certificate names whom it is about. `certificates.subject` of the policy
#[derive(Clone, Copy, Debug)]
pub enum SubjectForm<'a> {
    /// `account_id:a-1`, for whoever reads it.
    Plain,
    /// `hmac-sha256:…`, by a key of this certificate alone, which is derived from the secret.
    KeyedHash(&'a SubjectSecret),
}

/// A certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// As it is handed out: a JWS in compact form.
    pub jws: String,
    /// What shows whom it is about, if it has the subject hashed.
    pub subject_key: Option<SubjectKey>,
}

/// The claims of a certificate: the fields of the record under their names, without those that are null; `sub` in the
/// place of `subject`; `iat`, and `iss` where one is configured. No `exp`: what was decided stays so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims(Map<String, Value>);

/// Nobody is shown to be the one whom a certificate is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotShown {
    /// The question was about an identifier that could be nobody's.
    #[error("the certificate is about nobody")]
    Nobody,
    /// The hash says nothing without its key.
    #[error("the certificate has its subject hashed; give its subject key as well")]
    KeyNeeded,
    /// It is about somebody else, or the key is that of another certificate.
    #[error("the certificate is not about that subject, or the subject key is that of another certificate")]
    Other,
}

/// Makes the certificate of a decision whose record has these fields, as its JSON form has them.
///
/// # Errors
/// When no key is in use.
pub fn certify(
    mut record: Map<String, Value>,
    form: SubjectForm<'_>,
    issuer: Option<&str>,
    ring: &KeyRing,
    now: Millis,
) -> Result<Certificate, NoKey> {
    let subject = record.remove("subject").and_then(|subject| {
        let text = |name: &str| subject.get(name)?.as_str();
        Some(subject_text(text("type")?, text("value")?))
    });
    let subject_key = match form {
        SubjectForm::KeyedHash(secret) if subject.is_some() => {
            let decision_id = record.get("decision_id").and_then(Value::as_str).unwrap_or_default();
            Some(secret.key_of(decision_id))
        }
        SubjectForm::KeyedHash(_) | SubjectForm::Plain => None,
    };
    let mut claims: Map<String, Value> = record.into_iter().filter(|(_, value)| !value.is_null()).collect();
    if let Some(subject) = subject {
        let named = match subject_key {
            Some(key) => key.hashed(&subject),
            None => subject,
        };
        claims.insert("sub".to_owned(), named.into());
    }
    if let Some(issuer) = issuer {
        claims.insert("iss".to_owned(), issuer.into());
    }
    // Of JWT's own times all are in seconds (RFC 7519, 2).
    claims.insert("iat".to_owned(), now.0.div_euclid(1_000).into());
    Ok(Certificate { jws: ring.sign(&Claims(claims), now)?, subject_key })
}

impl Claims {
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok().map(Self)
    }

    /// As a JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// The same for a human's eye.
    #[must_use]
    pub fn to_pretty_json(&self) -> String {
        // Nothing in it has keys that are no strings.
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }

    /// Shows that the certificate is about a subject, which is an identifier as one text: `account_id:a-1`.
    ///
    /// # Errors
    /// When it is not, or that cannot be told.
    pub fn show_subject(&self, subject: &str, key: Option<&SubjectKey>) -> Result<(), NotShown> {
        let named = self.0.get("sub").and_then(Value::as_str).ok_or(NotShown::Nobody)?;
        let is_it = match key {
            _ if !named.starts_with(HASHED) => named == subject,
            None => return Err(NotShown::KeyNeeded),
            Some(key) => named == key.hashed(subject),
        };
        if is_it { Ok(()) } else { Err(NotShown::Other) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use serde_json::json;

    use super::*;
    use crate::jws::verify;
    use crate::signing_key::SigningKey;

    const NOW: Millis = Millis(1_790_000_000_999);

    fn record(subject: &Value) -> Map<String, Value> {
        let record = json!({ "decision_id": "d-1", "decision": false, "subject": subject, "right": null, "as_of": 5 });
        record.as_object().unwrap().clone()
    }

    fn ring() -> KeyRing {
        [SigningKey::new(&[1; 32], Millis(0), Millis(0))].into_iter().collect()
    }

    fn certified(subject: &Value, form: SubjectForm<'_>, issuer: Option<&str>) -> (Claims, Option<SubjectKey>) {
        let certificate = certify(record(subject), form, issuer, &ring(), NOW).unwrap();
        (verify(&certificate.jws, &ring().public_keys()).unwrap(), certificate.subject_key)
    }

    #[test]
    fn all_of_a_record_is_claimed_and_what_is_null_is_left_out() {
        let subject = json!({ "type": "account_id", "value": "a-1" });
        let (claims, key) = certified(&subject, SubjectForm::Plain, Some("https://gate.example.com"));
        let expected = json!({
            "decision_id": "d-1", "decision": false, "as_of": 5, "sub": "account_id:a-1",
            "iss": "https://gate.example.com", "iat": 1_790_000_000,
        });
        assert_eq!(Value::Object(claims.0), expected);
        assert!(key.is_none());
        let (claims, _) = certified(&Value::Null, SubjectForm::Plain, None);
        assert!(!claims.0.contains_key("sub") && !claims.0.contains_key("iss"));
        assert_eq!(claims.show_subject("account_id:a-1", None), Err(NotShown::Nobody));
    }

    #[test]
    fn a_hashed_subject_is_shown_by_its_key_alone() {
        let subject = json!({ "type": "account_id", "value": "a-1" });
        let secret = SubjectSecret::new([9; 32]);
        let (claims, key) = certified(&subject, SubjectForm::KeyedHash(&secret), None);
        assert!(!claims.to_json().contains("a-1"), "{}", claims.to_json());
        let other = secret.key_of("d-2");
        assert_eq!(claims.show_subject("account_id:a-1", key.as_ref()), Ok(()));
        assert_eq!(claims.show_subject("account_id:a-2", key.as_ref()), Err(NotShown::Other));
        assert_eq!(claims.show_subject("account_id:a-1", Some(&other)), Err(NotShown::Other));
        assert_eq!(claims.show_subject("account_id:a-1", None), Err(NotShown::KeyNeeded));
    }

    #[test]
    fn a_key_before_its_use_never_signs() {
        let ring: KeyRing =
            [SigningKey::new(&[1; 32], Millis(0), NOW + std::time::Duration::from_millis(1))].into_iter().collect();
        assert_eq!(certify(record(&Value::Null), SubjectForm::Plain, None, &ring, NOW).unwrap_err(), NoKey);
    }
}
