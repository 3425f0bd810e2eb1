//! The policy: what is declared, what may be done, and what holds when it is not said.
//!
//! Two steps: [`raw`] mirrors `policy.toml`, and [`resolve`] makes of it a [`Policy`] that holds valid values only.

mod gate;
mod raw;
mod resolve;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::calendar::Calendar;
use crate::identifier::Identifier;
use crate::normal;
use crate::refusal::{Refusal, RefusalCode};
use crate::right::{Right, RightSet};

pub use gate::{
    AdmtSystem, Alternative, CertificateSubject, Escalate, GateAction, OnStale, OptOut, SignificantDecision,
    UnknownSubject,
};

/// The longest name of a type, right, downstream or source.
pub const NAME_BYTES_MAX: usize = 64;

/// Whether this may be the name of a type, right, downstream or source: letters, digits, `_`, `-` and `.`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(allowed)
}

/// An identifier type: its place in the policy. Only within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeNumber(pub u8);

/// A downstream: its place in the policy. Only within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownstreamNumber(pub u8);

/// How the choices of one right are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Join {
    /// Opted out if any choice in reach is an opt-out. The default: it errs on the consumer's side.
    OptOutWins,
    /// The newest choice in reach holds.
    LatestWins,
}

/// A declared identifier type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentifierType {
    /// Its name.
    pub name: String,
    /// The type whose normalised values are hashed into this one.
    pub from: Option<String>,
    /// By neighbour type: more neighbours make a hub. In the order of the types; none: no limit.
    pub max_neighbours: Vec<Option<u32>>,
    /// Values that name nobody in particular.
    blocked: BTreeSet<String>,
}

/// A declared right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightPolicy {
    /// Its name; `admt:<system>` for a system of `admt`.
    pub name: String,
    /// How its choices are joined.
    pub join: Join,
}

/// A declared downstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downstream {
    /// Its name.
    pub name: String,
    /// Its topic.
    pub topic: String,
    /// The rights that it takes.
    pub rights: RightSet,
    takes: Vec<bool>,
}

impl Downstream {
    /// Whether it takes identifiers of a type.
    #[must_use]
    pub fn takes(&self, number: TypeNumber) -> bool {
        self.takes.get(usize::from(number.0)).copied().unwrap_or(false)
    }
}

/// What a source may be trusted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Deed {
    /// Opt a consumer out.
    OptOut,
    /// Opt a consumer in.
    OptIn,
    /// Link two identifiers.
    Link,
    /// Withdraw a link.
    Unlink,
}

/// A policy that cannot be used. One line, which says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(pub(crate) String);

/// A valid policy.
#[derive(Clone, Debug)]
pub struct Policy {
    version: String,
    max_clock_skew: Duration,
    types: Vec<IdentifierType>,
    /// By the code of a well-known type: its number.
    type_by_code: Vec<Option<TypeNumber>>,
    type_by_name: HashMap<String, TypeNumber>,
    /// By the name of a raw type, such as `email`: the types that it is hashed into.
    hashed_from: HashMap<String, TypeNumber>,
    rights: Vec<RightPolicy>,
    right_by_name: HashMap<String, Right>,
    downstreams: Vec<Downstream>,
    sources: Option<BTreeMap<String, BTreeSet<Deed>>>,
    calendar: Calendar,
    systems: Vec<AdmtSystem>,
    actions: Vec<GateAction>,
    certificate_subject: CertificateSubject,
    fingerprint: u64,
}

