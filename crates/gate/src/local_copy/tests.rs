#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failed test may panic")]

use quell_decision::{FullRecords as _, Look, RightStanding, State};
use quell_domain::{Identifier, Millis};

use super::*;

fn identifier(number: u64) -> Identifier {
    Identifier::new("account_id", &format!("a-{number}")).unwrap()
}

fn holds(number: u64, version: i64, opted_out: bool) -> Change {
    let right = RightStanding {
        name: "admt".to_owned(),
        opted_out,
        choice_id: format!("choice-{number}-{version}"),
        since: Millis(version),
        inherited: false,
    };
    Change::Holds(State { identifier: identifier(number), version, rights: vec![right] })
}

fn read_up_to(offset: i64) -> Positions {
    let mut positions = Positions::default();
    positions.read(0, Anchor::new(offset, 5, Some(b"key"), None));
    positions
}

/// The version of the state that is known of an identifier.
fn version(copy: &LocalCopy, index: &Suppressions, number: u64) -> Option<i64> {
    match index.look(&identifier(number), index.right_bits().of("admt"), true, &*copy.files) {
        Look::Found(state) => Some(state.version),
        Look::Nothing => None,
        Look::Unreadable(_) => Some(-1),
    }
}

fn opened(path: &Path) -> (LocalCopy, Found, Suppressions) {
    let index = Suppressions::default();
    let (copy, found) = LocalCopy::open(path, "suppression.ml", &index, &Arc::default()).unwrap();
    (copy, found, index)
}

#[test]
fn a_restart_knows_what_was_known_and_where_to_read_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut copy, found, index) = opened(dir.path());
    assert_eq!(found, Found { positions: Positions::default(), cut_bytes: 0 });
    copy.take(&[holds(1, 1, true), holds(2, 1, true), holds(3, 1, true)], &read_up_to(2), &index).unwrap();
    copy.take(&[holds(1, 2, false), Change::Gone(identifier(3))], &read_up_to(4), &index).unwrap();
    let known = |copy: &LocalCopy, index: &Suppressions| [1, 2, 3].map(|number| version(copy, index, number));
    assert_eq!(known(&copy, &index), [Some(2), Some(1), None]);
    let positions = copy.positions().clone();
    drop(copy);
    let (copy, found, index) = opened(dir.path());
    assert_eq!(known(&copy, &index), [Some(2), Some(1), None]);
    assert_eq!(found, Found { positions, cut_bytes: 0 });
    assert_eq!(found.positions.partitions[&0].next_offset, 5);
    assert_eq!(found.positions.partitions[&0].anchors.len(), 2);
}

/// L1, for every byte at which a file can be cut, and every one that can be altered.
#[test]
fn whatever_is_cut_off_or_altered_a_whole_beginning_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let (mut copy, _, index) = opened(dir.path());
    let mut ends = vec![copy.bytes()];
    for number in 0..6i64 {
        copy.take(&[holds(number.cast_unsigned(), 1, true)], &read_up_to(number), &index).unwrap();
        ends.push(copy.bytes());
    }
    let path = path_of(dir.path(), copy.generation, FINISHED);
    drop(copy);
    let whole = fs::read(&path).unwrap();
    let is_left = |bytes: &[u8], at: usize| {
        fs::write(&path, bytes).unwrap();
        let blocks = ends.iter().filter(|end| **end <= at as u64).count().saturating_sub(1);
        let (copy, found, index) = opened(dir.path());
        assert_eq!(index.len(), blocks, "at {at}");
        let next_offset = found.positions.partitions.get(&0).map_or(0, |position| position.next_offset);
        assert_eq!(next_offset, i64::try_from(blocks).unwrap(), "at {at}");
        let generation = copy.generation;
        drop(copy);
        fs::remove_file(path_of(dir.path(), generation, FINISHED)).unwrap();
    };
    for at in 0..whole.len() {
        is_left(&whole[..at], at);
        let mut altered = whole.clone();
        altered[at] ^= 0x40;
        is_left(&altered, at);
    }
}

#[test]
fn a_copy_of_another_topic_is_discarded() {
    let dir = tempfile::tempdir().unwrap();
    let (mut copy, _, index) = opened(dir.path());
    copy.take(&[holds(1, 1, true)], &read_up_to(0), &index).unwrap();
    drop(copy);
    let index = Suppressions::default();
    let (_, found) = LocalCopy::open(dir.path(), "suppression.other", &index, &Arc::default()).unwrap();
    assert_eq!((index.len(), found.positions), (0, Positions::default()));
}

