//! Questions as they are asked over AuthZEN: read from the bytes, strings borrowed.
//!
//! What is not known is ignored; what is known must be of its type. No error repeats what was asked: it may be logged
//! by whoever gets it, and an identifier must not be.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::plain_json;

/// The longest name or version of a model that is recorded.
pub(super) const MODEL_BYTES_MAX: usize = 256;

/// The most that a caller can mark for a human.
const REVIEW_BYTES_MAX: usize = 16 << 10;

/// Something that cannot be understood: 400, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub Cow<'static, str>);

/// One evaluation, or what holds for all of several.
#[derive(Debug, Deserialize)]
pub(super) struct Evaluation<'a> {
    #[serde(borrow)]
    pub subject: Option<Object<Entity<'a>>>,
    #[serde(borrow)]
    pub action: Option<Object<Action<'a>>>,
    #[serde(borrow)]
    pub resource: Option<Object<Entity<'a>>>,
    #[serde(borrow)]
    pub context: Option<Object<Context<'a>>>,
}

/// What the endpoint of several takes beside what holds for all.
#[derive(Debug, Deserialize)]
pub(super) struct Several<'a> {
    #[serde(borrow)]
    pub evaluations: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    pub options: Option<Object<Options>>,
}

/// `options`
#[derive(Debug, Default, Deserialize)]
pub(super) struct Options {
    #[serde(default)]
    pub evaluations_semantic: Semantic,
}

/// When several evaluations end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Semantic {
    /// With the last.
    #[default]
    ExecuteAll,
    /// With the first deny.
    DenyOnFirstDeny,
    /// With the first permit.
    PermitOnFirstPermit,
}

/// A subject, or a resource.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Entity<'a> {
    #[serde(borrow, rename = "type")]
    pub entity_type: Cow<'a, str>,
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(default, rename = "properties")]
    _properties: Option<Object<IgnoredAny>>,
}

/// `action`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Action<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(default, rename = "properties")]
    _properties: Option<Object<IgnoredAny>>,
}

/// `context`, as far as it means anything here.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Context<'a> {
    #[serde(default)]
    pub human_review: Option<bool>,
    #[serde(default)]
    pub certificate: Option<bool>,
    #[serde(borrow)]
    pub model: Option<Object<Model<'a>>>,
    #[serde(borrow)]
    pub input_sha256: Option<Text<'a>>,
    /// What a human is to see, as it is given.
    #[serde(borrow)]
    pub review: Option<&'a RawValue>,
}

/// `context.model`
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Model<'a> {
    #[serde(borrow)]
    pub name: Option<Text<'a>>,
    #[serde(borrow)]
    pub version: Option<Text<'a>>,
}

/// A string that may be missing, borrowed all the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// What must be an object: serde takes an array for a struct as well.
#[derive(Clone, Debug)]
pub(super) struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Object)
            }
        }
        deserializer.deserialize_map(OfMap(PhantomData))
    }
}

/// A question that has all that one needs.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub subject: Entity<'a>,
    pub action: Action<'a>,
    pub resource: Entity<'a>,
    pub context: Context<'a>,
}

impl<'a> Evaluation<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let parsed: Self = object(body)?;
        // Here, not with each question: what holds for all of a batch is checked once.
        parsed.context.as_ref().map_or(Ok(()), |Object(context)| context.check())?;
        Ok(parsed)
    }

    /// With what holds for all in the place of what is missing: whole entities, never parts of one.
    pub fn or(self, all: &Self) -> Self {
        Self {
            subject: self.subject.or_else(|| all.subject.clone()),
            action: self.action.or_else(|| all.action.clone()),
            resource: self.resource.or_else(|| all.resource.clone()),
            context: self.context.or_else(|| all.context.clone()),
        }
    }

    pub fn asked(self) -> Result<Asked<'a>, Malformed> {
        let missing = |name: &'static str| Malformed(format!("missing field `{name}`").into());
        let context = self.context.map(|Object(context)| context).unwrap_or_default();
        Ok(Asked {
            subject: self.subject.ok_or_else(|| missing("subject"))?.0,
            action: self.action.ok_or_else(|| missing("action"))?.0,
            resource: self.resource.ok_or_else(|| missing("resource"))?.0,
            context,
        })
    }
}

impl<'a> Several<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        object(body)
    }

    pub fn semantic(&self) -> Semantic {
        self.options.as_ref().map(|options| options.0.evaluations_semantic).unwrap_or_default()
    }
}

