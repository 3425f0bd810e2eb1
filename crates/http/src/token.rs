//! The bearer token: who may read identifiers.

use std::fmt;

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

/// What a request must show to read identifiers. `http.token`
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// No token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is empty.
    #[error("the token is empty; make one with `openssl rand -hex 32`")]
    Empty,
    /// It cannot be sent in a header.
    #[error("the token has white space or characters beyond ASCII; make one with `openssl rand -hex 32`")]
    NotSendable,
}

impl Token {
    /// A token. White space around it is not part of it: it may come from a file that ends with a new line.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TokenError::Empty);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::NotSendable);
        }
        Ok(Self(text.to_owned()))
    }

    /// The token itself, for whoever sends it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether a request shows it as `Authorization: Bearer <token>` (RFC 6750, 2.1).
    #[must_use]
    pub fn is_shown_by(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.split_once(' '));
        shown.is_some_and(|(scheme, shown)| scheme.eq_ignore_ascii_case("bearer") && self.is(shown.trim()))
    }

    /// Whether this is it. Takes the same time whatever is shown: hashes are compared, to the end, so that no
    /// answer's time tells how much of a guess was right.
    #[must_use]
    pub fn is(&self, shown: &str) -> bool {
        let (mine, shown) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(shown.as_bytes()));
        mine.iter().zip(shown.iter()).fold(0, |different, (mine, shown)| different | (mine ^ shown)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let token = Token::new("  secret\n").unwrap();
        assert!(token.is("secret"));
        for other in ["", "secre", "secret2", "Secret", " secret"] {
            assert!(!token.is(other), "{other}");
        }
    }

    #[test]
    fn a_token_is_not_shown_by_chance() {
        assert_eq!(format!("{:?}", Token::new("secret").unwrap()), "Token(…)");
    }

    #[test]
    fn what_no_header_can_carry_is_no_token() {
        assert_eq!(Token::new(" \n"), Err(TokenError::Empty));
        assert_eq!(Token::new("two words"), Err(TokenError::NotSendable));
        assert_eq!(Token::new("schlüssel"), Err(TokenError::NotSendable));
    }
}
