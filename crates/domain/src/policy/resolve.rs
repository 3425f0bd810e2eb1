//! From `policy.toml` as it is written to a policy that holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::gate;
use super::raw::{RawDownstream, RawIdentifierType, RawPolicy, RawRight};
use super::{
    ADMT, ADMT_SYSTEM, Deed, Downstream, IdentifierType, Join, Policy, PolicyError, RightPolicy, TypeNumber, is_name,
};
use crate::calendar::Calendar;
use crate::duration::parse_duration;
use crate::identifier::Identifier;
use crate::nearest::nearest;
use crate::normal;
use crate::right::{Right, RightSet};

/// The one normalisation that is known: what a type may be hashed `from`.
const EMAIL: &str = "email";

/// How far ahead of the engine's clock an event may be, when the policy does not say.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(300);

fn error<T>(message: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError(message.into()))
}

pub(super) fn policy(text: &str) -> Result<Policy, PolicyError> {
    let raw: RawPolicy = toml::from_str(text).map_err(|error| PolicyError(crate::nearest::toml_error(text, &error)))?;
    let max_clock_skew = match &raw.max_clock_skew {
        None => MAX_CLOCK_SKEW,
        Some(text) => parse_duration(text).map_err(|error| PolicyError(format!("max_clock_skew: {error}")))?,
    };
    let types = types(&raw.identifier_types)?;
    let number = |at: usize| u8::try_from(at).map(TypeNumber).ok();
    let numbered = || types.iter().enumerate().filter_map(|(at, known)| Some((known, number(at)?)));
    let type_by_name: HashMap<String, TypeNumber> =
        numbered().map(|(known, number)| (known.name.clone(), number)).collect();
    let mut type_by_code = vec![None; 64];
    for (known, number) in numbered() {
        if let Some(slot) =
            Identifier::code_of_type(&known.name).and_then(|code| type_by_code.get_mut(usize::from(code)))
        {
            *slot = Some(number);
        }
    }
    let mut hashed_from = HashMap::new();
    for (known, number) in numbered() {
        if let Some(from) = &known.from
            && hashed_from.insert(from.clone(), number).is_some()
        {
            return error(format!("two identifier types have from = \"{from}\": keep one"));
        }
    }
    let rights = rights(&raw.rights)?;
    let right_by_name: HashMap<String, Right> =
        (0..).map(Right).zip(&rights).map(|(right, known)| (known.name.clone(), right)).collect();
    let mut downstreams = Vec::new();
    for (name, raw) in &raw.downstreams {
        downstreams.push(downstream(name, raw, &types, &rights, &right_by_name)?);
    }
    if downstreams.len() > usize::from(u8::MAX) {
        return error("more than 255 downstreams: declare fewer");
    }
    let mut topics = BTreeMap::new();
    for known in &downstreams {
        if let Some(other) = topics.insert(&known.topic, &known.name) {
            return error(format!(
                "downstreams.{other} and downstreams.{} share the topic {}: give each its own",
                known.name, known.topic
            ));
        }
    }
    let sources = raw.sources.as_ref().map(|raw| {
        raw.iter()
            .map(|(name, source)| {
                named("sources", name)?;
                let may = source.may.iter().map(|deed| deed_of(name, deed)).collect::<Result<BTreeSet<Deed>, _>>()?;
                Ok((name.clone(), may))
            })
            .collect::<Result<BTreeMap<_, _>, PolicyError>>()
    });
    let sources = sources.transpose()?.filter(|sources| !sources.is_empty());
    let calendar =
        Calendar::new(raw.calendar.deadline_business_days, raw.calendar.time_zone.as_deref(), &raw.calendar.holidays)
            .map_err(|error| PolicyError(format!("calendar.{error}")))?;
    let systems = gate::systems(&raw.admt_systems, &rights)?;
    let actions = gate::actions(&raw.actions, &rights)?;
    let certificate_subject = gate::certificate_subject(&raw.certificates)?;
    let fingerprint = xxh3_64(format!("{types:?}{rights:?}{downstreams:?}").as_bytes());
    Ok(Policy {
        version: raw.version,
        max_clock_skew,
        types,
        type_by_code,
        type_by_name,
        hashed_from,
        rights,
        right_by_name,
        downstreams,
        sources,
        calendar,
        systems,
        actions,
        certificate_subject,
        fingerprint,
    })
}

pub(super) fn named(table: &str, name: &str) -> Result<(), PolicyError> {
    if is_name(name) {
        return Ok(());
    }
    error(format!("{table}.\"{name}\": a name has up to 64 letters, digits, '_', '-' and '.', and no ':'"))
}

pub(super) fn unknown<'a>(place: &str, name: &str, known: impl Iterator<Item = &'a str>) -> PolicyError {
    PolicyError(match nearest(name, known) {
        Some(nearest) => format!("{place}: \"{name}\" is not declared; did you mean \"{nearest}\"?"),
        None => format!("{place}: \"{name}\" is not declared"),
    })
}

