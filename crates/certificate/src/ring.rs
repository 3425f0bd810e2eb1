//! The keys of a deployment, and which of them signs.

use std::time::Duration;

use quell_domain::Millis;

use crate::claims::Claims;
use crate::jwk::{KeyId, PublicKeys};
use crate::jws::sign;
use crate::signing_key::SigningKey;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the JWK set, and not used before some time.
    Published,
    /// It signs.
    InUse,
    /// It signs no more; what it has signed is verified by it for ever.
    Retired,
}

impl State {
    /// As a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::InUse => "in use",
            Self::Retired => "retired",
        }
    }
}

/// No key is in use: nothing can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key is in use; make one with `quell keys generate`")]
pub struct NoKey;

/// There is no first key to be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key {0} is there already; `quell keys rotate` makes the next one")]
pub struct NotTheFirst(KeyId);

/// There is no next key to be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// Nobody would wait for it.
    #[error(transparent)]
    NoKey(#[from] NoKey),
    /// The next one is there.
    #[error("the key {0} is published and not in use yet; wait until it is, or take its file away")]
    IsPending(KeyId),
    /// K2: some would still have a JWK set without it.
    #[error(
        "a key is used later than {}h after it was published: so long is the JWK set kept by those who verify",
        KeyRing::PUBLISHED_FOR_AT_LEAST.as_secs() / 3_600
    )]
    TooEarly,
}

/// All keys that there ever were, in the order of their use. Each is in use until the next one is.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Vec<SigningKey>);

impl KeyRing {
    /// For how long those who verify may keep the JWK set: a key that is used later than that after it was published is
    /// known to all of them by then (K2).
    pub const PUBLISHED_FOR_AT_LEAST: Duration = Duration::from_secs(3_600);

    /// What is signed at some time is signed by one key (K1): the last of those whose use has begun.
    ///
    /// # Errors
    /// When there is none.
    pub fn in_use(&self, now: Millis) -> Result<&SigningKey, NoKey> {
        self.0.iter().rfind(|key| key.used_from() <= now).ok_or(NoKey)
    }

    /// The keys, each with its state and the time at which it is retired, if that is known.
    pub fn keys(&self, now: Millis) -> impl Iterator<Item = (&SigningKey, State, Option<Millis>)> {
        let in_use = self.in_use(now).ok().map(SigningKey::id);
        let retired_at = self.0.iter().skip(1).map(|next| Some(next.used_from())).chain([None]);
        self.0.iter().zip(retired_at).map(move |(key, retired_at)| {
            let state = match in_use {
                Some(id) if id == key.id() => State::InUse,
                _ if key.used_from() > now => State::Published,
                _ => State::Retired,
            };
            (key, state, retired_at)
        })
    }

    /// All of them as they are published: those of the past, by which what they signed is verified, and of the future.
    #[must_use]
    pub fn public_keys(&self) -> PublicKeys {
        self.0.iter().map(SigningKey::public).collect()
    }

    /// The first key, from random bytes: there is no set without it that anybody keeps, so it is used at once.
    ///
    /// # Errors
    /// When there is one already.
    pub fn first(&self, random: &[u8; 32], now: Millis) -> Result<SigningKey, NotTheFirst> {
        match self.0.first() {
            None => Ok(SigningKey::new(random, now, now)),
            Some(key) => Err(NotTheFirst(key.id().clone())),
        }
    }

