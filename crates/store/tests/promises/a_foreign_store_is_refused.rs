use std::fs;
use std::path::Path;

use insta::assert_snapshot;
use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::Store as _;
use quell_store::{DiskStore, Options};
use rocksdb::DB;
use tempfile::{TempDir, tempdir};

use crate::scenes::{changes, open, options};

/// The one line that an operator reads, causes and all.
fn refusal(path: &Path, options: &Options) -> String {
    let error = DiskStore::open(path, options).unwrap_err();
    let mut line = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line.replace(path.to_str().unwrap(), "PATH")
}

#[test]
fn of_another_group() {
    let directory = tempdir().unwrap();
    drop(open(directory.path()));
    let other = Options { group_id: "other".to_owned(), ..options() };
    assert_snapshot!(refusal(directory.path(), &other), @"store at PATH belongs to group quell, not other: use another store.path or wipe it");
    open(directory.path());
}

#[test]
fn in_use() {
    let directory = tempdir().unwrap();
    let store = open(directory.path());
    assert_snapshot!(refusal(directory.path(), &options()), @"store at PATH is in use by another process: stop that one or use another store.path");
    drop(store);
    open(directory.path());
}

#[test]
fn in_use_by_a_shard_alone() {
    let directory = tempdir().unwrap();
    let shard = open(directory.path()).open_shard(ShardNumber(0)).unwrap().rows;
    assert!(refusal(directory.path(), &options()).contains("in use"));
    drop(shard);
    open(directory.path());
}

#[test]
fn not_a_directory() {
    let directory = tempdir().unwrap();
    let path = directory.path().join("data");
    fs::write(&path, "").unwrap();
    assert_snapshot!(refusal(&path, &options()), @"store at PATH is not a directory: use another store.path");
    assert_snapshot!(refusal(&path.join("below"), &options()), @"store at PATH is not a directory: use another store.path");
}

#[test]
fn of_nobody() {
    let directory = tempdir().unwrap();
    drop(open(directory.path()));
    let instance = directory.path().join("instance");
    for content in ["", "0123456789abcdef", "0123456789abcdef\nque"] {
        fs::write(&instance, content).unwrap();
        assert!(refusal(directory.path(), &options()).contains("no readable instance file"), "{content:?}");
    }
    fs::remove_file(&instance).unwrap();
    assert_snapshot!(refusal(directory.path(), &options()), @"store at PATH has rows and no readable instance file: use another store.path or wipe it");
}

#[test]
fn of_another_layout() {
    assert_snapshot!(refusal_of_marker(&[3, 0]), @"store at PATH has layout 3, newer than 2: run the newer quell, or wipe it");
}

/// The changelog has all of it.
#[test]
fn a_shard_in_an_older_layout_is_as_new() {
    let directory = store_with_marker(&[1, 0, 0, 0, 0, 0, 0, 0, 9]);
    let shard = open(directory.path()).open_shard(ShardNumber(0)).unwrap();
    assert_eq!(shard.next_offset, Offset::START);
}

#[test]
fn damaged() {
    assert_snapshot!(refusal_of_marker(&[2, 0]), @"store at PATH is damaged: wipe it to restore from the changelog");

    let directory = tempdir().unwrap();
    drop(open(directory.path()));
    fs::write(directory.path().join("rows/CURRENT"), "nonsense").unwrap();
    assert_snapshot!(refusal(directory.path(), &options()), @"store at PATH is damaged: wipe it to restore from the changelog: Corruption: CURRENT file does not end with newline");
}

/// Of a store in which a shard's own row says something else.
fn refusal_of_marker(marker: &[u8]) -> String {
    refusal(store_with_marker(marker).path(), &options())
}

fn store_with_marker(marker: &[u8]) -> TempDir {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path());
    store.open_shard(ShardNumber(0)).unwrap();
    store.write(vec![changes(0, 1, Vec::new())]).unwrap();
    drop(store);

    let rows = DB::open_cf(&rocksdb::Options::default(), directory.path().join("rows"), ["shard-0"]).unwrap();
    rows.put_cf(rows.cf_handle("shard-0").unwrap(), [0], marker).unwrap();
    drop(rows);
    directory
}
