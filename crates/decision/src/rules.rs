//! The policy, as the gate holds to it: whole, or not at all.

use quell_domain::{
    ADMT, AdmtSystem, CertificateSubject, Downstream, GateAction, Policy, PolicyError, Refusal, RefusalCode, RightSet,
    nearest,
};

use crate::decide::Subject;
use crate::right_bits::{RightBits, RightMask};

/// The policy cannot be held to. The gate keeps the one that it has; without one it does not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    /// It is not valid.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// It has no such downstream.
    #[error("downstreams.{name} is not in the policy; {hint}")]
    NoDownstream {
        /// Whose suppressions the gate reads.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// The gate would permit what it is never told of.
    #[error("downstreams.{downstream}.rights does not have \"{right}\", which the gate is asked about; add it there")]
    RightNotTaken {
        /// Whose suppressions the gate reads.
        downstream: String,
        /// What it is not told of.
        right: String,
    },
    /// There is nothing to ask about.
    #[error("the policy declares no system: name them in rights.admt.systems")]
    NoSystem,
}

/// What an action on a system needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Need {
    /// The rights beside those of ADMT.
    pub others: RightMask,
    /// `admt` and `admt:<system>`, if they count.
    pub admt: RightMask,
}

/// A policy that the gate can hold to.
#[derive(Debug)]
pub struct Rules {
    policy: Policy,
    fingerprint: String,
    downstream: Downstream,
    resource_type: String,
    /// By action, then by system.
    needs: Vec<Vec<Need>>,
}

impl Rules {
    /// Reads a `policy.toml` for a gate that reads a downstream's suppressions and is asked about resources of a type.
    /// The fingerprint tells this text from any other.
    ///
    /// # Errors
    /// When the gate cannot hold to it.
    pub fn parse(
        text: &str,
        fingerprint: String,
        downstream: &str,
        resource_type: &str,
        bits: &RightBits,
    ) -> Result<Self, RulesError> {
        let policy = Policy::parse(text)?;
        let known = policy.downstreams();
        let Some(downstream) = known.iter().find(|known| known.name == downstream).cloned() else {
            let hint = match nearest(downstream, known.iter().map(|known| known.name.as_str())) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => "name the one whose suppressions the gate reads".to_owned(),
            };
            return Err(RulesError::NoDownstream { name: downstream.to_owned(), hint });
        };
        if policy.systems().is_empty() {
            return Err(RulesError::NoSystem);
        }
        let asked_about =
            policy.gate_actions().iter().fold(policy.admt_systems(), |all, action| all.union(action.rights));
        if let Some(right) = asked_about.difference(downstream.rights).iter().next() {
            let right = policy.right_name(right).to_owned();
            return Err(RulesError::RightNotTaken { downstream: downstream.name, right });
        }
        let needs_of = |action| policy.systems().iter().map(|system| need(&policy, action, system, bits)).collect();
        let needs = policy.gate_actions().iter().map(needs_of).collect();
        Ok(Self { needs, downstream, fingerprint, resource_type: resource_type.to_owned(), policy })
    }

    /// What its author calls it.
    #[must_use]
    pub fn version(&self) -> &str {
        self.policy.version()
    }

    /// What tells its text from any other.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The topic that the gate reads.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.downstream.topic
    }

    /// All downstreams of the policy.
    #[must_use]
    pub fn downstreams(&self) -> &[Downstream] {
        self.policy.downstreams()
    }

    /// What a resource must be.
    #[must_use]
    pub fn resource_type(&self) -> &str {
        &self.resource_type
    }

    /// The systems.
    #[must_use]
    pub fn systems(&self) -> &[AdmtSystem] {
        self.policy.systems()
    }

    /// How a decision's certificate names whom it is about.
    #[must_use]
    pub fn certificate_subject(&self) -> CertificateSubject {
        self.policy.certificate_subject()
    }

    /// Whom an identifier means: normalised and hashed, as at the engine's door.
    #[must_use]
    pub fn subject(&self, identifier_type: &str, value: &str) -> Subject {
        match self.policy.identify(identifier_type, value) {
            Ok(identifier) => {
                let number = self.policy.type_number(&identifier);
                let is_told = number.is_some_and(|number| self.downstream.takes(number));
                if is_told { Subject::Identified(identifier) } else { Subject::UnknownType }
            }
            Err(Refusal { code: RefusalCode::UnknownType, .. }) => Subject::UnknownType,
            Err(_) => Subject::Invalid,
        }
    }

    pub(crate) fn is_system(&self, resource_type: &str) -> bool {
        resource_type == self.resource_type
    }

    pub(crate) fn system(&self, name: &str) -> Option<(usize, &AdmtSystem)> {
        self.policy.systems().iter().enumerate().find(|(_, known)| known.name == name)
    }

    pub(crate) fn action(&self, name: &str) -> Option<(usize, &GateAction)> {
        self.policy.gate_actions().iter().enumerate().find(|(_, known)| known.name == name)
    }

    /// What an action on a system needs, by their places.
    pub(crate) fn need(&self, action: usize, system: usize) -> Option<Need> {
        self.needs.get(action)?.get(system).copied()
    }

    /// Whether a right of this name is one of a set.
    pub(crate) fn is_among(&self, rights: RightSet, name: &str) -> bool {
        self.policy.right(name).is_some_and(|right| rights.contains(right))
    }

    /// The name of one right of a set.
    pub(crate) fn name_among(&self, rights: RightSet) -> Option<String> {
        rights.iter().next().map(|right| self.policy.right_name(right).to_owned())
    }

    pub(crate) fn right_name(&self, system: &AdmtSystem) -> &str {
        self.policy.right_name(system.right)
    }
}

fn need(policy: &Policy, action: &GateAction, system: &AdmtSystem, bits: &RightBits) -> Need {
    let others = action.rights.iter().map(|right| bits.of(policy.right_name(right)));
    // Q2: `admt` covers each of its systems, whether or not a record names them.
    let admt =
        if action.admt { bits.of(ADMT).union(bits.of(policy.right_name(system.right))) } else { RightMask::default() };
    Need { others: others.fold(RightMask::default(), RightMask::union), admt }
}
