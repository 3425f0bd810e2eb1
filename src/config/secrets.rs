//! What `quell config show` does not show.

use toml::{Table, Value};

use super::file::ConfigFile;

const MASK: &str = "********";

/// What the name of a secret property of librdkafka has in it: `sasl.password`, `ssl.key.pem`,
/// `sasl.oauthbearer.client.secret`, `sasl.oauthbearer.config`.
const SECRET_PARTS: [&str; 6] = ["password", "secret", "token", "key.pem", "oauthbearer.config", "credential"];

/// What must not be shown of a file, or not all of it.
pub struct Secrets<'a> {
    /// `http.token`, and any other that a request shows.
    pub tokens: Vec<&'a mut String>,
    /// `encoding.schema_registry_url`, which may have a password in it.
    pub schema_registry_url: &'a mut String,
    /// `[kafka.client]`
    pub client: &'a mut Table,
}

/// The configuration without its secrets.
#[must_use]
pub fn masked<F: ConfigFile>(mut raw: F) -> F {
    let Secrets { tokens, schema_registry_url, client } = raw.secrets();
    tokens.into_iter().for_each(mask);
    *schema_registry_url = without_user_info(schema_registry_url);
    mask_properties("", client);
    raw
}

fn mask(secret: &mut String) {
    if !secret.is_empty() {
        MASK.clone_into(secret);
    }
}

/// Properties may stand in tables: `ssl.key.password` without quotes is one.
fn mask_properties(path: &str, table: &mut Table) {
    for (name, value) in table.iter_mut() {
        let property = format!("{path}{name}").to_ascii_lowercase();
        match value {
            Value::Table(below) => mask_properties(&format!("{property}."), below),
            _ if SECRET_PARTS.iter().any(|part| property.contains(part)) => *value = Value::String(MASK.to_owned()),
            _ => {}
        }
    }
}

/// `https://user:password@host` without what is in front of the host.
fn without_user_info(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let host_ends = rest.find('/').unwrap_or(rest.len());
    match rest.get(..host_ends).and_then(|authority| authority.rfind('@')).and_then(|at| rest.get(at + 1..)) {
        Some(rest) => format!("{scheme}://{MASK}@{rest}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed test may panic")]

    use super::*;
    use crate::config::RawConfig;

    #[test]
    fn no_secret_is_shown() {
        let text = r#"
            [kafka.client]
            "security.protocol" = "SASL_SSL"
            "sasl.password" = "hidden"
            ssl.key.password = "hidden"
            ssl.key.location = "/etc/key"
            "ssl.key.pem" = "hidden"
            "sasl.oauthbearer.client.secret" = "hidden"
            "sasl.oauthbearer.config" = "hidden"
            [encoding]
            schema_registry_url = "https://me:hidden@registry:8081/a@b"
            [http]
            token = "hidden"
            token_file = "/etc/token"
        "#;
        let shown = toml::to_string(&masked::<RawConfig>(toml::from_str(text).unwrap())).unwrap();
        assert!(!shown.contains("hidden"), "{shown}");
        for public in ["SASL_SSL", "/etc/key", "https://********@registry:8081/a@b", "/etc/token"] {
            assert!(shown.contains(public), "{public} in {shown}");
        }
    }

    #[test]
    fn what_is_not_set_is_not_masked() {
        assert_eq!(masked(RawConfig::default()), RawConfig::default());
    }
}
