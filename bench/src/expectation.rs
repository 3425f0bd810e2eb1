//! The final state that a workload demands, worked out without any of Quell's code: who is linked is one consumer, and
//! one opt-out of theirs holds for all. And since when it could be known.

use std::collections::{HashMap, HashSet};
use std::ops::{AddAssign, SubAssign};

use crate::workload::{Type, What, Workload};

pub const DOWNSTREAMS: [&str; 3] = ["ads", "analytics", "ml"];

/// What one browser signal, and what one refusal of automated decisions, opts out of.
pub const CAUSES: usize = 2;
const SIGNAL: usize = 0;
const DECISION: usize = 1;

/// What a downstream is told of either, by deploy/policy.toml.
fn rights(downstream: usize, cause: usize) -> &'static [&'static str] {
    match (DOWNSTREAMS[downstream], cause) {
        ("ads" | "analytics", SIGNAL) => &["sale", "sharing"],
        ("ml", DECISION) => &["admt", "admt:hiring", "admt:credit"],
        _ => &[],
    }
}

/// Of which types, by deploy/policy.toml.
fn takes(downstream: usize, kind: Type) -> bool {
    match DOWNSTREAMS[downstream] {
        "ads" => kind != Type::Account,
        "analytics" => kind != Type::Email,
        _ => true,
    }
}

/// A downstream's state in few numbers: equal tallies are equal states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Identifiers with a right opted out.
    pub suppressed: u64,
    /// Pairs of identifier and right.
    pub rights: u64,
    /// The sum over all pairs of a hash, so free of order.
    pub digest: u64,
}

impl Tally {
    /// A right that is opted out. (One that no longer is counts as one that never was.)
    pub fn add_right(&mut self, downstream: &str, identifier: &str, right: &str) {
        self.rights += 1;
        let text = [downstream, "|", identifier, "|", right];
        self.digest = self.digest.wrapping_add(hash(&text));
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.suppressed += other.suppressed;
        self.rights += other.rights;
        self.digest = self.digest.wrapping_add(other.digest);
    }
}

impl SubAssign for Tally {
    fn sub_assign(&mut self, other: Self) {
        self.suppressed -= other.suppressed;
        self.rights -= other.rights;
        self.digest = self.digest.wrapping_sub(other.digest);
    }
}

/// FNV-1a, scattered.
fn hash(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes());
    crate::chance::mix(
        bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
    )
}

#[derive(Clone, Debug, Default)]
pub struct Expectation {
    pub tallies: [Tally; 3],
    /// By `type:value`: when the last event that was needed was sent, for either cause, in microseconds. The choice, or
    /// the link that brought the identifier into its reach: a system is not to blame for the time until that came.
    pub caused_at: HashMap<String, [u64; CAUSES]>,
}

impl Expectation {
    /// Of a workload that was sent at these times, if it was paced.
    pub fn of(workload: &Workload, sent_at: Option<&[u64]>) -> Self {
        let caused_at = spread(workload, sent_at);
        let mut expectation = Self::default();
        for (number, &causes) in (0..).zip(&caused_at).filter(|(_, causes)| **causes != [0; CAUSES]) {
            let kind = workload.types[number as usize];
            let identifier = format!("{}:{}", kind.name(), workload.value(number));
            for (downstream, tally) in expectation.tallies.iter_mut().enumerate() {
                if takes(downstream, kind) {
                    let held =
                        (0..CAUSES).filter(|cause| causes[*cause] != 0).flat_map(|cause| rights(downstream, cause));
                    let before = tally.rights;
                    held.for_each(|right| tally.add_right(DOWNSTREAMS[downstream], &identifier, right));
                    tally.suppressed += u64::from(tally.rights > before);
                }
            }
            if sent_at.is_some() {
                expectation.caused_at.insert(identifier, causes);
            }
        }
        expectation
    }

    /// Workloads of different seeds share no identifier.
    pub fn add(&mut self, other: Self) {
        self.tallies.iter_mut().zip(other.tallies).for_each(|(tally, other)| *tally += other);
        self.caused_at.extend(other.caused_at);
    }
}

