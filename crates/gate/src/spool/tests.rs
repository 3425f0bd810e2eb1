#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failed test may panic")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use super::segment::{Next, SegmentReader};
use super::syncer::{OnItsWay, ToSync};
use super::*;
use quell_domain::Millis;
use quell_telemetry::gate::GateValues;

mod delivery;

/// What stands before the first block of a segment.
const MAGIC_BYTES: usize = 8;

/// What stands before the records of a block.
const HEADER_BYTES: usize = 24;

fn metrics() -> GateMetrics {
    GateMetrics::new("test", &GateValues { systems: vec![], reasons: vec![], outcomes: vec![] })
}

fn options(path: &Path, bytes_max: u64) -> SpoolOptions {
    let sync_within = Duration::from_millis(20);
    SpoolOptions { path: path.to_owned(), bytes_max, deadline: Duration::from_millis(300), sync_within }
}

#[test]
fn a_runtime_with_one_thread_records_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, syncer, _backlog) = Spool::open(options(dir.path(), 64 << 10), metrics()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // Over several segments: the next one is begun by whoever finds the last one full.
    (0..100).for_each(|number| runtime.block_on(spool.record(&[record(number)])).unwrap());
    assert!(segments(dir.path()).unwrap().len() > 2);
    drop(spool);
    syncer.join();
    assert_eq!(on_disk(dir.path()), (0..100).collect::<Vec<_>>());
}

#[test]
fn while_the_disk_syncs_nothing_nothing_more_is_answered() {
    let file = OnItsWay::new(Arc::new(tempfile::tempfile().unwrap()));
    let (now, patience) = (Instant::now(), Duration::from_secs(1));
    assert!(!file.is_overdue(now + Duration::from_secs(60), patience), "nothing was appended");
    assert!(file.appended(now), "the syncer is to be told");
    assert!(!file.appended(now + Duration::from_secs(5)), "it knows already");
    assert!(!file.is_overdue(now + patience, patience));
    assert!(file.is_overdue(now + patience + Duration::from_millis(1), patience), "of the first");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn record(number: u64) -> Record {
    let mut key = [0; 16];
    key[8..].copy_from_slice(&number.to_be_bytes());
    let topic = if number.is_multiple_of(2) { Topic::Decisions } else { Topic::Reviews };
    let value = format!("record {number} {}", "x".repeat(200)).into_bytes();
    Record { topic, key, timestamp: Millis(1_790_000_000_000), value }
}

/// The numbers of all records that are whole on disk, in order.
fn on_disk(path: &Path) -> Vec<u64> {
    segments(path).unwrap().into_iter().flat_map(|(number, _)| read(path, number).0).collect()
}

/// What else there is in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unread {
    Cut(u64),
    Damaged(u64),
}

/// The numbers of all records of a segment that are whole, in order, and what is not.
fn read(path: &Path, number: SegmentNumber) -> (Vec<u64>, Vec<Unread>) {
    let mut reader = SegmentReader::open(path, number).unwrap();
    let (until, mut numbers, mut unread) = (reader.bytes().unwrap(), Vec::new(), Vec::new());
    loop {
        match reader.next(until).unwrap() {
            Next::Blocks(blocks) => numbers.extend(numbers_of(&blocks)),
            Next::Cut(bytes) => unread.push(Unread::Cut(bytes)),
            Next::Damaged(bytes) => unread.push(Unread::Damaged(bytes)),
            Next::End => return (numbers, unread),
        }
    }
}

fn numbers_of(blocks: &segment::Blocks) -> Vec<u64> {
    blocks
        .records()
        .map(|Record { topic, key, timestamp, value }| {
            let number = u64::from_be_bytes(key[8..].try_into().unwrap());
            assert_eq!(Record { topic, key, timestamp, value: value.to_owned() }, record(number));
            number
        })
        .collect()
}

/// A spool of a process that has ended, with one segment: a block for each of ten records.
struct Left {
    dir: tempfile::TempDir,
    number: SegmentNumber,
    /// The segment as it was written.
    whole: Vec<u8>,
    /// The size of a block.
    block: usize,
}

