//! Who is in the story.

use anyhow::anyhow;
use quell_domain::{Identifier, Policy};
use quell_wire::NamedIdentifier;

/// An identifier of the story.
#[derive(Clone, Debug)]
pub struct Part {
    /// How it is spoken of.
    pub called: String,
    /// As the source sends it.
    pub sent_as: NamedIdentifier,
    /// As it is after the door: normalised and hashed.
    pub identifier: Identifier,
}

impl Part {
    /// Name, type and value as it is known after the door.
    #[must_use]
    pub fn in_words(&self) -> String {
        let value = self.identifier.value();
        // A hash is known by its beginning.
        let shown =
            if value.len() == 64 { format!("{}...", value.get(..12).unwrap_or_default()) } else { value.into_owned() };
        format!("{} ({}:{shown})", self.called, self.identifier.identifier_type())
    }

    /// Type and value as it is sent.
    #[must_use]
    pub fn sent_as_words(&self) -> String {
        format!("{}:{}", self.sent_as.identifier_type, self.sent_as.value.trim_end())
    }
}

/// All of them. A tag keeps the stories of several runs on one Kafka apart.
#[derive(Clone, Debug)]
pub struct Cast {
    /// The cookie of a browser that sends a Global Privacy Control signal.
    pub laptop: Part,
    /// The account that its user logs in to.
    pub account: Part,
    /// The e-mail address of that account.
    pub email: Part,
    /// The cookie of her other device.
    pub phone: Part,
    /// The cookie of the family's tablet.
    pub tablet: Part,
    /// The accounts of everybody else who uses the tablet: enough to make it a hub.
    pub family: Vec<Part>,
}

const NAMES: [&str; 8] = ["tom", "mia", "noah", "ella", "liam", "ruth", "karl", "ida"];

impl Cast {
    /// The cast under a policy, with so many others at the tablet.
    ///
    /// # Errors
    /// When the policy lacks an identifier type of the story.
    pub fn new(policy: &Policy, tag: &str, family: usize) -> anyhow::Result<Self> {
        let part = |called: &str, identifier_type: &str, value: String| {
            let identifier = policy.identify(identifier_type, &value).map_err(|refusal| {
                anyhow!("the story needs the identifier type {identifier_type}, but: {}", refusal.message)
            })?;
            let sent_as = NamedIdentifier::new(identifier_type, value);
            anyhow::Ok(Part { called: called.to_owned(), sent_as, identifier })
        };
        let others = NAMES.iter().cycle().take(family).enumerate().map(|(number, name)| {
            let name = if number < NAMES.len() { (*name).to_owned() } else { format!("{name}{number}") };
            part(&format!("{name}'s account"), "account_id", format!("{name}-account-{tag}"))
        });
        Ok(Self {
            laptop: part("jane's laptop", "cookie_id", format!("laptop-cookie-{tag}"))?,
            account: part("jane's account", "account_id", format!("jane-account-{tag}"))?,
            email: part("jane's e-mail", "email", format!("Jane-{tag}@Example.com "))?,
            phone: part("jane's phone", "cookie_id", format!("phone-cookie-{tag}"))?,
            tablet: part("the family's tablet", "cookie_id", format!("tablet-cookie-{tag}"))?,
            family: others.collect::<Result<_, _>>()?,
        })
    }

    /// Everybody.
    pub fn all(&self) -> impl Iterator<Item = &Part> {
        [&self.laptop, &self.account, &self.email, &self.phone, &self.tablet].into_iter().chain(&self.family)
    }

    /// The part that an identifier plays.
    #[must_use]
    pub fn part(&self, identifier: &Identifier) -> Option<&Part> {
        self.all().find(|part| part.identifier == *identifier)
    }
}
