//! From a record of the suppressions' topic to what it brings about.

use quell_decision::{Change, RightStanding, State};
use quell_domain::{EventId, Identifier, Millis, NAME_BYTES_MAX};
use quell_wire::{DecodeError, Decoder, RightMessage, SuppressionMessage};

/// What a record is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Understood {
    /// A change.
    Change(Change),
    /// It cannot be understood: whoever it may be about is opted out of everything.
    Restricts(Vec<Change>),
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
    let restricts = |identifier| Change::Holds(State::not_understood(identifier, timestamp));
    Ok(match (state, by_key()) {
        // A key that is none of Quell's says nothing; one that names another identifier than the value does.
        (Some(state), Some(other)) if state.identifier != other => {
            Understood::Restricts(vec![restricts(state.identifier), restricts(other)])
        }
        (Some(state), _) => Understood::Change(Change::Holds(state)),
        (None, Some(identifier)) => Understood::Restricts(vec![restricts(identifier)]),
        (None, None) => Understood::Nobodys,
    })
}

/// None if something in it is longer than anything that Quell writes.
fn state(message: SuppressionMessage) -> Option<State> {
    let identifier = Identifier::new(&message.identifier.identifier_type, &message.identifier.value).ok()?;
    let standing = |(name, right): (String, RightMessage)| {
        let is_of_quell = name.len() <= NAME_BYTES_MAX && right.choice_id.len() <= EventId::BYTES_MAX;
        is_of_quell.then_some(RightStanding {
            name,
            opted_out: right.opted_out,
            choice_id: right.choice_id,
            since: Millis(right.since),
            inherited: right.inherited,
        })
    };
    let rights = message.rights.into_iter().map(standing).collect::<Option<_>>()?;
    Some(State { identifier, version: message.version, rights })
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
        let restricts = |identifier| Change::Holds(State::not_understood(identifier, Millis(7)));
        let of_a = restricts(identifier);
        assert_eq!(understood(Some("account_id:a"), Some("{}")), Understood::Restricts(vec![of_a.clone()]));
        let of_b = restricts(Identifier::new("account_id", "b").unwrap());
        assert_eq!(understood(Some("account_id:b"), Some(JSON)), Understood::Restricts(vec![of_a.clone(), of_b]));
        let long = JSON.replace("\"c\"", &format!("\"{}\"", "é".repeat(40_000)));
        assert_eq!(understood(Some("account_id:a"), Some(&long)), Understood::Restricts(vec![of_a]));
        for (key, value) in [(None, None), (Some("account_id"), None), (None, Some("{}")), (Some(":a"), Some("?"))] {
            assert_eq!(understood(key, value), Understood::Nobodys);
        }
    }
}
