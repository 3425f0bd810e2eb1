//! What was published, against what holds.

use std::collections::BTreeMap;

use quell_domain::{
    Action, Calendar, ChoiceEvent, Downstream, DownstreamNumber, Identifier, Policy, Right, RightState,
};

use crate::{Effective, FinalState};

/// How many of the choices that may be named a disagreement lists.
const LISTED_MAX: usize = 5;

impl<'w> FinalState<'w> {
    /// Point 6: what the last message to a downstream about an identifier says, by right. Empty if there is none, or
    /// one without rights, which is the same.
    #[must_use]
    pub fn suppression(
        &self,
        policy: &Policy,
        downstream: DownstreamNumber,
        identifier: &Identifier,
    ) -> BTreeMap<Right, &Effective<'w>> {
        let takes = |downstream: &&Downstream| {
            policy.type_number(identifier).is_some_and(|identifier_type| downstream.takes(identifier_type))
        };
        let Some(downstream) = policy.downstreams().get(usize::from(downstream.0)).filter(takes) else {
            return BTreeMap::new();
        };
        let rights = self.of(identifier).into_iter().flat_map(|state| state.rights.iter());
        rights.filter(|(right, _)| downstream.rights.contains(**right)).map(|(right, state)| (*right, state)).collect()
    }

    /// In what the last message to a downstream about an identifier differs from what holds, a line each. `published`
    /// is none if there is no message.
    #[must_use]
    pub fn disagreements(
        &self,
        policy: &Policy,
        downstream: DownstreamNumber,
        identifier: &Identifier,
        published: Option<&[(Right, RightState)]>,
    ) -> Vec<String> {
        let mut missing = self.suppression(policy, downstream, identifier);
        let mut wrong = Vec::new();
        for (right, state) in published.unwrap_or_default() {
            let fault = match missing.remove(right) {
                None => Some("published twice, or although nothing holds".to_owned()),
                Some(effective) => effective.disagreement(policy.calendar(), identifier, state),
            };
            wrong.extend(fault.map(|fault| (*right, format!("{state:?}: {fault}"))));
        }
        wrong.extend(
            missing.iter().map(|(right, effective)| (*right, format!("nothing: {:?} holds", effective.action))),
        );

        let name = policy.downstreams().get(usize::from(downstream.0)).map_or("?", |downstream| &downstream.name);
        let line = |(right, fault)| format!("{identifier} for {name}, {}: {fault}", policy.right_name(right));
        wrong.into_iter().map(line).collect()
    }
}

impl Effective<'_> {
    /// Points 5, 7 and 8: what is wrong with a published state.
    fn disagreement(&self, calendar: &Calendar, identifier: &Identifier, published: &RightState) -> Option<String> {
        if published.opted_out != (self.action == Action::OptOut) {
            return Some(format!("{:?} holds", self.action));
        }
        // The id alone tells nearly all of them apart, and there may be many.
        let may_say = |event: &&ChoiceEvent| {
            event.choice.event_id == published.choice_id && says(calendar, identifier, event) == *published
        };
        if self.may_be_named.iter().any(may_say) {
            return None;
        }
        let listed = self.may_be_named.iter().take(LISTED_MAX).map(|event| says(calendar, identifier, event));
        let listed: Vec<String> = listed.map(|state| format!("{state:?}")).collect();
        Some(format!("may say one of {}: {}", self.may_be_named.len(), listed.join(", ")))
    }
}

/// What a message to an identifier's downstreams says when it names a choice.
fn says(calendar: &Calendar, identifier: &Identifier, event: &ChoiceEvent) -> RightState {
    RightState {
        opted_out: event.choice.action == Action::OptOut,
        choice_id: event.choice.event_id.clone(),
        since: event.choice.effective_at,
        inherited: !event.identifiers.contains(identifier),
        due_at: calendar.due_at(event.choice.received_at),
    }
}
