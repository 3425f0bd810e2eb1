//! What the parts of Quell cost, each alone, without Kafka, in the order in which an event meets them:
//! `make bench AXIS=parts`. One thread, one shard.

#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use quell_bench::workload::{EventWriter, Workload};
use quell_domain::{Millis, Policy, ShardNumber};
use quell_engine::intake;
use quell_engine::log::{InputPartition, InputTopic, Offset, Record};
use quell_engine::store::{ShardChanges, Store};
use quell_graph::{Addressed, Change, Pace, Rows, Shard, Vocabulary, Wave};
use quell_store::{DiskShard, DiskStore, Options};
use quell_wire::Decoder;

/// As many events as an epoch takes.
const EVENTS: usize = 20_000;
const NOW: Millis = Millis(1_767_225_600_000);
const SHARD: ShardNumber = ShardNumber(0);

/// One epoch's records, and what is needed to take them.
struct Epoch {
    vocabulary: Arc<Vocabulary>,
    decoder: Decoder,
    records: Vec<Record>,
}

impl Epoch {
    fn new() -> Self {
        let policy = std::fs::read_to_string(quell_testbed::tree().join("deploy/policy.toml")).unwrap();
        let workload = Workload::of_events(1, EVENTS);
        let writer = EventWriter::new();
        let record = |(offset, event): (i64, &quell_bench::workload::Event)| Record {
            source: InputPartition {
                topic: if event.is_choice() { InputTopic::Choices } else { InputTopic::Links },
                partition: 0,
            },
            offset: Offset(offset),
            timestamp: NOW,
            key: None,
            value: Some(writer.write(&workload, *event, None)),
            headers: Vec::new(),
        };
        Self {
            vocabulary: Arc::new(Vocabulary::new(Arc::new(Policy::parse(&policy).unwrap()))),
            decoder: Decoder::new(None),
            records: (0..).zip(&workload.events).map(record).collect(),
        }
    }

    fn of(&self, topic: InputTopic) -> Vec<&[u8]> {
        let records = self.records.iter().filter(|record| record.source.topic == topic);
        records.map(|record| record.value.as_deref().unwrap()).collect()
    }

    fn take(&self) -> Vec<Addressed> {
        let taken = |record| {
            intake::take(&self.decoder, &self.vocabulary, "inputs", NOW, record, Wave::NONE).unwrap().operations
        };
        self.records.iter().flat_map(taken).collect()
    }

    /// Superstep after superstep until nobody has anything to say; what changed, and how many operations that were.
    fn compute<R: Rows>(&self, rows: R, mut operations: Vec<Addressed>) -> (Vec<Change>, usize) {
        let mut shard = Shard::new(SHARD, Arc::clone(&self.vocabulary), rows).unwrap();
        let (mut said, mut count) = (Vec::new(), 0);
        while !operations.is_empty() {
            count += operations.len();
            shard.apply(operations.iter(), &mut said).unwrap();
            operations = std::mem::take(&mut said);
        }
        let pace = Pace { now: NOW, relax_after: Duration::from_secs(10), may_relax: true };
        (shard.seal(pace).unwrap().changes, count)
    }
}

/// A store of its own, which goes with it.
struct Disk {
    store: DiskStore,
    _dir: tempfile::TempDir,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = Options { memory_bytes: 512 << 20, group_id: "parts".to_owned(), threads: 2 };
        let mut store = DiskStore::open(dir.path(), &options).unwrap();
        store.open_shard(SHARD).unwrap();
        Self { store, _dir: dir }
    }

    fn shard(&mut self) -> DiskShard {
        self.store.open_shard(SHARD).unwrap().rows
    }

    fn write(&mut self, changes: Vec<Change>) {
        let changes = ShardChanges { shard: SHARD, changes, next_offset: Offset::START, true_at: NOW };
        self.store.write(vec![changes]).unwrap();
    }
}

fn decode(criterion: &mut Criterion) {
    let epoch = Epoch::new();
    let mut group = criterion.benchmark_group("decode");
    let (choices, links) = (epoch.of(InputTopic::Choices), epoch.of(InputTopic::Links));
    group.throughput(Throughput::Elements(choices.len() as u64));
    group.bench_function("choices", |bencher| {
        bencher.iter(|| choices.iter().filter(|bytes| epoch.decoder.choice(Some(bytes)).is_ok()).count());
    });
    group.throughput(Throughput::Elements(links.len() as u64));
    group.bench_function("links", |bencher| {
        bencher.iter(|| links.iter().filter(|bytes| epoch.decoder.link(Some(bytes)).is_ok()).count());
    });
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("and judge", |bencher| bencher.iter(|| epoch.take()));
}

fn supersteps(criterion: &mut Criterion) {
    let epoch = Epoch::new();
    let mut group = criterion.benchmark_group("supersteps");
    let operations = epoch.take();
    let (changes, count) = epoch.compute(Disk::new().shard(), operations.clone());
    group.throughput(Throughput::Elements(count as u64)).sample_size(20);
    group.bench_function("operations on a new store", |bencher| {
        let mut disk = Disk::new();
        let inputs = || operations.clone();
        bencher.iter_batched(inputs, |operations| epoch.compute(disk.shard(), operations), BatchSize::LargeInput);
    });
    group.bench_function("operations that change nothing", |bencher| {
        let mut disk = Disk::new();
        disk.write(changes.clone());
        let inputs = || operations.clone();
        bencher.iter_batched(inputs, |operations| epoch.compute(disk.shard(), operations), BatchSize::LargeInput);
    });
}

fn store(criterion: &mut Criterion) {
    let epoch = Epoch::new();
    let (changes, _) = epoch.compute(Disk::new().shard(), epoch.take());
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(changes.len() as u64)).sample_size(20);
    group.bench_function("rows written", |bencher| {
        let mut disk = Disk::new();
        bencher.iter_batched(|| changes.clone(), |changes| disk.write(changes), BatchSize::LargeInput);
    });
    let mut keys: Vec<Vec<u8>> = changes.iter().map(|(key, _)| key.clone()).collect();
    keys.sort();
    let mut disk = Disk::new();
    let shard = disk.shard();
    group.bench_function("rows missed", |bencher| bencher.iter(|| shard.get_many(&keys, &mut |_, _| Ok(())).unwrap()));
    disk.write(changes);
    group.bench_function("rows read", |bencher| bencher.iter(|| shard.get_many(&keys, &mut |_, _| Ok(())).unwrap()));
}

/// From records to rows in the store; what is missing to an epoch is its transaction.
fn epoch(criterion: &mut Criterion) {
    let epoch = Epoch::new();
    let mut group = criterion.benchmark_group("epoch");
    group.throughput(Throughput::Elements(EVENTS as u64)).sample_size(20);
    group.bench_function("events from records to rows", |bencher| {
        let fresh = || {
            let mut disk = Disk::new();
            let shard = disk.shard();
            (disk, shard)
        };
        bencher.iter_batched(
            fresh,
            |(mut disk, shard)| {
                disk.write(epoch.compute(shard, epoch.take()).0);
                disk
            },
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(parts, decode, supersteps, store, epoch);
criterion_main!(parts);
