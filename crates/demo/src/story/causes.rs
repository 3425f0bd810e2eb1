//! Why somebody is suppressed, in words: the path of links back to where the choice was made.

use std::collections::{HashMap, VecDeque};

use quell_domain::Identifier;

use super::cast::Cast;

/// What the story has told the engine so far.
#[derive(Debug, Default)]
pub struct Causes {
    edges: Vec<(Identifier, Identifier)>,
    chosen_at: HashMap<String, (String, Identifier)>,
}

impl Causes {
    /// Two identifiers are linked.
    pub fn link(&mut self, a: &Identifier, b: &Identifier) {
        self.edges.push((a.clone(), b.clone()));
    }

    /// They no longer are.
    pub fn unlink(&mut self, a: &Identifier, b: &Identifier) {
        self.edges.retain(|(x, y)| (x, y) != (a, b) && (x, y) != (b, a));
    }

    /// A choice was made: what it says, and where.
    pub fn choose(&mut self, choice_id: &str, says: &str, at: &Identifier) {
        self.chosen_at.insert(choice_id.to_owned(), (says.to_owned(), at.clone()));
    }

    /// How a choice comes to hold for somebody; none if the story knows no way.
    #[must_use]
    pub fn chain(&self, cast: &Cast, choice_id: &str, whom: &Identifier) -> Option<String> {
        let (says, at) = self.chosen_at.get(choice_id)?;
        let called = |identifier: &Identifier| {
            cast.part(identifier).map_or_else(|| identifier.to_string(), |part| part.called.clone())
        };
        if at == whom {
            return Some(format!("{says} here"));
        }
        let path = self.path(at, whom)?;
        let mut words = format!("{says} at {}", called(at));
        for (position, step) in path.iter().enumerate().skip(1) {
            let verb = if position == 1 { ", which is linked with" } else { ", and that with" };
            words.push_str(&format!("{verb} {}", called(step)));
        }
        Some(words)
    }

    fn path(&self, from: &Identifier, to: &Identifier) -> Option<Vec<Identifier>> {
        let mut came_from: HashMap<&Identifier, &Identifier> = HashMap::new();
        let mut waiting = VecDeque::from([from]);
        while let Some(here) = waiting.pop_front() {
            if here == to {
                let mut path = vec![to.clone()];
                path.extend(
                    std::iter::successors(came_from.get(to).copied(), |step| came_from.get(step).copied()).cloned(),
                );
                path.reverse();
                return Some(path);
            }
            for (a, b) in &self.edges {
                for (near, far) in [(a, b), (b, a)] {
                    if near == here && far != from && !came_from.contains_key(far) {
                        came_from.insert(far, near);
                        waiting.push_back(far);
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::tests::policy;

    #[test]
    fn a_chain_names_every_step_from_the_choice() {
        let cast = Cast::new(&policy(), "t", 6).unwrap();
        let mut causes = Causes::default();
        causes.choose("gpc", "opted out", &cast.laptop.identifier);
        causes.link(&cast.account.identifier, &cast.laptop.identifier);
        causes.link(&cast.account.identifier, &cast.email.identifier);
        let chain = |whom: &Identifier| causes.chain(&cast, "gpc", whom);
        assert_eq!(chain(&cast.laptop.identifier).unwrap(), "opted out here");
        assert_eq!(
            chain(&cast.email.identifier).unwrap(),
            "opted out at jane's laptop, which is linked with jane's account, and that with jane's e-mail"
        );
        assert_eq!(chain(&cast.phone.identifier), None);
    }

    #[test]
    fn an_unlink_ends_a_chain() {
        let cast = Cast::new(&policy(), "t", 6).unwrap();
        let mut causes = Causes::default();
        causes.choose("gpc", "opted out", &cast.laptop.identifier);
        causes.link(&cast.laptop.identifier, &cast.account.identifier);
        causes.unlink(&cast.account.identifier, &cast.laptop.identifier);
        assert_eq!(causes.chain(&cast, "gpc", &cast.account.identifier), None);
    }
}
