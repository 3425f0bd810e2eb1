use quell_domain::{Identifier, LinkEvent};

use crate::events::{account, cookie, device, holds, link, opt_in, opt_out};

/// Whether a choice at one identifier is one of another's sources.
fn reaches(links: &[LinkEvent], from: &Identifier, to: &Identifier) -> bool {
    holds(&[opt_out("e", 1, "sale", &[from])], links, to, "sale").starts_with("out")
}

/// A cookie with one account more than it may have, and a device behind each account.
fn hub_and_spokes() -> (Identifier, Vec<LinkEvent>) {
    let hub = cookie("hub");
    let spoke = |name: &str| [link(&hub, &account(name), 1), link(&account(name), &device(name), 1)];
    let links = ["a", "b", "c"].map(spoke).concat();
    (hub, links)
}

#[test]
fn a_choice_reaches_everybody_on_a_path_of_links() {
    let links = [link(&cookie("a"), &account("b"), 1), link(&account("b"), &device("c"), 1)];
    assert!(reaches(&links, &cookie("a"), &device("c")));
    assert!(reaches(&links, &device("c"), &cookie("a")));
    assert!(!reaches(&[&links[..], &[link(&cookie("x"), &cookie("y"), 1)]].concat(), &cookie("a"), &cookie("y")));
}

#[test]
fn a_circle_of_links_is_no_matter() {
    let [a, b, c] = ["a", "b", "c"].map(cookie);
    let links = [link(&a, &b, 1), link(&b, &c, 1), link(&c, &a, 1)];
    assert!(reaches(&links, &a, &c));
}

#[test]
fn a_hub_does_not_merge_strangers() {
    let (_, links) = hub_and_spokes();
    assert!(!reaches(&links, &account("a"), &account("b")));
    assert!(!reaches(&links, &device("a"), &device("b")));
    assert!(reaches(&links, &account("a"), &device("a")));
}

#[test]
fn a_hub_at_the_end_of_a_path_is_a_source() {
    let (hub, links) = hub_and_spokes();
    assert!(reaches(&links, &hub, &account("a")));
    assert!(reaches(&links, &hub, &device("b")));
}

#[test]
fn a_hubs_neighbours_and_what_lies_behind_them_are_its_sources() {
    let (hub, links) = hub_and_spokes();
    assert!(reaches(&links, &account("a"), &hub));
    assert!(reaches(&links, &device("c"), &hub));
}

#[test]
fn two_hubs_that_are_linked_are_each_others_sources_and_no_more() {
    let (hub, mut links) = hub_and_spokes();
    let other = cookie("other");
    links.extend(["d", "e", "f"].map(|name| link(&other, &account(name), 1)));
    links.push(link(&hub, &other, 1));
    assert!(reaches(&links, &hub, &other));
    assert!(reaches(&links, &other, &hub));
    assert!(!reaches(&links, &account("a"), &other));
    assert!(!reaches(&links, &other, &account("a")));
}

#[test]
fn a_path_around_a_hub_counts() {
    let (_, mut links) = hub_and_spokes();
    links.push(link(&device("a"), &device("b"), 1));
    assert!(reaches(&links, &account("a"), &account("b")));
    assert!(!reaches(&links, &account("a"), &account("c")));
}

/// The link that makes an identifier a hub lifts what had come through it.
#[test]
fn a_link_can_lift_an_inherited_opt_out() {
    let (_, links) = hub_and_spokes();
    let before: Vec<LinkEvent> = links.iter().filter(|link| link.b != account("c")).cloned().collect();
    assert!(reaches(&before, &account("a"), &account("b")));
    assert!(!reaches(&links, &account("a"), &account("b")));
}

#[test]
fn what_hubs_and_others_choose_is_joined_by_point_5() {
    let (hub, links) = hub_and_spokes();
    let choices = [opt_in("in", 9, "sale", &[&hub]), opt_out("out", 1, "sale", &[&device("a")])];
    assert_eq!(holds(&choices, &links, &hub, "sale"), "out: out*");
    assert_eq!(holds(&choices, &links, &account("a"), "sale"), "out: out*");
    assert_eq!(holds(&choices, &links, &account("b"), "sale"), "in: in*");
}
