use quell_domain::ShardNumber;
use quell_engine::store::{ShardChanges, Store as _};
use quell_graph::Rows as _;
use tempfile::tempdir;

use crate::scenes::{EVERYTHING, changes, open, options};

const SHARDS: u32 = 4;
const WRITES: u32 = 150;
const ROWS_OF_A_WRITE: u32 = 200;
const ROW_BYTES: usize = 500;

/// Writes several times what the memory holds, then reads it all back.
#[test]
fn cache_and_memtables_together_stay_within_the_memory() {
    let directory = tempdir().unwrap();
    let mut store = open(directory.path());
    let shards: Vec<_> = (0..SHARDS).map(|number| store.open_shard(ShardNumber(number)).unwrap().rows).collect();

    let bound = options().memory_bytes;
    let mut most = 0;
    for write in 0..WRITES {
        store.write(scattered(write)).unwrap();
        most = most.max(store.memory_bytes());
    }
    assert!(most > bound / 5, "{most} of {bound} bytes: memtables are not counted");

    for shard in &shards {
        assert_eq!(
            shard.scan(EVERYTHING.0, EVERYTHING.1, usize::MAX).unwrap().len(),
            (WRITES * ROWS_OF_A_WRITE) as usize
        );
        most = most.max(store.memory_bytes());
    }
    assert!(most > bound * 4 / 5, "{most} of {bound} bytes: the test does not fill the memory");
    assert!(most <= bound, "{most} of {bound} bytes");
}

/// Rows all over the shards.
fn scattered(write: u32) -> Vec<ShardChanges> {
    let rows = (0..ROWS_OF_A_WRITE).map(|row| {
        let scattered = (write * ROWS_OF_A_WRITE + row).wrapping_mul(2_654_435_761).to_be_bytes();
        ([&[1], scattered.as_slice()].concat(), Some(scattered.repeat(ROW_BYTES / 4)))
    });
    let rows: Vec<_> = rows.collect();
    (0..SHARDS).map(|shard| changes(shard, i64::from(write), rows.clone())).collect()
}