impl Context<'_> {
    fn check(&self) -> Result<(), Malformed> {
        let model = self.model.as_ref().map(|Object(model)| model);
        let texts = [model.and_then(|model| model.name.as_ref()), model.and_then(|model| model.version.as_ref())];
        if texts.into_iter().flatten().any(|text| text.0.len() > MODEL_BYTES_MAX) {
            return Err(Malformed("context.model: a name or version has at most 256 bytes".into()));
        }
        if self.input_sha256.as_ref().is_some_and(|text| !is_sha256(&text.0)) {
            return Err(Malformed("context.input_sha256: is not 64 hexadecimal digits".into()));
        }
        let review = self.review.map_or("{}", RawValue::get);
        if !review.starts_with('{') {
            return Err(Malformed("context.review: is not an object".into()));
        }
        if review.len() > REVIEW_BYTES_MAX {
            return Err(Malformed("context.review: has at most 16 KiB".into()));
        }
        plain_json::check(review)
            .map_err(|error| Malformed(format!("context.review: not all readers understand it: {error}").into()))
    }
}

/// Whether a text is a SHA-256 in hexadecimal digits.
pub(super) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A JSON object of some form.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Malformed> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Malformed("the body is empty".into()));
    }
    let parsed = serde_json::from_slice(body).map(|Object(parsed)| parsed);
    parsed.map_err(|error| Malformed(without_values(&error).into()))
}

/// What serde says of an error, without the value that it is about.
fn without_values(error: &serde_json::Error) -> String {
    let said = error.to_string();
    let is_about_names = ["missing field", "duplicate field"].iter().any(|begin| said.starts_with(begin));
    if !error.is_data() || is_about_names {
        return said;
    }
    // What is expected is ours, and stands last: the value before it may say anything, this too.
    let what = match said.split_once(' ') {
        Some(("unknown", rest)) if rest.starts_with("field ") => "a field is unknown",
        Some(("unknown", _)) => "a value is none of those that are known",
        _ => "a value is of a wrong type",
    };
    match said.rsplit_once(", expected ") {
        Some((_, expected)) => format!("{what}: expected {expected}"),
        None => format!("{what}, at line {} column {}", error.line(), error.column()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;

    const ASKED: &str = r#"{"subject":{"type":"account_id","id":"a-1"},"action":{"name":"infer"},"resource":{"type":"admt_system","id":"hiring"}}"#;

    #[test]
    fn strings_are_borrowed_where_they_can_be() {
        let asked = Evaluation::parse(ASKED.as_bytes()).unwrap().asked().unwrap();
        assert!(matches!(asked.subject.id, Cow::Borrowed("a-1")));
        let escaped = ASKED.replace("a-1", "a\\u002d1");
        assert!(
            matches!(Evaluation::parse(escaped.as_bytes()).unwrap().asked().unwrap().subject.id, Cow::Owned(id) if id == "a-1")
        );
    }

    #[test]
    fn no_error_repeats_what_was_asked() {
        let secret = "ada@example.com";
        for body in [
            format!(r#"{{"subject":"{secret}"}}"#),
            format!(r#"{{"subject":["{secret}"]}}"#),
            format!(r#"{{"subject":{{"type":"email","id":{{"{secret}":1}}}}}}"#),
            format!(r#"{{"options":{{"evaluations_semantic":"{secret}"}}}}"#),
            format!(r#"{{"{secret}":1,"subject":{{"type":"email","{secret}":1}}}}"#),
            format!(r#"{{"context":{{"human_review":"{secret}"}}}}"#),
            format!(r#"{{"subject":"{secret}"#),
            format!(r#"{{"subject":"x, expected {secret}"}}"#),
            format!(r#"{{"subject":"x, expected one of `{secret}`, expected {secret}, "}}"#),
            format!(r#"{{"options":{{"evaluations_semantic":"x`, expected {secret}"}}}}"#),
            format!(r#"{{"context":{{"review":{{"{secret}":1,"{secret}":2}}}}}}"#),
            secret.to_owned(),
        ] {
            let one = Evaluation::parse(body.as_bytes()).and_then(Evaluation::asked).map(|_| ());
            let several = Several::parse(body.as_bytes()).map(|_| ());
            for error in [one, several].into_iter().filter_map(Result::err) {
                assert!(!error.0.contains("ada"), "{body}: {}", error.0);
            }
        }
    }
}