    /// The next key, from random bytes: published now, in use after some time.
    ///
    /// # Errors
    /// When it is not time for one, or would not be then.
    pub fn next(&self, random: &[u8; 32], now: Millis, after: Duration) -> Result<SigningKey, RotateError> {
        self.in_use(now)?;
        if let Some(pending) = self.0.iter().find(|key| key.used_from() > now) {
            return Err(RotateError::IsPending(pending.id().clone()));
        }
        if after <= Self::PUBLISHED_FOR_AT_LEAST {
            return Err(RotateError::TooEarly);
        }
        Ok(SigningKey::new(random, now, now + after))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn sign(&self, claims: &Claims, now: Millis) -> Result<String, NoKey> {
        Ok(sign(claims, self.in_use(now)?))
    }
}

impl FromIterator<SigningKey> for KeyRing {
    fn from_iter<I: IntoIterator<Item = SigningKey>>(keys: I) -> Self {
        let mut keys: Vec<SigningKey> = keys.into_iter().collect();
        // Two of the same time, as two hasty hands make them: every gate holds to the same one.
        keys.sort_by(|a, b| (a.used_from(), a.id()).cmp(&(b.used_from(), b.id())));
        Self(keys)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    fn key(seed: u8, published_at: i64, used_from: i64) -> SigningKey {
        SigningKey::new(&[seed; 32], Millis(published_at), Millis(used_from))
    }

    fn states(ring: &KeyRing, now: i64) -> Vec<(State, Option<i64>)> {
        ring.keys(Millis(now)).map(|(_, state, retired_at)| (state, retired_at.map(|at| at.0))).collect()
    }

    #[test]
    fn a_key_signs_from_its_time_until_the_next_ones() {
        let ring: KeyRing = [key(3, 60, 90), key(1, 10, 10), key(2, 20, 40)].into_iter().collect();
        assert_eq!(ring.in_use(Millis(9)).unwrap_err(), NoKey);
        for (now, seed) in [(10, 1), (39, 1), (40, 2), (89, 2), (90, 3), (i64::MAX, 3)] {
            assert_eq!(ring.in_use(Millis(now)).unwrap().id(), key(seed, 0, 0).id(), "at {now}");
        }
        assert_eq!(ring.public_keys().to_json().matches("kid").count(), 3);
    }

    #[test]
    fn a_key_is_published_then_in_use_then_retired() {
        use State::{InUse, Published, Retired};
        let ring: KeyRing = [key(1, 10, 10), key(2, 20, 40)].into_iter().collect();
        assert_eq!(states(&ring, 5), [(Published, Some(40)), (Published, None)]);
        assert_eq!(states(&ring, 20), [(InUse, Some(40)), (Published, None)]);
        assert_eq!(states(&ring, 40), [(Retired, Some(40)), (InUse, None)]);
    }

    #[test]
    fn the_next_key_is_published_before_its_use_and_one_at_a_time() {
        let (none, now, hour) = (KeyRing::default(), Millis(1_000), KeyRing::PUBLISHED_FOR_AT_LEAST);
        let later = hour + Duration::from_millis(1);
        assert_eq!(none.next(&[2; 32], now, later).unwrap_err(), RotateError::NoKey(NoKey));
        let first = none.first(&[1; 32], now).unwrap();
        assert_eq!((first.published_at(), first.used_from()), (now, now));
        let one: KeyRing = [first.clone()].into_iter().collect();
        assert_eq!(one.first(&[2; 32], now).unwrap_err(), NotTheFirst(first.id().clone()));
        assert_eq!(one.next(&[2; 32], now, hour).unwrap_err(), RotateError::TooEarly);
        let next = one.next(&[2; 32], now, later).unwrap();
        assert_eq!((next.published_at(), next.used_from()), (now, now + later));
        let two: KeyRing = [first, next.clone()].into_iter().collect();
        assert_eq!(two.next(&[3; 32], now, later).unwrap_err(), RotateError::IsPending(next.id().clone()));
        assert!(two.next(&[3; 32], now + later, later).is_ok());
    }

    #[test]
    fn of_two_keys_of_the_same_time_every_gate_takes_the_same() {
        let (a, b): (KeyRing, KeyRing) =
            ([key(1, 0, 5), key(2, 0, 5)].into_iter().collect(), [key(2, 0, 5), key(1, 0, 5)].into_iter().collect());
        assert_eq!(a.in_use(Millis(5)).unwrap().id(), b.in_use(Millis(5)).unwrap().id());
        assert_eq!(states(&a, 5), [(State::Retired, Some(5)), (State::InUse, None)]);
    }
}
