//! Public keys: JWK sets, and thumbprints.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{PUBLIC_KEY_LENGTH, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// `kty` of keys on Edwards curves (RFC 8037, 2).
pub(crate) const KEY_TYPE: &str = "OKP";
/// `crv`
pub(crate) const CURVE: &str = "Ed25519";
/// RFC 9864 would have `Ed25519`, which PyJWT and other libraries in use do not know.
pub(crate) const ALGORITHM: &str = "EdDSA";
/// `use`
pub(crate) const USE: &str = "sig";

/// The name of a key: its thumbprint (RFC 7638), so that no two keys have the same and none has two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId(String);

impl KeyId {
    pub(crate) fn of(key: &VerifyingKey) -> Self {
        let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
        // The members that define the key and no others, in this order, without spaces (RFC 7638, 3; RFC 8037, 2).
        let members = format!(r#"{{"crv":"{CURVE}","kty":"{KEY_TYPE}","x":"{x}"}}"#);
        Self(URL_SAFE_NO_PAD.encode(Sha256::digest(members)))
    }

    /// As it stands in `kid`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of public keys: what `/.well-known/jwks.json` shows, and what certificates are verified by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys(Vec<(KeyId, VerifyingKey)>);

/// Text that is no JWK set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeysError {
    /// It is no JSON.
    #[error("it is not a JWK set: {0}")]
    NotJson(String),
    /// It is other JSON.
    #[error("it is not a JWK set: it is no object with a list `keys`")]
    NotASet,
    /// No certificate can be verified by it.
    #[error("it has no Ed25519 key")]
    NoKey,
}

#[derive(Serialize)]
struct RawSet {
    keys: Vec<RawKey>,
}

#[derive(Serialize, Deserialize)]
struct RawKey {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
}

impl RawKey {
    fn of((id, key): &(KeyId, VerifyingKey)) -> Self {
        Self {
            kty: KEY_TYPE.to_owned(),
            crv: Some(CURVE.to_owned()),
            x: Some(URL_SAFE_NO_PAD.encode(key.as_bytes())),
            kid: Some(id.to_string()),
            alg: Some(ALGORITHM.to_owned()),
            purpose: Some(USE.to_owned()),
        }
    }

    /// None for a key of another kind.
    fn verifying(&self) -> Option<VerifyingKey> {
        let x = self.x.as_deref().filter(|_| self.kty == KEY_TYPE && self.crv.as_deref() == Some(CURVE))?;
        let bytes: [u8; PUBLIC_KEY_LENGTH] = URL_SAFE_NO_PAD.decode(x).ok()?.try_into().ok()?;
        VerifyingKey::from_bytes(&bytes).ok()
    }
}

impl PublicKeys {
    /// Reads a JWK set (RFC 7517, 5). What a set calls its keys does not matter: a key is known by its thumbprint. What
    /// else stands in it, keys of another kind or none, is ignored, as that section wants it.
    ///
    /// # Errors
    /// When it is none, or has no key that could be ours.
    pub fn parse(text: &str) -> Result<Self, PublicKeysError> {
        let set: Value = serde_json::from_str(text).map_err(|error| PublicKeysError::NotJson(error.to_string()))?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(PublicKeysError::NotASet)?;
        let keys = keys.iter().filter_map(|key| RawKey::deserialize(key).ok());
        let set: Self = keys.filter_map(|key| key.verifying()).collect();
        if set.0.is_empty() { Err(PublicKeysError::NoKey) } else { Ok(set) }
    }

    /// As a JWK set.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in it has keys that are no strings.
        serde_json::to_string(&RawSet { keys: self.0.iter().map(RawKey::of).collect() }).unwrap_or_default()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.0.iter().find(|(known, _)| known.as_str() == id).map(|(_, key)| key)
    }
}

impl FromIterator<VerifyingKey> for PublicKeys {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(keys.into_iter().map(|key| (KeyId::of(&key), key)).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    /// RFC 8037, appendix A.2.
    const PUBLIC: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn a_thumbprint_is_that_of_rfc_8037_a_3() {
        let set = PublicKeys::parse(&format!(r#"{{"keys":[{PUBLIC}]}}"#)).unwrap();
        assert!(set.get("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").is_some());
    }

    #[test]
    fn a_set_is_what_it_was_written_as_and_other_keys_are_ignored() {
        let others = r#"{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"OKP","crv":"Ed25519","x":"AA"}"#;
        let set = PublicKeys::parse(&format!(r#"{{"keys":[{others},{PUBLIC}]}}"#)).unwrap();
        assert_eq!(PublicKeys::parse(&set.to_json()).unwrap(), set);
        let none = PublicKeys::parse(&format!(r#"{{"keys":[{others}]}}"#));
        assert_eq!(none, Err(PublicKeysError::NoKey));
    }

    #[test]
    fn what_is_no_key_costs_the_others_nothing() {
        let numeric = PUBLIC.replace('}', r#","alg":5}"#);
        for sibling in [r#"{"foo":1}"#, "null", "7", r#""x""#, "[]", r#"{"kty":"RSA","x":7}"#, &numeric] {
            let set = PublicKeys::parse(&format!(r#"{{"keys":[{sibling},{PUBLIC}]}}"#)).unwrap();
            assert_eq!(set.0.len(), 1, "{sibling}");
            let alone = PublicKeys::parse(&format!(r#"{{"keys":[{sibling}]}}"#));
            assert_eq!(alone, Err(PublicKeysError::NoKey), "{sibling}");
        }
    }

    #[test]
    fn what_is_no_set_is_said_without_our_names_for_it() {
        for wrong in [PUBLIC, "null", "[]", r#"{"keys":{}}"#] {
            assert_eq!(PublicKeys::parse(wrong), Err(PublicKeysError::NotASet), "{wrong}");
        }
        for wrong in ["", "<html>", r#"{"keys":[}"#] {
            let said = PublicKeys::parse(wrong).unwrap_err().to_string();
            assert!(said.starts_with("it is not a JWK set: ") && !said.contains("struct"), "{said}");
        }
    }
}
