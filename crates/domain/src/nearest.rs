//! What may have been meant.

/// Beyond this edit distance a name is another name, not a slip.
const DISTANCE_MAX: usize = 3;

/// The known name that is nearest to one that is not known, if any is near.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    distances.filter(|(distance, _)| *distance <= DISTANCE_MAX.min(name.len())).min().map(|(_, known)| known)
}

/// One line for an error in a TOML file: where, what, and for an unknown key the nearest known one.
#[must_use]
pub fn toml_error(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map(|span| 1 + text.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
    let message = error.message().replace('\n', " ");
    let mut quoted = message.split('`').skip(1).step_by(2);
    let meant = if message.starts_with("unknown field") {
        quoted.next().and_then(|field| nearest(field, quoted)).map(|nearest| format!("; did you mean `{nearest}`?"))
    } else {
        None
    };
    let place = line.map(|line| format!("line {line}: ")).unwrap_or_default();
    format!("{place}{message}{}", meant.unwrap_or_default())
}
