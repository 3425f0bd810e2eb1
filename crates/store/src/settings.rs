//! How RocksDB is set up, and why.

use std::fmt;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, DataBlockIndexType, WriteBufferManager,
};

/// What the operator chooses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Block cache and memtables together. `store.memory`
    pub memory_bytes: usize,
    /// The consumer group whose state this is. `kafka.group_id`
    pub group_id: String,
    /// Threads that compute; as many flush and compact. `engine.threads`
    pub threads: usize,
}

/// Memtables are flushed when they take this part of the memory. More of it makes larger files and fewer compactions,
/// less of it keeps more blocks.
const FLUSH_AT_ONE_IN: usize = 4;

/// How many memtables of a shard may wait for their flush before writers wait, too. RocksDB begins a second flush when
/// half as much again has come, so with two memtables never take half of the memory.
const MEMTABLES_MAX: i32 = 2;

/// Memtables take memory in blocks. Small ones, so that those of many shards do not fill the memory while empty.
const MEMTABLE_BLOCK_BYTES: usize = 64 << 10;

/// An epoch's rows come in the order of their keys, so each is looked for in the memtable from where the last one of its
/// kind (a key's first byte) went, not from the top. The binding has no other way to say so.
const FROM_WHERE_THE_LAST_ROW_WENT: &str = "memtable_insert_with_hint_prefix_extractor=rocksdb.CappedPrefix.1";

/// Memtables have filters of this part of what they may grow to: some eight bits for each row of a hundred bytes, if eight
/// shards share the memory. An empty memtable has one, too, so hundreds of shards must not fill the memory with them.
const MEMTABLE_FILTER_PART: f64 = 0.001;

/// A miss (an identifier seen for the first time) then reads a data block one time in a hundred.
const FILTER_BITS_PER_KEY: f64 = 10.0;

/// Partitions of indexes and filters. Of 16 KiB they answer half as many misses again as of the default 4 KiB.
const METADATA_BLOCK_BYTES: usize = 16 << 10;

/// Enough for 32 GiB of files of 64 MiB, and half of what a process may open by default: the rest is for sockets.
const OPEN_FILES_MAX: i32 = 512;

/// RocksDB's own log, `rows/LOG`, is for the day on which something is wrong, and must not fill the disk until then.
const LOG_BYTES_MAX: usize = 4 << 20;
const LOG_FILES_MAX: usize = 4;

/// Written pages go to the disk as they come, not all at the end of a file, which would hold readers up.
const BYTES_PER_SYNC: u64 = 1 << 20;

/// RocksDB's settings, the same for every column family, and the cache that all of them share.
pub struct Settings {
    pub rocksdb: rocksdb::Options,
    pub cache: Cache,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// The settings for what the operator chose.
    ///
    /// # Errors
    /// When this RocksDB does not know one of them.
    pub fn new(options: &Options) -> Result<Self, rocksdb::Error> {
        // The cache's default kind grows its table with its content; the charge of an entry need not be guessed.
        let cache = Cache::new_hyper_clock_cache(options.memory_bytes, 0);
        let mut rocksdb = rocksdb::Options::default().get_options_from_string(FROM_WHERE_THE_LAST_ROW_WENT)?;
        rocksdb.create_if_missing(true);
        rocksdb.set_block_based_table_factory(&table(&cache));
        bound_memtables(&mut rocksdb, options.memory_bytes, &cache);

        // All shards are flushed together: without a write-ahead log nothing else keeps a batch whole across them.
        rocksdb.set_atomic_flush(true);
        // Zstd at the bottom would save disk, and cost every read of a row that is in no cache.
        rocksdb.set_compression_type(DBCompressionType::Lz4);
        // At least two, so that a flush never waits behind a compaction.
        rocksdb.increase_parallelism(i32::try_from(options.threads).unwrap_or(i32::MAX).clamp(2, 64));
        rocksdb.set_bytes_per_sync(BYTES_PER_SYNC);
        rocksdb.set_max_open_files(OPEN_FILES_MAX);
        rocksdb.set_max_log_file_size(LOG_BYTES_MAX);
        rocksdb.set_keep_log_file_num(LOG_FILES_MAX);
        Ok(Self { rocksdb, cache })
    }
}

fn bound_memtables(rocksdb: &mut rocksdb::Options, memory_bytes: usize, cache: &Cache) {
    let flush_at_bytes = (memory_bytes / FLUSH_AT_ONE_IN).max(MEMTABLE_BLOCK_BYTES);
    // It must not stall writers itself: it would wait for memory that the empty memtables of many shards never give.
    let allow_stall = false;
    let manager = WriteBufferManager::new_write_buffer_manager_with_cache(flush_at_bytes, allow_stall, cache.clone());
    rocksdb.set_write_buffer_manager(&manager);
    // The sum over all shards decides when to flush, not any shard alone.
    rocksdb.set_write_buffer_size(flush_at_bytes);
    rocksdb.set_max_write_buffer_number(MEMTABLES_MAX);
    rocksdb.set_arena_block_size(MEMTABLE_BLOCK_BYTES);
    // A miss, and a hit in an older file, need not search a memtable then.
    rocksdb.set_memtable_whole_key_filtering(true);
    rocksdb.set_memtable_prefix_bloom_ratio(MEMTABLE_FILTER_PART);
}

fn table(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    // Bloom filters in the youngest level, which is written often; ribbon filters, a third smaller, below.
    table.set_hybrid_ribbon_filter(FILTER_BITS_PER_KEY, 1);
    // Indexes and filters live in the cache, too, so that the memory's bound holds for them; in partitions, so that they
    // can leave it piece by piece.
    table.set_cache_index_and_filter_blocks(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(METADATA_BLOCK_BYTES);
    table.set_pin_top_level_index_and_filter(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // Most reads are of one key: a hash finds it in its block.
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table
}