#[test]
fn it_is_written_anew_while_it_is_read_and_added_to() {
    let dir = tempfile::tempdir().unwrap();
    let (mut copy, _, index) = opened(dir.path());
    for version in 1..=4 {
        let changes: Vec<Change> = (0..40_000).map(|number| holds(number, version, true)).collect();
        copy.take(&changes, &read_up_to(version), &index).unwrap();
    }
    assert!(copy.wants_rewriting(&index));
    let before = copy.bytes();
    let mut turns = 0;
    while !copy.rewrite(&index).unwrap() {
        turns += 1;
        // One goes, one changes, one comes: before and after its part was moved.
        let changes = [Change::Gone(identifier(turns)), holds(20_000 + turns, 9, true), holds(90_000 + turns, 1, true)];
        copy.take(&changes, &read_up_to(i64::try_from(10 + turns).unwrap()), &index).unwrap();
        assert_eq!(version(&copy, &index, 39_999), Some(4));
    }
    assert!(turns > 1_000 && copy.bytes() < before / 2, "{turns} {}", copy.bytes());
    assert!(!copy.wants_rewriting(&index));
    let check = |copy: &LocalCopy, index: &Suppressions| {
        assert_eq!(index.len(), 40_000);
        for number in 1..=turns {
            assert_eq!(version(copy, index, number), None);
            assert_eq!(version(copy, index, 20_000 + number), Some(9));
            assert_eq!(version(copy, index, 90_000 + number), Some(1));
        }
        assert_eq!(version(copy, index, 0), Some(4));
    };
    check(&copy, &index);
    let positions = copy.positions().clone();
    drop(copy);
    let (copy, found, index) = opened(dir.path());
    check(&copy, &index);
    assert_eq!(found.positions.partitions[&0].next_offset, positions.partitions[&0].next_offset);
}

#[test]
fn a_crash_while_it_is_written_anew_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut copy, _, index) = opened(dir.path());
    copy.take(&[holds(1, 1, true), holds(2, 1, true)], &read_up_to(1), &index).unwrap();
    for _ in 0..100 {
        assert!(!copy.rewrite(&index).unwrap());
    }
    copy.take(&[holds(3, 1, true)], &read_up_to(2), &index).unwrap();
    drop(copy);
    let (copy, found, index) = opened(dir.path());
    assert_eq!([1, 2, 3].map(|number| version(&copy, &index, number)), [Some(1), Some(1), None]);
    assert_eq!(found.positions.partitions[&0].next_offset, 2, "the third is read again");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_record_that_was_altered_is_not_read_and_stands() {
    let dir = tempfile::tempdir().unwrap();
    let (mut copy, _, index) = opened(dir.path());
    copy.take(&[holds(1, 1, true)], &read_up_to(0), &index).unwrap();
    let path = path_of(dir.path(), copy.generation, FINISHED);
    let file = File::options().write(true).open(path).unwrap();
    file.write_all_at(b"?", copy.bytes() - 3).unwrap();
    assert_eq!(version(&copy, &index, 1), Some(-1));
    assert!(copy.rewrite(&index).is_ok(), "it begins");
    let failed = (0..2_000).find_map(|_| copy.rewrite(&index).err());
    assert!(matches!(failed, Some(RewriteError::Unreadable)));
    copy.discard(&index).unwrap();
    assert_eq!(version(&copy, &index, 1), None);
    copy.take(&[holds(1, 1, true)], &read_up_to(0), &index).unwrap();
    drop(copy);
    let (copy, _, index) = opened(dir.path());
    assert_eq!(version(&copy, &index, 1), Some(1));
}

#[test]
fn long_records_are_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (mut copy, _, index) = opened(dir.path());
    let Change::Holds(mut state) = holds(1, 1, true) else { panic!() };
    let first = state.rights[0].clone();
    let right = |number| RightStanding { name: format!("right-{number}"), ..first.clone() };
    state.rights.extend((0..60).map(right));
    copy.take(&[Change::Holds(state.clone())], &read_up_to(0), &index).unwrap();
    let at = index.locations(index_part(&index)).unwrap()[0];
    assert_eq!(copy.files.read(at), Some(state));
}

fn index_part(index: &Suppressions) -> usize {
    (0..).find(|part| !index.locations(*part).unwrap().is_empty()).unwrap()
}
