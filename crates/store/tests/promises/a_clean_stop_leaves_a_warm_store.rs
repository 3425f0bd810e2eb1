use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::{Opened, Store as _};
use tempfile::tempdir;

use crate::scenes::{changes, open, put, rows};

#[test]
fn a_closed_store_has_everything() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path());
    for number in 0..3 {
        store.open_shard(ShardNumber(number)).unwrap();
    }
    store.write((0..3).map(|number| changes(number, 10, vec![put(&[1], "a")])).collect()).unwrap();
    store.close().unwrap();
    assert_whole(open(directory.path()), 3);
}

#[test]
fn a_dropped_store_has_everything() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path());
    let shards = [0, 1].map(|number| store.open_shard(ShardNumber(number)).unwrap());
    store.write((0..2).map(|number| changes(number, 10, vec![put(&[1], "a")])).collect()).unwrap();
    drop(store);
    drop(shards);
    assert_whole(open(directory.path()), 2);
}

#[test]
fn a_store_without_shards_can_be_closed() {
    let directory = tempdir().unwrap();
    open(directory.path()).close().unwrap();
}

fn assert_whole(mut store: quell_store::DiskStore, shards: u32) {
    for number in 0..shards {
        let Opened { rows: shard, next_offset, .. } = store.open_shard(ShardNumber(number)).unwrap();
        assert_eq!(next_offset, Offset(10));
        assert_eq!(rows(&shard), [(vec![1], "a".to_owned())]);
    }
}
