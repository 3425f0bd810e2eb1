//! JSON that every reader understands alike (I-JSON, RFC 7493), and no deeper than readers go.
//!
//! What is kept as it was given is read later, by other programs. A name that is no text, or that stands twice, would have
//! one of them see what another does not.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// How deep it may be nested: deeper than anything that a human is to look at, and far from where readers give up.
const LEVELS_MAX: usize = 32;

/// Reads it to its end. What is said of an error repeats no value.
pub(super) fn check(text: &str) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    LevelsLeft(LEVELS_MAX).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// A value that may have so many levels.
#[derive(Clone, Copy)]
struct LevelsLeft(usize);

impl LevelsLeft {
    fn below<E: Error>(self) -> Result<Self, E> {
        let left = self.0.checked_sub(1);
        left.map(Self).ok_or_else(|| E::custom(format!("it is nested deeper than {LEVELS_MAX} levels")))
    }
}

impl<'de> DeserializeSeed<'de> for LevelsLeft {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for LevelsLeft {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let below = self.below()?;
        while items.next_element_seed(below)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let below = self.below()?;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a name stands twice in one object"));
            }
            members.next_value_seed(below)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> String {
        format!("{}{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn what_readers_would_understand_otherwise_is_refused() {
        for good in [
            r#"{"proposal":"refuse","a":[1,-2,0.5,true,null,{"proposal":1}]}"#,
            r#"{"\u00e4":1,"\ud83d\ude00":2}"#,
            &nested(LEVELS_MAX),
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for (wrong, why) in [
            (r#"{"k\ud800":1,"proposal":1}"#, "hex escape"),
            (r#"{"proposal":"\udc00"}"#, "hex escape"),
            (r#"{"a":{"ada":1,"ada":2}}"#, "a name stands twice"),
            (r#"{"x":1e999}"#, "number out of range"),
            (&nested(LEVELS_MAX + 1), "deeper than 32"),
            (&nested(7_000), "deeper than 32"),
        ] {
            let said = check(wrong).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(why) && !said.contains("ada"), "{wrong}: {said}");
        }
    }
}