impl Policy {
    /// Reads a `policy.toml`.
    ///
    /// # Errors
    /// When it is not valid; the message says what to do.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        resolve::policy(text)
    }

    /// What its author calls it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How far ahead of the engine's clock an event's times may be.
    #[must_use]
    pub fn max_clock_skew(&self) -> Duration {
        self.max_clock_skew
    }

    /// The identifier types, in order of their numbers.
    #[must_use]
    pub fn identifier_types(&self) -> &[IdentifierType] {
        &self.types
    }

    /// The number of an identifier's type; none if the policy does not declare it.
    #[must_use]
    pub fn type_number(&self, identifier: &Identifier) -> Option<TypeNumber> {
        match identifier.type_code() {
            Some(code) => self.type_by_code.get(usize::from(code)).copied().flatten(),
            None => self.type_by_name.get(identifier.identifier_type()).copied(),
        }
    }

    /// How many neighbours of one type an identifier of another may have before it is a hub; none: no limit.
    #[must_use]
    pub fn hub_limit(&self, of: TypeNumber, neighbour: TypeNumber) -> Option<u32> {
        let limits = &self.types.get(usize::from(of.0))?.max_neighbours;
        limits.get(usize::from(neighbour.0)).copied().flatten()
    }

    /// The rights, in order of their numbers.
    #[must_use]
    pub fn rights(&self) -> &[RightPolicy] {
        &self.rights
    }

    /// The right of a name.
    #[must_use]
    pub fn right(&self, name: &str) -> Option<Right> {
        self.right_by_name.get(name).copied()
    }

    /// A right's name.
    #[must_use]
    pub fn right_name(&self, right: Right) -> &str {
        self.rights.get(usize::from(right.0)).map_or("", |known| &known.name)
    }

    /// How a right's choices are joined.
    #[must_use]
    pub fn join(&self, right: Right) -> Join {
        self.rights.get(usize::from(right.0)).map_or(Join::OptOutWins, |known| known.join)
    }

    /// What an event names that names a right: `admt` covers each of its systems (contract, point 2).
    #[must_use]
    pub fn named_by(&self, name: &str) -> Option<RightSet> {
        Some(self.with_systems([self.right(name)?].into_iter().collect()))
    }

    /// The same rights, and with `admt` each of its systems.
    #[must_use]
    pub fn with_systems(&self, rights: RightSet) -> RightSet {
        let has_admt = self.right(ADMT).is_some_and(|admt| rights.contains(admt));
        if has_admt { rights.union(self.admt_systems()) } else { rights }
    }

    /// The rights `admt:<system>`.
    #[must_use]
    pub fn admt_systems(&self) -> RightSet {
        let systems = (0..).map(Right).zip(&self.rights).filter(|(_, known)| known.name.starts_with(ADMT_SYSTEM));
        systems.map(|(right, _)| right).collect()
    }

    /// The downstreams, in order of their numbers.
    #[must_use]
    pub fn downstreams(&self) -> &[Downstream] {
        &self.downstreams
    }

    /// The downstream of a name.
    #[must_use]
    pub fn downstream(&self, name: &str) -> Option<DownstreamNumber> {
        (0..)
            .map(DownstreamNumber)
            .zip(&self.downstreams)
            .find(|(_, known)| known.name == name)
            .map(|(number, _)| number)
    }

    /// The calendar of deadlines.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// The systems that decide about consumers, in the order of their names: all that `rights.admt.systems` declares.
    #[must_use]
    pub fn systems(&self) -> &[AdmtSystem] {
        &self.systems
    }

    /// The system of a name.
    #[must_use]
    pub fn admt_system(&self, name: &str) -> Option<&AdmtSystem> {
        self.systems.iter().find(|known| known.name == name)
    }

    /// What may be asked for at the gate, in the order of the names.
    #[must_use]
    pub fn gate_actions(&self) -> &[GateAction] {
        &self.actions
    }

    /// The action of a name.
    #[must_use]
    pub fn gate_action(&self, name: &str) -> Option<&GateAction> {
        self.actions.iter().find(|known| known.name == name)
    }

    /// How a decision's certificate names whom it is about.
    #[must_use]
    pub fn certificate_subject(&self) -> CertificateSubject {
        self.certificate_subject
    }

    /// A fingerprint of what matters to stored state: types, limits, rights and their joins, downstreams.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether a source may do something; everything if the policy lists no sources.
    ///
    /// # Errors
    /// `unknown_source` or `untrusted_source`.
    pub fn trusts(&self, source: &str, deed: Deed) -> Result<(), Refusal> {
        let Some(sources) = &self.sources else { return Ok(()) };
        match sources.get(source) {
            None => Err(Refusal::new(RefusalCode::UnknownSource, "the policy does not list the source")),
            Some(may) if may.contains(&deed) => Ok(()),
            Some(_) => Err(Refusal::new(
                RefusalCode::UntrustedSource,
                format!("the policy does not let the source {}", deed.as_str()),
            )),
        }
    }

    /// The identifier that an event means: normalised, hashed, checked.
    ///
    /// # Errors
    /// `unknown_type`, `invalid` or `blocked_value`. The message does not hold the value.
    pub fn identify(&self, identifier_type: &str, value: &str) -> Result<Identifier, Refusal> {
        let (declared, raw) = (self.type_by_name.get(identifier_type), self.hashed_from.get(identifier_type));
        let known = declared.or(raw).and_then(|number| self.types.get(usize::from(number.0)));
        let Some(known) = known else {
            return Err(Refusal::new(RefusalCode::UnknownType, "the policy does not declare the identifier type"));
        };
        let invalid = |error: &dyn std::fmt::Display| {
            Refusal::new(RefusalCode::Invalid, format!("the {identifier_type}'s {error}"))
        };
        let value = if declared.is_none() {
            Cow::Owned(normal::hashed_email(value).map_err(|error| invalid(&error))?)
        } else if known.from.is_some() {
            Cow::Owned(normal::hash(value).map_err(|error| invalid(&error))?)
        } else {
            Cow::Borrowed(value)
        };
        let identifier = Identifier::new(&known.name, &value).map_err(|error| invalid(&error))?;
        if known.blocked.contains(&*value) {
            return Err(Refusal::new(RefusalCode::BlockedValue, format!("the {} is on the block list", known.name)));
        }
        Ok(identifier)
    }
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OptOut, Self::OptIn, Self::Link, Self::Unlink];

    /// As it stands in the policy.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptOut => "opt_out",
            Self::OptIn => "opt_in",
            Self::Link => "link",
            Self::Unlink => "unlink",
        }
    }
}

/// The right that has systems: `admt:<system>` for each.
pub const ADMT: &str = "admt";
/// What stands before a system's name in its right's.
pub const ADMT_SYSTEM: &str = "admt:";
