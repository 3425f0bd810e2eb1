#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a failed test may panic")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::segment::{Next, SegmentReader};
use super::*;
use quell_domain::Millis;
use quell_telemetry::gate::GateValues;

fn metrics() -> GateMetrics {
    GateMetrics::new("test", &GateValues { systems: vec![], reasons: vec![], outcomes: vec![] })
}

fn options(path: &Path, bytes_max: u64) -> SpoolOptions {
    SpoolOptions { path: path.to_owned(), bytes_max, deadline: Duration::from_millis(300) }
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
    let mut numbers = Vec::new();
    for (number, bytes) in segments(path).unwrap() {
        let mut reader = SegmentReader::open(path, number).unwrap();
        while let Next::Block(block) = reader.next(bytes).unwrap() {
            for Record { topic, key, timestamp, value } in block.records() {
                let number = u64::from_be_bytes(key[8..].try_into().unwrap());
                assert_eq!(Record { topic, key, timestamp, value: value.to_owned() }, record(number));
                numbers.push(number);
            }
        }
    }
    numbers
}

#[test]
fn what_was_recorded_is_on_disk_and_a_later_process_adds_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime();
    for from in [0, 50] {
        let (spool, writer, _backlog) = Spool::open(options(dir.path(), 1 << 20), metrics()).unwrap();
        for number in from..from + 50 {
            runtime.block_on(spool.record(vec![record(number)])).unwrap();
            assert_eq!(on_disk(dir.path()).last(), Some(&number), "B1: on disk before it is answered");
        }
        drop(spool);
        writer.join();
    }
    assert_eq!(on_disk(dir.path()), (0..100).collect::<Vec<_>>());
}

#[test]
fn many_at_once_are_all_recorded_once() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, writer, backlog) = Spool::open(options(dir.path(), 8 << 20), metrics()).unwrap();
    let runtime = runtime();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..64u64)
            .map(|task| {
                let spool = spool.clone();
                tokio::spawn(async move {
                    for number in 0..50 {
                        spool
                            .record(vec![record(task * 100 + number), record(task * 100 + 50 + number)])
                            .await
                            .unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    drop(spool);
    writer.join();
    let mut numbers = on_disk(dir.path());
    numbers.sort_unstable();
    assert_eq!(numbers, (0..6_400).collect::<Vec<_>>());
    let sizes: u64 = segments(dir.path()).unwrap().iter().map(|(_, bytes)| bytes).sum();
    assert_eq!(backlog.0.bytes.load(Ordering::Acquire), sizes);
}

#[test]
fn a_full_spool_takes_nothing_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _writer, backlog) = Spool::open(options(dir.path(), 16 << 10), metrics()).unwrap();
    let runtime = runtime();
    let mut recorded = Vec::new();
    let refused = (0..1_000).find(|number| match runtime.block_on(spool.record(vec![record(*number)])) {
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
    runtime.block_on(spool.record(vec![record(5_000)])).unwrap();
    let numbers = on_disk(dir.path());
    assert_eq!(numbers.last(), Some(&5_000), "what was refused is not there: it was never answered");
    assert!(numbers[..numbers.len() - 1].iter().all(|number| recorded.contains(number)));
}

fn metrics_text(backlog: &Backlog) -> String {
    backlog.0.metrics.text().unwrap()
}

#[test]
fn what_a_crash_cut_off_is_the_end_of_its_segment_and_nothing_before_it_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime();
    let (spool, writer, _backlog) = Spool::open(options(dir.path(), 1 << 20), metrics()).unwrap();
    for number in 0..10 {
        runtime.block_on(spool.record(vec![record(number)])).unwrap();
    }
    drop(spool);
    writer.join();
    let (number, bytes) = segments(dir.path()).unwrap()[0];
    let whole = fs::read(number.path(dir.path())).unwrap();
    let block = (whole.len() - 8) / 10;
    for cut in 1..block {
        fs::write(number.path(dir.path()), &whole[..whole.len() - cut]).unwrap();
        assert_eq!(on_disk(dir.path()), (0..9).collect::<Vec<_>>(), "cut by {cut}");
    }
    let mut altered = whole.clone();
    altered[8 + 5 * block + 30] ^= 1;
    fs::write(number.path(dir.path()), &altered).unwrap();
    let mut reader = SegmentReader::open(dir.path(), number).unwrap();
    let mut blocks = 0;
    while let Next::Block(_) = reader.next(bytes).unwrap() {
        blocks += 1;
    }
    assert_eq!(blocks, 5);
    assert!(matches!(reader.next(bytes).unwrap(), Next::Damaged));
}

#[test]
fn a_segment_of_another_version_is_not_taken_for_one_of_ours() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, writer, _backlog) = Spool::open(options(dir.path(), 1 << 20), metrics()).unwrap();
    runtime().block_on(spool.record(vec![record(0)])).unwrap();
    drop(spool);
    writer.join();
    let (number, bytes) = segments(dir.path()).unwrap()[0];
    let mut altered = fs::read(number.path(dir.path())).unwrap();
    altered[6] = b'1';
    fs::write(number.path(dir.path()), altered).unwrap();
    let mut reader = SegmentReader::open(dir.path(), number).unwrap();
    assert!(matches!(reader.next(bytes).unwrap(), Next::Damaged));
}

#[test]
fn a_disk_that_fails_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("spool");
    let (spool, _writer, _backlog) = Spool::open(options(&path, 16 << 10), metrics()).unwrap();
    let runtime = runtime();
    // The next segment cannot be made: its directory is away, and a file in its place.
    fs::rename(&path, dir.path().join("away")).unwrap();
    File::create(&path).unwrap().write_all(b"no directory").unwrap();
    let refused = (0..100).find(|number| runtime.block_on(spool.record(vec![record(*number)])).is_err());
    assert!(refused.is_some());
    fs::remove_file(&path).unwrap();
    fs::rename(dir.path().join("away"), &path).unwrap();
    runtime.block_on(spool.record(vec![record(7_000)])).unwrap();
    assert_eq!(on_disk(&path).last(), Some(&7_000));
}

/// The process that is killed in the test below.
const CHILD_VARIABLE: &str = "QUELL_TEST_SPOOL";

#[test]
fn a_child_that_records_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_VARIABLE) else { return };
    let (spool, _writer, _backlog) = Spool::open(options(Path::new(&path), 1 << 30), metrics()).unwrap();
    let runtime = runtime();
    for number in 0.. {
        runtime.block_on(spool.record(vec![record(number)])).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "answered {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_was_answered_survives_kill_9() {
    use std::io::BufRead as _;

    let dir = tempfile::tempdir().unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "spool::tests::a_child_that_records_until_it_is_killed", "--nocapture"])
        .env(CHILD_VARIABLE, dir.path())
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
