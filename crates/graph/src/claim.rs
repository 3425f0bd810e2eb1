//! Claims: what a node says of one right, and how two sayings become one.

use std::sync::Arc;

use quell_domain::{Action, Choice, ChoiceOrder, Join, Millis, Right};

/// What holds for one right, and a choice that brought it about.
///
/// The join of two claims does not depend on their order, their grouping or repeats, as far as the *value* goes (the
/// action, and the time under `latest_wins`). Which of several choices of the same action is *named* does depend on the
/// order: whoever came first stays, so that others like it change nothing and publish nothing (contract, point 7).
#[derive(Clone, Debug)]
pub struct Claim {
    /// The right.
    pub right: Right,
    /// When the choice that decides was made. Under `opt_out_wins` the action alone decides, and this is the named
    /// choice's own time.
    pub decided_at: Millis,
    /// The choice that is named; its action is the claim's.
    pub choice: Arc<Choice>,
}

impl Claim {
    /// The claim that a choice makes by itself.
    #[must_use]
    pub fn of(right: Right, choice: Arc<Choice>) -> Self {
        Self { right, decided_at: choice.effective_at, choice }
    }

    /// What holds.
    #[must_use]
    pub fn action(&self) -> Action {
        self.choice.action
    }

    /// What decides under `latest_wins`.
    fn order(&self) -> ChoiceOrder {
        ChoiceOrder { effective_at: self.decided_at, action: self.action() }
    }

    /// Whether this one changes what `other` says when it is joined to it.
    #[must_use]
    pub fn beats(&self, other: &Self, join: Join) -> bool {
        match join {
            Join::OptOutWins => self.action() > other.action(),
            Join::LatestWins => self.order() > other.order(),
        }
    }

    /// Joins `said` into this claim of the same right. The named choice stays while the action does.
    pub fn join(&mut self, said: &Self, join: Join) -> Joined {
        if !said.beats(self, join) {
            return Joined::Unchanged;
        }
        self.decided_at = said.decided_at;
        if self.action() == said.action() {
            return Joined::Value;
        }
        self.choice = Arc::clone(&said.choice);
        Joined::Choice
    }

    /// Whether two claims say the same of the same right, and name the same choice.
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        self.right == other.right && self.decided_at == other.decided_at && same_choice(&self.choice, &other.choice)
    }
}

/// What a join changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Nothing.
    Unchanged,
    /// The value alone (a later choice of the same action, under `latest_wins`).
    Value,
    /// The value, and the choice that is named.
    Choice,
}

/// Whether two choices are the same event. Most often they are the same allocation.
#[must_use]
pub fn same_choice(a: &Arc<Choice>, b: &Arc<Choice>) -> bool {
    Arc::ptr_eq(a, b) || a == b
}

/// Everything that one node says to its neighbours: one claim for each right on which a choice is in its reach, in the
/// order of the rights. Shared by all the messages that carry it.
pub type Contribution = Arc<[Claim]>;

/// The contribution that says nothing.
#[must_use]
pub fn silence() -> Contribution {
    Arc::from([])
}

/// The claim for a right.
#[must_use]
pub fn claim_for(contribution: &[Claim], right: Right) -> Option<&Claim> {
    contribution.iter().find(|claim| claim.right == right)
}

/// Whether two contributions are the same.
#[must_use]
pub fn same_contribution(a: &[Claim], b: &[Claim]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
}

/// Whether everything that was said by `before` is still true when `now` is said instead: then it is enough to join
/// `now`. If not, whoever has joined `before` must forget it, and with it everything that it passed on: a retraction.
///
/// A choice that is no longer named may have been superseded where it was made, so another choice of the same action
/// takes something away, too; except that under `opt_out_wins` nobody who has heard of an opt-out names an opt-in.
#[must_use]
pub fn covers(now: &[Claim], before: &[Claim], join_of: impl Fn(Right) -> Join) -> bool {
    before.iter().all(|old| {
        claim_for(now, old.right).is_some_and(|new| {
            if same_choice(&new.choice, &old.choice) {
                return new.decided_at >= old.decided_at;
            }
            join_of(old.right) == Join::OptOutWins && (old.action(), new.action()) == (Action::OptIn, Action::OptOut)
        })
    })
}
