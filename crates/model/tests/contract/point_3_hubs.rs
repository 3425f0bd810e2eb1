use crate::events::{account, cookie, device, is_hub, link, unlink};

#[test]
fn more_neighbours_of_a_type_than_the_limit_make_a_hub() {
    let x = cookie("x");
    let [a, b, c] = ["a", "b", "c"].map(|name| link(&x, &account(name), 1));
    assert!(!is_hub(&[a.clone(), b.clone()], &x));
    assert!(is_hub(&[a, b, c], &x));
}

#[test]
fn repeats_withdrawn_links_and_other_types_do_not_count() {
    let x = cookie("x");
    let mut links = vec![link(&x, &account("a"), 1), link(&account("a"), &x, 2), link(&x, &account("b"), 1)];
    links.extend(["a", "b", "c", "d"].map(|name| link(&x, &device(name), 1)));
    links.extend([link(&x, &account("c"), 1), unlink(&x, &account("c"), 2)]);
    assert!(!is_hub(&links, &x));
}

#[test]
fn a_limit_binds_the_type_that_has_it_alone() {
    let x = account("x");
    let links = ["a", "b", "c", "d"].map(|name| link(&x, &account(name), 1));
    assert!(!is_hub(&links, &x));
}