/// By identifier, since when either cause holds; 0: it does not.
fn spread(workload: &Workload, sent_at: Option<&[u64]>) -> Vec<[u64; CAUSES]> {
    let mut consumers = Consumers::new(workload.types.len());
    let hubs: HashSet<u32> = workload.hubs.iter().copied().collect();
    let mut rays = Vec::new();
    for (place, event) in workload.events.iter().enumerate() {
        let at = sent_at.map_or(1, |times| times[place]);
        match event.what {
            // A path never runs through a hub, but may end there.
            What::Link { other } if hubs.contains(&other) => rays.push((event.at, other)),
            What::Link { other } => consumers.link(event.at, other, at),
            What::Signal { .. } => consumers.opt_out(event.at, SIGNAL, at),
            What::Decision => consumers.opt_out(event.at, DECISION, at),
        }
    }
    for (ray, hub) in rays {
        let came = consumers.caused_at[ray as usize];
        let causes = consumers.caused_at[hub as usize].iter_mut();
        causes.zip(came).filter(|(has, came)| **has == 0 && *came != 0).for_each(|(has, came)| *has = came);
    }
    consumers.caused_at
}

/// Sets of identifiers that are linked, as they grow together.
struct Consumers {
    /// Towards a set's root.
    parent: Vec<u32>,
    /// The members of a set, in a ring.
    next: Vec<u32>,
    size: Vec<u32>,
    caused_at: Vec<[u64; CAUSES]>,
}

impl Consumers {
    fn new(identifiers: usize) -> Self {
        let each: Vec<u32> = (0..identifiers as u32).collect();
        Self { parent: each.clone(), next: each, size: vec![1; identifiers], caused_at: vec![[0; CAUSES]; identifiers] }
    }

    fn root(&mut self, mut of: u32) -> u32 {
        while self.parent[of as usize] != of {
            let parent = self.parent[of as usize] as usize;
            self.parent[of as usize] = self.parent[parent];
            of = self.parent[parent];
        }
        of
    }

    fn opt_out(&mut self, identifier: u32, cause: usize, at: u64) {
        let root = self.root(identifier);
        if self.caused_at[root as usize][cause] == 0 {
            self.mark(root, cause, at);
        }
    }

    fn mark(&mut self, root: u32, cause: usize, at: u64) {
        let mut member = root;
        loop {
            self.caused_at[member as usize][cause] = at;
            member = self.next[member as usize];
            if member == root {
                return;
            }
        }
    }

    fn link(&mut self, a: u32, b: u32, at: u64) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        for cause in 0..CAUSES {
            match (self.caused_at[a as usize][cause], self.caused_at[b as usize][cause]) {
                (0, 0) => {}
                (_, 0) => self.mark(b, cause, at),
                (0, _) => self.mark(a, cause, at),
                _ => {}
            }
        }
        let (large, small) = if self.size[a as usize] >= self.size[b as usize] { (a, b) } else { (b, a) };
        self.parent[small as usize] = large;
        self.size[large as usize] += self.size[small as usize];
        self.next.swap(large as usize, small as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Event;

    /// A cookie and its account, the link last.
    fn late_link() -> Workload {
        let mut workload = Workload { types: vec![Type::Cookie, Type::Account], ..Workload::empty(1) };
        workload.events.push(Event { at: 0, what: What::Signal { repeat: 0 } });
        workload.link(1, 0);
        workload
    }

    #[test]
    fn one_opt_out_holds_for_all_who_are_linked() {
        let [ads, analytics, ml] = Expectation::of(&late_link(), None).tallies;
        assert_eq!((ads.suppressed, ads.rights), (1, 2));
        assert_eq!((analytics.suppressed, analytics.rights), (2, 4));
        assert_eq!(ml, Tally::default());
    }

    #[test]
    fn a_hub_is_reached_but_not_passed() {
        let mut workload = Workload { types: vec![Type::Cookie; 3], hubs: vec![0], ..Workload::empty(1) };
        workload.events.push(Event { at: 1, what: What::Signal { repeat: 0 } });
        workload.link(1, 0);
        workload.link(2, 0);
        assert_eq!(Expectation::of(&workload, None).tallies[0].suppressed, 2);
    }

    #[test]
    fn what_is_inherited_is_caused_by_the_last_event_that_was_needed() {
        let workload = late_link();
        let causes = Expectation::of(&workload, Some(&[10, 20])).caused_at;
        assert_eq!(causes[&format!("cookie_id:{}", workload.value(0))], [10, 0]);
        assert_eq!(causes[&format!("account_id:{}", workload.value(1))], [20, 0]);
    }
}
