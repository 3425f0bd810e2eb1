//! Normal forms of values that are hashed.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::identifier::Identifier;

/// A value without a normal form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NormalFormError {
    /// An e-mail address of nothing but white space.
    #[error("value is blank")]
    Blank,
    /// A normalised e-mail address that is longer than any identifier may be.
    #[error("value is longer than 512 bytes")]
    TooLong,
    /// Where a hash is expected, something else.
    #[error("value is not 64 hexadecimal digits")]
    NotAHash,
}

/// An e-mail address without its white space and in lower case (both as Unicode has them), as the lower-case
/// hexadecimal digits of its SHA-256.
///
/// # Errors
/// When nothing is left of it, or too much.
pub fn hashed_email(value: &str) -> Result<String, NormalFormError> {
    let normal = value.chars().filter(|character| !character.is_whitespace()).collect::<String>().to_lowercase();
    match normal.len() {
        0 => Err(NormalFormError::Blank),
        length if length > Identifier::VALUE_BYTES_MAX => Err(NormalFormError::TooLong),
        _ => Ok(hexadecimal(&Sha256::digest(normal.as_bytes()))),
    }
}

/// A SHA-256 that came as such: 64 hexadecimal digits, made lower-case.
///
/// # Errors
/// When it is none.
pub fn hash(value: &str) -> Result<String, NormalFormError> {
    if value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(value.to_ascii_lowercase())
    } else {
        Err(NormalFormError::NotAHash)
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
