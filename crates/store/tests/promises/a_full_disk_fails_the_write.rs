use quell_domain::ShardNumber;
use quell_engine::log::Offset;
use quell_engine::store::{Opened, Store as _};
use tempfile::tempdir;

use crate::child;
use crate::scenes::{open, open_one, put, rows, write};

const CHILD: &str = "a_full_disk_fails_the_write::child_writes_until_it_cannot";

/// 1 MiB in the shell's blocks of 512 bytes. Files that cannot grow stand for a disk that is full; the signal that
/// would end the process is ignored.
const SMALL_FILES: &str = "trap '' XFSZ; ulimit -f 2048;";

#[test]
fn a_write_fails_when_the_disk_is_full_and_what_was_flushed_stays() {
    let directory = tempdir().unwrap();
    let (mut store, shard) = open_one(directory.path());
    write(&mut store, 1, vec![put(&[1], "a")]);
    drop((store, shard));

    let output = child::command(CHILD, directory.path(), SMALL_FILES).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(printed.contains("the store failed: "), "{printed}{}", String::from_utf8_lossy(&output.stderr));

    let Opened { rows: shard, next_offset, .. } = open(directory.path()).open_shard(ShardNumber(0)).unwrap();
    assert_eq!(next_offset, Offset(1));
    assert_eq!(rows(&shard), [(vec![1], "a".to_owned())]);
}

#[test]
#[ignore = "run in a process of its own by the test above"]
#[expect(clippy::print_stdout, reason = "it tells the parent")]
fn child_writes_until_it_cannot() {
    let Some(path) = child::store_path() else { return };
    let (mut store, _shard) = open_one(&path);
    for epoch in 2.. {
        let incompressible = (1..=255).map(|n| (vec![n, 0], Some(noise(epoch * 1000 + i64::from(n))))).collect();
        if let Err(error) = store.write(vec![crate::scenes::changes(0, epoch, incompressible)]) {
            println!("{error}");
            return;
        }
    }
}

/// 4 KiB that no compression makes smaller.
fn noise(seed: i64) -> Vec<u8> {
    let mut state = seed.unsigned_abs();
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_be_bytes()[4..].to_vec()
    };
    (0..1024).flat_map(|_| next()).collect()
}
