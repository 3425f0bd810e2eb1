//! A key that signs, as it is kept: a JWK (RFC 7517) with two members more, the times of its life.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{SECRET_KEY_LENGTH, VerifyingKey};
use quell_domain::Millis;
use serde::{Deserialize, Serialize};

use crate::jwk::{ALGORITHM, CURVE, KEY_TYPE, KeyId, USE};

/// A key that signs from some time on.
#[derive(Clone)]
pub struct SigningKey {
    id: KeyId,
    pub(crate) secret: ed25519_dalek::SigningKey,
    published_at: Millis,
    used_from: Millis,
}

/// A file that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Not of that form.
    #[error("it is not a key as `quell keys generate` makes them: {0}")]
    NotAKey(String),
    /// Of another kind.
    #[error("it is not an Ed25519 key (kty {KEY_TYPE}, crv {CURVE})")]
    OtherKind,
    /// One half is not that of the other: somebody changed it.
    #[error("its private part (d) is not that of its public part (x)")]
    NotAPair,
    /// It would sign what nobody can verify.
    #[error("it is used before it is published (used_from, published_at)")]
    UsedUnpublished,
}

#[derive(Serialize, Deserialize)]
struct KeyFile<'a> {
    kty: &'a str,
    crv: &'a str,
    x: &'a str,
    d: &'a str,
    kid: &'a str,
    alg: &'a str,
    #[serde(rename = "use")]
    purpose: &'a str,
    /// Milliseconds since 1970, as all times in Quell's formats.
    published_at: i64,
    used_from: i64,
}

impl SigningKey {
    /// A key from random bytes.
    #[must_use]
    pub fn new(random: &[u8; SECRET_KEY_LENGTH], published_at: Millis, used_from: Millis) -> Self {
        let secret = ed25519_dalek::SigningKey::from_bytes(random);
        Self { id: KeyId::of(&secret.verifying_key()), secret, published_at, used_from }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        // What serde says may have a part of the file in it, and so of the key.
        let not_a_key = |error: serde_json::Error| match error.is_data() {
            true => KeyFileError::NotAKey(format!("a member is missing or wrong, near line {}", error.line())),
            false => KeyFileError::NotAKey(error.to_string()),
        };
        let file: KeyFile<'_> = serde_json::from_str(text).map_err(not_a_key)?;
        if (file.kty, file.crv) != (KEY_TYPE, CURVE) {
            return Err(KeyFileError::OtherKind);
        }
        let random = URL_SAFE_NO_PAD.decode(file.d).ok().and_then(|bytes| bytes.try_into().ok());
        let random = random.ok_or_else(|| KeyFileError::NotAKey("d is not 32 bytes in base64url".to_owned()))?;
        let key = Self::new(&random, Millis(file.published_at), Millis(file.used_from));
        if key.x() != file.x {
            return Err(KeyFileError::NotAPair);
        }
        if key.used_from < key.published_at {
            return Err(KeyFileError::UsedUnpublished);
        }
        Ok(key)
    }

    /// The key file. Whoever has it can sign.
    #[must_use]
    pub fn reveal(&self) -> String {
        let file = KeyFile {
            kty: KEY_TYPE,
            crv: CURVE,
            x: &self.x(),
            d: &URL_SAFE_NO_PAD.encode(self.secret.as_bytes()),
            kid: self.id.as_str(),
            alg: ALGORITHM,
            purpose: USE,
            published_at: self.published_at.0,
            used_from: self.used_from.0,
        };
        // Nothing in it has keys that are no strings.
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    /// Its thumbprint.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// When it was made, and shown in the JWK set.
    #[must_use]
    pub fn published_at(&self) -> Millis {
        self.published_at
    }

    /// It signs nothing before that.
    #[must_use]
    pub fn used_from(&self) -> Millis {
        self.used_from
    }

    pub(crate) fn public(&self) -> VerifyingKey {
        self.secret.verifying_key()
    }

    fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.public().as_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, used from {})", self.id, self.used_from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_key_is_what_its_file_says() {
        let key = SigningKey::new(&[7; 32], Millis(1), Millis(2));
        let read = SigningKey::parse(&key.reveal()).unwrap();
        assert_eq!((read.id(), read.published_at(), read.used_from()), (key.id(), Millis(1), Millis(2)));
        assert_eq!(read.secret, key.secret);
    }

    #[test]
    fn a_changed_file_is_no_key_and_no_error_shows_it() {
        let text = SigningKey::new(&[7; 32], Millis(1), Millis(2)).reveal();
        let other = SigningKey::new(&[8; 32], Millis(1), Millis(2));
        let (d, x) = (URL_SAFE_NO_PAD.encode([7; 32]), SigningKey::parse(&text).unwrap().x());
        for (changed, said) in [
            (text.replace(&x, &other.x()), "its private part"),
            (text.replace("Ed25519", "X25519"), "not an Ed25519 key"),
            (text.replace(&d, "short"), "d is not 32 bytes"),
            (text.replace(r#""d""#, r#""e""#), "a member is missing"),
            (text.replace(r#""published_at": 1"#, r#""published_at": 3"#), "before it is published"),
            (text.replace('}', ""), "EOF"),
        ] {
            let error = SigningKey::parse(&changed).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains(&d), "{error}");
        }
        assert!(!format!("{other:?}").contains(&URL_SAFE_NO_PAD.encode([8; 32])));
    }
}