fn types(raw: &BTreeMap<String, RawIdentifierType>) -> Result<Vec<IdentifierType>, PolicyError> {
    if raw.is_empty() {
        return error("no identifier type is declared: add [identifier_types.<name>]");
    }
    if raw.len() > usize::from(u8::MAX) {
        return error("more than 255 identifier types: declare fewer");
    }
    let mut types = Vec::with_capacity(raw.len());
    for (name, known) in raw {
        named("identifier_types", name)?;
        if let Some(other) = known.max_neighbours.keys().find(|other| !raw.contains_key(*other)) {
            let place = format!("identifier_types.{name}.max_neighbours");
            return Err(unknown(&place, other, raw.keys().map(String::as_str)));
        }
        match known.from.as_deref() {
            None => {}
            Some(from) if from != EMAIL => {
                return error(format!(
                    "identifier_types.{name}.from: \"{from}\" has no normal form; only \"{EMAIL}\" has"
                ));
            }
            Some(from) if raw.contains_key(from) => {
                return error(format!("identifier_types.{from}: is hashed into {name} at the door; do not declare it"));
            }
            Some(_) => {}
        }
        types.push(IdentifierType {
            name: name.clone(),
            from: known.from.clone(),
            max_neighbours: raw.keys().map(|other| known.max_neighbours.get(other).copied()).collect(),
            blocked: known.blocked_values.iter().flat_map(|value| blocked(known, value)).collect(),
        });
    }
    Ok(types)
}

/// A blocked value as it would be stored. Those of a hashed type may be given raw or hashed.
fn blocked(known: &RawIdentifierType, value: &str) -> Vec<String> {
    if known.from.is_none() {
        return vec![value.to_owned()];
    }
    [normal::hash(value), normal::hashed_email(value)].into_iter().flatten().collect()
}

fn rights(raw: &BTreeMap<String, RawRight>) -> Result<Vec<RightPolicy>, PolicyError> {
    if raw.is_empty() {
        return error("no right is declared: add [rights.<name>]");
    }
    let mut rights = Vec::new();
    for (name, known) in raw {
        named("rights", name)?;
        let join = match known.join.as_deref() {
            None | Some("opt_out_wins") => Join::OptOutWins,
            Some("latest_wins") => Join::LatestWins,
            Some(other) => {
                return error(format!(
                    "rights.{name}.join: \"{other}\" is neither \"opt_out_wins\" nor \"latest_wins\""
                ));
            }
        };
        rights.push(RightPolicy { name: name.clone(), join });
        if name != ADMT && !known.systems.is_empty() {
            return error(format!("rights.{name}.systems: only \"{ADMT}\" has systems"));
        }
        let systems: BTreeSet<&String> = known.systems.iter().collect();
        for system in systems {
            named("rights.admt.systems", system)?;
            rights.push(RightPolicy { name: format!("{ADMT_SYSTEM}{system}"), join });
        }
    }
    if rights.len() > Right::MAX {
        return error(format!(
            "{} rights, ADMT systems included: at most {} can be declared",
            rights.len(),
            Right::MAX
        ));
    }
    Ok(rights)
}

fn downstream(
    name: &str,
    raw: &RawDownstream,
    types: &[IdentifierType],
    rights: &[RightPolicy],
    right_by_name: &HashMap<String, Right>,
) -> Result<Downstream, PolicyError> {
    named("downstreams", name)?;
    if raw.topic.is_empty() {
        return error(format!("downstreams.{name}.topic: is empty; name the topic"));
    }
    let mut taken = RightSet::EMPTY;
    for right in &raw.rights {
        if right == "admt:*" {
            let systems = (0..).map(Right).zip(rights).filter(|(_, known)| known.name.starts_with(ADMT_SYSTEM));
            taken = taken.union(systems.map(|(right, _)| right).collect());
            continue;
        }
        match right_by_name.get(right) {
            Some(right) => taken.insert(*right),
            None => {
                let place = format!("downstreams.{name}.rights");
                return Err(unknown(&place, right, rights.iter().map(|known| known.name.as_str())));
            }
        }
    }
    let names = || types.iter().map(|known| known.name.as_str());
    if let Some(other) = raw.identifier_types.iter().find(|other| !names().any(|known| known == *other)) {
        return Err(unknown(&format!("downstreams.{name}.identifier_types"), other, names()));
    }
    let takes = names().map(|known| raw.identifier_types.iter().any(|taken| taken == known)).collect();
    Ok(Downstream { name: name.to_owned(), topic: raw.topic.clone(), rights: taken, takes })
}

fn deed_of(source: &str, name: &str) -> Result<Deed, PolicyError> {
    Deed::ALL
        .into_iter()
        .find(|deed| deed.as_str() == name)
        .ok_or_else(|| unknown(&format!("sources.{source}.may"), name, Deed::ALL.iter().map(|deed| deed.as_str())))
}
