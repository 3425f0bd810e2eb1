//! A store that belongs to another group is refused with a line that says what to do.

use quell_testbed::deployment::Deployment;

#[test]
fn a_store_of_another_group_is_refused() {
    let deployment = Deployment::new();
    let engine = deployment.start("one").wait_until_ready();
    assert!(engine.stop().success());

    let other = Deployment::new();
    std::fs::create_dir_all(other.store_of("one").parent().unwrap()).unwrap();
    std::fs::rename(deployment.store_of("one"), other.store_of("one")).unwrap();
    let (status, log) = other.start("one").ended();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("belongs to group"), "{log}");
}

#[test]
fn a_store_in_use_is_refused() {
    let deployment = Deployment::new();
    let _engine = deployment.start("one").wait_until_ready();
    let (status, log) = deployment.start("one").ended();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("in use"), "{log}");
}
