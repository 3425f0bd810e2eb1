use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::{ShardChanges, Store as _};
use quell_graph::Change;
use quell_store::{DiskStore, Options};
use tempfile::tempdir;

use crate::child;
use crate::scenes::{changes, delete, options, put, rows};

const CHILD: &str = "a_crash_leaves_what_one_epoch_left::child_writes_epochs_for_ever";
const SHARDS: u32 = 4;
const KEYS: u8 = 100;

/// The system may take the process at any moment. Enough epochs for some flushes, and more than one moment.
#[test]
fn a_killed_process_leaves_what_one_epoch_left() {
    for epochs in [1500, 1733, 2019] {
        let directory = tempdir().unwrap();
        let mut child =
            child::command(CHILD, directory.path(), "").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        let written = printed.map_while(Result::ok).filter(|line| line == "epoch").take(epochs).count();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(written, epochs, "the other process ended by itself");

        let epoch = assert_what_one_epoch_left(directory.path());
        assert!(epoch > 0, "nothing was flushed: the test is idle");
    }
}

#[test]
#[ignore = "run in a process of its own by the test above"]
#[expect(clippy::print_stdout, reason = "it tells the parent")]
fn child_writes_epochs_for_ever() {
    let Some(path) = child::store_path() else { return };
    let mut store = small_store(&path);
    for epoch in 1.. {
        store.write(epoch_changes(epoch)).unwrap();
        println!("\nepoch");
    }
}

/// What a power cut leaves, too, if the disk keeps what it was told to: the files as they are.
#[test]
fn a_copy_of_the_files_has_what_one_epoch_left() {
    let directory = tempdir().unwrap();
    let mut store = small_store(directory.path());
    for epoch in 1..=40 {
        store.write(epoch_changes(epoch)).unwrap();
    }
    store.close().unwrap();
    let mut store = small_store(directory.path());
    for epoch in 41..=60 {
        store.write(epoch_changes(epoch)).unwrap();
    }

    let copy = tempdir().unwrap();
    copy_files(directory.path(), copy.path());
    assert_eq!(assert_what_one_epoch_left(copy.path()), 40);
}

/// Flushes often.
fn small_store(path: &Path) -> DiskStore {
    let mut store = DiskStore::open(path, &Options { memory_bytes: 2 << 20, ..options() }).unwrap();
    for number in 0..SHARDS {
        store.open_shard(ShardNumber(number)).unwrap();
    }
    store
}

/// Each epoch changes one row, and deletes one that an earlier epoch wrote.
fn epoch_changes(epoch: i64) -> Vec<ShardChanges> {
    (0..SHARDS).map(|shard| changes(shard, epoch, row_changes(shard, epoch))).collect()
}

fn row_changes(shard: u32, epoch: i64) -> Vec<Change> {
    let key = |epoch: i64| vec![1, u8::try_from(epoch.rem_euclid(i64::from(KEYS))).unwrap()];
    vec![put(&key(epoch), &format!("{shard} {epoch} ").repeat(50)), delete(&key(epoch + 17))]
}

/// Whether every shard has the rows and the offset of one epoch, the same in all of them; which one.
fn assert_what_one_epoch_left(path: &Path) -> i64 {
    let mut store = DiskStore::open(path, &options()).unwrap();
    let opened: Vec<_> = (0..SHARDS).map(|number| store.open_shard(ShardNumber(number)).unwrap()).collect();
    let Offset(epoch) = opened[0].next_offset;
    for (number, shard) in (0..).zip(opened) {
        assert_eq!(shard.next_offset, Offset(epoch), "shard {number}");
        let mut expected = std::collections::BTreeMap::new();
        for (key, value) in (1..=epoch).flat_map(|epoch| row_changes(number, epoch)) {
            match value {
                Some(value) => expected.insert(key, String::from_utf8(value).unwrap()),
                None => expected.remove(&key),
            };
        }
        assert_eq!(rows(&shard.rows), expected.into_iter().collect::<Vec<_>>(), "shard {number} at epoch {epoch}");
    }
    epoch
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (source, target) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if source.is_dir() { copy_files(&source, &target) } else { fs::copy(&source, &target).map(drop).unwrap() }
    }
}
