use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::{Opened, Store as _};
use quell_graph::{Change, Rows as _};
use tempfile::tempdir;

use crate::scenes::{EVERYTHING, changes, delete, open, open_one, put, rows, write};

#[test]
fn a_new_shard_is_empty_and_starts_at_the_start() {
    let directory = tempdir().unwrap();
    let Opened { rows: shard, next_offset, .. } = open(directory.path()).open_shard(ShardNumber(3)).unwrap();
    assert_eq!(next_offset, Offset::START);
    assert_eq!(rows(&shard), []);
    assert_eq!(shard.get(&[1]).unwrap(), None);
}

#[test]
fn the_later_change_of_a_key_wins() {
    let directory = tempdir().unwrap();
    let (mut store, shard) = open_one(directory.path());
    write(
        &mut store,
        4,
        vec![put(&[1], "a"), put(&[2], "b"), put(&[1], "c"), delete(&[2]), delete(&[3]), put(&[3], "d")],
    );
    assert_eq!(rows(&shard), [(vec![1], "c".to_owned()), (vec![3], "d".to_owned())]);

    write(&mut store, 5, vec![delete(&[1])]);
    assert_eq!(shard.get(&[1]).unwrap(), None);
    assert_eq!(shard.get(&[3]).unwrap().unwrap(), b"d");
}

/// What is restored comes in pieces so large that they are files of their own, and in small ones.
#[test]
fn what_is_restored_in_bulk_reads_as_if_written_change_by_change() {
    let (one, other) = (tempdir().unwrap(), tempdir().unwrap());
    let (mut written, written_rows) = open_one(one.path());
    let (mut restored, restored_rows) = open_one(other.path());
    let mut next_offset = 0;
    for (round, length) in (0_u32..).zip([15_000_u32, 100, 29_000, 3]) {
        next_offset += i64::from(length);
        let change = |number: u32| {
            let number = number.wrapping_mul(2_654_435_761).wrapping_add(round);
            let key = (1 + number % 3_000).to_be_bytes().map(|byte| byte.max(1));
            if number.is_multiple_of(7) { delete(&key) } else { put(&key, &number.to_string()) }
        };
        let piece: Vec<Change> = (0..length).map(change).collect();
        write(&mut written, next_offset, piece.clone());
        // As a crash may leave it: a file that became a part of the shard, under its old name as well.
        let files = std::fs::read_dir(other.path().join("rows")).unwrap().map(|entry| entry.unwrap().path());
        if let Some(live) = files.into_iter().find(|path| path.extension().is_some_and(|end| end == "sst")) {
            std::fs::hard_link(live, other.path().join("restoring-0.sst")).unwrap();
        }
        restored.restore(vec![changes(0, next_offset, piece)]).unwrap();
        drop(std::fs::remove_file(other.path().join("restoring-0.sst")));
        assert!(rows(&written_rows) == rows(&restored_rows), "after {next_offset} changes");
    }
    drop(restored_rows);
    restored.close().unwrap();
    let (mut again, again_rows) = open_one(other.path());
    assert!(rows(&written_rows) == rows(&again_rows), "after it was opened again");
    assert_eq!(again.open_shard(ShardNumber(0)).unwrap().next_offset, Offset(next_offset));
}

#[test]
fn many_rows_are_given_with_the_places_of_their_keys() {
    let directory = tempdir().unwrap();
    let (mut store, shard) = open_one(directory.path());
    write(&mut store, 1, (1..=200).map(|n| put(&[n, 7], &n.to_string())).collect());

    let asked: Vec<Vec<u8>> = vec![vec![1, 7], vec![3, 7], vec![9], vec![150, 7], vec![150, 8], vec![200, 7]];
    let mut given = Vec::new();
    let mut take = |place, value: &[u8]| {
        given.push((place, String::from_utf8(value.to_vec()).unwrap()));
        Ok(())
    };
    shard.get_many(&asked, &mut take).unwrap();
    assert_eq!(given, [(0, "1"), (1, "3"), (3, "150"), (5, "200")].map(|(place, value)| (place, value.to_owned())));

    shard.get_many(&[], &mut |_, _| panic!("nothing was asked for")).unwrap();
}

