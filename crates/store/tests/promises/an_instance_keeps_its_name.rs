use tempfile::tempdir;

use crate::scenes::open;

#[test]
fn a_directory_keeps_its_name_over_a_restart() {
    let directory = tempdir().unwrap();
    let name = open(directory.path()).instance_name().to_owned();
    assert_eq!(open(directory.path()).instance_name(), name);
    assert_eq!(name.len(), 16);
    assert!(name.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
}

#[test]
fn two_directories_have_two_names() {
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    assert_ne!(open(one.path()).instance_name(), open(other.path()).instance_name());
}
