//! The consumers of the load: who they are, how they are known, and what happens to them. All of it from one seed.

use quell_domain::{Action, Millis, hashed_email};
use quell_wire::{ChoiceMessage, LinkMessage, NamedIdentifier};

use crate::chance::{Chance, mix_all};
use crate::sender::Message;

/// Cookies of one consumer.
const COOKIES_MAX: u32 = 40;
/// The times of the events lie in the past, so that none is ahead of the engine's clock.
const BEGAN_DAYS_AGO: i64 = 10;
const DAY_MILLIS: i64 = 86_400_000;
/// So many consumers apart, somebody shares a device with those who come after.
const DEVICE_EVERY: u32 = 250;
/// So many consumers apart, a record is bad.
const BAD_EVERY: u32 = 1000;
/// How often a browser that sends a GPC signal repeats it.
const GPC_REPEATS: u8 = 3;

/// One of the identifiers by which a consumer is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Node {
    /// Their account.
    Account,
    /// An e-mail address.
    Email(u8),
    /// A cookie.
    Cookie(u8),
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// The account's e-mail address is known.
    Email(u8),
    /// Somebody logs in with a browser.
    LogIn(u8),
    /// Two cookies are seen to be of one browser.
    SameBrowser(u8, u8),
    /// Somebody logs in on a device that they share with others: the one of the consumer so many numbers before.
    SharedDevice(u8),
    /// A browser opts out, and says so again and again.
    Gpc {
        /// Its cookie.
        cookie: u8,
        /// The how manieth signal it is.
        signal: u8,
    },
    /// An opt-out of automated decisions, at the account.
    Admt,
    /// The browser that had opted out opts back in.
    OptIn(u8),
    /// A browser turns out to be somebody else's.
    NotTheirs(u8),
    /// A record that the engine must refuse, whole or in part.
    Bad(u8),
}

/// What happens to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// The consumer's number.
    pub consumer: u32,
    /// What happens.
    pub deed: Deed,
}

/// All consumers.
#[derive(Clone, Debug)]
pub struct Population {
    seed: u64,
    began_at: i64,
    consumers: Vec<Consumer>,
}

#[derive(Clone, Copy, Debug)]
struct Consumer {
    emails: u8,
    cookies: u8,
    plain: bool,
}

/// How many kinds of bad records there are.
const BAD_KINDS: u8 = 7;

impl Population {
    /// So many consumers, and everything that happens to them, in the order in which it is sent.
    #[must_use]
    pub fn new(seed: u64, consumers: u32, now: Millis) -> (Self, Vec<Event>) {
        let began_at = now.0 - BEGAN_DAYS_AGO * DAY_MILLIS;
        let mut population = Self { seed, began_at, consumers: Vec::with_capacity(consumers as usize) };
        let mut events = Vec::with_capacity(consumers as usize * 8);
        for number in 0..consumers {
            let mut chance = Chance::new(mix_all(&[seed, 1, u64::from(number)]));
            let consumer = happenings(number, &mut chance, &mut events);
            population.consumers.push(consumer);
        }
        population.share_devices(&mut events);
        // Late links, opt-outs before anything is known of a consumer, opt-ins before the opt-out: all of it is meant.
        Chance::new(mix_all(&[seed, 2])).shuffle(&mut events);
        (population, events)
    }

    /// Every so often a device has three to nine users: some are a household, most are over the usual limit of five.
    fn share_devices(&mut self, events: &mut Vec<Event>) {
        let count = u32::try_from(self.consumers.len()).unwrap_or(u32::MAX);
        for owner in (0..count).step_by(DEVICE_EVERY as usize) {
            let users = 3 + Chance::new(mix_all(&[self.seed, 3, u64::from(owner)])).below(7);
            for (user, distance) in (owner..count).zip(0u8..).take(users as usize) {
                events.push(Event { consumer: user, deed: Deed::SharedDevice(distance) });
                if let Some(consumer) = self.consumers.get_mut(user as usize) {
                    consumer.plain = false;
                }
            }
        }
    }