impl Left {
    fn new() -> Self {
        let (dir, runtime) = (tempfile::tempdir().unwrap(), runtime());
        let (spool, syncer, _backlog) = Spool::open(options(dir.path(), 1 << 20), metrics()).unwrap();
        for number in 0..10 {
            runtime.block_on(spool.record(&[record(number)])).unwrap();
        }
        drop(spool);
        syncer.join();
        let (number, _) = segments(dir.path()).unwrap()[0];
        let whole = fs::read(number.path(dir.path())).unwrap();
        let block = (whole.len() - MAGIC_BYTES) / 10;
        Self { dir, number, whole, block }
    }

    /// Where a block begins.
    fn at(&self, block: usize) -> usize {
        MAGIC_BYTES + block * self.block
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(self.number.path(self.dir.path()), bytes).unwrap();
    }

    /// What is read of it with other bytes.
    fn read_as(&self, bytes: &[u8]) -> (Vec<u64>, Vec<Unread>) {
        self.write(bytes);
        read(self.dir.path(), self.number)
    }

    /// With one bit altered.
    fn with_a_bit_flipped(&self, at: usize) -> Vec<u8> {
        let mut altered = self.whole.clone();
        altered[at] ^= 0x40;
        altered
    }
}

#[test]
fn what_was_recorded_is_on_disk_and_a_later_process_adds_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime();
    for from in [0, 50] {
        let (spool, syncer, _backlog) = Spool::open(options(dir.path(), 1 << 20), metrics()).unwrap();
        for number in from..from + 50 {
            runtime.block_on(spool.record(&[record(number)])).unwrap();
            assert_eq!(on_disk(dir.path()).last(), Some(&number), "B1: on disk before it is answered");
        }
        drop(spool);
        syncer.join();
    }
    assert_eq!(on_disk(dir.path()), (0..100).collect::<Vec<_>>());
}

