//! JWS in compact form (RFC 7515, 7.1): signing and verifying.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signature, Signer as _};
use serde::{Deserialize, Serialize};

use crate::claims::Claims;
use crate::jwk::{ALGORITHM, PublicKeys};
use crate::signing_key::SigningKey;

/// What a certificate is, so that no other token that is signed by the same key passes for one (RFC 8725, 3.11).
const TYPE: &str = "quell-decision+jwt";

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is not even one.
    #[error("it is not a JWS in compact form: {0}")]
    Malformed(&'static str),
    /// It is something else that was signed.
    #[error("its typ is not {TYPE}: it is not a decision's certificate")]
    OtherType,
    /// It is signed in another way.
    #[error("its alg is not {ALGORITHM}")]
    OtherAlgorithm,
    /// Nobody knows who signed it.
    #[error("the JWK set has no key {0}; get it anew from /.well-known/jwks.json of the gate that you trust")]
    UnknownKey(String),
    /// It does not say what was signed, or another signed it.
    #[error("its signature is not that of the key {0} over what it says")]
    Forged(String),
}

/// All that a header may have: a `crit`, `jwk` or `jku` would ask for what is not done here.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

pub(crate) fn sign(claims: &Claims, key: &SigningKey) -> String {
    let header = Header { alg: ALGORITHM, kid: key.id().as_str(), typ: TYPE };
    // Nothing in either has keys that are no strings.
    let header = serde_json::to_vec(&header).unwrap_or_default();
    compact(&header, claims.to_json().as_bytes(), &key.secret)
}

fn compact(header: &[u8], payload: &[u8], key: &ed25519_dalek::SigningKey) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// What a certificate says, if one of these keys has signed it.
///
/// # Errors
/// When it proves nothing.
pub fn verify(jws: &str, keys: &PublicKeys) -> Result<Claims, VerifyError> {
    let malformed = VerifyError::Malformed;
    let mut parts = jws.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("it has not three parts with two dots between them"));
    };
    let signed = jws.get(..header.len() + 1 + payload.len()).unwrap_or_default();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("a part is not base64url"));
    let (header, payload, signature) = (decoded(header)?, decoded(payload)?, decoded(signature)?);
    let header: Header<'_> = serde_json::from_slice(&header)
        .map_err(|_| malformed("its header has not alg, kid and typ, or has more than these"))?;
    if header.typ != TYPE {
        return Err(VerifyError::OtherType);
    }
    if header.alg != ALGORITHM {
        return Err(VerifyError::OtherAlgorithm);
    }
    let key = keys.get(header.kid).ok_or_else(|| VerifyError::UnknownKey(header.kid.to_owned()))?;
    let signature = Signature::from_slice(&signature).map_err(|_| malformed("its signature has not 64 bytes"))?;
    // Strict: of a signature that the lax equation takes in two forms, one is as good as none.
    key.verify_strict(signed.as_bytes(), &signature).map_err(|_| VerifyError::Forged(header.kid.to_owned()))?;
    Claims::parse(&payload).ok_or(malformed("it is signed, and has no claims"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a failed test may panic")]

    use quell_domain::Millis;
    use serde_json::json;

    use super::*;
    use crate::ring::KeyRing;

    fn key(seed: u8) -> SigningKey {
        SigningKey::new(&[seed; 32], Millis(0), Millis(0))
    }

    fn certificate() -> (String, PublicKeys) {
        let ring: KeyRing = [key(1)].into_iter().collect();
        let claims = Claims::parse(json!({ "decision": false, "iat": 1 }).to_string().as_bytes()).unwrap();
        (ring.sign(&claims, Millis(1)).unwrap(), ring.public_keys())
    }

    fn with_header(header: &str) -> Result<Claims, VerifyError> {
        let header = header.replace("KID", key(1).id().as_str());
        verify(&compact(header.as_bytes(), b"{}", &key(1).secret), &certificate().1)
    }

    #[test]
    fn the_signature_is_that_of_rfc_8037_a_4() {
        let d = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = ed25519_dalek::SigningKey::from_bytes(&d.try_into().unwrap());
        let jws = compact(br#"{"alg":"EdDSA"}"#, b"Example of Ed25519 signing", &key);
        let expected = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert_eq!(jws, expected);
    }

    #[test]
    fn what_was_signed_is_what_is_said() {
        let (jws, keys) = certificate();
        assert_eq!(verify(&jws, &keys).unwrap().to_json(), r#"{"decision":false,"iat":1}"#);
    }

    #[test]
    fn no_byte_can_be_another() {
        let (jws, keys) = certificate();
        for at in 0..jws.len() {
            // Every bit, and so each of the unused ones at the ends of base64url.
            for bit in 0..7 {
                let mut changed = jws.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let changed = String::from_utf8(changed).unwrap();
                assert!(verify(&changed, &keys).is_err(), "byte {at}, bit {bit}");
            }
            assert!(verify(&jws[..at], &keys).is_err(), "cut off at {at}");
        }
        assert!(verify(&format!("{jws}A"), &keys).is_err());
        assert!(verify(&format!("{jws}="), &keys).is_err());
        assert!(verify(&format!("{jws}.{jws}"), &keys).is_err());
    }

    #[test]
    fn another_key_is_unknown_and_its_signature_forged() {
        let (jws, _) = certificate();
        let others = [key(2)].into_iter().collect::<KeyRing>().public_keys();
        assert_eq!(verify(&jws, &others), Err(VerifyError::UnknownKey(key(1).id().to_string())));
        let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"quell-decision+jwt"}}"#, key(2).id());
        let forged = compact(header.as_bytes(), b"{}", &key(1).secret);
        assert_eq!(verify(&forged, &others), Err(VerifyError::Forged(key(2).id().to_string())));
    }

    #[test]
    fn what_else_the_key_has_signed_is_no_certificate() {
        assert!(with_header(r#"{"alg":"EdDSA","kid":"KID","typ":"quell-decision+jwt"}"#).is_ok());
        for (header, expected) in [
            (r#"{"alg":"EdDSA","kid":"KID","typ":"JWT"}"#, VerifyError::OtherType),
            (r#"{"alg":"none","kid":"KID","typ":"quell-decision+jwt"}"#, VerifyError::OtherAlgorithm),
            (r#"{"alg":"HS256","kid":"KID","typ":"quell-decision+jwt"}"#, VerifyError::OtherAlgorithm),
        ] {
            assert_eq!(with_header(header).unwrap_err(), expected, "{header}");
        }
        for header in [
            r#"{"alg":"EdDSA","kid":"KID"}"#,
            r#"{"alg":"EdDSA","kid":"KID","typ":"quell-decision+jwt","crit":["exp"],"exp":1}"#,
            r#"{"alg":"EdDSA","alg":"none","kid":"KID","typ":"quell-decision+jwt"}"#,
            "[]",
        ] {
            assert!(matches!(with_header(header).unwrap_err(), VerifyError::Malformed(_)), "{header}");
        }
    }
}