    /// How many consumers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.consumers.len()
    }

    /// Whether nothing is ever taken away from a consumer and nobody else's choices can reach them: then their opt-outs
    /// spread along their links and never go.
    #[must_use]
    pub fn is_plain(&self, consumer: u32) -> bool {
        self.consumers.get(consumer as usize).is_some_and(|known| known.plain)
    }

    /// The identifiers of a consumer, shared devices apart.
    pub fn nodes(&self, consumer: u32) -> impl Iterator<Item = Node> {
        let (emails, cookies) =
            self.consumers.get(consumer as usize).map_or((0, 0), |known| (known.emails, known.cookies));
        [Node::Account].into_iter().chain((0..emails).map(Node::Email)).chain((0..cookies).map(Node::Cookie))
    }

    /// An identifier as it is sent.
    #[must_use]
    pub fn named(&self, consumer: u32, node: Node) -> NamedIdentifier {
        let hash = |kind: u64, index: u8| mix_all(&[self.seed, kind, u64::from(consumer), u64::from(index)]);
        match node {
            Node::Account => NamedIdentifier::new("account_id", format!("a-{:016x}", hash(10, 0))),
            Node::Email(index) => email(hash(11, index)),
            Node::Cookie(index) => NamedIdentifier::new("cookie_id", uuid(hash(12, index), hash(13, index))),
        }
    }

    fn device(&self, owner: u32) -> NamedIdentifier {
        let hash = |kind: u64| mix_all(&[self.seed, kind, u64::from(owner)]);
        NamedIdentifier::new("cookie_id", uuid(hash(14), hash(15)))
    }

    /// The two identifiers that an event links.
    #[must_use]
    pub fn linked(&self, deed: Deed) -> Option<(Node, Node)> {
        match deed {
            Deed::Email(index) => Some((Node::Account, Node::Email(index))),
            Deed::LogIn(index) => Some((Node::Account, Node::Cookie(index))),
            Deed::SameBrowser(a, b) => Some((Node::Cookie(a), Node::Cookie(b))),
            _ => None,
        }
    }

    /// The record of an event.
    #[must_use]
    pub fn message(&self, event: Event) -> Message {
        let Event { consumer, deed } = event;
        let (salt, day) = match deed {
            Deed::Email(index) => ([1, u64::from(index)], 0),
            Deed::LogIn(index) => ([2, u64::from(index)], 0),
            Deed::SameBrowser(a, b) => ([3, u64::from(a) << 8 | u64::from(b)], 0),
            Deed::SharedDevice(distance) => ([4, u64::from(distance)], 0),
            Deed::Gpc { signal, .. } => ([5, u64::from(signal)], 1 + i64::from(signal)),
            Deed::Admt => ([6, 0], 2),
            Deed::NotTheirs(index) => ([7, u64::from(index)], 3),
            Deed::OptIn(index) => ([8, u64::from(index)], 6),
            Deed::Bad(kind) => ([9, u64::from(kind)], 1),
        };
        let [kind, index] = salt;
        let hash = mix_all(&[self.seed, 20, u64::from(consumer), kind, index]);
        #[expect(clippy::cast_possible_wrap, reason = "below a day")]
        let at = self.began_at + day * DAY_MILLIS + (hash % DAY_MILLIS.unsigned_abs()) as i64;
        let id = uuid(hash, mix_all(&[hash]));
        let named = |node| self.named(consumer, node);
        let link = |holds, a, b| {
            // A link has no direction.
            let (a, b) = if hash & 1 == 0 { (a, b) } else { (b, a) };
            let (source, attributes) = ("web".to_owned(), [].into());
            Message::Link(LinkMessage { event_id: id.clone(), holds, a, b, observed_at: at, source, attributes })
        };
        let choice = |action, rights: &[&str], at_identifier, channel: &str| {
            Message::Choice(ChoiceMessage {
                event_id: id.clone(),
                action,
                rights: rights.iter().map(|right| (*right).to_owned()).collect(),
                identifiers: vec![at_identifier],
                effective_at: at,
                received_at: at,
                source: "web".to_owned(),
                channel: Some(channel.to_owned()),
                jurisdiction: Some("US-CA".to_owned()),
                attributes: [].into(),
            })
        };
        match deed {
            Deed::Email(_) | Deed::LogIn(_) | Deed::SameBrowser(..) => {
                let (a, b) = self.linked(deed).unwrap_or((Node::Account, Node::Account));
                link(true, named(a), named(b))
            }
            Deed::SharedDevice(distance) => {
                link(true, named(Node::Account), self.device(consumer - u32::from(distance)))
            }
            Deed::NotTheirs(cookie) => link(false, named(Node::Account), named(Node::Cookie(cookie))),
            Deed::Gpc { cookie, .. } => {
                choice(Action::OptOut, &["sale", "sharing"], named(Node::Cookie(cookie)), "gpc")
            }
            Deed::OptIn(cookie) => choice(Action::OptIn, &["sale", "sharing"], named(Node::Cookie(cookie)), "web_form"),
            Deed::Admt => choice(Action::OptOut, &["admt"], named(Node::Account), "web_form"),
            Deed::Bad(kind) => bad(kind, &named(Node::Account), &id, at),
        }
    }
}

