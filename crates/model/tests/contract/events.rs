//! Short names for events, and for what holds in the end.

use std::sync::{Arc, LazyLock};

use quell_domain::{Action, Choice, ChoiceEvent, EventId, Identifier, LinkEvent, Millis, Policy, RightSet};
use quell_model::{World, final_state};

const POLICY: &str = r#"
    version = "examples"
    [identifier_types.cookie_id]
    max_neighbours = { account_id = 2 }
    [identifier_types.account_id]
    [identifier_types.device_id]
    [rights.sale]
    [rights.sharing]
    join = "latest_wins"
    [rights.admt]
    systems = ["hiring", "credit"]
    [downstreams.ads]
    topic = "suppression.ads"
    rights = ["sale", "sharing"]
    identifier_types = ["cookie_id", "account_id"]
    [downstreams.ml]
    topic = "suppression.ml"
    rights = ["admt", "admt:*"]
    identifier_types = ["account_id"]
    [calendar]
    holidays = ["2026-11-26", "2026-12-25"]
"#;

/// Received Monday 2026-11-23, noon in Los Angeles.
pub const RECEIVED_AT: Millis = Millis(1_795_464_000_000);

pub fn policy() -> &'static Policy {
    static PARSED: LazyLock<Policy> = LazyLock::new(|| Policy::parse(POLICY).unwrap());
    &PARSED
}

pub fn cookie(name: &str) -> Identifier {
    Identifier::new("cookie_id", name).unwrap()
}

pub fn account(name: &str) -> Identifier {
    Identifier::new("account_id", name).unwrap()
}

pub fn device(name: &str) -> Identifier {
    Identifier::new("device_id", name).unwrap()
}

pub fn opt_out(id: &str, at: i64, right: &str, identifiers: &[&Identifier]) -> ChoiceEvent {
    choice(Action::OptOut, id, at, right, identifiers)
}

pub fn opt_in(id: &str, at: i64, right: &str, identifiers: &[&Identifier]) -> ChoiceEvent {
    choice(Action::OptIn, id, at, right, identifiers)
}

fn choice(action: Action, id: &str, at: i64, right: &str, identifiers: &[&Identifier]) -> ChoiceEvent {
    let identifiers: Vec<Identifier> = identifiers.iter().copied().cloned().collect();
    let rights: RightSet = policy().named_by(right).unwrap();
    let choice = Choice::new(EventId::new(id).unwrap(), action, Millis(at), RECEIVED_AT, &identifiers);
    ChoiceEvent { choice: Arc::new(choice), rights, identifiers }
}

pub fn link(a: &Identifier, b: &Identifier, at: i64) -> LinkEvent {
    LinkEvent { a: a.clone(), b: b.clone(), holds: true, observed_at: Millis(at) }
}

pub fn unlink(a: &Identifier, b: &Identifier, at: i64) -> LinkEvent {
    LinkEvent { holds: false, ..link(a, b, at) }
}

/// What holds for an identifier and a right, and by which choices: `out: a b*`. A star: inherited. `-`: nothing.
pub fn holds(choices: &[ChoiceEvent], links: &[LinkEvent], identifier: &Identifier, right: &str) -> String {
    let policy = policy();
    let world = World { choices: choices.to_vec(), links: links.to_vec() };
    let state = final_state(policy, &world);
    let right = policy.right(right).unwrap();
    let Some(effective) = state.of(identifier).and_then(|known| known.rights.get(&right)) else {
        return "-".to_owned();
    };
    let action = match effective.action {
        Action::OptOut => "out",
        Action::OptIn => "in",
    };
    let name = |event: &&ChoiceEvent| {
        let star = if event.identifiers.contains(identifier) { "" } else { "*" };
        format!(" {}{star}", event.choice.event_id)
    };
    let mut names: Vec<String> = effective.may_be_named.iter().map(name).collect();
    names.sort();
    names.dedup();
    format!("{action}:{}", names.concat())
}

pub fn is_hub(links: &[LinkEvent], identifier: &Identifier) -> bool {
    let world = World { choices: Vec::new(), links: links.to_vec() };
    final_state(policy(), &world).of(identifier).unwrap().hub
}