#[test]
fn many_at_once_are_all_recorded_once() {
    // Whether they are on disk first, or some time after.
    for sync_within in [Duration::ZERO, Duration::from_millis(20)] {
        let dir = tempfile::tempdir().unwrap();
        let options = SpoolOptions { sync_within, deadline: Duration::from_secs(60), ..options(dir.path(), 8 << 20) };
        let (spool, syncer, backlog) = Spool::open(options, metrics()).unwrap();
        let runtime = runtime();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..64u64)
                .map(|task| {
                    let spool = spool.clone();
                    tokio::spawn(async move {
                        for number in 0..50 {
                            let both = [record(task * 100 + number), record(task * 100 + 50 + number)];
                            spool.record(&both).await.unwrap();
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        drop(spool);
        syncer.join();
        let mut numbers = on_disk(dir.path());
        numbers.sort_unstable();
        assert_eq!(numbers, (0..6_400).collect::<Vec<_>>());
        let sizes: u64 = segments(dir.path()).unwrap().iter().map(|(_, bytes)| bytes).sum();
        assert_eq!(backlog.0.bytes.load(Ordering::Acquire), sizes);
    }
}

#[test]
fn blocks_of_any_size_are_read() {
    let (dir, runtime) = (tempfile::tempdir().unwrap(), runtime());
    let (spool, syncer, _backlog) = Spool::open(options(dir.path(), 16 << 20), metrics()).unwrap();
    // Around what is read at once.
    let mut from = 0;
    for records in [1, 3_000, 1, 500, 500, 500, 1, 1_100, 1_200] {
        let block: Vec<_> = (from..from + records).map(record).collect();
        runtime.block_on(spool.record(&block)).unwrap();
        from += records;
    }
    drop(spool);
    syncer.join();
    assert_eq!(on_disk(dir.path()), (0..from).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_synced_is_said_not_to_be_and_nothing_more_goes_there() {
    // Linux and macOS both refuse to sync it.
    let file = Arc::new(OnItsWay::new(Arc::new(File::options().write(true).open("/dev/null").unwrap())));
    let (queue, to_sync) = mpsc::channel();
    let (told, synced) = tokio::sync::oneshot::channel();
    queue.send(ToSync { file: Arc::clone(&file), by: Instant::now(), told: Some(told) }).unwrap();
    drop(queue);
    syncer::run(&to_sync);
    assert!(!synced.blocking_recv().unwrap());
    assert!(file.has_failed());
}

#[test]
fn a_full_spool_takes_nothing_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _syncer, backlog) = Spool::open(options(dir.path(), 16 << 10), metrics()).unwrap();
    let runtime = runtime();
    let mut recorded = Vec::new();
    let refused = (0..1_000).find(|number| match runtime.block_on(spool.record(&[record(*number)])) {
        Ok(()) => {
            recorded.push(*number);
            false
        }
        Err(NotRecorded) => true,
    });
    assert!(refused.is_some_and(|refused| refused > 30), "{refused:?}");
    let bytes: u64 = segments(dir.path()).unwrap().iter().map(|(_, bytes)| bytes).sum();
    assert!(bytes <= 16 << 10, "{bytes}");
    assert!(metrics_text(&backlog).contains("quell_gate_spool_stalls_total 1"));
    let (oldest, _) = segments(dir.path()).unwrap()[0];
    backlog.0.shrank(segment::remove(dir.path(), oldest).unwrap());
    runtime.block_on(spool.record(&[record(5_000)])).unwrap();
    let numbers = on_disk(dir.path());
    assert_eq!(numbers.last(), Some(&5_000), "what was refused is not there: it was never answered");
    assert!(numbers[..numbers.len() - 1].iter().all(|number| recorded.contains(number)));
}

fn metrics_text(backlog: &Backlog) -> String {
    backlog.0.metrics.text().unwrap()
}

#[test]
fn what_a_crash_cut_off_is_the_end_of_its_segment_and_nothing_before_it_is_lost() {
    let left = Left::new();
    for cut in 1..left.block {
        let rest = (left.block - cut) as u64;
        let read = left.read_as(&left.whole[..left.whole.len() - cut]);
        assert_eq!(read, ((0..9).collect(), vec![Unread::Cut(rest)]), "cut by {cut}");
    }
    let half = left.at(5) + left.block / 2;
    assert_eq!(left.read_as(&left.whole[..half]).1, [Unread::Cut(left.block as u64 / 2)]);
}

#[test]
fn an_altered_body_hides_no_block_behind_it() {
    let left = Left::new();
    let altered = left.with_a_bit_flipped(left.at(3) + HEADER_BYTES + 30);
    let others = [0, 1, 2, 4, 5, 6, 7, 8, 9].to_vec();
    assert_eq!(left.read_as(&altered), (others, vec![Unread::Damaged(left.block as u64)]));
}

#[test]
fn an_altered_header_is_never_taken_for_a_block_that_was_cut_off() {
    let left = Left::new();
    let behind = (left.whole.len() - left.at(3)) as u64;
    for at in 0..HEADER_BYTES {
        let read = left.read_as(&left.with_a_bit_flipped(left.at(3) + at));
        assert_eq!(read, (vec![0, 1, 2], vec![Unread::Damaged(behind)]), "byte {at} of the header");
    }
}

#[test]
fn an_altered_header_of_a_segment_that_is_written_hides_nothing_that_is_written_later() {
    let left = Left::new();
    let until = left.at(5) as u64;
    left.write(&left.with_a_bit_flipped(left.at(3)));
    let mut reader = SegmentReader::open(left.dir.path(), left.number).unwrap();
    let Next::Blocks(blocks) = reader.next(until).unwrap() else { panic!("no blocks") };
    assert_eq!(numbers_of(&blocks), [0, 1, 2]);
    assert!(matches!(reader.next(until).unwrap(), Next::Damaged(bytes) if bytes == 2 * left.block as u64));
    assert!(matches!(reader.next(until).unwrap(), Next::End));
    let Next::Blocks(blocks) = reader.next(left.whole.len() as u64).unwrap() else { panic!("no blocks") };
    assert_eq!(numbers_of(&blocks), [5, 6, 7, 8, 9]);
}

#[test]
fn zeros_at_the_end_are_damage() {
    let left = Left::new();
    for from in [left.at(5), left.at(5) + HEADER_BYTES + 1] {
        let mut altered = left.whole.clone();
        altered[from..].fill(0);
        let (numbers, unread) = left.read_as(&altered);
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        assert!(unread.iter().all(|unread| matches!(unread, Unread::Damaged(_))), "{unread:?}");
        assert!(!unread.is_empty());
    }
    let longer = [left.whole.as_slice(), &[0; 100]].concat();
    assert_eq!(left.read_as(&longer), ((0..10).collect(), vec![Unread::Damaged(100)]));
}

#[test]
fn a_segment_without_its_magic_is_damaged() {
    let left = Left::new();
    for bytes in 0..MAGIC_BYTES {
        assert_eq!(left.read_as(&left.whole[..bytes]), (vec![], vec![Unread::Damaged(bytes as u64)]));
    }
    assert_eq!(left.read_as(&left.whole[..MAGIC_BYTES]), (vec![], vec![]));
}

#[test]
fn a_segment_of_another_version_is_not_taken_for_one_of_ours() {
    let left = Left::new();
    let mut altered = left.whole.clone();
    altered[6] = b'2';
    assert_eq!(left.read_as(&altered), (vec![], vec![Unread::Damaged(left.whole.len() as u64)]));
}

#[test]
fn a_decision_behind_damage_is_found() {
    let left = Left::new();
    left.write(&left.with_a_bit_flipped(left.at(3) + HEADER_BYTES + 30));
    let (spool, _syncer, _backlog) = Spool::open(options(left.dir.path(), 1 << 20), metrics()).unwrap();
    assert_eq!(spool.find(record(8).key).unwrap(), Some(record(8).value));
}

#[test]
fn what_could_not_be_cut_off_is_not_read() {
    let left = Left::new();
    let (_spool, _syncer, backlog) = Spool::open(options(left.dir.path(), 1 << 20), metrics()).unwrap();
    let (reader, end) = (SegmentReader::open(left.dir.path(), left.number).unwrap(), left.at(5) as u64);
    let readable = || backlog.0.readable(&reader).unwrap().map(|Readable { until, is_over }| (until, is_over));
    assert_eq!(readable(), Some((left.whole.len() as u64, true)));
    backlog.0.give_up(left.number, end);
    assert_eq!(readable(), Some((end, true)));
}

#[test]
fn what_is_set_aside_keeps_its_number() {
    let left = Left::new();
    segment::set_aside(left.dir.path(), left.number).unwrap();
    let (_spool, _syncer, _backlog) = Spool::open(options(left.dir.path(), 1 << 20), metrics()).unwrap();
    let (next, _) = segments(left.dir.path()).unwrap()[0];
    assert_eq!(next, left.number.next());
}

#[test]
fn a_disk_that_fails_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool");
    let (spool, _syncer, _backlog) = Spool::open(options(&path, 16 << 10), metrics()).unwrap();
    let runtime = runtime();
    // The next segment cannot be made: its directory is away, and a file in its place.
    fs::rename(&path, dir.path().join("away")).unwrap();
    File::create(&path).unwrap().write_all(b"no directory").unwrap();
    let refused = (0..100).find(|number| runtime.block_on(spool.record(&[record(*number)])).is_err());
    assert!(refused.is_some());
    fs::remove_file(&path).unwrap();
    fs::rename(dir.path().join("away"), &path).unwrap();
    runtime.block_on(spool.record(&[record(7_000)])).unwrap();
    assert_eq!(on_disk(&path).last(), Some(&7_000));
}

/// The process that is killed in the test below.
const CHILD_VARIABLE: &str = "QUELL_TEST_SPOOL";
const SYNC_VARIABLE: &str = "QUELL_TEST_SPOOL_SYNC_WITHIN_MS";

#[test]
fn a_child_that_records_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_VARIABLE) else { return };
    let sync_within = Duration::from_millis(std::env::var(SYNC_VARIABLE).unwrap().parse().unwrap());
    let options = SpoolOptions { sync_within, ..options(Path::new(&path), 1 << 30) };
    let (spool, _syncer, _backlog) = Spool::open(options, metrics()).unwrap();
    let runtime = runtime();
    for number in 0.. {
        runtime.block_on(spool.record(&[record(number)])).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "answered {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_answered_survives_kill_9() {
    // On disk before it is answered; some time after; and, as far as this test goes, never.
    for sync_within_ms in ["0", "20", "3600000"] {
        survives_kill_9(sync_within_ms);
    }
}

fn survives_kill_9(sync_within_ms: &str) {
    use std::io::BufRead as _;

    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spool::tests::a_child_that_records_until_it_is_killed", "--nocapture"])
        .env(CHILD_VARIABLE, dir.path())
        .env(SYNC_VARIABLE, sync_within_ms)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answered = None;
    for line in lines.map_while(Result::ok) {
        if let Some(number) = line.strip_prefix("answered ") {
            let number: u64 = number.parse().unwrap();
            answered = Some(number);
            if number == 200 {
                child.kill().unwrap();
            }
        }
    }
    child.wait().unwrap();
    let answered = answered.unwrap();
    assert!(answered >= 200);
    assert!(on_disk(dir.path()).len() as u64 > answered, "every answer has its record");
}
