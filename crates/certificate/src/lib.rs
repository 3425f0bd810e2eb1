//! A decision's certificate: what its record says, signed, for whoever has to be shown it later and elsewhere.
//!
//! ```text
//! a decision's record ──> Claims ──┐                              ┌──> PublicKeys (JWK set) ──┐
//!    subject: plain, or a hash     ├── KeyRing::sign ──> JWS      KeyRing                     ├──> Claims
//!    under a key of its own        │   by the key in use           (JWK each, with times)     │
//!                                  └──────────────────────────────> the JWS ── verify ────────┘
//! ```
//!
//! Standards: JWS (RFC 7515) in compact form, `EdDSA` over Ed25519 (RFC 8037), JWK (RFC 7517) and its thumbprint
//! (RFC 7638). Pure: no file, no clock, no chance.

mod claims;
mod jwk;
mod jws;
mod ring;
mod signing_key;
mod subject;

pub use claims::{Certificate, Claims, NotShown, SubjectForm, certify};
pub use jwk::{KeyId, PublicKeys, PublicKeysError};
pub use jws::{VerifyError, verify};
pub use ring::{KeyRing, NoKey, NotTheFirst, RotateError, State};
pub use signing_key::{KeyFileError, SigningKey};
pub use subject::{SubjectKey, SubjectKeyError, SubjectSecret, subject_text};
