//! Whom a certificate is about: in plain, or as a hash that says nothing to whoever does not know already.

use std::fmt;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::signing_key::KeyFileError;

/// What stands before a hash in `sub`.
pub(crate) const HASHED: &str = "hmac-sha256:";

const KEY_BYTES: usize = 32;

/// Of SHA-256.
const BLOCK_BYTES: usize = 64;

/// An identifier as one text, which is `sub` in plain: `account_id:a-1`.
#[must_use]
pub fn subject_text(identifier_type: &str, value: &str) -> String {
    format!("{identifier_type}:{value}")
}

/// The secret of a deployment that the key of each certificate's subject is derived from. Without it nobody can tell
/// whom a certificate is about by trying identifiers.
#[derive(Clone, PartialEq, Eq)]
pub struct SubjectSecret([u8; KEY_BYTES]);

#[derive(Serialize, Deserialize)]
struct SecretFile<'a> {
    kty: &'a str,
    k: &'a str,
    alg: &'a str,
}

impl SubjectSecret {
    /// A secret of random bytes.
    #[must_use]
    pub fn new(random: [u8; KEY_BYTES]) -> Self {
        Self(random)
    }

    /// Reads its file: a JWK (RFC 7518, 6.4).
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let wrong = || KeyFileError::NotAKey("k is not 32 bytes in base64url".to_owned());
        let file: SecretFile<'_> = serde_json::from_str(text).map_err(|_| wrong())?;
        let bytes = URL_SAFE_NO_PAD.decode(file.k).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(wrong)
    }

    /// Its file. Whoever has it can find out whom certificates are about.
    #[must_use]
    pub fn reveal(&self) -> String {
        let file = SecretFile { kty: "oct", k: &URL_SAFE_NO_PAD.encode(self.0), alg: "HS256" };
        // Nothing in it has keys that are no strings.
        serde_json::to_string_pretty(&file).unwrap_or_default() + "\n"
    }

    /// The key of one decision's subject. Of no other's: to give it away opens one certificate.
    #[must_use]
    pub fn key_of(&self, decision_id: &str) -> SubjectKey {
        SubjectKey(hmac(&self.0, decision_id))
    }
}

impl fmt::Debug for SubjectSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectSecret")
    }
}

/// The key under which one certificate has its subject hashed: whoever has it and knows an identifier can tell whether
/// the certificate is about it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SubjectKey([u8; KEY_BYTES]);

/// Text that is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a subject key: write its 64 hexadecimal digits")]
pub struct SubjectKeyError;

impl SubjectKey {
    /// Reads its hexadecimal digits.
    ///
    /// # Errors
    /// When these are none.
    pub fn parse(text: &str) -> Result<Self, SubjectKeyError> {
        let mut key = [0; KEY_BYTES];
        if text.len() != 2 * KEY_BYTES || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(SubjectKeyError);
        }
        for (byte, at) in key.iter_mut().zip((0..).step_by(2)) {
            let digits = text.get(at..at + 2).ok_or(SubjectKeyError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| SubjectKeyError)?;
        }
        Ok(Self(key))
    }

    /// `sub` of a certificate about this subject.
    #[must_use]
    pub fn hashed(&self, subject: &str) -> String {
        format!("{HASHED}{}", hexadecimal(&hmac(&self.0, subject)))
    }

    /// Its hexadecimal digits, for whom it is meant.
    #[must_use]
    pub fn reveal(&self) -> String {
        hexadecimal(&self.0)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey")
    }
}

fn hmac(key: &[u8; KEY_BYTES], text: &str) -> [u8; KEY_BYTES] {
    // Padded as HMAC itself pads a key that is shorter than a block of the hash (RFC 2104, 2).
    let mut block = [0; BLOCK_BYTES];
    if let Some(beginning) = block.first_chunk_mut() {
        *beginning = *key;
    }
    let mut hmac = Hmac::<Sha256>::new(&block.into());
    hmac.update(text.as_bytes());
    hmac.finalize().into_bytes().into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A String takes whatever is written.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_hash_is_that_of_openssl() {
        // printf account_id:a-1 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…
        let key = SubjectKey::parse(&"07".repeat(32)).unwrap();
        assert_eq!(
            key.hashed("account_id:a-1"),
            "hmac-sha256:6c9904bc62a58c2c660f7f512e09a8b29e8f23cf59e82a6b50ff90decce6bf0d"
        );
        assert_eq!(key.reveal(), "07".repeat(32));
    }

    #[test]
    fn each_decision_has_a_key_of_its_own() {
        let secret = SubjectSecret::new([9; 32]);
        assert_ne!(secret.key_of("d-1"), secret.key_of("d-2"));
        assert_ne!(secret.key_of("d-1"), SubjectSecret::new([8; 32]).key_of("d-1"));
        assert_eq!(SubjectSecret::parse(&secret.reveal()).unwrap(), secret);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for wrong in ["", "07", &"0g".repeat(32), &"+7".repeat(32), &"é".repeat(32)] {
            assert_eq!(SubjectKey::parse(wrong), Err(SubjectKeyError), "{wrong}");
        }
        assert!(SubjectSecret::parse(r#"{"kty":"oct","k":"AA","alg":"HS256"}"#).is_err());
    }
}
