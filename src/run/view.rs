//! The engine as HTTP sees it.

use std::sync::{Arc, OnceLock};

use quell_domain::{Action, Identifier, Policy, Right};
use quell_engine::{Handle, LookError};
use quell_graph::Look;
use quell_http::{
    CauseStep, Delivery, Edge, EffectiveRight, EngineView, ExplainError, Explanation, HeldRelaxation, NamedIdentifier,
    OwnChoice, PublishedRight, Readiness,
};

/// How many edges an explanation shows.
const EDGES_MAX: usize = 200;

/// How many steps a cause chain is followed.
const CHAIN_STEPS_MAX: usize = 64;

/// Answers from before the engine runs.
#[derive(Debug)]
pub struct View {
    policy: Arc<Policy>,
    engine: OnceLock<Handle>,
}

impl View {
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy, engine: OnceLock::new() }
    }

    /// From now on there is an engine.
    pub fn set_engine(&self, handle: Handle) {
        // Set once, by the one who started the engine.
        drop(self.engine.set(handle));
    }

    fn look(&self, identifier: &Identifier, edges_max: usize) -> Result<Option<Look>, ExplainError> {
        let engine = self.engine.get().ok_or(ExplainError::Busy)?;
        engine.look(identifier.clone(), edges_max).map_err(|error| match error {
            LookError::NotHere(shard) => ExplainError::NotHere { shard },
            LookError::Busy => ExplainError::Busy,
            LookError::Failed(reason) => ExplainError::Failed(reason),
        })
    }

    /// From an identifier back to where the choice was made, as far as it can be seen from here.
    fn cause_chain(&self, identifier: &Identifier, via: Option<&Identifier>, right: Right) -> Vec<CauseStep> {
        let mut chain = vec![CauseStep { identifier: named(identifier), via: via.map(named) }];
        let mut next = via.cloned();
        while let Some(at) = next.take() {
            let Ok(Some(look)) = self.look(&at, 0) else { break };
            // A hub says what was chosen at it; what it passes on from others ends there.
            let from_here = if look.node.is_hub { look.node.own(right).map(|_| None) } else { None };
            let via = match from_here {
                Some(via) => via,
                None => match look.node.effective(right) {
                    Some(effective) => effective.via.clone(),
                    None => break,
                },
            };
            chain.push(CauseStep { identifier: named(&at), via: via.as_ref().map(named) });
            if chain.len() >= CHAIN_STEPS_MAX {
                break;
            }
            next = via;
        }
        chain
    }
}

fn named(identifier: &Identifier) -> NamedIdentifier {
    NamedIdentifier { identifier_type: identifier.identifier_type().to_owned(), value: identifier.value().into_owned() }
}

impl EngineView for View {
    fn readiness(&self) -> Readiness {
        match self.engine.get() {
            Some(engine) => Readiness { waiting_for: engine.readiness().waiting_for },
            None => Readiness { waiting_for: vec!["kafka to answer, and the topics to be as they should".to_owned()] },
        }
    }

    fn explain(&self, identifier_type: &str, value: &str) -> Result<Option<Explanation>, ExplainError> {
        let policy = &self.policy;
        let identifier = policy
            .identify(identifier_type, value)
            .map_err(|refusal| ExplainError::NoIdentifier(format!("{}: {}", refusal.code, refusal.message)))?;
        let Some(Look { node, edges, edges_left_out }) = self.look(&identifier, EDGES_MAX)? else { return Ok(None) };
        let name = |right: Right| policy.right_name(right).to_owned();
        let opted_out = |action: Action| action == Action::OptOut;
        Ok(Some(Explanation {
            identifier: named(&identifier),
            hub: node.is_hub,
            edges: edges
                .iter()
                .map(|(neighbour, edge)| Edge {
                    identifier: named(neighbour),
                    holds: edge.holds(),
                    observed_at: edge.register.observed_at.0,
                })
                .collect(),
            edges_left_out: edges_left_out as u64,
            own_choices: node
                .own
                .iter()
                .map(|own| OwnChoice {
                    right: name(own.right),
                    opted_out: opted_out(own.latest.action),
                    choice_id: own.latest.event_id.to_string(),
                    effective_at: own.latest.effective_at.0,
                    received_at: own.latest.received_at.0,
                })
                .collect(),
            rights: node
                .effective
                .iter()
                .map(|effective| {
                    let (right, choice) = (effective.claim.right, &effective.claim.choice);
                    let published = node.published.iter().find(|published| published.right == right);
                    EffectiveRight {
                        right: name(right),
                        opted_out: opted_out(choice.action),
                        choice_id: choice.event_id.to_string(),
                        since: choice.effective_at.0,
                        due_at: policy.calendar().due_at(choice.received_at).0,
                        inherited: node.inherits(&identifier, choice),
                        cause_chain: self.cause_chain(&identifier, effective.via.as_ref(), right),
                        published: published.map(|published| PublishedRight {
                            opted_out: opted_out(published.choice.action),
                            choice_id: published.choice.event_id.to_string(),
                            inherited: published.inherited,
                        }),
                    }
                })
                .collect(),
            deliveries: node
                .deliveries
                .iter()
                .map(|delivery| Delivery {
                    downstream: policy
                        .downstreams()
                        .get(usize::from(delivery.downstream.0))
                        .map_or_else(String::new, |known| known.name.clone()),
                    version: delivery.published_version,
                    published_at: delivery.published_at.0,
                    acknowledged_version: (delivery.acknowledged_version > 0).then_some(delivery.acknowledged_version),
                })
                .collect(),
            held: node
                .holds
                .iter()
                .map(|hold| HeldRelaxation {
                    right: name(hold.right),
                    until: hold.until.0,
                    cause: hold.cause.as_str().to_owned(),
                })
                .collect(),
        }))
    }
}
