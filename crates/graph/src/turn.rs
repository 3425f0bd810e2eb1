//! One operation at one node: the algorithm.
//!
//! Every node computes its effective state from its own choices and from what its neighbours say, and tells them what
//! changed. `docs/design.md` says why this ends in the contract's final state whatever the order; the invariants that
//! it rests on are named in `docs/invariants.md` and at the lines that keep them.

use std::sync::Arc;

use quell_domain::{ADMT, Choice, Identifier, Join, Policy, Right, RightSet, TypeNumber};

use crate::claim::{Claim, Contribution, Joined, claim_for, covers, same_choice, same_contribution, silence};
use crate::edge::{Edge, LinkRegister};
use crate::encoding::Vocabulary;
use crate::generation::RetractionCause;
use crate::message::{Addressed, Message, Operation, Origin};
use crate::neighbourhood::Neighbourhood;
use crate::node::{Effective, Node};
use crate::overlay::Overlay;
use crate::own::{OwnChoice, Registered};
use crate::rows::{ReadError, Rows};
use crate::wave::{Awaited, Told};

/// A node while it does one operation.
pub(crate) struct Turn<'a, R> {
    pub me: &'a Identifier,
    pub node: &'a mut Node,
    pub rows: &'a mut Overlay<R>,
    pub vocabulary: &'a Vocabulary,
    pub origin: &'a Arc<Origin>,
    /// What waves wait for here.
    pub awaited: Awaited,
    /// In place of the origin, once an earlier wave may wait for what is said.
    pub earlier: Option<Arc<Origin>>,
    pub out: &'a mut Vec<Addressed>,
    pub effects: Effects,
}

/// What an operation did to its node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effects {
    /// The node's row changed.
    pub changed: bool,
    /// What holds, or how it is to be named, may differ from what is published; and if it relaxes, why.
    pub moved: Option<RetractionCause>,
    /// To whom the node said what it says.
    pub told: Option<Told>,
}

/// What an event, or a message, did to an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EdgeChange {
    /// Nothing: something at least as late is known.
    Unchanged,
    /// Its register alone.
    Recorded,
    /// It came or went.
    CameOrWent,
}

