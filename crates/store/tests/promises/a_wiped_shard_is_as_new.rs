use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::{Opened, Store as _};
use tempfile::tempdir;

use crate::scenes::{changes, open, put, rows};

#[test]
fn a_wiped_shard_is_as_new_and_the_others_stay() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path());
    for number in [0, 1] {
        store.open_shard(ShardNumber(number)).unwrap();
        store.write(vec![changes(number, 5, vec![put(&[1], "a"), put(&[2], "b")])]).unwrap();
    }
    store.wipe_shard(ShardNumber(1)).unwrap();

    let Opened { rows: other, next_offset: other_offset, .. } = store.open_shard(ShardNumber(0)).unwrap();
    assert_eq!((rows(&other).len(), other_offset), (2, Offset(5)));
    let Opened { rows: wiped, next_offset: wiped_offset, .. } = store.open_shard(ShardNumber(1)).unwrap();
    assert_eq!((rows(&wiped).len(), wiped_offset), (0, Offset::START));

    store.write(vec![changes(1, 1, vec![put(&[3], "c")])]).unwrap();
    assert_eq!(rows(&wiped), [(vec![3], "c".to_owned())]);
}

#[test]
fn a_wiped_shard_stays_wiped_over_a_restart() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path());
    store.open_shard(ShardNumber(1)).unwrap();
    store.write(vec![changes(1, 5, vec![put(&[1], "a")])]).unwrap();
    store.wipe_shard(ShardNumber(1)).unwrap();
    drop(store);

    let Opened { rows: shard, next_offset, .. } = open(directory.path()).open_shard(ShardNumber(1)).unwrap();
    assert_eq!((rows(&shard).len(), next_offset), (0, Offset::START));
}

#[test]
fn what_never_was_can_be_wiped() {
    let directory = tempdir().unwrap();
    open(directory.path()).wipe_shard(ShardNumber(8)).unwrap();
}
