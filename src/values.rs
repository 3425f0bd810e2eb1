//! Values on the command line: pairs, of which `type=value` names an identifier, and whole numbers.

use std::str::FromStr;

use quell_wire::NamedIdentifier;

/// An identifier that somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierArgument(pub NamedIdentifier);

/// An attribute that somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeArgument(pub (String, String));

/// Text that is no pair.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// An identifier was asked for.
    #[error("write it as TYPE=VALUE, as in cookie_id=7f3c")]
    NoIdentifier,
    /// An attribute was asked for.
    #[error("write it as NAME=VALUE, as in ticket=4711")]
    NoAttribute,
}

/// Text that is no whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a whole number")]
pub struct NoWholeNumber;

/// Reads a whole number.
///
/// # Errors
/// When it is none, or too large.
pub fn whole_number<N: FromStr>(text: &str) -> Result<N, NoWholeNumber> {
    text.parse().map_err(|_| NoWholeNumber)
}

impl FromStr for IdentifierArgument {
    type Err = PairError;

    fn from_str(text: &str) -> Result<Self, PairError> {
        // A type's name has no `=`; a value may.
        let (identifier_type, value) = text.split_once('=').ok_or(PairError::NoIdentifier)?;
        Ok(Self(NamedIdentifier::new(identifier_type, value)))
    }
}

impl FromStr for AttributeArgument {
    type Err = PairError;

    fn from_str(text: &str) -> Result<Self, PairError> {
        let (name, value) = text.split_once('=').ok_or(PairError::NoAttribute)?;
        Ok(Self((name.to_owned(), value.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_equals_sign_ends_the_type() {
        let identifier = "device_id=a=b".parse();
        assert_eq!(identifier, Ok(IdentifierArgument(NamedIdentifier::new("device_id", "a=b"))));
        assert_eq!("device_id:a".parse::<IdentifierArgument>(), Err(PairError::NoIdentifier));
    }
}
