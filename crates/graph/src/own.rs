//! Own choices: the register of what was chosen at an identifier itself.

use std::sync::Arc;

use quell_domain::{Action, Choice, Join, Right};

use crate::claim::Claim;

/// The choice that holds for one right at one identifier: the one with the greatest `(effective_at, action)`
/// (contract, point 2), and the one that is named for it.
///
/// The event id breaks no tie here: two choices of the same time and action decide the same, and either may be named.
#[derive(Clone, Debug)]
pub struct OwnChoice {
    /// The right.
    pub right: Right,
    /// The choice that is named: the first that came of the ones with the action that holds, as long as no choice of
    /// the opposite action is known that is greater. Not greater than `latest`.
    pub named: Arc<Choice>,
    /// The greatest choice; it decides.
    pub latest: Arc<Choice>,
}

/// What a further choice did to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// Nothing: a repeat, or it is older than what is known.
    Unchanged,
    /// The register changed, but not what the identifier says of itself: a browser's signal, once more.
    Silently,
    /// The identifier says more than before; what it said before stays true.
    Grown,
    /// The choice that was named is superseded: whoever names it must forget it.
    Superseded,
}

impl OwnChoice {
    /// The register with its first choice.
    #[must_use]
    pub fn new(right: Right, choice: Arc<Choice>) -> Self {
        Self { right, named: Arc::clone(&choice), latest: choice }
    }

    /// What this identifier says by itself.
    #[must_use]
    pub fn claim(&self, join: Join) -> Claim {
        let decided_at = match join {
            Join::OptOutWins => self.named.effective_at,
            Join::LatestWins => self.latest.effective_at,
        };
        Claim { right: self.right, decided_at, choice: Arc::clone(&self.named) }
    }

    /// Takes a further choice in.
    pub fn register(&mut self, choice: &Arc<Choice>, join: Join) -> Registered {
        let same_action = choice.action == self.latest.action;
        if choice.order() > self.latest.order() {
            self.latest = Arc::clone(choice);
            if same_action {
                return match join {
                    Join::OptOutWins => Registered::Silently,
                    Join::LatestWins => Registered::Grown,
                };
            }
            self.named = Arc::clone(choice);
            return match (join, choice.action) {
                // Everybody who hears of the opt-out names an opt-out from then on.
                (Join::OptOutWins, Action::OptOut) => Registered::Grown,
                _ => Registered::Superseded,
            };
        }
        if !same_action && choice.order() > self.named.order() {
            // OPT_OUT at 3, OPT_OUT at 7, then a late OPT_IN at 5: the first one no longer holds.
            self.named = Arc::clone(&self.latest);
            return Registered::Superseded;
        }
        Registered::Unchanged
    }
}