impl<R: Rows> Turn<'_, R> {
    // ---- events

    /// A choice was made here.
    pub fn choose(&mut self, choice: &Arc<Choice>, rights: RightSet) -> Result<(), ReadError> {
        if matches!(choice.names, quell_domain::Names::Many(_)) {
            self.node.note_crowded_choice(choice);
            self.effects.changed = true;
            self.moved(RetractionCause::OptIn);
        }
        self.adopt_systems()?;
        let (mut said, mut superseded) = (RightSet::EMPTY, false);
        for right in rights.iter() {
            match self.register(right, choice) {
                Registered::Unchanged => continue,
                Registered::Silently => {}
                Registered::Grown => said.insert(right),
                Registered::Superseded => {
                    said.insert(right);
                    superseded = true;
                }
            }
            self.effects.changed = true;
        }
        if said.is_empty() {
            return Ok(());
        }
        if self.node.is_hub {
            for right in said.iter() {
                self.refresh(right, RetractionCause::OptIn)?;
            }
            return self.tell_all(None, false);
        }
        if superseded {
            return self.retract(RetractionCause::OptIn);
        }
        let claims: Vec<Claim> = self.own_claims().filter(|claim| said.contains(claim.right)).collect();
        self.join_and_tell(&claims, None)
    }

    /// An event of one of our edges, of which this node is the authority.
    pub fn link(&mut self, other: &Identifier, register: LinkRegister) -> Result<(), ReadError> {
        let before = self.neighbourhood().edge(other)?;
        if self.join_edge(other, before.as_ref(), register)? == EdgeChange::CameOrWent {
            // E2: what leaves the edge as it is need not be told: this end decides what holds.
            self.send(other, register, true);
        }
        Ok(())
    }

    /// A neighbour, or who wants to be one, says something.
    pub fn hear(&mut self, message: &Message) -> Result<(), ReadError> {
        let from = &message.from;
        let before = self.neighbourhood().edge(from)?;
        let change = self.join_edge(from, before.as_ref(), message.register)?;
        let known = if change == EdgeChange::Unchanged { before } else { self.neighbourhood().edge(from)? };
        // M2: over an edge that does not hold nothing is heard.
        let Some(edge) = known.filter(Edge::holds) else { return Ok(()) };
        let register = edge.register;
        if edge.heard.is_none_or(|counter| message.counter >= counter) {
            self.listen(edge, message)?;
        }
        // M3: whoever is asked, or sees an edge for the first time, answers, if it has ever said anything.
        if (change == EdgeChange::CameOrWent || message.asks) && self.node.counter > 0 {
            self.send(from, register, false);
        }
        Ok(())
    }

    /// The policy is another one than that under which this node was stored. `rejoined` are the rights that are joined
    /// otherwise now.
    pub fn review(&mut self, rejoined: RightSet) -> Result<(), ReadError> {
        self.adopt_systems()?;
        if self.check_hub(RetractionCause::Policy)? {
            return Ok(());
        }
        let concerned: Vec<Right> = rejoined
            .iter()
            .filter(|right| self.node.own(*right).is_some() || self.node.effective(*right).is_some())
            .collect();
        if concerned.is_empty() {
            return Ok(());
        }
        if self.node.is_hub {
            for right in concerned {
                self.refresh(right, RetractionCause::Policy)?;
            }
            return self.tell_all(None, false);
        }
        self.retract(RetractionCause::Policy)
    }

    // ---- own choices

    /// A choice about `admt` is one about every system, those that the policy declared later included (contract, point
    /// 2). Before anything newer is registered for them: a register forgets what was superseded.
    fn adopt_systems(&mut self) -> Result<(), ReadError> {
        let Some(own) = self.policy().right(ADMT).and_then(|admt| self.node.own(admt).cloned()) else { return Ok(()) };
        let systems = self.policy().admt_systems();
        let missing: Vec<Right> = systems.iter().filter(|system| self.node.own(*system).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        self.node.own.extend(missing.iter().map(|system| OwnChoice { right: *system, ..own.clone() }));
        self.node.own.sort_by_key(|own| own.right);
        self.effects.changed = true;
        if self.node.is_hub {
            for right in missing {
                self.refresh(right, RetractionCause::Policy)?;
            }
            return self.tell_all(None, false);
        }
        let claims: Vec<Claim> = self.own_claims().filter(|claim| missing.contains(&claim.right)).collect();
        self.join_and_tell(&claims, None)
    }

    fn register(&mut self, right: Right, choice: &Arc<Choice>) -> Registered {
        let join = self.policy().join(right);
        match self.node.own.binary_search_by_key(&right, |own| own.right) {
            Ok(at) => self.node.own.get_mut(at).map_or(Registered::Unchanged, |own| own.register(choice, join)),
            Err(at) => {
                self.node.own.insert(at, OwnChoice::new(right, Arc::clone(choice)));
                Registered::Grown
            }
        }
    }

    fn own_claims(&self) -> impl Iterator<Item = Claim> {
        self.node.own.iter().map(|own| own.claim(self.policy().join(own.right)))
    }

    // ---- edges

    fn join_edge(
        &mut self,
        other: &Identifier,
        before: Option<&Edge>,
        register: LinkRegister,
    ) -> Result<EdgeChange, ReadError> {
        if before.is_some_and(|edge| register <= edge.register) {
            return Ok(EdgeChange::Unchanged);
        }
        self.effects.changed = true;
        let mut edge = before.cloned().unwrap_or_else(|| Edge::new(register));
        edge.register = register;
        if before.is_some_and(Edge::holds) == register.holds {
            self.neighbourhood().put(other, edge, before)?;
            return Ok(EdgeChange::Recorded);
        }
        edge.remembered = silence();
        self.neighbourhood().put(other, edge, before)?;
        if !self.check_hub(RetractionCause::Hub)? && !register.holds {
            if self.node.is_hub {
                for claim in before.map_or(&[][..], |edge| &edge.remembered) {
                    self.refresh(claim.right, RetractionCause::Unlink)?;
                }
            } else if self.depends_on(other) {
                self.retract(RetractionCause::Unlink)?;
            }
        }
        Ok(EdgeChange::CameOrWent)
    }

    /// Whether this node became a hub, or ceased to be one (contract, point 3).
    fn check_hub(&mut self, cause: RetractionCause) -> Result<bool, ReadError> {
        let is_hub = self.exceeds_a_limit();
        if is_hub == self.node.is_hub {
            return Ok(false);
        }
        self.node.is_hub = is_hub;
        self.neighbourhood().forget()?;
        self.waits_for_what_it_forgets();
        if is_hub {
            // H3: what the neighbours said belonged to a generation; as memories it has to be said again.
            self.recompute(cause)?;
            self.tell_all(None, true)?;
        } else {
            self.retract(cause)?;
        }
        Ok(true)
    }

    fn exceeds_a_limit(&mut self) -> bool {
        let vocabulary = self.vocabulary;
        let policy = vocabulary.policy();
        let Some(own_type) = policy.type_number(self.me) else { return false };
        let neighbourhood = self.neighbourhood();
        let types = (0..).map(TypeNumber).take(policy.identifier_types().len());
        let mut limits = types.filter_map(|of| policy.hub_limit(own_type, of).map(|limit| (of, limit)));
        limits.any(|(of, limit)| neighbourhood.count(policy, of) > limit)
    }

    /// Whether anything that holds here came over the edge to a neighbour. If not, nothing of what this node has passed
    /// on did, and the edge may go without a retraction at this end (R2). Under `latest_wins` the value and the name may
    /// have come different ways, so any value may have.
    fn depends_on(&self, other: &Identifier) -> bool {
        self.node.effective.iter().any(|effective| {
            effective.via.as_ref() == Some(other) || self.policy().join(effective.claim.right) == Join::LatestWins
        })
    }

    // ---- what holds

    /// Joins claims into what holds here, and tells the neighbours if that changed it.
    fn join_and_tell(&mut self, claims: &[Claim], via: Option<&Identifier>) -> Result<(), ReadError> {
        // The neighbour through whom all of it came knows it already.
        if self.join(claims, via) { self.tell_all(via, false) } else { Ok(()) }
    }

    fn join(&mut self, claims: &[Claim], via: Option<&Identifier>) -> bool {
        let mut changed = false;
        for claim in claims {
            let join = self.policy().join(claim.right);
            match self.node.effective.iter_mut().find(|known| known.claim.right == claim.right) {
                Some(known) => match known.claim.join(claim, join) {
                    Joined::Unchanged => continue,
                    Joined::Value => {}
                    Joined::Choice => known.via = via.cloned(),
                },
                None => self.node.set_effective(Effective { claim: claim.clone(), via: via.cloned() }),
            }
            changed = true;
        }
        if changed {
            // Under latest_wins a later opt-in relaxes without a retraction.
            self.moved(RetractionCause::OptIn);
        }
        changed
    }

    /// G2: forgets what this generation said, and begins a larger one.
    fn retract(&mut self, cause: RetractionCause) -> Result<(), ReadError> {
        self.node.generation = self.node.generation.after(self.me.hash64(), cause);
        self.waits_for_what_it_forgets();
        self.recompute(cause)?;
        self.tell_all(None, false)
    }

    /// What holds, from this node's own choices and what it remembers of hubs (or, being one, of everybody).
    fn recompute(&mut self, cause: RetractionCause) -> Result<(), ReadError> {
        let rights = self.policy().rights().len();
        let mut effective = Vec::new();
        for right in (0..).map(Right).take(rights) {
            effective.extend(self.standing(right)?);
        }
        self.node.effective = effective;
        self.moved(cause);
        Ok(())
    }

    /// What holds for a right without what this generation said.
    fn standing(&mut self, right: Right) -> Result<Option<Effective>, ReadError> {
        let join = self.policy().join(right);
        let own = self.node.own(right).map(|own| own.claim(join));
        let memory = self.neighbourhood().best_memory(right, join)?;
        Ok(match (own, memory) {
            (Some(own), Some((_, memory))) if !memory.beats(&own, join) => Some(Effective { claim: own, via: None }),
            (_, Some((neighbour, memory))) => Some(Effective { claim: memory, via: Some(neighbour) }),
            (own, None) => own.map(|claim| Effective { claim, via: None }),
        })
    }

    /// Works out anew what holds at a hub for one right. The named choice stays while somebody still names it.
    fn refresh(&mut self, right: Right, cause: RetractionCause) -> Result<(), ReadError> {
        let standing = self.standing(right)?;
        let known = self.node.effective(right).cloned();
        let next = match (known, standing) {
            (None, None) => return Ok(()),
            (Some(_), None) => {
                self.node.effective.retain(|effective| effective.claim.right != right);
                self.moved(cause);
                return Ok(());
            }
            (Some(known), Some(next))
                if known.claim.action() == next.claim.action() && self.is_supported(&known)? =>
            {
                let claim = Claim { decided_at: next.claim.decided_at, ..known.claim };
                Effective { claim, via: known.via }
            }
            (_, Some(next)) => next,
        };
        self.node.set_effective(next);
        self.moved(cause);
        Ok(())
    }

    /// Whether the choice that is named at this hub is still named by whom it came from.
    fn is_supported(&mut self, known: &Effective) -> Result<bool, ReadError> {
        let right = known.claim.right;
        Ok(match &known.via {
            None => self.node.own(right).is_some_and(|own| same_choice(&own.named, &known.claim.choice)),
            Some(via) => self.neighbourhood().edge(via)?.is_some_and(|edge| {
                claim_for(&edge.remembered, right).is_some_and(|said| same_choice(&said.choice, &known.claim.choice))
            }),
        })
    }

    // ---- hearing

    /// Takes in what is said over an edge that holds.
    fn listen(&mut self, before: Edge, message: &Message) -> Result<(), ReadError> {
        let from = &message.from;
        let mut edge = before.clone();
        if edge.other_is_hub || message.from_hub || self.node.is_hub || edge.heard.is_some() {
            edge.heard = Some(message.counter);
        }
        let became_hub = message.from_hub && !edge.other_is_hub;
        let was_hub = edge.other_is_hub && !message.from_hub;
        edge.other_is_hub = message.from_hub;
        // H1: generations do not cross a hub, so what is said over such an edge is remembered.
        let remembers = message.from_hub || self.node.is_hub;
        edge.remembered = if remembers { Arc::clone(&message.said) } else { silence() };
        let was = before.remembered.clone();
        if edge.heard != before.heard
            || edge.other_is_hub != before.other_is_hub
            || !same_contribution(&was, &edge.remembered)
        {
            self.effects.changed = true;
            let register = edge.register;
            self.neighbourhood().put(from, edge, Some(&before))?;
            if self.node.is_hub {
                self.refresh_all(&was, &message.said, message.generation.cause)?;
                if became_hub {
                    self.send(from, register, false);
                }
                return Ok(());
            }
        }
        if self.node.is_hub {
            return Ok(());
        }
        if became_hub {
            // H2: what came from it as a neighbour like any other is part of this generation.
            return if self.depends_on(from) {
                self.retract(RetractionCause::Hub)
            } else {
                self.join_and_tell_everybody(&message.said, from)
            };
        }
        if was_hub && !was.is_empty() && self.depends_on(from) {
            // H4: what was remembered is part of this generation, too.
            self.retract(RetractionCause::Hub)?;
        }
        if message.from_hub {
            if same_contribution(&was, &message.said) {
                return Ok(());
            }
            let join_of = |right| self.policy().join(right);
            return if covers(&message.said, &was, join_of) {
                self.join_and_tell_everybody(&message.said, from)
            } else {
                self.retract(message.generation.cause)
            };
        }
        self.gossip(message)
    }

    /// The hub is told, too: it counts on remembering all that its neighbours say.
    fn join_and_tell_everybody(&mut self, said: &Contribution, from: &Identifier) -> Result<(), ReadError> {
        if self.join(said, Some(from)) { self.tell_all(None, false) } else { Ok(()) }
    }

    fn refresh_all(&mut self, was: &[Claim], said: &[Claim], cause: RetractionCause) -> Result<(), ReadError> {
        let rights: RightSet = was.iter().chain(said).map(|claim| claim.right).collect();
        for right in rights.iter() {
            self.refresh(right, cause)?;
        }
        Ok(())
    }

    /// Between two nodes that are no hubs.
    fn gossip(&mut self, message: &Message) -> Result<(), ReadError> {
        let from = &message.from;
        match message.generation.cmp(&self.node.generation) {
            // G3: an older generation is answered, not joined; joining would revive what was taken away.
            std::cmp::Ordering::Less => {
                if let Some(edge) = self.neighbourhood().edge(from)? {
                    self.send(from, edge.register, false);
                }
                Ok(())
            }
            std::cmp::Ordering::Equal => self.join_and_tell(&message.said, Some(from)),
            std::cmp::Ordering::Greater => {
                self.node.generation = message.generation;
                self.effects.changed = true;
                self.waits_for_what_it_forgets();
                self.recompute(message.generation.cause)?;
                self.join(&message.said, Some(from));
                self.moved(message.generation.cause);
                self.tell_all(None, false)
            }
        }
    }

    // ---- waves

    /// W1: what is said in place of what is forgotten belongs to the first wave that may still wait for that.
    fn waits_for_what_it_forgets(&mut self) {
        let first = self.awaited.first;
        if first < self.origin().wave {
            self.earlier = Some(Arc::new(Origin { wave: first, ..(**self.origin).clone() }));
        }
    }

    /// W1: news that is none, because a later wave has brought it, and is said under that one still. An answer, or what
    /// is told one neighbour, is not heard by the others.
    pub fn repeat_for_an_earlier_wave(&mut self) -> Result<(), ReadError> {
        let all_know = matches!(self.effects.told, Some(Told::All(_)));
        if self.comes_after_a_later_wave() && !all_know { self.tell_all(None, false) } else { Ok(()) }
    }

    /// Whether what this node says may be on its way under a later wave than this operation's.
    fn comes_after_a_later_wave(&self) -> bool {
        self.origin.wave < self.awaited.told
    }

    fn origin(&self) -> &Arc<Origin> {
        self.earlier.as_ref().unwrap_or(self.origin)
    }

    // ---- saying

    /// A statement to every neighbour, but for one that knows it already.
    fn tell_all(&mut self, but: Option<&Identifier>, asks: bool) -> Result<(), ReadError> {
        self.node.counter += 1;
        self.effects.changed = true;
        let said = self.node.contribution(self.policy());
        let (counter, generation, from_hub) = (self.node.counter, self.node.generation, self.node.is_hub);
        let origin = Arc::clone(self.origin());
        self.effects.told = Some(Told::All(origin.wave));
        // W1: all that later waves have told is said once more: to the one as well, and that edges are gone.
        let repeats = self.comes_after_a_later_wave();
        let mut neighbourhood =
            Neighbourhood { me: self.me, edges: &mut self.node.edges, rows: self.rows, vocabulary: self.vocabulary };
        neighbourhood.each(|neighbour, edge| {
            if repeats || (edge.holds() && but != Some(neighbour)) {
                let message = Message {
                    from: self.me.clone(),
                    register: edge.register,
                    counter,
                    generation,
                    said: Arc::clone(&said),
                    from_hub,
                    asks,
                };
                self.out.push(Addressed {
                    to: neighbour.clone(),
                    operation: Operation::Hear(message),
                    origin: Arc::clone(&origin),
                });
            }
        })
    }

    fn send(&mut self, to: &Identifier, register: LinkRegister, asks: bool) {
        let message = Message {
            from: self.me.clone(),
            register,
            counter: self.node.counter,
            generation: self.node.generation,
            said: self.node.contribution(self.policy()),
            from_hub: self.node.is_hub,
            asks,
        };
        let origin = Arc::clone(self.origin());
        self.effects.told.get_or_insert(Told::Some(origin.wave));
        self.out.push(Addressed { to: to.clone(), operation: Operation::Hear(message), origin });
    }

    // ---- parts

    fn policy(&self) -> &Policy {
        self.vocabulary.policy()
    }

    fn moved(&mut self, cause: RetractionCause) {
        self.effects.changed = true;
        self.effects.moved = Some(cause);
    }

    fn neighbourhood(&mut self) -> Neighbourhood<'_, R> {
        Neighbourhood { me: self.me, edges: &mut self.node.edges, rows: self.rows, vocabulary: self.vocabulary }
    }
}