/// What happens to one consumer; about 7.7 events on average.
fn happenings(number: u32, chance: &mut Chance, events: &mut Vec<Event>) -> Consumer {
    let mut add = |deed| events.push(Event { consumer: number, deed });
    let emails = 1 + u8::from(chance.permille(500));
    // Five on average: each further one with a chance of four in five.
    let mut cookies = 1;
    while u32::from(cookies) < COOKIES_MAX && chance.permille(800) {
        cookies += 1;
    }
    let mut consumer = Consumer { emails, cookies, plain: true };
    (0..emails).for_each(|index| add(Deed::Email(index)));
    for index in 0..cookies {
        add(Deed::LogIn(index));
        if index > 0 && chance.permille(200) {
            add(Deed::SameBrowser(index, below(chance, index)));
        }
    }
    if chance.permille(100) {
        let cookie = below(chance, cookies);
        (0..=GPC_REPEATS).for_each(|signal| add(Deed::Gpc { cookie, signal }));
        if chance.permille(100) {
            add(Deed::OptIn(cookie));
            consumer.plain = false;
        }
    }
    if chance.permille(20) {
        add(Deed::Admt);
    }
    if chance.permille(10) {
        add(Deed::NotTheirs(below(chance, cookies)));
        consumer.plain = false;
    }
    if number % BAD_EVERY == BAD_EVERY / 2 {
        // Each kind in its turn.
        add(Deed::Bad(u8::try_from(number / BAD_EVERY % u32::from(BAD_KINDS)).unwrap_or(0)));
        consumer.plain = false;
    }
    consumer
}

/// An address; every other one comes hashed.
fn email(hash: u64) -> NamedIdentifier {
    let address = format!("Consumer.{hash:016x}@Example.com");
    match hashed_email(&address) {
        Ok(hashed) if hash & 1 == 0 => NamedIdentifier::new("email_sha256", hashed),
        _ => NamedIdentifier::new("email", address),
    }
}

fn below(chance: &mut Chance, bound: u8) -> u8 {
    u8::try_from(chance.below(u32::from(bound))).unwrap_or(0)
}