#[test]
fn a_scan_keeps_its_bounds_its_order_and_its_limit() {
    let directory = tempdir().unwrap();
    let (mut store, shard) = open_one(directory.path());
    let keys: [&[u8]; 6] = [&[1], &[1, 0], &[1, 255], &[1, 255, 255], &[2], &[255, 255]];
    write(&mut store, 1, keys.iter().rev().map(|key| put(key, "")).collect());

    let scanned = |from: &[u8], until: &[u8], limit| {
        let rows = shard.scan(from, until, limit).unwrap();
        rows.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(scanned(EVERYTHING.0, EVERYTHING.1, 9), keys);
    assert_eq!(scanned(&[1, 0], &[2], 9), keys[1..4]);
    assert_eq!(scanned(&[1, 0], &[2], 2), keys[1..3]);
    assert_eq!(scanned(&[1], &[1, 0], 9), keys[..1]);
    for (from, until) in [([1].as_slice(), [1].as_slice()), (&[2], &[1]), (&[], &[])] {
        assert!(scanned(from, until, 9).is_empty(), "{from:?}..{until:?}");
    }
}

#[test]
fn a_scan_of_everything_does_not_meet_the_stores_own_row() {
    let directory = tempdir().unwrap();
    let (mut store, shard) = open_one(directory.path());
    write(&mut store, 7, Vec::new());
    assert_eq!(rows(&shard), []);
}

#[test]
fn shards_do_not_see_each_others_rows() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path());
    let shards = [0, 1, 10].map(|number| store.open_shard(ShardNumber(number)).unwrap().rows);
    store.write(vec![changes(0, 1, vec![put(&[1], "0")]), changes(10, 2, vec![put(&[1], "10")])]).unwrap();

    assert_eq!(rows(&shards[0]), [(vec![1], "0".to_owned())]);
    assert_eq!(rows(&shards[1]), []);
    assert_eq!(rows(&shards[2]), [(vec![1], "10".to_owned())]);
    let offsets = [0, 1, 10].map(|number| store.open_shard(ShardNumber(number)).unwrap().next_offset);
    assert_eq!(offsets, [Offset(1), Offset(0), Offset(2)]);
}

#[test]
fn a_write_to_a_shard_that_is_not_open_writes_nothing() {
    let directory = tempdir().unwrap();
    let (mut store, shard) = open_one(directory.path());
    let error =
        store.write(vec![changes(0, 1, vec![put(&[1], "a")]), changes(1, 1, vec![put(&[1], "b")])]).unwrap_err();
    assert_eq!(error.to_string(), "the store failed: shard 1 is not open");
    assert_eq!(rows(&shard), []);
    assert_eq!(store.open_shard(ShardNumber(0)).unwrap().next_offset, Offset::START);
}

#[test]
fn any_thread_may_read() {
    let directory = tempdir().unwrap();
    let (mut store, shard) = open_one(directory.path());
    write(&mut store, 1, vec![put(&[1], "a")]);
    let other = shard.clone();
    let read = std::thread::spawn(move || other.get(&[1]).unwrap()).join().unwrap();
    assert_eq!(read, shard.get(&[1]).unwrap());
}

#[test]
fn bytes_grow_with_what_is_written() {
    let directory = tempdir().unwrap();
    let (mut store, _shard) = open_one(directory.path());
    let before = store.bytes();
    write(&mut store, 1, (1..100).map(|n| put(&[n], &"x".repeat(10_000))).collect());
    assert!(store.bytes() > before + 900_000, "in memory: {} bytes", store.bytes());

    drop((store, _shard));
    let (store, _shard) = open_one(directory.path());
    assert!(store.bytes() > before, "on the disk, compressed: {} bytes", store.bytes());
}
