//! From a record of the suppressions' topic to what it brings about.

use quell_decision::{Change, RightStanding, State};
use quell_domain::{Identifier, Millis};
use quell_wire::{DecodeError, Decoder, SuppressionMessage};

/// What a record is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Understood {
    /// A change.
    Change(Change),
    /// It cannot be understood: its identifier, by the key, is opted out of everything.
    Restricts(Change),
    /// Nor can its key: it is nobody's that could be asked about.
    Nobodys,
}

/// Understands a record.
///
/// # Errors
/// When its schema has to be asked for and the registry does not answer: the same record is to be tried again.
pub(super) fn understand(
    decoder: &Decoder,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    timestamp: Millis,
) -> Result<Understood, DecodeError> {
    let by_key = || {
        let (identifier_type, value) = std::str::from_utf8(key?).ok()?.split_once(':')?;
        Identifier::new(identifier_type, value).ok()
    };
    if value.is_none() {
        return Ok(by_key().map_or(Understood::Nobodys, |identifier| Understood::Change(Change::Gone(identifier))));
    }
    let state = match decoder.suppression(value) {
        Ok(message) => state(message),
        Err(DecodeError::Malformed(_)) => None,
        Err(error @ DecodeError::RegistryUnavailable(_)) => return Err(error),
    };
    Ok(match (state, by_key()) {
        (Some(state), _) => Understood::Change(Change::Holds(state)),
        (None, Some(identifier)) => Understood::Restricts(Change::Holds(State::not_understood(identifier, timestamp))),
        (None, None) => Understood::Nobodys,
    })
}

fn state(message: SuppressionMessage) -> Option<State> {
    let identifier = Identifier::new(&message.identifier.identifier_type, &message.identifier.value).ok()?;
    let rights = message.rights.into_iter().map(|(name, right)| RightStanding {
        name,
        opted_out: right.opted_out,
        choice_id: right.choice_id,
        since: Millis(right.since),
        inherited: right.inherited,
    });
    Some(State { identifier, version: message.version, rights: rights.collect() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

    use super::*;

    const JSON: &str = r#"{"identifier":{"type":"account_id","value":"a"},"downstream":"ml","version":3,
        "suppressed":true,"published_at":9,
        "rights":{"admt":{"opted_out":true,"choice_id":"c","since":5,"inherited":true,"due_at":7}}}"#;

    fn understood(key: Option<&str>, value: Option<&str>) -> Understood {
        understand(&Decoder::new(None), key.map(str::as_bytes), value.map(str::as_bytes), Millis(7)).unwrap()
    }

    #[test]
    fn a_record_is_a_state_a_deletion_or_a_restriction() {
        let identifier = Identifier::new("account_id", "a").unwrap();
        let Understood::Change(Change::Holds(state)) = understood(None, Some(JSON)) else { panic!() };
        assert_eq!((&state.identifier, state.version, state.rights.len()), (&identifier, 3, 1));
        let gone = Change::Gone(identifier.clone());
        assert_eq!(understood(Some("account_id:a"), None), Understood::Change(gone));
        let restricts = Change::Holds(State::not_understood(identifier, Millis(7)));
        assert_eq!(understood(Some("account_id:a"), Some("{}")), Understood::Restricts(restricts));
        for (key, value) in [(None, None), (Some("account_id"), None), (None, Some("{}")), (Some(":a"), Some("?"))] {
            assert_eq!(understood(key, value), Understood::Nobodys);
        }
    }
}
