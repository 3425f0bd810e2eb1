use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::tempdir;

use crate::scenes::open;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_store_that_is_made_is_for_its_user_alone() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("above").join("store");
    open(&path).close().unwrap();
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn a_directory_that_is_there_keeps_its_mode() {
    let directory = tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o750)).unwrap();
    open(directory.path()).close().unwrap();
    assert_eq!(mode(directory.path()), 0o750);
}
