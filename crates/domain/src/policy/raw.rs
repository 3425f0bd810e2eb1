//! `policy.toml` as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The file. Every table but these is an error.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPolicy {
    pub version: String,
    pub max_clock_skew: Option<String>,
    #[serde(default)]
    pub identifier_types: BTreeMap<String, RawIdentifierType>,
    #[serde(default)]
    pub rights: BTreeMap<String, RawRight>,
    #[serde(default)]
    pub downstreams: BTreeMap<String, RawDownstream>,
    pub sources: Option<BTreeMap<String, RawSource>>,
    #[serde(default)]
    pub calendar: RawCalendar,
    #[serde(default)]
    pub admt_systems: BTreeMap<String, RawAdmtSystem>,
    #[serde(default)]
    pub actions: BTreeMap<String, RawAction>,
    #[serde(default)]
    pub certificates: RawCertificates,
}

/// `[identifier_types.<name>]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawIdentifierType {
    #[serde(default)]
    pub max_neighbours: BTreeMap<String, u32>,
    #[serde(default)]
    pub blocked_values: Vec<String>,
    pub from: Option<String>,
}

/// `[rights.<name>]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRight {
    pub join: Option<String>,
    #[serde(default)]
    pub systems: Vec<String>,
}

/// `[downstreams.<name>]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDownstream {
    pub topic: String,
    pub rights: Vec<String>,
    pub identifier_types: Vec<String>,
}

/// `[sources.<name>]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub may: Vec<String>,
}

/// `[calendar]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCalendar {
    pub deadline_business_days: Option<i64>,
    pub time_zone: Option<String>,
    #[serde(default)]
    pub holidays: Vec<String>,
}

/// `[admt_systems.<name>]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAdmtSystem {
    pub max_staleness: Option<String>,
    pub on_stale: Option<String>,
    pub alternative: Option<String>,
    pub significant_decision: Option<String>,
    pub opt_out: Option<String>,
    pub escalate: Option<String>,
    pub unknown_subject: Option<String>,
}

/// `[actions.<name>]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAction {
    pub rights: Vec<String>,
}

/// `[certificates]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCertificates {
    pub subject: Option<String>,
}