/// A record with a fault. Some of it may be good.
fn bad(kind: u8, account: &NamedIdentifier, id: &str, at: i64) -> Message {
    let choice = |rights: &str, identifiers: &str, effective_at: i64| {
        let text = format!(
            concat!(
                r#"{{"event_id":"{}","action":"OPT_OUT","rights":["{}"],"identifiers":[{}],"#,
                r#""effective_at":{},"received_at":{},"source":"web"}}"#
            ),
            id, rights, identifiers, effective_at, at
        );
        Message::BadChoice(text.into_bytes())
    };
    let named = |identifier_type: &str, value: &str| format!(r#"{{"type":"{identifier_type}","value":"{value}"}}"#);
    let good = named("account_id", &account.value);
    match kind {
        0 => Message::BadChoice(b"\xc3\x01 cut off".to_vec()),
        1 => Message::BadLink(b"not a record at all".to_vec()),
        2 => choice("sale", &named("fax_number", "555-0100"), at),
        3 => choice("sale", &named("cookie_id", &"x".repeat(600)), at),
        4 => choice("the_right_to_silence", &good, at),
        // A good part takes effect.
        5 => choice("sale", &format!("{good},{}", named("fax_number", "555-0101")), at),
        // A thousand years ahead of every clock.
        _ => choice("sale", &good, at + 365_250 * DAY_MILLIS),
    }
}

fn uuid(high: u64, low: u64) -> String {
    let mut bytes = [0; 16];
    let (front, back) = bytes.split_at_mut(8);
    front.copy_from_slice(&high.to_be_bytes());
    back.copy_from_slice(&low.to_be_bytes());
    quell_domain::uuid_text(&bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use std::collections::HashSet;

    use quell_domain::judge_choice;
    use quell_wire::Decoder;

    use super::*;
    use crate::tests::policy;

    const NOW: Millis = Millis(1_795_000_000_000);

    #[test]
    fn a_seed_gives_the_same_load_for_ever_and_two_seeds_share_nobody() {
        let ((one, events), (_, again)) = (Population::new(7, 500, NOW), Population::new(7, 500, NOW));
        assert_eq!(events, again);
        let (other, _) = Population::new(8, 500, NOW);
        let all = |population: &Population| -> HashSet<_> {
            (0..500)
                .flat_map(|consumer| population.nodes(consumer).map(move |node| (consumer, node)))
                .map(|(consumer, node)| population.named(consumer, node))
                .collect()
        };
        assert!(all(&one).is_disjoint(&all(&other)));
    }

    #[test]
    fn a_load_has_a_bit_of_everything() {
        let (population, events) = Population::new(1, 20_000, NOW);
        let count = |wanted: fn(&Deed) -> bool| events.iter().filter(|event| wanted(&event.deed)).count();
        let per_consumer = events.len() as f64 / population.len() as f64;
        assert!((7.2..8.2).contains(&per_consumer), "{per_consumer} events each");
        assert!((1600..2400).contains(&count(|deed| matches!(deed, Deed::Gpc { signal: 0, .. }))));
        assert_eq!(
            count(|deed| matches!(deed, Deed::Gpc { .. })),
            4 * count(|deed| matches!(deed, Deed::Gpc { signal: 0, .. }))
        );
        assert!((300..500).contains(&count(|deed| *deed == Deed::Admt)));
        assert!((100..300).contains(&count(|deed| matches!(deed, Deed::OptIn(_)))));
        assert!((100..300).contains(&count(|deed| matches!(deed, Deed::NotTheirs(_)))));
        assert_eq!(count(|deed| matches!(deed, Deed::Bad(_))), 20);
        assert_eq!(count(|deed| *deed == Deed::SharedDevice(0)), 80);
        assert!(count(|deed| *deed == Deed::SharedDevice(5)) > 20, "some devices have more than five users");
    }

    #[test]
    fn bad_records_are_refused_and_only_one_kind_has_a_good_part() {
        let (population, _) = Population::new(1, 10, NOW);
        let (policy, decoder) = (policy(), Decoder::new(None));
        let mut accepted = Vec::new();
        for kind in 0..BAD_KINDS {
            match population.message(Event { consumer: 0, deed: Deed::Bad(kind) }) {
                Message::BadLink(bytes) => assert!(decoder.link(Some(&bytes)).is_err()),
                Message::BadChoice(bytes) => match decoder.choice(Some(&bytes)) {
                    Err(_) => assert_eq!(kind, 0),
                    Ok(raw) => {
                        let judged = judge_choice(&policy, NOW, &raw);
                        assert!(!judged.refusals.is_empty(), "kind {kind}");
                        accepted.extend(judged.accepted.map(|_| kind));
                    }
                },
                _ => panic!("kind {kind} is not bad"),
            }
        }
        assert_eq!(accepted, [5]);
    }

    #[test]
    fn good_records_are_accepted() {
        let (population, events) = Population::new(1, 300, NOW);
        for event in events {
            let accepted = match population.message(event) {
                Message::Choice(choice) => {
                    assert!(choice.effective_at < NOW.0);
                    choice
                        .identifiers
                        .iter()
                        .all(|named| policy().identify(&named.identifier_type, &named.value).is_ok())
                }
                Message::Link(link) => {
                    assert!(link.observed_at < NOW.0);
                    link.a != link.b
                }
                _ => matches!(event.deed, Deed::Bad(_)),
            };
            assert!(accepted, "{event:?}");
        }
    }
}
