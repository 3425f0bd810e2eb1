//! When somebody's opt-out was complete: the moment at which the last record that it takes was sent.
//!
//! Only for plain consumers, from whom nothing is taken away and whom nobody else's choices reach. Their links are joined
//! one by one as they are sent, so it costs next to nothing beside the sending.

use crate::load::population::{Deed, Event, Node, Population};

/// Which opt-out reaches somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reached {
    /// That of a GPC signal.
    BySale,
    /// That of automated decisions.
    ByAdmt,
}

impl Reached {
    const ALL: [Self; 2] = [Self::BySale, Self::ByAdmt];

    /// The right by which a suppression shows it.
    #[must_use]
    pub fn right(self) -> &'static str {
        match self {
            Self::BySale => "sale",
            Self::ByAdmt => "admt",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::BySale => 1,
            Self::ByAdmt => 2,
        }
    }
}

/// What has been sent so far, of all consumers.
pub struct Causes<'p> {
    population: &'p Population,
    /// By consumer: their first place in the lists below.
    first: Vec<usize>,
    /// By node: another node of the same consumer with which it is joined, at last the one that stands for all.
    joined: Vec<u8>,
    /// By node that stands for others: which opt-outs have reached them.
    reached: Vec<u8>,
}

impl<'p> Causes<'p> {
    /// Nothing has been sent yet.
    #[must_use]
    pub fn new(population: &'p Population) -> Self {
        let (mut first, mut joined) = (Vec::with_capacity(population.len()), Vec::new());
        for consumer in 0..u32::try_from(population.len()).unwrap_or(u32::MAX) {
            first.push(joined.len());
            joined.extend((0u8..).zip(population.nodes(consumer)).map(|(place, _)| place));
        }
        let reached = vec![0; joined.len()];
        Self { population, first, joined, reached }
    }

    /// An event is sent; answers whom it lets an opt-out reach that did not reach them before.
    pub fn send(&mut self, event: Event) -> Vec<(Node, Reached)> {
        let Event { consumer, deed } = event;
        if !self.population.is_plain(consumer) {
            return Vec::new();
        }
        match deed {
            Deed::Gpc { cookie, .. } => self.choose(consumer, Node::Cookie(cookie), Reached::BySale),
            Deed::Admt => self.choose(consumer, Node::Account, Reached::ByAdmt),
            _ => match self.population.linked(deed) {
                Some((a, b)) => self.link(consumer, a, b),
                None => Vec::new(),
            },
        }
    }

    fn choose(&mut self, consumer: u32, at: Node, by: Reached) -> Vec<(Node, Reached)> {
        let root = self.root(consumer, self.place(consumer, at));
        let before = self.reached_at(consumer, root);
        self.set_reached(consumer, root, before | by.bit());
        self.members(consumer, root, by.bit() & !before)
    }

    fn link(&mut self, consumer: u32, a: Node, b: Node) -> Vec<(Node, Reached)> {
        let (a, b) = (self.root(consumer, self.place(consumer, a)), self.root(consumer, self.place(consumer, b)));
        if a == b {
            return Vec::new();
        }
        let (of_a, of_b) = (self.reached_at(consumer, a), self.reached_at(consumer, b));
        let mut news = self.members(consumer, a, of_b & !of_a);
        news.extend(self.members(consumer, b, of_a & !of_b));
        if let Some(slot) = self.slot(consumer, b).and_then(|slot| self.joined.get_mut(slot)) {
            *slot = a;
        }
        self.set_reached(consumer, a, of_a | of_b);
        news
    }

    /// Everybody for whom a node stands, with each of the opt-outs in a set of bits.
    fn members(&self, consumer: u32, root: u8, bits: u8) -> Vec<(Node, Reached)> {
        if bits == 0 {
            return Vec::new();
        }
        let all = (0u8..).zip(self.population.nodes(consumer));
        let members = all.filter(|(place, _)| self.root(consumer, *place) == root);
        let with =
            |(_, node)| Reached::ALL.into_iter().filter(move |by| by.bit() & bits != 0).map(move |by| (node, by));
        members.flat_map(with).collect()
    }

    fn place(&self, consumer: u32, node: Node) -> u8 {
        (0u8..).zip(self.population.nodes(consumer)).find(|(_, known)| *known == node).map_or(0, |(place, _)| place)
    }

    fn root(&self, consumer: u32, mut place: u8) -> u8 {
        // A consumer has at most some forty identifiers: walking is cheaper than keeping the walks short.
        while let Some(next) = self.slot(consumer, place).and_then(|slot| self.joined.get(slot))
            && *next != place
        {
            place = *next;
        }
        place
    }

    fn slot(&self, consumer: u32, place: u8) -> Option<usize> {
        Some(self.first.get(consumer as usize)? + usize::from(place))
    }

    fn reached_at(&self, consumer: u32, place: u8) -> u8 {
        self.slot(consumer, place).and_then(|slot| self.reached.get(slot)).copied().unwrap_or(0)
    }

    fn set_reached(&mut self, consumer: u32, place: u8, bits: u8) {
        if let Some(slot) = self.slot(consumer, place).and_then(|slot| self.reached.get_mut(slot)) {
            *slot = bits;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use quell_domain::Millis;

    use super::*;

    fn population() -> Population {
        Population::new(3, 2000, Millis(1_795_000_000_000)).0
    }

    /// A plain consumer with at least three cookies.
    fn somebody(population: &Population) -> u32 {
        (0..2000).find(|number| population.is_plain(*number) && population.nodes(*number).count() >= 5).unwrap()
    }

    #[test]
    fn a_late_link_completes_the_opt_out_of_all_behind_it() {
        let population = population();
        let consumer = somebody(&population);
        let mut causes = Causes::new(&population);
        let mut send = |deed| causes.send(Event { consumer, deed });
        assert_eq!(send(Deed::LogIn(1)), []);
        assert_eq!(send(Deed::Email(0)), []);
        let gpc = |signal| Deed::Gpc { cookie: 0, signal };
        assert_eq!(send(gpc(0)), [(Node::Cookie(0), Reached::BySale)]);
        assert_eq!(send(gpc(1)), [], "a repeat reaches nobody anew");
        assert_eq!(
            send(Deed::LogIn(0)),
            [Node::Account, Node::Email(0), Node::Cookie(1)].map(|node| (node, Reached::BySale))
        );
        assert_eq!(send(Deed::SameBrowser(1, 0)), [], "they are joined already");
    }

    #[test]
    fn two_opt_outs_meet() {
        let population = population();
        let consumer = somebody(&population);
        let mut causes = Causes::new(&population);
        let mut send = |deed| causes.send(Event { consumer, deed });
        assert_eq!(send(Deed::Admt), [(Node::Account, Reached::ByAdmt)]);
        send(Deed::Gpc { cookie: 0, signal: 0 });
        assert_eq!(send(Deed::LogIn(0)), [(Node::Account, Reached::BySale), (Node::Cookie(0), Reached::ByAdmt)]);
    }

    #[test]
    fn nothing_is_said_of_consumers_from_whom_something_may_be_taken_away() {
        let population = population();
        let consumer = (0..2000).find(|number| !population.is_plain(*number)).unwrap();
        assert_eq!(Causes::new(&population).send(Event { consumer, deed: Deed::Admt }), []);
    }
}
